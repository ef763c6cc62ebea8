/** Texts of commands that were made to be misread. None is refused by the gateway: no NUL, no half of a pair, all of it fits. */

const at = (code: number): string => String.fromCodePoint(code);
const between = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, add) => from + add);
/** Three of a kind inside of words: where they do most. */
const inside = (codes: number[]): string[] =>
  codes.flatMap((_, place) => (place % 3 ? [] : [codes.slice(place, place + 3).reduce((text, code) => `${text}${at(code)}tes`, "cat no")]));
const ends = (codes: number[]): string[] => codes.flatMap((code) => [`${at(code)}ls`, `ls${at(code)}`]);
const alone = (codes: number[]): string[] => codes.map(at);

const CONTROLS = [...between(0x01, 0x1f), 0x7f, 0x80, 0x85, 0x8d, 0x90, 0x9b, 0x9c, 0x9d, 0x9f];
const TURNS = [0x61c, 0x200e, 0x200f, ...between(0x202a, 0x202e), ...between(0x2066, 0x2069)];
const WIDTHLESS = [0xad, 0x34f, 0x180e, 0x200b, 0x200c, 0x200d, 0x2060, 0x2061, 0x2064, 0x206a, 0x206f, 0xfeff, 0xfff9, 0xfffb];
const BLANKS = [0x115f, 0x1160, 0x17b4, 0x2800, 0x3164, 0xffa0, 0xfffc];
const SPACES = [0xa0, 0x1680, 0x2000, 0x2003, 0x2007, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000];
const SELECTORS = [0x180b, 0xfe00, 0xfe0e, 0xfe0f, 0xe0100, 0xe01ef];
const NOBODYS = [0xd7ff, 0xe000, 0xf8ff, 0xfdd0, 0xfffd, 0xfffe, 0xffff, 0x378, 0x1ffff, 0xe0001, 0xe007f, 0xf0000, 0x10fffd, 0x10ffff];
/** Slashes, dashes, quotes, semicolons, stops, pipes, dollars and ampersands that are none. */
const PUNCTUATION = [
  0x2044, 0x2215, 0x29f8, 0xff0f, 0x2216, 0xff3c, 0x2010, 0x2011, 0x2012, 0x2013, 0x2212, 0xfe63, 0x2018, 0x2019, 0x201c, 0x201d, 0x2032,
  0x2035, 0x37e, 0xff1b, 0x2024, 0xff0e, 0x3002, 0x2223, 0x01c0, 0xff5c, 0xff04, 0xff06, 0xa789, 0x2236, 0xff1e, 0x203a, 0xff0a, 0x2217,
];

/** One word, written with letters of other scripts. */
const HOMOGLYPHS = [
  "p\u0430ypal.com", "\u0440\u0430\u0443\u0440\u0430l.com", "g\u03bf\u03bfgle", "\u0441url http://x", "\u0455\u0455h root@host", "\u0455udo",
  "rm -rf /h\u043eme", "\u13a0ll", "\u0501ocker run", "\u04bbome", "s\u0131te", "\u212aelvin", "\u017fudo", "\u1d42b\u1d426", "\u{1d5cb}\u{1d5c6} -rf",
  "\uff52\uff4d \uff0d\uff52\uff46", "\u24e1\u24dc", "\u0261it push", "git-\u043f\u0443\u0442\u044c",
  "\u0391\u0392\u0395.txt", "\u0405\u0421\u0420 file", "la\u0455t_\u043a\u043b\u044e\u0447",
];

const ESCAPES_OF_TERMINALS = [
  "ls\u001b[2K\u001b[1Grm -rf ~", "\u001b[8mrm -rf ~\u001b[0m", "\u001b]8;;http://x\u0007safe\u001b]8;;\u0007", "\u001b]0;Allowed\u0007", "\u001b[31;1mred",
  "\u009b2J", "\u001bc", "\u001b(0lqqk\u001b(B", "rm\b\bls", "echo a\u001b[1A\u001b[2Kb", "\u001bP+q\u001b\\", "\u001b[?1049h",
];

const TURNED = [
  "boarding\u202efdp.sh", "\u202eecho hello #; rm -rf ~", "\u2067rm\u2069 -rf", "a\u202db\u202cc", "if x /*\u202e } \u2066if admin\u2069 \u2066 begin */",
  "\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "/home/\u05d0\u05d1/1", "rm \u0627\u0644\u0645\u0644\u0641.txt -rf", "\u0645\u0644\u0641 \u0661\u0662\u0663",
  "\u05d0=1; \u05d1=2", "\u0710\u0712 a", "\u{1e900} x", "\u{10a00}1", "\u200f\u05d0\u200e/\u05d1", "\u05d0\u05b0\u05d1",
];

const MARKS = [
  `a${"\u0301".repeat(50)}b`, `z\u0300\u0301\u0302\u0303\u0304\u0305\u0306lgo`, "cafe\u0301", "caf\u00e9", "\u0301ls", "=\u0338", "a\u20dd", "rm\u0336 -rf",
  "\u1100\u1161\u11a8", "\ud55c\uad6d\uc5b4", "\u0928\u092e\u0938\u094d\u0924\u0947", "\u0e01\u0e33\u0e33\u0e33\u0e33\u0e33\u0e33", "a\u{1d165}b", "\u0344",
  "\u212b", "\u00c5", "A\u030a", "\ufb01le", "\u2126", "dod\u0323\u0307",
];

const TAGS = [..."rm -rf"].map((sign) => at(0xe0000 + sign.codePointAt(0)!)).join("");
const UNSEEN = [
  `echo hi${TAGS}`, TAGS, `\u{1f3f4}${TAGS}\u{e007f}`, "a\u200b\u200c\u200b\u200c\u200bb", "\ufeffls -la", "l\u00ads", "\u2063\u2063", "rm\u3164-rf", "\u200d\u200d\u200d",
  "\u{1d173}x\u{1d17a}", "\u{13430}x", "\u{e0041}\u{e0042}", "x\u{e0101}y\u{e0102}",
];

const EMOJI = [
  "\u{1f468}\u200d\u{1f469}\u200d\u{1f467}", "\u{1f3f3}\ufe0f\u200d\u{1f308}", "\u{1f44d}\u{1f3fd}", "1\ufe0f\u20e3", "\u{1f1e9}\u{1f1ea}", "\u{1f980} \u20ac5", "\u2764\ufe0f", "\u263a\ufe0e",
  "\u2705 Allowed",
];

const BREAKS = [
  "ls\nrm -rf ~", "ls\r\nrm -rf ~", "rm -rf ~\recho hello", "a\n", "a\n\n", "\n", "\n\n\na", "a\r", "\r", "a\n \nb", "a\n\t\nb", "a \nb ", "\u0085x", "a\u000bb\u000cc", "a\\\nb", "a\n\r\nb",
  "if x:\n    y\n  \n        z", "\u2028rm\u2029", "echo 'a\nb'", "cat <<E\n$(x)\nE\n",
];

const BLANKNESS = [
  "", " ", "  ", "   a", "a   ", "a  b", "a   b   c", " a b ", "\t", "\ta", "a\t", "a\tb", "a \t b", "a \u00a0 b", "a \u202e b", "\u202e \u202e", "\\ \\ ", " \\", "x  \u200b  y", "- - -", "a \u043f\u0440\u0438 b",
];

const LIKE_OURS = [
  "\\", "\\\\", "\\\\\\", "\\n", "\\\\n", "\\r\\t", "\\u{202e}", "\\\\u{202e}", "\\u{20}", "\\u{0}", "\\u{110000}", "\\u{", "\\u", "\\x41", "\\xff\\xfe", "\\q", "a\\", "\\\u202e", "\\\n", "u{202e}",
  "\u202e\\u{202e}\u202e", "U+202E", "\u2423", "a\u2423b", "C:\\Users\\new\\run.exe", "hidden character \\u{202e}", "hidden character \u202e", "hidden character ", "\\u{5c}n", "\\\\\\u{41}", "empty", "''",
  "line 1: ", "argument 1: ", "program: /bin/ls", "called as ls", "\\u{d800}", "\\U0001F600", "\\e[31m", "\\0",
];

const LIKE_LABELS = [
  "Allow once", "Deny", "Denied", "Allowed once \u00b7 by you", "Always allow\u2026", "Time is up", "29:59 left", "1 of 3", "Nothing waits for you", "main wants to run a program",
  "Asks because: you said so", "Network: none", "(the agent's own words, not checked)", "Agent says", "Whoever asks says (its own words, not checked)",
  "added: ", "removed: rm", "unchanged: ", "Environment", "as always", "PATH=/bin", "Marked characters are hidden, or look like others. Be suspicious.", "Folder", "Esc", "Ctrl+Enter",
];

const MARKUP = [
  "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</bdi></div><button>Allow once</button>", "<a href=javascript:alert(1)>x</a>", "<!-- -->", "--><b>x</b>", "<svg/onload=alert(1)>",
  "&lt;b&gt;", "&#x202e;&nbsp;&amp;amp;", "<br>", "<mark>\\u{202e}</mark>", "<style>*{display:none}</style>", "{@html '<b>'}", "{alert(1)}", "{{constructor.constructor('x')()}}",
  "${alert(1)}", "<%= 7*7 %>", "#{7*7}", "**bold** _it_ `code`", "[x](javascript:alert(1))", "![x](http://x/y.png)", "# heading\n- item\n> quote", "```\nx\n```", "| a | b |\n|---|---|",
  "https://example.com", "javascript:alert(1)", "data:text/html,<script>1</script>", "]]>", "<?xml?>", "<iframe src=//x>", "\"><input autofocus onfocus=alert(1)>", "' onmouseover='alert(1)", "%3Cscript%3E", "\u003c\u200bscript>",
];

const SHELL = [
  "'", "\"", "`", "''''", "\"'\"'\"", "$'\\x41'", "$(rm -rf ~)", "`rm -rf ~`", "a;b&&c||d|e&", "> /etc/passwd", "<(x)", "* ? ~ !! #",
  "printf '%s' \"$@\"", "\\u0041", "e\\cho", "ec''ho", "$IFS$9", "\u00a7\u00b0\u20ac\u00a3",
];

const WORDS = [
  "na\u00efve fa\u00e7ade.txt", "Stra\u00dfe, \u0141\u00f3d\u017a", "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440", "\u0444\u0430\u0439\u043b2.txt", "\u65e5\u672c\u8a9e\u306e\u30d5\u30a1\u30a4\u30eb", "README\u4e2d\u6587",
  "\u03b5\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac", "a\n\u043f\u0440\u0438\u0432\u0435\u0442", "\u{20000}\u{2a6d6}", "\u{1f642}",
];

/** What has to be scrolled through: the part that matters stands where nobody looks. */
export const LONG: Record<string, string> = {
  "far to the right, behind letters": `echo ${"x".repeat(3900)}; rm -rf ~`,
  "far to the right, behind spaces": `echo ok${" ".repeat(5000)}; rm -rf ~`,
  "far below, behind empty lines": `echo ok${"\n".repeat(200)}rm -rf ~`,
  "far below, behind lines of spaces": `echo ok${"\n ".repeat(200)}\nrm -rf ~`,
  "far below, behind comments": `${Array.from({ length: 120 }, (_, line) => `# line ${line}`).join("\n")}\nrm -rf ~`,
};

/** As long as fits into a question twice. */
const STRETCHED = [
  `${"a".repeat(3000)};rm`, `a${" ".repeat(300)};rm`, `a${"\n".repeat(200)}rm`, `a${"\t".repeat(200)}rm`, "\u202e".repeat(200), "\u200b".repeat(200), `${"\u4e2d".repeat(800)};rm`, "ab ".repeat(600),
  `${"\\".repeat(500)}n`, "\n".repeat(150), " ".repeat(150), `${"a\u0301".repeat(150)}`,
];

export const HOSTILE: readonly string[] = [
  ...new Set([
    ...inside([...CONTROLS, ...TURNS, ...WIDTHLESS, ...SPACES, ...PUNCTUATION, ...BLANKS, ...SELECTORS, ...NOBODYS]),
    ...ends([0x202e, 0xa0, 0x3000, 0xfeff]),
    ...alone(BLANKS),
    ...HOMOGLYPHS,
    ...ESCAPES_OF_TERMINALS,
    ...TURNED,
    ...MARKS,
    ...UNSEEN,
    ...EMOJI,
    ...BREAKS,
    ...BLANKNESS,
    ...LIKE_OURS,
    ...LIKE_LABELS,
    ...MARKUP,
    ...SHELL,
    ...WORDS,
    ...STRETCHED,
  ]),
];

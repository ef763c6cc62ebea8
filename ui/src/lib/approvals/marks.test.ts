import { expect, test } from "vitest";
import { hidesAnything, literal, pieces, unescaped } from "./marks";

const shown = (text: string, lines = false): string =>
  pieces(text, lines)
    .map(({ text, hidden }) => (hidden ? `[${hidden.code} ${hidden.kind}]` : text))
    .join("");

test.each([
  ["boarding\u202efdp.sh", "boarding[\\u{202e} direction]fdp.sh"],
  ["a\u200bb", "a[\\u{200b} invisible]b"],
  ["a\u2066b\u2069", "a[\\u{2066} direction]b[\\u{2069} direction]"],
  ["\ufeffa", "[\\u{feff} invisible]a"],
  ["x\u00ady", "x[\\u{ad} invisible]y"],
  ["a\u{e0041}b", "a[\\u{e0041} invisible]b"],
  ["q\ufe0f", "q[\\u{fe0f} invisible]"],
  ["\u3164", "[\\u{3164} invisible]"],
  ["a\u00a0b\u2003c", "a[\\u{a0} space]b[\\u{2003} space]c"],
  [" a  b ", "[\\u{20} space]a[\\u{20} space][\\u{20} space]b[\\u{20} space]"],
  ["a\u0000b\u001b[31m", "a[\\u{0} control]b[\\u{1b} control][31m"],
  ["a\nb\tc", "a[\\u{a} control]b[\\u{9} control]c"],
  ["a\u2028b", "a[\\u{2028} control]b"],
  ["p\u0430ypal.example", "p[\\u{430} lookalike]ypal.example"],
  ["\u03bfpenssl", "[\\u{3bf} lookalike]penssl"],
  ["a\\n\u043f\u0440\u0438", "a[\\n break]\u043f\u0440\u0438"],
  ["\ud800", "[\\u{d800} invisible]"],
  ["a\\nb\\r", "a[\\n break]b[\\r escape]"],
  ["a\\\\nb", "a\\\\nb"],
  ["a\\u{202e}b\\x1b", "a[\\u{202e} escape]b[\\x1b escape]"],
])("%j is marked", (text, expected) => {
  expect(shown(text)).toBe(expected);
});

test.each(["", "ls -la 'two words'", "привет мир", "ελληνικά latin", "Grüße, naïve café", "日本語.txt", "🙂", "C:\\users\\x"])(
  "%j hides nothing",
  (text) => {
    expect(hidesAnything(text)).toBe(false);
    expect(shown(text)).toBe(text);
  },
);

test("lines stay lines in a script, and a carriage return does not hide one", () => {
  expect(shown("a\n\tb", true)).toBe("a\n\tb");
  expect(shown("  a  b ", true)).toBe("  a  b ");
  expect(shown("rm -rf /\recho hello", true)).toBe("rm -rf /[\\u{d} control]echo hello");
});

test("the pieces are the text, every byte of it", () => {
  const text = "a\u202eb\\u{7f}\u{1f642}\u0430bc\n\u200b";
  expect(pieces(text).map((piece) => piece.text).join("")).toBe(text);
});

test.each(["C:\\new\\u{202e}", "\u202e \u0430b\t  ", "", "\\\\"])("what is shown of %j, marks and all, is read back", (text) => {
  const spelled = pieces(literal(text)).map(({ text, hidden }) => hidden?.code ?? text);
  expect(unescaped(spelled.join(""))).toBe(text);
});

test.each([
  ["a\\\\n\\n\\t\\u{202e}\\u{1f642}", "a\\n\n\t\u202e\u{1f642}"],
  ["plain", "plain"],
  ["\\xff", undefined],
  ["\\q", undefined],
  ["\\", undefined],
  ["\\u{110000}", undefined],
])("%j is read back", (shown, text) => {
  expect(unescaped(shown)).toBe(text);
});

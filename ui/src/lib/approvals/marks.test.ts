import { expect, test } from "vitest";
import { hidesAnything, pieces, unescaped } from "./marks";

const shown = (text: string, lines = false): string =>
  pieces(text, lines)
    .map(({ text, hidden }) => (hidden ? `[${hidden.code} ${hidden.kind}]` : text))
    .join("");

test.each([
  ["boarding\u202efdp.sh", "boarding[U+202E direction]fdp.sh"],
  ["a\u200bb", "a[U+200B invisible]b"],
  ["a\u2066b\u2069", "a[U+2066 direction]b[U+2069 direction]"],
  ["\ufeffa", "[U+FEFF invisible]a"],
  ["x\u00ady", "x[U+00AD invisible]y"],
  ["a\u{e0041}b", "a[U+E0041 invisible]b"],
  ["q\ufe0f", "q[U+FE0F invisible]"],
  ["\u3164", "[U+3164 invisible]"],
  ["a\u00a0b\u2003c", "a[U+00A0 space]b[U+2003 space]c"],
  [" a  b ", "[␣ space]a[␣ space][␣ space]b[␣ space]"],
  ["a\u0000b\u001b[31m", "a[U+0000 control]b[U+001B control][31m"],
  ["a\nb\tc", "a[U+000A control]b[U+0009 control]c"],
  ["a\u2028b", "a[U+2028 control]b"],
  ["p\u0430ypal.example", "p[U+0430 lookalike]ypal.example"],
  ["\u03bfpenssl", "[U+03BF lookalike]penssl"],
  ["\ud800", "[U+D800 invisible]"],
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
  expect(shown("rm -rf /\recho hello", true)).toBe("rm -rf /[U+000D control]echo hello");
});

test("the pieces are the text, every byte of it", () => {
  const text = "a\u202eb\\u{7f}\u{1f642}\u0430bc\n\u200b";
  expect(pieces(text).map((piece) => piece.text).join("")).toBe(text);
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

/**
 * Makes visible what a text hides: no character of a command may be there without being seen. There is one notation, the
 * gateway's: what is marked here is spelled as if the gateway had escaped it, so what is shown can be read back.
 */
export interface Piece {
  text: string;
  /** Why it is marked: how the character is spelled, and its kind. */
  hidden?: { code: string; kind: HiddenKind };
}
export type HiddenKind = "break" | "control" | "direction" | "invisible" | "space" | "lookalike" | "escape";

/** As the gateway writes what it has made visible already; a backslash that means itself is doubled. */
const ESCAPE = /\\(?:[\\nrt]|u\{[0-9a-f]{1,6}\}|x[0-9a-f]{2})/y;
const ESCAPES = new RegExp(ESCAPE, "g");
const BREAKS = ["\\n", "\\t"];
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** Format characters, what is drawn as nothing, private and unassigned ones, and halves of a pair. */
const INVISIBLE = /[\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Variation_Selector}\u115f\u1160\u2800\u3164\uffa0]|\u034f|\u17b4|\u17b5/u;
const CONTROL = /[\p{Cc}\u2028\u2029]/u;
const LETTER = /\p{L}/u;
const WORD = /[\p{L}\p{M}\p{N}_-]+/gu;
const LATIN = /\p{Script=Latin}/u;
const FOREIGN = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}]/u;

/** Splits an escaped text where something is hidden. A line break stays one where `lines` are shown as lines. */
export function pieces(text: string, lines = false): Piece[] {
  const foreign = lookalikes(text);
  const found: Piece[] = [];
  let plain = "";
  const mark = (text: string, code: string, kind: HiddenKind): void => {
    if (plain) found.push({ text: plain });
    plain = "";
    found.push({ text, hidden: { code, kind } });
  };
  for (let at = 0; at < text.length; ) {
    ESCAPE.lastIndex = at;
    const escape = ESCAPE.exec(text)?.[0];
    if (escape) {
      if (escape === "\\\\") plain += escape;
      else mark(escape, escape, BREAKS.includes(escape) ? "break" : "escape");
      at += escape.length;
      continue;
    }
    const char = String.fromCodePoint(text.codePointAt(at)!);
    const kind = lines && (char === "\n" || char === "\t") ? undefined : (kindOf(char) ?? (foreign.has(at) ? "lookalike" : undefined));
    if (kind) mark(char, codeOf(char), kind);
    else if (char === " " && !lines && isUnseen(text, at)) mark(char, codeOf(char), "space");
    else plain += char;
    at += char.length;
  }
  if (plain) found.push({ text: plain });
  return found;
}

export function hidesAnything(text: string, lines = false): boolean {
  return pieces(text, lines).some(({ hidden }) => hidden && hidden.kind !== "break");
}

/** A text that the gateway has not escaped, ready for `pieces`, which spells the rest. */
export function literal(text: string): string {
  return text.replaceAll("\\", "\\\\");
}

/** The text that the gateway escaped; `undefined` where that cannot be told. */
export function unescaped(shown: string): string | undefined {
  const plain: Record<string, string> = { "\\": "\\", n: "\n", r: "\r", t: "\t" };
  let text = "";
  for (let at = 0; at < shown.length; ) {
    if (shown[at] !== "\\") {
      text += shown[at];
      at += 1;
      continue;
    }
    ESCAPE.lastIndex = at;
    const escape = ESCAPE.exec(shown)?.[0];
    if (!escape || escape[1] === "x") return undefined;
    const code = parseInt(escape.slice(3, -1), 16);
    if (escape[1] === "u" && code > 0x10ffff) return undefined;
    text += escape[1] === "u" ? String.fromCodePoint(code) : plain[escape[1]!];
    at += escape.length;
  }
  return text;
}

function kindOf(char: string): HiddenKind | undefined {
  if (DIRECTION.test(char)) return "direction";
  if (CONTROL.test(char)) return "control";
  if (char !== " " && /\p{Zs}/u.test(char)) return "space";
  return INVISIBLE.test(char) ? "invisible" : undefined;
}

/** A space that nobody sees or counts: at an end, or beside another. */
function isUnseen(text: string, at: number): boolean {
  return at === 0 || at === text.length - 1 || text[at - 1] === " " || text[at + 1] === " ";
}

/** Where letters stand that are taken for Latin ones, inside of a word that has Latin letters. */
function lookalikes(text: string): Set<number> {
  const places = new Set<number>();
  // The letter of an escape is none of a word.
  const words = text.replace(ESCAPES, (escape) => " ".repeat(escape.length));
  for (const { 0: word, index } of words.matchAll(WORD)) {
    if (!LATIN.test(word) || !FOREIGN.test(word)) continue;
    for (let at = 0; at < word.length; ) {
      const char = String.fromCodePoint(word.codePointAt(at)!);
      if (LETTER.test(char) && FOREIGN.test(char)) places.add(index + at);
      at += char.length;
    }
  }
  return places;
}

function codeOf(char: string): string {
  return `\\u{${char.codePointAt(0)!.toString(16)}}`;
}

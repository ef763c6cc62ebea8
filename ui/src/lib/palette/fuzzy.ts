/** How well a query that may leave letters out fits a text: higher is better, `undefined` is not at all. */
export function fuzzy(query: string, text: string): number | undefined {
  let total = 0;
  for (const word of fold(query).split(/\s+/).filter(Boolean)) {
    const score = scoreWord(word, fold(text));
    if (score === undefined) return undefined;
    total += score;
  }
  // Of two that fit alike the shorter one is meant.
  return total - text.length / 1000;
}

function scoreWord(word: string, text: string): number | undefined {
  const at = text.indexOf(word);
  if (at >= 0) return word.length * 4 + (startsWord(text, at) ? 8 : 0) + (at === 0 ? 4 : 0);
  let score = 0;
  let from = 0;
  for (const letter of word) {
    const found = text.indexOf(letter, from);
    if (found < 0) return undefined;
    score += found === from && from > 0 ? 2 : startsWord(text, found) ? 1 : 0;
    score -= Math.min(found - from, 8) / 8;
    from = found + 1;
  }
  return score;
}

function startsWord(text: string, at: number): boolean {
  return at === 0 || /[\s._:/#-]/.test(text[at - 1]!);
}

function fold(text: string): string {
  return text.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();
}

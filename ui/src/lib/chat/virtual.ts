/** Which rows of a long list are on the page, and how high the rest is. No framework, no page. */

export interface View {
  from: number;
  /** First row that is not on the page. */
  to: number;
  /** Heights of what is left out, in pixels. */
  above: number;
  below: number;
}

/** Beyond the visible part, so much is on the page at least, and so much when it is filled again. */
export const SLACK = 500;
export const OVERSCAN = 1200;
const FIRST_GUESS = 96;

/** The heights of rows: measured, or guessed once from those that were, so that a guess does not wander. */
export class Heights {
  readonly #byKey = new Map<string, number>();
  #measured = new Set<string>();
  #total = 0;

  set(key: string, height: number): void {
    if (this.#measured.has(key)) this.#total -= this.#byKey.get(key) ?? 0;
    this.#measured.add(key);
    this.#byKey.set(key, height);
    this.#total += height;
  }

  of(key: string): number {
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const guess = this.#measured.size > 0 ? Math.round(this.#total / this.#measured.size) : FIRST_GUESS;
    this.#byKey.set(key, guess);
    return guess;
  }

  /** Where each row begins, and at the end the whole height. */
  sums(keys: string[]): Float64Array {
    const sums = new Float64Array(keys.length + 1);
    keys.forEach((key, at) => (sums[at + 1] = sums[at]! + this.of(key)));
    return sums;
  }
}

/** The rows that touch the pixels from `top` to `bottom`. */
export function rowsBetween(sums: Float64Array, top: number, bottom: number): { from: number; to: number } {
  const count = sums.length - 1;
  const from = Math.min(rowAt(sums, top), Math.max(0, count - 1));
  return { from, to: Math.min(count, rowAt(sums, bottom) + 1) };
}

/** The last row that begins at or above a pixel. */
function rowAt(sums: Float64Array, pixel: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (sums[middle]! <= pixel) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Keeps the rows of `now` while they are enough for what is visible, and else fills up around it. */
export function nextView(sums: Float64Array, top: number, height: number, now: { from: number; to: number } | undefined): View {
  const count = sums.length - 1;
  const whole = sums[count]!;
  const wanted = rowsBetween(sums, top - OVERSCAN, top + height + OVERSCAN);
  const enough =
    now !== undefined &&
    now.from >= 0 &&
    now.from < now.to &&
    now.to <= count &&
    sums[now.from]! <= Math.max(0, top - SLACK) &&
    sums[now.to]! >= Math.min(whole, top + height + SLACK) &&
    now.to - now.from <= 2 * (wanted.to - wanted.from) + 1;
  const { from, to } = enough ? now : wanted;
  return { from, to, above: sums[from]!, below: whole - sums[to]! };
}

/** When an answer that allows something may be given: not before it could be read, and only when all of it was seen. */

/** A keystroke or click that was meant for another window comes sooner than this. */
export const ARM_MS = 700;

/** Which parts of a height have been on the screen. Positions in pixels from the top of what is looked at. */
export class Coverage {
  /** In order, apart from each other. */
  #seen: [number, number][] = [];

  see(from: number, to: number): void {
    if (to <= from) return;
    const touching = this.#seen.filter(([start, end]) => start <= to + SLACK && end >= from - SLACK);
    const apart = this.#seen.filter((range) => !touching.includes(range));
    const merged: [number, number] = [
      Math.min(from, ...touching.map(([start]) => start)),
      Math.max(to, ...touching.map(([, end]) => end)),
    ];
    this.#seen = [...apart, merged].sort(([a], [b]) => a - b);
  }

  covers(height: number): boolean {
    const [only, ...more] = this.#seen;
    return more.length === 0 && only !== undefined && only[0] <= SLACK && only[1] >= height - SLACK;
  }

  /** Another width breaks the lines elsewhere. */
  reset(): void {
    this.#seen = [];
  }
}

/** Edges are rounded. */
const SLACK = 2;

export type Armed = "waiting" | "unseen" | "armed";

/** `since`: when it was shown, or the window last got the focus, whichever was later. */
export function armedAt(now: number, since: number, seen: boolean): Armed {
  if (now - since < ARM_MS) return "waiting";
  return seen ? "armed" : "unseen";
}

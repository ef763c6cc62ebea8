/** Which rows of a long conversation are on the page. Rows are counted from the oldest that is loaded. */
export interface Window {
  from: number;
  /** First row that is not shown; `Infinity` shows everything that arrives. */
  to: number;
}

export const INITIAL = 80;
export const MAX = 240;
const STEP = 60;

export function atEnd(count: number): Window {
  return { from: Math.max(0, count - INITIAL), to: Infinity };
}

export function extendUp(window: Window, count: number): Window {
  const from = Math.max(0, window.from - STEP);
  const to = Math.min(window.to, count);
  return { from, to: to - from > MAX ? from + MAX : window.to };
}

export function extendDown(window: Window, count: number): Window {
  const to = window.to + STEP >= count ? Infinity : window.to + STEP;
  return { from: Math.max(window.from, Math.min(to, count) - MAX), to };
}

/** After rows were put above, the same rows stay on the page. */
export function shift(window: Window, by: number): Window {
  return { from: Math.max(0, window.from + by), to: window.to + by };
}

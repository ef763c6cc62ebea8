import { expect, test } from "vitest";
import { Heights, OVERSCAN, SLACK, nextView, rowsBetween } from "./virtual";

const keys = (count: number, from = 0): string[] => Array.from({ length: count }, (_, at) => `k${from + at}`);

test("a height is guessed from those measured, once, until it is measured itself", () => {
  const heights = new Heights();
  heights.set("a", 100);
  heights.set("b", 50);
  expect(heights.of("c")).toBe(75);
  heights.set("d", 1000);
  expect(heights.of("c")).toBe(75);
  heights.set("c", 20);
  heights.set("a", 30);
  expect([...heights.sums(["a", "b", "c"])]).toEqual([0, 30, 80, 100]);
});

test("the rows between two pixels", () => {
  const sums = Float64Array.from([0, 10, 30, 60, 100]);
  expect(rowsBetween(sums, 0, 5)).toEqual({ from: 0, to: 1 });
  expect(rowsBetween(sums, 15, 60)).toEqual({ from: 1, to: 4 });
  expect(rowsBetween(sums, -500, 500)).toEqual({ from: 0, to: 4 });
  expect(rowsBetween(sums, 500, 600)).toEqual({ from: 3, to: 4 });
  expect(rowsBetween(Float64Array.from([0]), -10, 10)).toEqual({ from: 0, to: 0 });
});

test("over 10,000 rows only those around the visible part are on the page, wherever it is", () => {
  const heights = new Heights();
  const all = keys(10_000);
  all.forEach((key, at) => heights.set(key, 40 + ((at * 37) % 300)));
  const sums = heights.sums(all);
  const height = 800;
  let now: { from: number; to: number } | undefined;
  for (let top = sums[10_000]! - height; top > 0; top -= 333) {
    const view = nextView(sums, top, height, now);
    expect(view.to - view.from).toBeLessThan(80);
    expect(sums[view.from]!).toBeLessThanOrEqual(Math.max(0, top - SLACK));
    expect(sums[view.to]!).toBeGreaterThanOrEqual(Math.min(sums[10_000]!, top + height + SLACK));
    expect(view.above + (sums[view.to]! - sums[view.from]!) + view.below).toBe(sums[10_000]);
    now = view;
  }
  expect(nextView(sums, 0, height, now).from).toBe(0);
});

test("a small step keeps the rows that are there", () => {
  const heights = new Heights();
  const sums = heights.sums(keys(1000));
  const first = nextView(sums, 50_000, 800, undefined);
  expect(nextView(sums, 50_000 + (OVERSCAN - SLACK) / 2, 800, first)).toEqual(first);
  expect(nextView(sums, 50_000 + OVERSCAN, 800, first)).not.toEqual(first);
});

test("rows that are put above move nothing of what is on the page", () => {
  const heights = new Heights();
  const before = heights.sums(keys(100, 100));
  const view = nextView(before, 0, 800, undefined);
  const after = heights.sums(keys(200));
  const moved = { from: view.from + 100, to: view.to + 100 };
  const next = nextView(after, after[100]!, 800, moved);
  expect(next.from).toBeLessThan(moved.from);
  expect(next.above + (after[moved.from]! - after[next.from]!)).toBe(after[100]);
});

test("laying out 10,000 rows takes no noticeable time", () => {
  const heights = new Heights();
  const all = keys(10_000);
  heights.sums(all);
  const started = performance.now();
  for (let round = 0; round < 20; round += 1) nextView(heights.sums(all), 100_000, 800, undefined);
  expect((performance.now() - started) / 20).toBeLessThan(16);
});

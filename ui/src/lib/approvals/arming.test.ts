import { expect, test } from "vitest";
import { ARM_MS, Coverage, armedAt } from "./arming";

test.each([
  ["too soon, however much was seen", ARM_MS - 1, true, "waiting"],
  ["long enough, but not all was seen", ARM_MS, false, "unseen"],
  ["long enough, and all was seen", ARM_MS, true, "armed"],
  ["a clock that went back", -5000, true, "waiting"],
])("%s", (_, after, seen, expected) => {
  expect(armedAt(10_000 + after, 10_000, seen)).toBe(expected);
});

test.each<[string, [number, number][], boolean]>([
  ["all at once", [[0, 1000]], true],
  ["in steps that overlap", [[0, 400], [300, 700], [650, 1000]], true],
  ["upwards, after a jump to the end", [[0, 400], [600, 1000], [350, 700]], true],
  ["rounded edges", [[0.6, 499.4], [500.2, 999.1]], true],
  ["nothing", [], false],
  ["only the beginning", [[0, 400]], false],
  ["beginning and end, but not the middle", [[0, 400], [600, 1000]], false],
  ["all but the first line", [[20, 1000]], false],
  ["all but the last line", [[0, 980]], false],
  ["nothing of it was in the window", [[500, 500], [700, 600]], false],
])("seen: %s", (_, ranges, expected) => {
  const coverage = new Coverage();
  for (const [from, to] of ranges) coverage.see(from, to);
  expect(coverage.covers(1000)).toBe(expected);
});

test("what was seen at another width does not count", () => {
  const coverage = new Coverage();
  coverage.see(0, 1000);
  coverage.reset();
  expect(coverage.covers(1000)).toBe(false);
});

import { expect, test } from "vitest";
import { MAX_MS, backoff } from "./backoff";

test.each([
  [0, 1, 500],
  [1, 1, 1000],
  [4, 1, 8000],
  [5, 1, MAX_MS],
  [1000, 1, MAX_MS],
  [3, 0.5, 2000],
  [3, 0, 100],
])("attempt %i with random %f waits %i ms", (attempt, random, delay) => {
  expect(backoff(attempt, () => random)).toBe(delay);
});

test("jitter is full: attempts spread over the whole range", () => {
  const delays = Array.from({ length: 500 }, () => backoff(5));
  expect(Math.min(...delays)).toBeLessThan(2000);
  expect(Math.max(...delays)).toBeGreaterThan(13_000);
});

import { expect, test } from "vitest";
import { approval } from "./sample";
import { add, hurries, isOfCall, shownAs, timeLeft, without } from "./queue";

test("the oldest comes first, and one that is told of twice is there once", () => {
  const at = (id: string, second: number) => approval({ id, createdAt: `2026-11-22T10:00:0${second}.000Z` });
  const waiting = [at("b", 2), at("c", 3), at("a", 1), at("b", 2)].reduce(add, []);
  expect(waiting.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(without(waiting, "b").map(({ id }) => id)).toEqual(["a", "c"]);
});

test("a question that is told of again with the values of its variables is another one to look at", () => {
  const [names, values] = ["A", "A=1"].map((variable) => approval({ action: { envNames: [variable] } }));
  expect(shownAs(names!)).not.toBe(shownAs(values!));
  expect(shownAs(values!)).toBe(shownAs(approval({ action: { envNames: ["A=1"] }, why: "Another." })));
  expect([names!, values!].reduce(add, [])).toEqual([values]);
});

test("a call asks in its own run and session, whatever ids others have", () => {
  const call = { sessionKey: "agent:main:main", runId: "r1", id: "call_0" };
  const asks = (change: Parameters<typeof approval>[0]): boolean => isOfCall(approval({ runId: "r1", toolCallId: "call_0", ...change }), call);
  expect(asks({})).toBe(true);
  expect([asks({ runId: "r2" }), asks({ sessionKey: "agent:main:other" }), asks({ toolCallId: "call_1" })]).toEqual([false, false, false]);
  // A program asks without a run, and no call waits for it.
  expect(isOfCall(approval({ toolCallId: "call_0" }), { ...call, runId: undefined })).toBe(false);
});

test.each([
  [1_781_000, "29:41"],
  [60_000, "1:00"],
  [59_001, "1:00"],
  [900, "0:01"],
  [0, "0:00"],
  [-5000, "0:00"],
  [3_723_000, "1:02:03"],
])("%i ms are %s", (ms, words) => {
  expect(timeLeft(new Date(1_000_000 + ms).toISOString(), 1_000_000)).toBe(words);
});

test("a time that cannot be read is none, and the last minute is told", () => {
  expect(timeLeft("never", 0)).toBe("0:00");
  expect([hurries(new Date(60_000).toISOString(), 0), hurries(new Date(60_001).toISOString(), 0)]).toEqual([true, false]);
});

import { expect, test } from "vitest";
import { approval } from "./sample";
import { add, askedKey, hurries, isOfCall, timeLeft, without } from "./queue";

test("the oldest comes first, and one that is told of twice is there once", () => {
  const at = (id: string, second: number) => approval({ id, createdAt: `2026-11-22T10:00:0${second}.000Z` });
  const waiting = [at("b", 2), at("c", 3), at("a", 1), at("b", 2)].reduce(add, []);
  expect(waiting.map(({ id }) => id)).toEqual(["a", "b", "c"]);
  expect(without(waiting, "b").map(({ id }) => id)).toEqual(["a", "c"]);
});

test("a question that says more than before is to be read anew, and one that is only told of again is not", () => {
  const asking = (...envNames: string[]) => approval({ runId: "r1", action: { envNames } });
  expect(askedKey(asking("GIT_SSH_COMMAND=sh"))).not.toBe(askedKey(asking("GIT_SSH_COMMAND")));
  expect(askedKey({ ...asking("A"), expiresAt: "2026-11-22T10:40:00.000Z" })).toBe(askedKey(asking("A")));
  expect(askedKey(approval({ id: "a2" }))).not.toBe(askedKey(approval({ id: "a1" })));
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

import { expect, test } from "vitest";
import type { ChatEvent, History, Message } from "$lib/gateway/wire";
import { localContent } from "./files";
import { emptyAnswer, plainText } from "./messages";
import { Timeline } from "./timeline";

const message = (seq: number, role: Message["role"], text: string, more: Partial<Message> = {}): Message => ({
  id: `m${seq}`,
  seq,
  role,
  content: [{ type: "text", text }],
  createdAt: "2026-11-22T10:00:00.000Z",
  status: "complete",
  ...more,
});
const history = (messages: Message[], more: Partial<History> = {}): History => ({
  sessionKey: "k",
  sessionId: "s",
  messages,
  hasMore: false,
  ...more,
});
const event = (index: number, state: ChatEvent["state"], more: Partial<ChatEvent> = {}): ChatEvent => ({
  runId: "r",
  sessionKey: "k",
  state,
  index,
  ...more,
});
const delta = (index: number, text: string, more: Partial<ChatEvent> = {}): ChatEvent =>
  event(index, "delta", { messageId: "a", delta: text, ...more });
const texts = (timeline: Timeline): string[] => timeline.rows.map((row) => plainText(row.message));

test("a sent row keeps its key from pending to confirmed", () => {
  const timeline = new Timeline();
  timeline.addLocal("r", localContent("hi", []), "now");
  expect(timeline.rows).toMatchObject([{ key: "r", sending: { state: "pending" } }]);
  timeline.setSending("r", { state: "failed", reason: "full" });
  expect(timeline.rows).toMatchObject([{ key: "r", sending: { state: "failed", reason: "full" } }]);
  timeline.acknowledge("r", "m1", "queued");
  expect(timeline.rows[0]).toMatchObject({ key: "r", message: { id: "m1" } });
  expect(timeline.rows[0]!.sending).toBeUndefined();
  expect(timeline.runs.get("r")).toMatchObject({ state: "queued" });
  timeline.upsert(message(1, "user", "hi", { runId: "r" }));
  expect(timeline.rows.map((row) => [row.key, row.message.seq])).toEqual([["r", 1]]);
});

test("the message's event may come before the answer to the call", () => {
  const timeline = new Timeline();
  timeline.addLocal("r", localContent("hi", []), "now");
  timeline.upsert(message(1, "user", "hi", { runId: "r" }));
  timeline.acknowledge("r", "m1", "started");
  expect(timeline.rows).toHaveLength(1);
  expect(timeline.rows[0]!.sending).toBeUndefined();
});

test("a row that is not sent yet never disappears and stays last", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "one")]));
  timeline.addLocal("x", localContent("unsent", []), "now");
  timeline.upsert(message(2, "assistant", "from elsewhere"));
  timeline.applyNewest(history([message(1, "user", "other")], { sessionId: "after a reset" }));
  expect(texts(timeline)).toEqual(["other", "unsent"]);
});

test("deltas build the text, the final message replaces it in place", () => {
  const timeline = new Timeline();
  timeline.upsert(message(1, "user", "q", { runId: "r" }));
  expect(timeline.apply(event(0, "started"))).toBe(true);
  expect(timeline.apply(delta(1, "Hel"))).toBe(true);
  expect(timeline.apply(delta(2, "lo"))).toBe(true);
  expect(timeline.rows[1]).toMatchObject({ key: "a", streaming: true });
  expect(texts(timeline)).toEqual(["q", "Hello"]);
  const final = message(2, "assistant", "Hello!", { id: "a", runId: "r" });
  timeline.apply(event(3, "final", { messageId: "a", message: final }));
  expect(timeline.rows[1]).toEqual({ key: "a", message: final, streaming: false });
  expect(timeline.runs.size).toBe(0);
});

test("a merged delta counts for all that it holds", () => {
  const timeline = new Timeline();
  timeline.apply(event(0, "started"));
  expect(timeline.apply(delta(4, "abcd", { indexFrom: 1 }))).toBe(true);
  expect(timeline.apply(delta(5, "e"))).toBe(true);
  expect(texts(timeline)).toEqual(["abcde"]);
});

test("a repeated delta is not shown twice", () => {
  const timeline = new Timeline();
  timeline.apply(event(0, "started"));
  timeline.apply(delta(1, "a"));
  expect(timeline.apply(delta(1, "a"))).toBe(true);
  expect(texts(timeline)).toEqual(["a"]);
});

test.each([
  ["a missing one", [delta(1, "a"), delta(3, "c")]],
  ["one that overlaps", [delta(1, "a"), delta(2, "b"), delta(3, "bc", { indexFrom: 2 })]],
  ["a start that was not seen", [delta(7, "x", { runId: "other" })]],
])("%s asks for the history", (_, events) => {
  const timeline = new Timeline();
  timeline.apply(event(0, "started"));
  const complete = events.map((each) => timeline.apply(each));
  expect(complete.at(-1)).toBe(false);
});

test("the run that is in flight goes on where the history stands", () => {
  const timeline = new Timeline();
  const inFlightRun = { runId: "r", messageId: "a", text: "Hel", index: 4, startedAt: "2026-11-22T10:00:00.000Z" };
  timeline.applyNewest(history([message(1, "user", "q", { runId: "r" })], { inFlightRun }));
  expect(timeline.apply(delta(3, "el"))).toBe(true);
  expect(timeline.apply(delta(5, "lo"))).toBe(true);
  expect(texts(timeline)).toEqual(["q", "Hello"]);
});

test("after a gap the text is that of the history, and the row is the same", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "q", { runId: "r" })]));
  timeline.apply(event(0, "started"));
  timeline.apply(delta(1, "He"));
  timeline.apply(delta(9, "?"));
  const inFlightRun = { runId: "r", messageId: "a", text: "Hello wor", index: 9, startedAt: "2026-11-22T10:00:00.000Z" };
  timeline.applyNewest(history([message(1, "user", "q", { runId: "r" })], { inFlightRun }));
  timeline.apply(delta(10, "ld"));
  expect(timeline.rows.map((row) => row.key)).toEqual(["r", "a"]);
  expect(texts(timeline)).toEqual(["q", "Hello world"]);
});

test("a run that ended while nobody listened is not shown as going on", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "q", { runId: "r" })]));
  timeline.apply(event(0, "started"));
  timeline.apply(delta(1, "He"));
  const answer = message(2, "assistant", "Hello", { id: "a", runId: "r" });
  timeline.applyNewest(history([message(1, "user", "q", { runId: "r" }), answer]));
  expect(timeline.runs.size).toBe(0);
  expect(timeline.rows.at(-1)).toEqual({ key: "a", message: answer, streaming: false });
});

test("a failed run says why, in one row", () => {
  const timeline = new Timeline();
  const error = { code: "PROVIDER_ERROR" as const, message: "no credit", retryable: false };
  timeline.upsert(message(1, "user", "q", { runId: "r" }));
  timeline.apply(event(0, "started"));
  timeline.apply(event(1, "error", { error }));
  expect(timeline.rows.at(-1)).toMatchObject({ message: { status: "failed", error } });
  timeline.upsert(message(2, "assistant", "", { id: "a", runId: "r", status: "failed", error }));
  expect(timeline.rows.map((row) => row.message.id)).toEqual(["m1", "a"]);
  expect(timeline.promptOf(timeline.rows[1]!.message)?.id).toBe("m1");
  timeline.upsert(message(3, "user", "never mind"));
  expect(timeline.promptOf(timeline.rows[1]!.message)).toBeUndefined();
});

test("a stopped run keeps what it wrote", () => {
  const timeline = new Timeline();
  timeline.apply(event(0, "started"));
  timeline.apply(delta(1, "half"));
  timeline.apply(event(2, "aborted", { messageId: "a" }));
  expect(timeline.rows).toMatchObject([{ streaming: false, message: { status: "aborted" } }]);
  expect(timeline.apply(delta(3, "late"))).toBe(true);
  expect(texts(timeline)).toEqual(["half"]);
});

test("an older page goes above, without doubles, with unique keys", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(3, "user", "three", { runId: "r" }), message(4, "assistant", "four")]));
  timeline.addLocal("x", localContent("unsent", []), "now");
  const older = [message(1, "user", "one", { runId: "r" }), message(2, "user", "two", { runId: "r" }), message(3, "user", "three")];
  timeline.applyOlder(history(older));
  expect(texts(timeline)).toEqual(["one", "two", "three", "four", "unsent"]);
  expect(new Set(timeline.rows.map((row) => row.key)).size).toBe(5);
});

test("a history that does not join what is loaded replaces it", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "one")]));
  expect(timeline.applyNewest(history([message(1, "user", "one"), message(2, "assistant", "two")]))).toBe(false);
  expect(timeline.applyNewest(history([message(500, "user", "much later")]))).toBe(true);
  expect(texts(timeline)).toEqual(["much later"]);
});

test("results find the call that they belong to", () => {
  const timeline = new Timeline();
  const result = { type: "toolResult" as const, id: "t", isError: false, content: "ok" };
  timeline.upsert(message(1, "assistant", "", { content: [{ type: "toolCall", id: "t", name: "read", arguments: {} }] }));
  timeline.upsert(message(2, "tool", "", { content: [result] }));
  expect(timeline.toolResults.get("t")).toEqual(result);
  expect(timeline.toolCalls.has("t")).toBe(true);
});

test("an edited message takes the place of what it replaces, at once on the page and for good when it is sent", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "q"), message(2, "assistant", "a"), message(3, "user", "q2"), message(4, "assistant", "a2")]));
  const shown = (): string[] => timeline.shown.map((row) => plainText(row.message));
  timeline.addLocal("r", localContent("edited", []), "now", "m3");
  expect(shown()).toEqual(["q", "a", "edited"]);
  timeline.setSending("r", { state: "failed", reason: "full" });
  timeline.removeLocal("r");
  expect(shown()).toEqual(["q", "a", "q2", "a2"]);
  timeline.addLocal("r", localContent("edited", []), "now", "m3");
  timeline.acknowledge("r", "m5", "started");
  expect(texts(timeline)).toEqual(["q", "a", "edited"]);
  timeline.upsert(message(5, "user", "edited", { runId: "r" }));
  expect(texts(timeline)).toEqual(["q", "a", "edited"]);
});

test("what an edit elsewhere left behind goes with the next page, and what is older stays", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(2, "user", "q", { runId: "q" }), message(3, "assistant", "old", { runId: "q" })]));
  timeline.applyOlder(history([message(1, "assistant", "older")]));
  timeline.apply(event(0, "error", { runId: "lost" }));
  timeline.addLocal("x", localContent("unsent", []), "now");
  timeline.applyNewest(history([message(2, "user", "q", { runId: "q" }), message(4, "user", "new", { runId: "n" })], { hasMore: true }));
  expect(texts(timeline)).toEqual(["older", "q", "new", "unsent"]);
  expect(timeline.rows.some((row) => row.message.status === "failed")).toBe(false);
  timeline.upsert(message(5, "user", "all anew", { runId: "m" }));
  timeline.applyNewest(history([message(5, "user", "all anew", { runId: "m" })]));
  expect(texts(timeline)).toEqual(["all anew", "unsent"]);
});

test("a run that still answers what was edited away says nothing any more", () => {
  const timeline = new Timeline();
  timeline.applyNewest(history([message(1, "user", "q", { runId: "old" })]));
  timeline.apply(event(0, "started", { runId: "old" }));
  timeline.apply(delta(1, "half", { runId: "old" }));
  timeline.addLocal("r", localContent("edited", []), "now", "m1");
  timeline.acknowledge("r", "m3", "started");
  timeline.apply(delta(2, " an answer", { runId: "old" }));
  timeline.upsert(message(2, "assistant", "half", { id: "a", runId: "old", status: "aborted" }));
  expect(texts(timeline)).toEqual(["edited"]);
  expect([...timeline.runs.keys()]).toEqual(["r"]);
});

test("what a call prints is kept to its end, the last of it, until its result has all", () => {
  const timeline = new Timeline();
  timeline.addOutput("t1", "one ");
  timeline.addOutput("t1", "two");
  expect(timeline.toolOutputs.get("t1")).toBe("one two");
  timeline.addOutput("t1", "x".repeat(40_000));
  expect(timeline.toolOutputs.get("t1")).toHaveLength(32_768);
  timeline.upsert({ ...emptyAnswer("m1", "r"), role: "tool", seq: 1, content: [{ type: "toolResult", id: "t1", isError: false, content: "all" }] });
  timeline.addOutput("t1", "late");
  expect(timeline.toolOutputs.has("t1")).toBe(false);
});

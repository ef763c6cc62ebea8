// @vitest-environment jsdom
import { expect, test } from "vitest";
import type { SessionRow } from "$lib/gateway/wire";
import { chatHref, parse } from "$lib/route.svelte";
import { nameOfKey, sessionName } from "./ids";
import { sendsOn } from "./keys";
import { filterSessions, groupSessions } from "./sessions.svelte";
import { dropUnsent, keepUnsent, readDraft, readUnsent, writeDraft } from "./storage";
import { asText, headline } from "./tools";

test.each([
  ["Quarterly Report", "quarterly-report"],
  ["  Über  Größe! ", "uber-gro-e"],
  ["a.b_c-d", "a.b_c-d"],
  ["...", ""],
  ["Main", ""],
  ["cron", ""],
  ["x".repeat(80), "x".repeat(64)],
])("the session %o is called %o", (typed, name) => {
  expect(sessionName(typed)).toBe(name);
});

test("a session that is not listed yet is called after its key", () => {
  expect(nameOfKey("agent:main:report")).toBe("report");
});

test("the address of a session leads back to it", () => {
  const key = "agent:main:telegram:a:direct:1/2";
  expect(parse(chatHref(key))).toEqual({ page: "chat", sessionKey: key });
  expect(parse("#/health")).toEqual({ page: "health", sessionKey: undefined });
  expect(parse("#/chat/%E0%A4%A")).toEqual({ page: "chat", sessionKey: "%E0%A4%A" });
  expect(parse("")).toEqual({ page: "chat", sessionKey: undefined });
});

test.each([
  [{ key: "Enter" }, true],
  [{ key: "Enter", shiftKey: true }, false],
  [{ key: "Enter", isComposing: true }, false],
  [{ key: "Enter", keyCode: 229 }, false],
  [{ key: "a" }, false],
])("%o sends: %o", (event, sends) => {
  expect(sendsOn({ shiftKey: false, isComposing: false, keyCode: 13, ...event })).toBe(sends);
});

const session = (key: string, updatedAt: string, more: Partial<SessionRow> = {}): SessionRow => ({
  key,
  sessionId: "s",
  agentId: "main",
  kind: "chat",
  title: key,
  createdAt: updatedAt,
  updatedAt,
  lastMessagePreview: "",
  status: "idle",
  activeRunIds: [],
  model: "m",
  usage: { inputTokens: 0, outputTokens: 0, costUsd: 0 },
  messageCount: 0,
  unread: 0,
  pinned: false,
  archived: false,
  ...more,
});

test("sessions: pinned first, then the newest, found by every word", () => {
  const now = new Date(2026, 10, 22, 15);
  const rows = [
    session("old", new Date(2026, 10, 1).toISOString(), { lastMessagePreview: "disk is full" }),
    session("new", new Date(2026, 10, 22, 9).toISOString()),
    session("kept", new Date(2026, 9, 1).toISOString(), { pinned: true }),
  ];
  expect(filterSessions(rows, "").map((row) => row.key)).toEqual(["kept", "new", "old"]);
  expect(filterSessions(rows, " FULL old ").map((row) => row.key)).toEqual(["old"]);
  const groups = groupSessions(filterSessions(rows, ""), now).map((group) => [group.name, group.sessions.map((row) => row.key)]);
  expect(groups).toEqual([
    ["pinned", ["kept"]],
    ["today", ["new"]],
    ["earlier", ["old"]],
  ]);
});

test("drafts and unsent messages survive, and are gone when done", () => {
  localStorage.clear();
  writeDraft("k", "half a thought");
  expect(readDraft("k")).toBe("half a thought");
  writeDraft("k", "");
  const unsent = { sessionKey: "k", key: "1", text: "x", createdAt: "now" };
  keepUnsent(unsent);
  keepUnsent(unsent);
  expect(readUnsent()).toEqual([unsent]);
  dropUnsent("1");
  expect(localStorage).toHaveLength(0);
  localStorage.setItem("simpleclaw.outbox", "{broken");
  expect(readUnsent()).toEqual([]);
});

test("tool calls in words", () => {
  expect(headline({ argv: ["git", "push"] })).toBe("git push");
  expect(headline({ limit: 3, path: "a.md" })).toBe("a.md");
  expect(headline(undefined)).toBe("");
  expect(asText([{ type: "text", text: "a" }])).toBe("a");
  expect(asText({ a: 1 })).toBe('{\n  "a": 1\n}');
  expect(asText(null)).toBe("");
});

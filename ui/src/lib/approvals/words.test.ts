import { expect, test } from "vitest";
import type { AuditEntry } from "$lib/gateway/wire";
import { approval } from "./sample";
import { event, matching, outcome, subject } from "./words";

test.each<[Parameters<typeof outcome>[0], string]>([
  [{ state: "allowed", decision: "allow-once", decidedBy: { surface: "chat", user: "Anna" } }, "Allowed once · by Anna, in the chat"],
  [{ state: "allowed", decision: "allow-always", decidedBy: { surface: "dialog" } }, "Allowed always · in the dialog"],
  [{ state: "denied", decision: "deny", decidedBy: { surface: "cli" }, reason: "no" }, "Denied · on the command line · no"],
  [{ state: "expired" }, "Ran out of time"],
  [{ state: "cancelled", decidedBy: { surface: "new-one" }, reason: "the run was stopped" }, "Withdrawn · new-one · the run was stopped"],
])("%o", (given, words) => {
  expect(outcome(given)).toBe(words);
});

test("rows of the record say what they are about, and are found by it", () => {
  const at = "2026-11-22T10:00:00.000Z";
  const action = approval().action;
  const rule = { id: "r", agentId: "main", program: "/usr/bin/cargo", argv: ["cargo", "add"], prefix: true, network: true, words: "" };
  const rows: AuditEntry[] = [
    { seq: 3, at, kind: "launched", action, sandbox: "bubblewrap", agentId: "main" },
    { seq: 2, at, kind: "rule-added", rule, decidedBy: { surface: "web" } },
    { seq: 1, at, kind: "resolved", approvalId: "a1", state: "denied", decision: "deny", decidedBy: { surface: "web" } },
  ];
  expect(rows.map((row) => [subject(row), event(row)])).toEqual([
    ["git push origin main", "Started · inside bubblewrap"],
    ["/usr/bin/cargo add", "Rule saved · in the web page"],
    ["a1", "Denied · in the web page"],
  ]);
  expect(matching(rows, "push MAIN").map(({ seq }) => seq)).toEqual([3]);
  expect(matching(rows, " ").length).toBe(3);
});

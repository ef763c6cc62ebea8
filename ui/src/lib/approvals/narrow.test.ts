import { expect, test } from "vitest";
import type { ApprovalRule } from "$lib/gateway/wire";
import { narrowed, type Narrowing } from "./narrow";
import { approval } from "./sample";

const now = new Date("2026-11-22T10:00:00.000Z");
const asking = approval({ action: { argv: ["cargo", "add", "a\\\\b", "two\\nlines"], cwd: "/w", program: "/usr/bin/cargo" } });
const words = { id: "", agentId: "main", folder: "/w", program: "/usr/bin/cargo", network: true, words: "" };
const prefix: ApprovalRule = { ...words, argv: ["cargo", "add"], prefix: true };
const change = (rule: ApprovalRule, by: Partial<Narrowing>): ApprovalRule => narrowed(rule, asking, { exact: false, days: 0, ...by }, now);

test("as proposed it is what was proposed", () => {
  expect(change(prefix, {})).toEqual(prefix);
});

test("all words as they are, not as they are shown; and some days", () => {
  expect(change(prefix, { exact: true })).toMatchObject({ argv: ["cargo", "add", "a\\b", "two\nlines"], prefix: false });
  expect(change(prefix, { days: 7 }).expiresAt).toBe("2026-11-29T10:00:00.000Z");
});

test("it never becomes wider", () => {
  const exact: ApprovalRule = { ...words, argv: ["cargo", "add", "serde"], prefix: false, expiresAt: "2026-11-23T10:00:00.000Z" };
  expect(change(exact, { exact: true, days: 30 })).toEqual(exact);
  const unknown = approval({ action: { argv: ["cargo", "\\xff"] } });
  expect(narrowed(prefix, unknown, { exact: true, days: 0 }, now)).toEqual(prefix);
});

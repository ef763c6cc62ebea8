import { expect, test } from "vitest";
import { blocksOf } from "./blocks";
import { approval } from "./sample";

const texts = (action: Parameters<typeof approval>[0]): string[][] =>
  blocksOf(approval(action).action).map(({ rows }) => rows.map(({ gutter, text }) => `${gutter}|${text}`));

test("the program that runs stands first, and each argument has its own row", () => {
  expect(texts({ action: { argv: ["git", "a b", "", "-m\nx"] } })).toEqual([["0|/usr/bin/git", "1|a b", "2|", "3|-m\nx"]]);
});

test("a script has its lines, also empty ones", () => {
  expect(texts({ action: { kind: "script", argv: [], script: "cd x\n\nmake | tee y\n" } })).toEqual([["1|cd x", "2|", "3|make | tee y", "4|"]]);
  expect(texts({ action: { kind: "script", argv: [], script: "\n" } })).toEqual([["1|", "2|"]]);
});

test("several files have a row each", () => {
  expect(texts({ action: { kind: "read", argv: [], path: "/a\nwrites /b" } })).toEqual([["|/a", "|writes /b"]]);
});

test("a folder is called one", () => {
  const titleOf = (kind: "read" | "list" | "search") => blocksOf(approval({ action: { kind, argv: [], path: "/home/me" } }).action)[0]!.title;
  expect((["read", "list", "search"] as const).map(titleOf)).toEqual(["File", "Folder", "Folder"]);
});

test("a change names its file, and counts", () => {
  const action = { kind: "write" as const, argv: [], path: "/w/report.md", diff: "@@ -1 +1 @@\n-a\n+b\n" };
  expect(texts({ action })).toEqual([["|/w/report.md"], ["−|a", "+|b"]]);
  expect(blocksOf(approval({ action }).action)[1]!.note).toBe("1 line added, 1 removed");
});

test("a change is called one whoever wants it, and none of its lines passes for one of another kind", () => {
  const diff = "note\n@@ -1,2 +1,2 @@\n added: b\n-a\n+b\n";
  const [, change] = blocksOf(approval({ action: { kind: "external", argv: ["tool"], diff } }).action);
  expect(change!.title).toBe("Change");
  expect(change!.rows.map(({ name, text }) => `${name}: ${text}`)).toEqual([
    "beside the change: note",
    "unchanged: added: b",
    "removed: a",
    "added: b",
  ]);
});

test("whatever an action has is shown", () => {
  const action = { kind: "external" as const, argv: ["a"], script: "s", url: "https://u.example", path: "/p", diff: "d" };
  expect(blocksOf(approval({ action }).action)).toHaveLength(5);
});

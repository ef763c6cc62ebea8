import { expect, test } from "vitest";
import { countChange, readChange } from "./change";

const short = (diff: string): string[] => readChange(diff).map(({ kind, text }) => `${kind} ${text}`);

test("lines are added, removed or the same, and hunks are set apart", () => {
  const diff = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n@@ -9 +9 @@\n-nine\n+9\n";
  expect(short(diff)).toEqual(["same one", "remove two", "add 2", "gap ", "remove nine", "add 9"]);
  expect(countChange(readChange(diff))).toEqual({ added: 2, removed: 2 });
});

test("a line that looks like the head of a file is shown", () => {
  expect(short("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- drop table\n+++ i\n same\n")).toEqual(["remove -- drop table", "add ++ i", "same same"]);
});

test("a line that looks like the head of a hunk is shown", () => {
  expect(short("@@ -1 +1,2 @@\n-a\n+@@ -1 +1 @@\n+b\n")).toEqual(["remove a", "add @@ -1 +1 @@", "add b"]);
});

test("what does not fit is shown as it came", () => {
  expect(short("@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\nsurprise")).toEqual([
    "remove a",
    "add b",
    "note \\ No newline at end of file",
    "note surprise",
  ]);
  expect(short("no diff at all")).toEqual(["note no diff at all"]);
  expect(readChange("")).toEqual([]);
});

import { expect, test } from "vitest";
import { countChange, readChange } from "./change";

const short = (diff: string): string[] => readChange(diff).map(({ kind, text }) => `${kind} ${text}`);

test("lines are added, removed or the same, and hunks are set apart", () => {
  const diff = "@@ -1,2 +1,2 @@\n one\n-two\n+2\n@@ -9 +9 @@ fn nine\n-nine\n+9\n";
  expect(short(diff)).toEqual(["same one", "remove two", "add 2", "gap  fn nine", "remove nine", "add 9"]);
  expect(countChange(readChange(diff))).toEqual({ added: 2, removed: 2 });
});

test("a line that looks like the head of a file is shown, and so is a head", () => {
  const lines = ["note --- a/x", "note +++ b/x", "remove -- drop table", "add ++ i", "same same"];
  expect(short("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n--- drop table\n+++ i\n same\n")).toEqual(lines);
});

test("an empty line is one, as the gateway escapes it", () => {
  expect(short("@@ -1,3 +1,3 @@\n\\u{20}\n\\u{20}\\u{20}\n-a\n+b\n")).toEqual(["same ", "same \\u{20}", "remove a", "add b"]);
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

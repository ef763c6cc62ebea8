import { expect, test } from "vitest";
import { compare, merge } from "./conflict";
import { changedLines, diffLines, readUnified } from "./diff";
import { changes, diffPatch } from "./patch";
import { parsePointer, pointer } from "./paths";

test.each([
  [{ a: 1 }, { a: 2 }, { a: 2 }],
  [{ a: 1, b: 1 }, { a: 1 }, { b: null }],
  [{ a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 } }, { a: { c: 3 } }],
  [{ a: [1, 2] }, { a: [1] }, { a: [1] }],
  [{ a: 1 }, { a: { b: 1 } }, { a: { b: 1 } }],
  [undefined, { a: {} }, { a: {} }],
  [{ a: 1 }, { a: 1 }, {}],
])("from %j to %j the patch is %j", (from, to, patch) => {
  expect(diffPatch(from, to)).toEqual(patch);
});

test("changes name each place once, in words of the whole path", () => {
  const before = { gateway: { port: 1, bind: "all" }, cron: { enabled: true }, list: [1] };
  const after = { gateway: { port: 2, tls: { enabled: true } }, cron: { enabled: true }, list: [1, 2] };
  expect(changes(before, after).map(({ path, value }) => [path.join("."), value])).toEqual([
    ["gateway.port", 2],
    ["gateway.tls.enabled", true],
    ["gateway.bind", undefined],
    ["list", [1, 2]],
  ]);
  expect(changes(null, { a: { b: 1 } }).map(({ path }) => path.join("."))).toEqual(["a.b"]);
});

test("a path is a pointer and back", () => {
  for (const path of [["a"], ["a/b", "~c", "d~1"], []]) expect(parsePointer(pointer(path))).toEqual(path);
  expect(parsePointer("gateway.port")).toEqual(["gateway", "port"]);
});

test("a diff shows what changed and a little around it", () => {
  const lines = Array.from({ length: 30 }, (_, at) => `line ${at}`);
  const after = lines.with(3, "three").toSpliced(20, 1);
  const diff = diffLines(`${lines.join("\n")}\n`, `${after.join("\n")}\n`);
  expect(diff.filter(({ kind }) => kind === "remove").map(({ text }) => text)).toEqual(["line 3", "line 20"]);
  expect(diff.filter(({ kind }) => kind === "add").map(({ text }) => text)).toEqual(["three"]);
  expect(diff.filter(({ kind }) => kind === "gap")).toHaveLength(1);
  expect(diff.length).toBe(16);
  expect(changedLines(lines.join("\n"), after.join("\n"))).toEqual([4]);
  expect(diffLines("", "a\n")).toEqual([{ kind: "add", text: "a" }]);
  expect(diffLines("a\n", "a\n")).toEqual([]);
});

test("a unified diff is read without its heads", () => {
  const read = readUnified("--- a\n+++ b\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n@@ -9 +9 @@\n-x\n");
  expect(read.map(({ kind, text }) => `${kind} ${text}`)).toEqual(["same a", "remove b", "add c", "gap ", "remove x"]);
});

const BASE = "gateway: # mine\n  port: 1\n  bind: all\ncron:\n  enabled: true\n";

test("changes of both sides go together, and only a clash has to be chosen", () => {
  const mine = BASE.replace("port: 1", "port: 2").replace("bind: all", "bind: loopback");
  const theirs = BASE.replace("port: 1", "port: 3").replace("enabled: true", "enabled: false # night");
  const conflict = compare(BASE, mine, theirs)!;
  expect(conflict.clashes).toEqual([{ path: ["gateway", "port"], base: 1, mine: 2, theirs: 3 }]);
  expect(conflict.mine.map(({ path }) => path.join("."))).toEqual(["gateway.bind"]);
  expect(conflict.theirs).toBe(1);
  expect(merge(theirs, conflict, () => "theirs")).toBe(theirs.replace("bind: all", "bind: loopback"));
  expect(merge(theirs, conflict, () => "mine")).toBe(
    theirs.replace("bind: all", "bind: loopback").replace("port: 3", "port: 2"),
  );
});

test("a section that one side removed and the other changed is a clash of the whole", () => {
  const conflict = compare(BASE, BASE.replace("port: 1", "port: 2"), "cron:\n  enabled: true\n")!;
  expect(conflict.clashes.map(({ path, theirs }) => [path.join("."), theirs])).toEqual([["gateway", undefined]]);
});

test("the same change on both sides is no clash, and what cannot be read is not compared", () => {
  const same = BASE.replace("port: 1", "port: 2");
  expect(compare(BASE, same, same)).toEqual({ clashes: [], mine: [], theirs: 0 });
  expect(compare(BASE, "a: [", BASE)).toBeUndefined();
});

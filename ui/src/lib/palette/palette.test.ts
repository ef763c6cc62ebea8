// @vitest-environment jsdom
import { expect, test } from "vitest";
import { fuzzy } from "./fuzzy";
import { find, type Group, type Item } from "./items";

const item = (label: string, also = ""): Item => ({ id: label, label, also, run: () => undefined });
const groups: Group[] = [
  { name: "sessions", items: ["Quarterly report", "Rust borrow question", "Gröning", "a", "b", "c", "d"].map((each) => item(each)) },
  { name: "actions", items: [item("New session"), item("Go to Health", "log diagnostics"), item("Theme: dark", "colours")] },
];
const labels = (query: string): string[] => find(groups, query).flatMap(({ items }) => items.map(({ label }) => label));

test.each([
  ["qrep", "Quarterly report"],
  ["report quart", "Quarterly report"],
  ["groning", "Gröning"],
  ["RUST", "Rust borrow question"],
])("%o fits %o", (query, text) => {
  expect(fuzzy(query, text)).toBeDefined();
});

test.each([
  ["troper", "report"],
  ["reportx", "report"],
])("%o does not fit %o", (query, text) => {
  expect(fuzzy(query, text)).toBeUndefined();
});

test("whole words go before beginnings of words, and these before scattered letters", () => {
  const texts = ["a rather empty place of rest", "interest", "report", "the report of today"];
  const best = texts.sort((a, b) => (fuzzy("report", b) ?? -99) - (fuzzy("report", a) ?? -99));
  expect(best.slice(0, 2)).toEqual(["report", "the report of today"]);
});

test("without a query: the newest sessions and every command", () => {
  expect(find(groups, " ").map(({ name, items }) => [name, items.length])).toEqual([
    ["sessions", 6],
    ["actions", 3],
  ]);
});

test("the kind that fits best comes first, and hints find too", () => {
  expect(labels("new s")[0]).toBe("New session");
  expect(labels("report")[0]).toBe("Quarterly report");
  expect(labels("diagnostics")).toEqual(["Go to Health"]);
  expect(labels("dgnstcs")).toEqual([]);
  expect(labels("zzz")).toEqual([]);
});

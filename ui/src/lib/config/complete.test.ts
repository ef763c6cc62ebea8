import { expect, test } from "vitest";
import schema from "../../../../schemas/config.schema.json";
import { complete } from "./complete";
import { formOf } from "./schema";

const form = formOf(schema);
const labels = (text: string): string[] => complete(text, text.length, form)?.options.map(({ label }) => label) ?? [];

test.each([
  ["", "gateway"],
  ["gateway:\n  po", "port"],
  ["gateway:\n  mode: local\n  tls:\n    ", "autoGenerate"],
  ["models:\n  providers:\n    work:\n      ap", "apiKey"],
  ["cron:\n  enabled: ", "true"],
  ["session:\n  queue: fol", "steer"],
  ["gateway:\n  bind: ", "loopback"],
])("%j offers %s", (text, label) => {
  expect(labels(text)).toContain(label);
});

test("nothing is offered where anything may stand", () => {
  expect(labels("agents:\n  default: ")).toEqual([]);
  expect(labels("channels:\n  telegram:\n    ")).toEqual([]);
  expect(labels("gateway: # a com")).toEqual([]);
});

test("what has parts opens a line for them", () => {
  const text = "gateway:\n  t";
  expect(complete(text, text.length, form)!.options.find(({ label }) => label === "tls")!.apply).toBe("tls:\n    ");
});

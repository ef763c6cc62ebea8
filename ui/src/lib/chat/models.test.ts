import { expect, test } from "vitest";
import type { ModelRow } from "$lib/gateway/wire";
import { canThink, modelOptions, withModel, withThinking } from "./models.svelte";

const model = (id: string, more: Partial<ModelRow> = {}): ModelRow => {
  const [provider = "", name = ""] = id.split("/");
  return { id, name, provider, input: ["text"], available: true, ...more };
};
const rows = [model("a/one"), model("b/two", { reasoning: true }), model("a/three", { available: false, reason: "no key" })];

test("models by provider, with the reason where one cannot be chosen", () => {
  expect(modelOptions(rows, undefined)).toEqual([
    {
      provider: "a",
      options: [
        { id: "a/one", label: "one", disabled: false },
        { id: "a/three", label: "three — no key", disabled: true },
      ],
    },
    { provider: "b", options: [{ id: "b/two", label: "two", disabled: false }] },
  ]);
});

test("a remembered model that is gone is still named", () => {
  const gone = modelOptions(rows, "c/x/y").at(-1);
  expect(gone).toEqual({ provider: "c", options: [{ id: "c/x/y", label: "x/y — no longer offered", disabled: true }] });
});

test("thinking is offered for the model that would answer, and goes with it", () => {
  expect(canThink(rows, {}, "b/two")).toBe(true);
  expect(canThink(rows, { model: "a/one" }, "b/two")).toBe(false);
  expect(withModel({ thinking: "low" }, "b/two", rows, undefined)).toEqual({ model: "b/two", thinking: "low" });
  expect(withModel({ model: "b/two", thinking: "low" }, "a/one", rows, undefined)).toEqual({ model: "a/one" });
  expect(withModel({ model: "b/two" }, "", rows, undefined)).toEqual({});
  expect(withThinking({ model: "b/two", thinking: "low" }, "")).toEqual({ model: "b/two" });
});

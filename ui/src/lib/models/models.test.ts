import { beforeEach, expect, test, vi } from "vitest";
import type { GatewayClient } from "$lib/gateway/client";
import { GatewayError } from "$lib/gateway/errors";
import type { Config, ModelRow } from "$lib/gateway/wire";
import { price, searchModels, tokens } from "./catalogue";
import { isGuide } from "./guide";
import { KINDS, nameFor } from "./kinds";
import { providersOf } from "./providers.svelte";
import { Setup } from "./setup.svelte";
import { lastDays, total } from "./spend";

const row = (id: string, available = true): ModelRow => ({ id, name: id.split("/")[1]!, provider: id.split("/")[0]!, input: ["text"], available });
const rows = [row("builtin/guide"), row("ollama/llama"), row("work/big", false), row("work/small")];
const config = { value: { models: { providers: { work: { api: "openai", baseUrl: "https://w", apiKey: { secret: "w" } } } } } } as unknown as Config;

const calls: [string, object][] = [];
let refuse: string | undefined;
const client = {
  call: vi.fn((method: string, params: object) => {
    calls.push([method, params]);
    if (method === refuse) return Promise.reject(new GatewayError({ code: "INVALID_REQUEST", message: "no", retryable: false }));
    return Promise.resolve({ ok: true, latencyMs: 5, models: [{ id: "m" }] });
  }),
} as unknown as GatewayClient;

beforeEach(() => {
  calls.length = 0;
  refuse = undefined;
});

test("providers are those of the file, then those found here, then the guide", () => {
  const found = providersOf(config, rows);
  expect(found.map(({ id, origin, models }) => [id, origin, models.length])).toEqual([
    ["work", "configured", 2],
    ["ollama", "found", 1],
    ["builtin", "builtin", 1],
  ]);
  expect(found[0]).toMatchObject({ api: "openai", key: { kind: "store", name: "w" } });
  expect([isGuide("builtin/guide"), isGuide(undefined), isGuide("work/big")]).toEqual([true, true, false]);
});

test("a key goes into the store and its name into the configuration, tested before and after", async () => {
  const setup = new Setup(client, () => ["openai"]);
  setup.choose(KINDS.find(({ id }) => id === "openai")!);
  expect([setup.name, setup.complete]).toEqual(["openai-2", false]);
  setup.key = " sk-1 ";
  expect(setup.complete).toBe(true);
  await setup.test();
  await setup.save();
  expect(calls).toEqual([
    ["providers.test", { draft: { api: "openai", apiKey: "sk-1" } }],
    ["secrets.set", { name: "openai-2", value: "sk-1" }],
    ["config.patch", { patch: { models: { providers: { "openai-2": { api: "openai", apiKey: { secret: "openai-2" } } } } } }],
    ["providers.test", { provider: "openai-2" }],
  ]);
  expect([setup.key, setup.saved?.result.ok]).toEqual(["", true]);
});

test("a key whose provider could not be saved is not left behind", async () => {
  const setup = new Setup(client, () => []);
  setup.key = "sk-1";
  refuse = "config.patch";
  await setup.save();
  expect(calls.map(([method]) => method)).toEqual(["secrets.set", "config.patch", "secrets.remove"]);
  expect([setup.error, setup.saved]).toEqual(["no", undefined]);
});

test("an address is asked for where it is needed", () => {
  const setup = new Setup(client, () => []);
  setup.choose(KINDS.find(({ id }) => id === "compatible")!);
  expect(setup.complete).toBe(false);
  setup.url = "https://llm.example/v1";
  expect(setup.complete).toBe(true);
  setup.name = "a b";
  expect(setup.nameProblem).not.toBe("");
  expect(nameFor(KINDS[0]!, ["anthropic", "anthropic-2"])).toBe("anthropic-3");
});

test("the catalogue is searched by every word, what can be used first", () => {
  expect(searchModels(rows, "work", false).map(({ id }) => id)).toEqual(["work/small", "work/big"]);
  expect(searchModels(rows, "WORK big", true)).toEqual([]);
  expect([tokens(200_000), tokens(1_048_576), price(3), price(0), price(undefined), price(0.075)]).toEqual(["200K", "1M", "$3.00", "free", "–", "$0.075"]);
});

test("days without use are days as well", () => {
  const counts = { calls: 2, failedCalls: 0, cachedTokens: 0, estimatedCalls: 0, unpricedCalls: 0 };
  const usage = { runs: 2, inputTokens: 1, outputTokens: 1, costUsd: 0.5, ...counts };
  const days = lastDays({ days: [{ day: "2026-02-28", ...usage }] }, 3, new Date(2026, 2, 1));
  expect(days.map(({ day, costUsd }) => [day, costUsd])).toEqual([
    ["2026-02-27", 0],
    ["2026-02-28", 0.5],
    ["2026-03-01", 0],
  ]);
  expect(total(days)).toEqual({ costUsd: 0.5, runs: 2 });
});

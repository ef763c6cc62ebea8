// @vitest-environment jsdom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { GatewayClient } from "$lib/gateway/client";
import { GatewayError } from "$lib/gateway/errors";
import schema from "../../../../schemas/config.schema.json";
import { Settings } from "./settings.svelte";

const FILE = "# mine\ngateway:\n  port: 1\n";

/** Answers as the gateway does, for one file. */
class FakeGateway {
  raw = FILE;
  calls: string[] = [];
  changed: (event: { hash: string }) => void = () => undefined;

  on = (_: string, listener: FakeGateway["changed"]): (() => void) => {
    this.changed = listener;
    return () => undefined;
  };
  call = (method: string, params: { raw?: string; baseHash?: string; dryRun?: boolean }): Promise<unknown> => {
    this.calls.push(params.dryRun ? `${method} dry` : method);
    if (method === "config.schema") return Promise.resolve({ schema, uiHints: {} });
    if (method === "config.get") return Promise.resolve({ hash: this.raw, raw: this.raw, value: {}, issues: [] });
    const { raw = "" } = params;
    if (params.baseHash !== this.raw) return refuse("CONFLICT");
    if (raw.includes("port: x")) return refuse("INVALID_REQUEST", { issues: [{ path: "/gateway/port", message: "not a port" }] });
    if (!params.dryRun) this.raw = raw;
    return Promise.resolve({ applied: "live" });
  };
}

function refuse(code: string, details?: object): Promise<never> {
  return Promise.reject(new GatewayError({ code, message: code, details, retryable: false }));
}

let gateway: FakeGateway;
let settings: Settings;

beforeEach(async () => {
  vi.useFakeTimers();
  gateway = new FakeGateway();
  settings = new Settings(gateway as unknown as GatewayClient);
  settings.watch();
  await vi.advanceTimersByTimeAsync(0);
});
afterEach(() => vi.useRealTimers());

const port = ["gateway", "port"];

test("a change in the form is one in the text, is checked, applied, and taken back", async () => {
  settings.edit(port, 2);
  expect([settings.text, settings.dirty, settings.changes]).toEqual([FILE.replace("1", "2"), true, [{ path: port, value: 2 }]]);
  expect(settings.checking).toBe(true);
  await vi.advanceTimersByTimeAsync(400);
  expect([settings.checking, gateway.calls.at(-1)]).toEqual([false, "config.set dry"]);
  await settings.apply();
  expect([gateway.raw, settings.dirty, settings.applied?.restart]).toEqual([FILE.replace("1", "2"), false, false]);
  await settings.undo();
  expect([gateway.raw, settings.applied]).toEqual([FILE, undefined]);
});

test("a wrong value has its place in the form and in the text, until it is mended", async () => {
  settings.edit(port, "x");
  await vi.advanceTimersByTimeAsync(400);
  expect(settings.problemsAt(port)).toMatchObject([{ message: "not a port", severity: "error", line: 3 }]);
  const { from, to } = settings.errors[0]!;
  expect(settings.text.slice(from, to)).toBe("x");
  settings.edit(port, 2);
  await vi.advanceTimersByTimeAsync(400);
  expect(settings.errors).toEqual([]);
});

test("text that cannot be read is not sent, and the form keeps what it knew", async () => {
  const before = gateway.calls.length;
  settings.type(`${FILE}x: [`);
  await vi.advanceTimersByTimeAsync(400);
  expect([settings.broken, settings.errors.length, gateway.calls.length]).toEqual([true, 1, before]);
  expect(settings.value).toEqual({ gateway: { port: 1 } });
  settings.discard();
  expect([settings.broken, settings.text]).toEqual([false, FILE]);
});

test("the file changes elsewhere: it is shown where nothing waits here, and otherwise chosen", async () => {
  gateway.raw = `${FILE}cron: {enabled: false}\n`;
  gateway.changed({ hash: gateway.raw });
  await vi.advanceTimersByTimeAsync(0);
  expect([settings.text, settings.clash]).toEqual([gateway.raw, undefined]);
  settings.edit(port, 2);
  gateway.raw = FILE.replace("1", "3");
  await settings.apply();
  expect(settings.clash?.conflict?.clashes.map(({ mine, theirs }) => [mine, theirs])).toEqual([[2, 3]]);
  settings.resolve(() => "mine");
  expect([settings.text, settings.base?.raw]).toEqual([FILE.replace("1", "2"), FILE.replace("1", "3")]);
  await settings.apply();
  expect(gateway.raw).toBe(FILE.replace("1", "2"));
});

test("what was asked before the last change says nothing about it", async () => {
  settings.edit(port, "x");
  vi.advanceTimersByTime(350);
  settings.edit(port, 2);
  await vi.advanceTimersByTimeAsync(0);
  expect(settings.errors).toEqual([]);
});

import { expect, test } from "vitest";
import schema from "../../../../schemas/config.schema.json";
import { at, emptyEntry, fieldAt, flatten, formOf, needsRestart, type Field } from "./schema";

const form = formOf(schema);
const kind = (path: string): Field["kind"] | undefined => fieldAt(form, path.split("."))?.kind;

test("every key of the schema has a field, in the order the schema gives", () => {
  expect(form.map(({ path }) => path[0]).slice(0, 5)).toEqual(["gateway", "agents", "bindings", "models", "channels"]);
  const all = form.flatMap(flatten);
  expect(all.every(({ title }) => title !== "")).toBe(true);
  expect(fieldAt(form, ["gateway"])!.fields.map(({ path }) => path[1]).slice(0, 3)).toEqual(["mode", "bind", "port"]);
});

test.each([
  ["gateway.mode", "choice"],
  ["gateway.port", "number"],
  ["gateway.tls", "group"],
  ["gateway.allowedOrigins", "list"],
  ["gateway.users", "entries"],
  ["gateway.users.anna.token", "secret"],
  ["models.providers.work.apiKey", "secret"],
  ["models.providers.work.models", "items"],
  ["agents.entries.main.systemPrompt", "longText"],
  ["channels", "free"],
  ["session.identityLinks.eve", "list"],
  ["cron.enabled", "boolean"],
  ["usage.caps.dayUsd", "number"],
  ["nothing.here", undefined],
])("%s is shown as %s", (path, expected) => {
  expect(kind(path)).toBe(expected);
});

test("choices carry their words, and hints of the gateway go before the schema's own", () => {
  expect(fieldAt(form, ["session", "queue"])!.choices[1]).toEqual({ value: "steer", description: "Joins the run at its next tool boundary." });
  expect(fieldAt(form, ["tools", "exec", "sandbox"])!.choices.map(({ value }) => value)).toEqual(["off", "auto", "require"]);
  const hinted = formOf(schema, { "/gateway/port": { reload: "restart", advanced: true } });
  expect(fieldAt(hinted, ["gateway", "port"])).toMatchObject({ reload: "restart", advanced: true });
});

test("a change says whether it waits for a restart", () => {
  expect(needsRestart(form, [["gateway", "allowedOrigins"]])).toBe(false);
  expect(needsRestart(form, [["gateway", "allowedOrigins"], ["gateway", "mode"]])).toBe(true);
  expect(needsRestart(form, [["gateway", "unknown"]])).toBe(false);
});

test("an entry's fields stand under its own name, and a new one has what it needs", () => {
  const entry = fieldAt(form, ["models", "providers"])!.entry!;
  expect(at(entry, ["models", "providers", "work"]).fields[0]!.path).toEqual(["models", "providers", "work", "api"]);
  expect(emptyEntry(schema, ["models", "providers", "x"])).toEqual({ api: "anthropic" });
  expect(emptyEntry(schema, ["bindings", "0"])).toEqual({ agent: "", match: { channel: "" } });
});

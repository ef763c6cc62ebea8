import { expect, test } from "vitest";
import { setIn } from "./edit";
import { getIn, type Path } from "./paths";
import { flatten, formOf, type Field, type Kind } from "./schema";
import schema from "../../../../schemas/config.schema.json";
import { NotEditable, parse } from "./yaml";

const FILE = `# my gateway, please keep this comment
gateway:   # the door
  mode: local
  port: 18789        # as ever
  bind: "loopback"
  allowedOrigins:
    # the panel
    - https://panel.example   # mine
    - https://other.example

agents: {default: main, entries: {main: {name: Claw}}}
bindings:
  - agent: main
    match: {channel: telegram, peer: {kind: group, id: "-100123"}}
  - {agent: support, match: {channel: discord}}
models:
  providers:
    work: {api: openai, baseUrl: "https://llm.example/v1", apiKey: "\${WORK_LLM_KEY}"}
    # the big one
    anthropic:
      api: anthropic
      apiKey: {secret: anthropic}
logging:
# the end
`;

/** The lines that are not in both texts. */
function changed(before: string, after: string): { gone: string[]; come: string[] } {
  const [a, b] = [before.split("\n"), after.split("\n")];
  return { gone: a.filter((line) => !b.includes(line)), come: b.filter((line) => !a.includes(line)) };
}

test.each<[Path, unknown, string[], string[]]>([
  [["gateway", "port"], 18790, ["  port: 18789        # as ever"], ["  port: 18790        # as ever"]],
  [["gateway", "bind"], "all", ['  bind: "loopback"'], ['  bind: "all"']],
  [["gateway", "tls", "enabled"], true, [], ["  tls:", "    enabled: true"]],
  [["gateway", "mode"], undefined, ["  mode: local"], []],
  [["gateway", "allowedOrigins"], ["https://panel.example", "https://other.example", "https://new.example"], [], ["    - https://new.example"]],
  [["gateway", "allowedOrigins"], ["https://other.example"], ["    - https://panel.example   # mine"], []],
  [["gateway", "allowedOrigins", "1"], "https://o.example", ["    - https://other.example"], ["    - https://o.example"]],
  [["agents", "entries", "main", "name"], "A, b", ["agents: {default: main, entries: {main: {name: Claw}}}"], ['agents: {default: main, entries: {main: {name: "A, b"}}}']],
  [["agents", "maxConcurrentRuns"], 4, ["agents: {default: main, entries: {main: {name: Claw}}}"], ["agents: {default: main, entries: {main: {name: Claw}}, maxConcurrentRuns: 4}"]],
  [["agents", "default"], undefined, ["agents: {default: main, entries: {main: {name: Claw}}}"], ["agents: {entries: {main: {name: Claw}}}"]],
  [["models", "providers", "work"], undefined, ['    work: {api: openai, baseUrl: "https://llm.example/v1", apiKey: "${WORK_LLM_KEY}"}'], []],
  [["models", "providers", "anthropic", "apiKey", "secret"], "other", ["      apiKey: {secret: anthropic}"], ["      apiKey: {secret: other}"]],
  [["models", "providers", "openai"], { api: "openai", apiKey: { secret: "openai" } }, [], ["    openai:", "      api: openai", "      apiKey:", "        secret: openai"]],
  [["logging", "level"], "debug", [], ["  level: debug"]],
  [["cron", "enabled"], false, [], ["cron:", "  enabled: false"]],
  [["bindings", "0", "agent"], "other", ["  - agent: main"], ["  - agent: other"]],
])("%j becomes %j, and nothing else changes", (path, value, gone, come) => {
  const next = setIn(FILE, path, value);
  expect(changed(FILE, next)).toEqual({ gone, come });
  expect(getIn(parse(next).value, path)).toEqual(value);
});

test.each(["", "# only words\n", "# only words", "gateway:\n", "gateway: {}\n", "gateway:\n  mode: local", "gateway: # x\n  mode: local\n"])(
  "a key enters %j",
  (text) => {
    const next = setIn(text, ["gateway", "port"], 1);
    expect(getIn(parse(next).value, ["gateway", "port"])).toBe(1);
    for (const comment of text.match(/#.*/g) ?? []) expect(next).toContain(comment);
    expect(setIn(next, ["gateway", "port"], undefined)).not.toContain("port");
  },
);

test("a list goes to empty and back, with what stands beside it", () => {
  const emptied = setIn(FILE, ["gateway", "allowedOrigins"], []);
  expect(emptied).toContain("  allowedOrigins: []\n");
  expect(emptied).toContain("gateway:   # the door");
  const filled = setIn(emptied, ["gateway", "allowedOrigins"], ["https://a.example"]);
  expect(filled).toContain("  allowedOrigins:\n    - https://a.example\n");
});

test("text of several lines, and one that only looks like a number, come back as they were", () => {
  for (const value of ["one\ntwo\n", "12", "on", "", "a: b", "# no comment", "  spaces ", "é ☕", "- x", "null", "~"]) {
    for (const path of [["agents", "entries", "main", "systemPrompt"], ["gateway", "bind"], ["models", "providers", "anthropic", "baseUrl"]]) {
      expect(getIn(parse(setIn(FILE, path, value)).value, path)).toBe(value);
    }
  }
});

test("every leaf of the schema is set in a commented file, and removed again", () => {
  const all = leaves(schema);
  expect(all.length).toBeGreaterThan(45);
  for (const { path, example } of all) {
    const next = setIn(FILE, path, example);
    expect(getIn(parse(next).value, path), path.join(".")).toEqual(example);
    for (const comment of FILE.match(/#.*/g)!) expect(next, path.join(".")).toContain(comment);
    expect(getIn(parse(setIn(next, path, undefined)).value, path)).toBeUndefined();
  }
});

test.each(["a: &x 1\nb: *x\n", "a: [1\n", "- 1\n", "a: !t 1\n"])("%j is left to the person", (text) => {
  expect(() => setIn(text, ["a"], 2)).toThrow(NotEditable);
});

test("a mistake has a place, and a path has one as well", () => {
  const { issues, value } = parse("gateway:\n  port: [1\nx: 1\n");
  expect(value).toBeUndefined();
  expect(issues[0]).toMatchObject({ line: 3, column: 1 });
  const { locate } = parse(FILE);
  const at = (path: Path): string => FILE.slice(locate(path)!.from, locate(path)!.to);
  expect(at(["gateway", "port"])).toBe("18789");
  expect(at(["gateway", "allowedOrigins", "1"])).toBe("https://other.example");
  expect(at(["gateway", "nothing"])).toBe("gateway");
});

/** Every leaf with a value that fits it; entries are called `x`. */
function leaves(schema: unknown): { path: Path; example: unknown }[] {
  const all = formOf(schema).flatMap(flatten);
  return all
    .filter(({ kind, path }) => kind !== "group" && kind !== "entries" && kind !== "items" && !insideItems(all, path))
    .map((field) => ({ path: field.path.map((key) => (key === "*" ? "x" : key)), example: exampleOf(field) }));
}

function insideItems(all: Field[], path: Path): boolean {
  return all.some((field) => field.kind === "items" && field.path.every((key, depth) => path[depth] === key));
}

function exampleOf({ kind, choices, examples }: Field): unknown {
  const values: Partial<Record<Kind, unknown>> = {
    boolean: true,
    number: 7,
    choice: choices.at(-1)?.value,
    list: ["one", "two"],
    secret: { secret: "name" },
    free: { any: "thing" },
  };
  return values[kind] ?? examples[0] ?? "text";
}

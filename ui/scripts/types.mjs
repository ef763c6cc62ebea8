// Writes src/lib/gateway/generated/ from ../schemas: types.ts for the compiler, params.json for checks at run time.
// With --check it writes nothing and fails when a file is stale. Called by `cargo xtask schemas`.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { compile } from "json-schema-to-typescript";

const ui = dirname(dirname(fileURLToPath(import.meta.url)));
const schemas = join(ui, "..", "schemas");
const target = join(ui, "src/lib/gateway/generated");
const HEADER = "// Generated from schemas/ by `cargo xtask schemas`; do not edit.\n";

const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const folder = (name) =>
  readdirSync(join(schemas, name))
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => read(join(schemas, name, file)));

const methods = [read(join(schemas, "connect.json")), ...folder("methods")];
const events = folder("events");

/** Every named type once; the files repeat what they share. */
const definitions = {};

function define(name, schema) {
  const known = definitions[name];
  if (known && !isDeepStrictEqual(known, schema)) throw new Error(`two different types are called ${name}`);
  definitions[name] = schema;
}

/** Moves one root schema and its definitions into the shared ones; answers its name. */
function hoist({ $schema: _, $defs = {}, ...root }) {
  if (!root.title) throw new Error(`a schema without a title: ${JSON.stringify(root).slice(0, 200)}`);
  for (const [name, schema] of Object.entries($defs)) define(name, schema);
  const { title, ...schema } = root;
  define(title, schema);
  return title;
}

const rows = (entries) => entries.map((entry) => `  ${entry};\n`).join("");
const methodRows = methods.map((each) => `"${each.method}": { params: ${hoist(each.params)}; result: ${hoist(each.result)} }`);
const eventRows = events.map((each) => `"${each.event}": ${hoist(each.payload)}`);

/** Members beside a `$ref` or a choice add to it, which the compiler of types only knows as `allOf`. */
function conjoin(schema) {
  if (Array.isArray(schema)) return schema.map(conjoin);
  if (typeof schema !== "object" || schema === null) return schema;
  const all = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, conjoin(value)]));
  // A description beside a `$ref` would make a second, equal type of it.
  if (all.$ref && !all.properties) return { $ref: all.$ref };
  if (!all.properties || !(all.$ref || all.oneOf)) return all;
  const { $ref, oneOf, description, ...rest } = all;
  return { ...(description && { description }), allOf: [$ref ? { $ref } : { oneOf }, rest] };
}

async function types() {
  const names = Object.keys(definitions).sort();
  const root = {
    title: "Root",
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, { $ref: `#/$defs/${name}` }])),
    $defs: Object.fromEntries(names.map((name) => [name, { ...conjoin(definitions[name]), title: name }])),
  };
  const text = await compile(root, "Root", {
    additionalProperties: false,
    bannerComment: "",
    format: true,
    style: { printWidth: 120 },
  });
  // The root only made the compiler visit every type.
  const withoutRoot = text.replace(/export interface Root \{[^}]*\}\n*/, "");
  return `${HEADER}
${withoutRoot.trim()}

/** Every method with its params and result. */
export interface Methods {
${rows(methodRows)}}

/** Every event with its payload. */
export interface Events {
${rows(eventRows)}}
`;
}

/** The params of every method without what only people read, and the definitions that these need. */
function params() {
  const needed = {};
  const keep = (schema) => {
    if (Array.isArray(schema)) return schema.map(keep);
    if (typeof schema !== "object" || schema === null) return schema;
    const name = typeof schema.$ref === "string" ? schema.$ref.replace("#/$defs/", "") : undefined;
    if (name && !(name in needed)) {
      needed[name] = {};
      needed[name] = keep(definitions[name]);
    }
    const dropped = ["title", "format", "$schema", "$defs"];
    const entries = Object.entries(schema).filter(
      ([key, value]) => !dropped.includes(key) && !(key === "description" && typeof value === "string"),
    );
    return Object.fromEntries(entries.map(([key, value]) => [key, keepMembers(key, value)]));
  };
  // The names of properties are not keywords.
  const keepMembers = (key, value) =>
    key === "properties" ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, keep(each)])) : keep(value);
  const byMethod = Object.fromEntries(methods.map((each) => [each.method, keep(each.params)]));
  const sorted = Object.fromEntries(Object.entries(needed).sort(([a], [b]) => (a < b ? -1 : 1)));
  return `${JSON.stringify({ methods: byMethod, $defs: sorted }, null, 1)}\n`;
}

const check = process.argv.includes("--check");
const wanted = { [join(target, "types.ts")]: await types(), [join(target, "params.json")]: params() };
const stale = Object.keys(wanted).filter((path) => {
  try {
    return readFileSync(path, "utf8") !== wanted[path];
  } catch {
    return true;
  }
});
if (check && stale.length > 0) {
  console.error(`stale: ${stale.map((path) => relative(ui, path)).join(", ")}; run \`cargo xtask schemas\``);
  process.exit(1);
}
mkdirSync(target, { recursive: true });
for (const path of stale) writeFileSync(path, wanted[path]);
console.log(`types: ${methods.length} methods, ${events.length} events, changed: ${stale.map((path) => basename(path)).join(", ") || "nothing"}`);

/** The forms that the configuration's schema describes. */
import { getIn, isObject, pointer, type Path } from "./paths";

/** `free`: what only a plugin or a channel knows; it is written as text. `entries`: by name. `items`: in order. */
export type Kind = "text" | "longText" | "number" | "boolean" | "choice" | "list" | "secret" | "group" | "entries" | "items" | "free";

export interface Choice {
  value: string;
  description?: string | undefined;
}
export interface Field {
  path: Path;
  kind: Kind;
  title: string;
  description: string;
  advanced: boolean;
  reload: "live" | "restart";
  default?: unknown;
  examples: string[];
  choices: Choice[];
  /** Of a group. */
  fields: Field[];
  /** Of entries and items: the field of one, with `*` in its path. */
  entry?: Field | undefined;
}
interface Hint {
  order?: number;
  advanced?: boolean;
  secret?: boolean;
  reload?: "live" | "restart";
}
export type Hints = Record<string, Hint>;
type Schema = Record<string, unknown>;

const LONG_TEXT = 5_000;

/** Every key of the configuration, the sections first. */
export function formOf(schema: unknown, hints: Hints = {}): Field[] {
  return fieldsOf(isObject(schema) ? schema : {}, [], hints);
}

function fieldsOf(schema: Schema, path: Path, hints: Hints): Field[] {
  const properties = isObject(schema.properties) ? Object.entries(schema.properties) : [];
  const rows = properties.map(([key, each]) => {
    const field = fieldOf(isObject(each) ? each : {}, [...path, key], hints);
    return { field, order: hintOf(each, field.path, hints).order ?? Infinity };
  });
  return rows.sort((a, b) => a.order - b.order).map(({ field }) => field);
}

function fieldOf(schema: Schema, path: Path, hints: Hints): Field {
  const hint = hintOf(schema, path, hints);
  const kind = kindOf(schema, hint);
  const below = [...path, "*"];
  const inner = kind === "entries" ? schema.additionalProperties : kind === "items" ? schema.items : undefined;
  return {
    path,
    kind,
    title: typeof schema.title === "string" ? schema.title : (path.at(-1) ?? ""),
    description: typeof schema.description === "string" ? schema.description.replaceAll("`", "") : "",
    advanced: hint.advanced ?? false,
    reload: hint.reload ?? "live",
    default: schema.default,
    examples: Array.isArray(schema.examples) ? schema.examples.map(String) : [],
    choices: choicesOf(schema),
    fields: kind === "group" ? fieldsOf(schema, path, hints) : [],
    entry: isObject(inner) ? fieldOf(inner, below, hints) : undefined,
  };
}

function kindOf(schema: Schema, hint: Hint): Kind {
  if (hint.secret) return "secret";
  if (choicesOf(schema).length > 0) return "choice";
  const { type, additionalProperties, items } = schema;
  if (type === "boolean") return "boolean";
  if (type === "integer" || type === "number") return "number";
  if (type === "string") return typeof schema.maxLength === "number" && schema.maxLength > LONG_TEXT ? "longText" : "text";
  if (type === "array") return isObject(items) && items.type === "object" ? "items" : "list";
  if (isObject(schema.properties)) return "group";
  return isObject(additionalProperties) ? "entries" : "free";
}

function choicesOf(schema: Schema): Choice[] {
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => ({ value: String(value) }));
  const parts = Array.isArray(schema.oneOf) ? schema.oneOf.filter(isObject) : [];
  return parts.flatMap((part): Choice[] => {
    if (Array.isArray(part.enum)) return part.enum.map((value) => ({ value: String(value) }));
    const description = typeof part.description === "string" ? part.description.replaceAll("`", "") : undefined;
    return "const" in part ? [{ value: String(part.const), description }] : [];
  });
}

function hintOf(schema: unknown, path: Path, hints: Hints): Hint {
  const own: Schema = isObject(schema) ? schema : {};
  const known = ["order", "advanced", "secret", "reload"].filter((name) => own[`x-${name}`] !== undefined);
  return { ...Object.fromEntries(known.map((name) => [name, own[`x-${name}`]])), ...hints[pointer(path)] };
}

/** The same field for one entry: every `*` of the pattern is the entry's own key. */
export function at(field: Field, path: Path): Field {
  const fill = (each: Field): Field => {
    const filled = [...path, ...each.path.slice(path.length)];
    return { ...each, path: filled, fields: each.fields.map(fill), entry: each.entry && fill(each.entry) };
  };
  return fill(field);
}

/** The description of a path, through entries and items. */
export function fieldAt(fields: Field[], path: Path): Field | undefined {
  let found: Field | undefined;
  let level = fields;
  for (const [depth, key] of path.entries()) {
    found = found?.entry ?? level.find((field) => field.path[depth] === key);
    if (!found) return undefined;
    level = found.fields;
  }
  return found;
}

/** Whether a change of these paths waits for a restart. */
export function needsRestart(fields: Field[], paths: Path[]): boolean {
  return paths.some((path) => {
    for (let length = path.length; length > 0; length -= 1) {
      const field = fieldAt(fields, path.slice(0, length));
      if (field) return field.reload === "restart";
    }
    return false;
  });
}

/** Every field below, itself included. */
export function flatten(field: Field): Field[] {
  return [field, ...[...field.fields, ...(field.entry ? [field.entry] : [])].flatMap(flatten)];
}

/** What a new entry starts with: what the schema requires, at its first choice. */
export function emptyEntry(schema: unknown, path: Path): unknown {
  const found = path.reduce<unknown>((node, key) => {
    const part = isObject(node) ? node : {};
    return getIn(part, ["properties", key]) ?? part.additionalProperties ?? part.items;
  }, schema);
  return required(found);
}

function required(schema: unknown): unknown {
  if (!isObject(schema)) return "";
  const choice = choicesOf(schema)[0];
  if (choice) return choice.value;
  if (schema.type === "array") return [];
  if (schema.type === "boolean") return false;
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 0;
  if (schema.type === "string" || schema.anyOf) return "";
  const names = Array.isArray(schema.required) ? schema.required.map(String) : [];
  return Object.fromEntries(names.map((name) => [name, required(getIn(schema, ["properties", name]))]));
}

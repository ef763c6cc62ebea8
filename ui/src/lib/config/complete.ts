/** What can be written at a place in the text, from the schema. */
import type { Path } from "./paths";
import { fieldAt, type Field } from "./schema";

export interface Completion {
  from: number;
  options: { label: string; detail: string; info: string; apply: string }[];
}

export function complete(text: string, at: number, fields: Field[]): Completion | undefined {
  const start = text.lastIndexOf("\n", at - 1) + 1;
  const line = text.slice(start, at);
  const value = /^(\s*(?:- )?)([\w-]+):\s+(\S*)$/.exec(line);
  if (value) {
    const [, lead = "", key = "", typed = ""] = value;
    const field = fieldAt(fields, [...parentOf(text, start, lead.length), key]);
    const options = valuesOf(field).map(({ label, info }) => ({ label, detail: "", info, apply: label }));
    return options.length > 0 ? { from: at - typed.length, options } : undefined;
  }
  const key = /^(\s*)([\w-]*)$/.exec(line);
  if (!key) return undefined;
  const [, lead = "", typed = ""] = key;
  const path = parentOf(text, start, lead.length);
  const below = path.length === 0 ? fields : childrenOf(fieldAt(fields, path));
  const options = below.map((field) => {
    const label = field.path.at(-1) ?? "";
    const nested = field.kind === "group" || field.kind === "entries";
    return { label, detail: field.title, info: field.description, apply: nested ? `${label}:\n${lead}  ` : `${label}: ` };
  });
  return options.length > 0 ? { from: at - typed.length, options } : undefined;
}

/** The keys above that a line of this indentation stands under. */
function parentOf(text: string, start: number, indent: number): Path {
  const path: Path = [];
  let least = indent;
  for (const line of text.slice(0, start).split("\n").reverse()) {
    const match = /^(\s*)("?)([^\s#:"][^:"]*)\2:/.exec(line);
    if (!match || match[1]!.length >= least) continue;
    path.unshift(match[3]!);
    least = match[1]!.length;
  }
  return path;
}

function childrenOf(field: Field | undefined): Field[] {
  return field ? field.fields : [];
}

function valuesOf(field: Field | undefined): { label: string; info: string }[] {
  if (field?.kind === "boolean") return ["true", "false"].map((label) => ({ label, info: "" }));
  if (field?.kind === "choice") return field.choices.map(({ value, description }) => ({ label: value, info: description ?? "" }));
  return (field?.examples ?? []).map((label) => ({ label, info: "" }));
}

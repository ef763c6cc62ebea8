import { isObject } from "./paths";

/** Which places of the configuration name each stored secret. */
export function secretUses(value: unknown, path: string[] = []): Map<string, string[]> {
  const uses = new Map<string, string[]>();
  if (isObject(value) && typeof value.secret === "string" && Object.keys(value).length === 1) {
    return uses.set(value.secret, [path.join(".")]);
  }
  const entries = Array.isArray(value) ? value.entries() : Object.entries(isObject(value) ? value : {});
  for (const [key, each] of entries) {
    for (const [name, places] of secretUses(each, [...path, String(key)])) uses.set(name, [...(uses.get(name) ?? []), ...places]);
  }
  return uses;
}

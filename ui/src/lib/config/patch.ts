/** JSON Merge Patch: what differs between two values, member by member; `null` removes. */
import { isEqual, isObject, type Path } from "./paths";

export type Patch = Record<string, unknown>;

export function diffPatch(from: unknown, to: unknown): Patch {
  const before = isObject(from) ? from : {};
  const after = isObject(to) ? to : {};
  const patch: Patch = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) patch[key] = null;
  for (const [key, value] of Object.entries(after)) {
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (isEqual(old, value)) continue;
    patch[key] = isObject(old) && isObject(value) ? diffPatch(old, value) : value;
  }
  return patch;
}

export interface Change {
  path: Path;
  /** `undefined` where it was removed. */
  value: unknown;
}

/** The single changes between two values, in the order of the later one. A list is one value. */
export function changes(from: unknown, to: unknown): Change[] {
  const walk = (before: unknown, after: unknown, path: Path): Change[] => {
    if (isEqual(before, after)) return [];
    // Where one side has no members, their absence is no change of its own.
    if ((isObject(before) || before === undefined) && isObject(after) && (before !== undefined || Object.keys(after).length > 0)) {
      const old = isObject(before) ? before : {};
      const keys = [...new Set([...Object.keys(after), ...Object.keys(old)])];
      return keys.flatMap((key) => walk(own(old, key), own(after, key), [...path, key]));
    }
    return [{ path, value: after }];
  };
  return walk(from ?? undefined, to ?? undefined, []);
}

function own(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? (value[key] ?? undefined) : undefined;
}

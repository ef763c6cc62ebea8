/** Log lines and diagnostics as one kind of entry that can be filtered. */
import type { Diagnostic, LogLine } from "$lib/gateway/wire";

export type Level = LogLine["level"];
export interface Entry {
  ts: number;
  level: Level;
  source: string;
  message: string;
  fields: string;
}

const LEVELS: Level[] = ["trace", "debug", "info", "warn", "error"];

export function ofLog({ ts, level, target, message, fields }: LogLine): Entry {
  return { ts, level, source: target, message, fields: fieldText(fields) };
}

export function ofDiagnostic({ ts, level, source, code, message, fields }: Diagnostic): Entry {
  return { ts, level, source: `${source} ${code}`, message, fields: fieldText(fields) };
}

export function filterEntries(entries: Entry[], least: Level, query: string): Entry[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return entries.filter((entry) => {
    if (LEVELS.indexOf(entry.level) < LEVELS.indexOf(least)) return false;
    const text = `${entry.source} ${entry.message} ${entry.fields}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

function fieldText(fields: Record<string, unknown>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(" ");
}

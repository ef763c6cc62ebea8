import type { ModelRow } from "$lib/gateway/wire";
import { locale, t } from "$lib/strings";

/** Models that have every word in their name or provider, those that can be used first. */
export function searchModels(rows: ModelRow[], query: string, onlyAvailable: boolean): ModelRow[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = ({ id, name, available }: ModelRow): boolean =>
    (available || !onlyAvailable) && words.every((word) => `${id} ${name}`.toLowerCase().includes(word));
  return rows.filter(fits).sort((a, b) => Number(b.available) - Number(a.available));
}

/** A number of tokens, short: 200 k, 1 M. */
export function tokens(count: number): string {
  const digits = count >= 10_000 && count < 1_000_000 ? 0 : 1;
  return count.toLocaleString(locale, { notation: "compact", maximumFractionDigits: digits });
}

/** Dollars for a million tokens. */
export function price(dollars: number | undefined): string {
  if (dollars === undefined) return t.models.unknown;
  return dollars === 0 ? t.models.free : `$${dollars.toLocaleString(locale, { minimumFractionDigits: 2, maximumFractionDigits: 3 })}`;
}

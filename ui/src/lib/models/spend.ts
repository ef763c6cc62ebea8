/** What was spent, as the page shows it. */
import type { UsageSummary } from "$lib/gateway/wire";

export interface Day {
  day: string;
  costUsd: number;
  runs: number;
}

/** The last days with no gap between them, the oldest first. */
export function lastDays({ days }: Pick<UsageSummary, "days">, count: number, today: Date): Day[] {
  const known = new Map(days.map((each) => [each.day, each]));
  return Array.from({ length: count }, (_, at) => {
    const day = isoDay(new Date(today.getFullYear(), today.getMonth(), today.getDate() - (count - 1 - at)));
    const { costUsd = 0, runs = 0 } = known.get(day) ?? {};
    return { day, costUsd, runs };
  });
}

export function isoDay(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

export function total(days: Day[]): { costUsd: number; runs: number } {
  return days.reduce((sum, { costUsd, runs }) => ({ costUsd: sum.costUsd + costUsd, runs: sum.runs + runs }), { costUsd: 0, runs: 0 });
}

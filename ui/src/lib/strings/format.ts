/** Numbers and times as people read them. */
import { locale, t } from ".";

export function bytes(size: number): string {
  const power = size > 0 ? Math.min(Math.floor(Math.log(size) / Math.log(1024)), t.units.bytes.length - 1) : 0;
  const value = size / 1024 ** power;
  return `${value.toLocaleString(locale, { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${t.units.bytes[power]}`;
}

export function duration(ms: number): string {
  if (ms < 1000) return t.units.ms(Math.round(ms));
  const seconds = ms / 1000;
  if (seconds < 60) return t.units.s(seconds.toLocaleString(locale, { maximumFractionDigits: seconds < 10 ? 1 : 0 }));
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t.units.min(minutes);
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? t.units.h(hours, minutes % 60) : t.units.d(Math.floor(hours / 24), hours % 24);
}

/** For the list of sessions: the time today, the weekday within a week, else the date. */
export function shortTime(iso: string, now: Date): string {
  const at = new Date(iso);
  if (Number.isNaN(at.getTime())) return "";
  const age = now.getTime() - at.getTime();
  if (age < 60_000) return t.sessions.now;
  if (at.toDateString() === now.toDateString()) return clock(at);
  if (age < 6 * 86_400_000) return at.toLocaleDateString(locale, { weekday: "short" });
  return at.toLocaleDateString(locale, { day: "numeric", month: "short" });
}

export function clock(at: Date, seconds = false): string {
  return at.toLocaleTimeString(locale, {
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    ...(seconds && { second: "2-digit" }),
  });
}

export function fullTime(iso: string): string {
  return new Date(iso).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

/** A day given as `2026-01-31`. */
export function longDay(day: string): string {
  return new Date(`${day}T00:00`).toLocaleDateString(locale, { day: "numeric", month: "short" });
}

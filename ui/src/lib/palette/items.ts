/** What the palette offers, and in which order for a query. */
import type { App } from "$lib/app.svelte";
import { chatHref, route } from "$lib/route.svelte";
import { t } from "$lib/strings";
import { theme, type ThemeChoice } from "$lib/theme.svelte";
import { fuzzy } from "./fuzzy";

export interface Item {
  id: string;
  label: string;
  /** What tells a session apart. */
  hint?: string;
  /** Words that find it beside its label. */
  also: string;
  run: () => void;
}
export interface Group {
  name: "sessions" | "actions";
  items: Item[];
}

const RECENT = 6;
const MOST = 20;
/** Below any fit of a label. */
const BESIDE = -100;

/** All of a kind that fit, the best first; the kind with the best fit comes first. */
export function find(groups: Group[], query: string): Group[] {
  if (query.trim() === "") {
    return groups.map(({ name, items }) => ({ name, items: name === "sessions" ? items.slice(0, RECENT) : items })).filter(isFilled);
  }
  const ranked = groups.map(({ name, items }) => {
    const scored = items.flatMap((item) => {
      const score = fuzzy(query, item.label) ?? (contains(`${item.label} ${item.also}`, query) ? BESIDE : undefined);
      return score === undefined ? [] : [{ item, score }];
    });
    scored.sort((a, b) => b.score - a.score);
    return { name, best: scored[0]?.score ?? -Infinity, items: scored.slice(0, MOST).map(({ item }) => item) };
  });
  ranked.sort((a, b) => b.best - a.best);
  return ranked.map(({ name, items }) => ({ name, items })).filter(isFilled);
}

export function itemsOf(app: App): Group[] {
  const sessions = app.chat.sessions.all.map(
    ({ key, label, title, lastMessagePreview }): Item => ({
      id: key,
      label: label ?? title,
      hint: lastMessagePreview.slice(0, 120),
      also: `${key} ${lastMessagePreview}`,
      run: () => go(chatHref(key)),
    }),
  );
  return [
    { name: "sessions", items: sessions },
    { name: "actions", items: actions(app) },
  ];
}

function actions({ approvals, chat, client, host, notices, connection }: App): Item[] {
  const words = t.palette.actions;
  const item = (id: keyof typeof words, run: () => void, also = ""): Item => ({ id, label: words[id], also, run });
  const key = route.sessionKey;
  const conversation = key ? chat.open(key) : undefined;
  const anyRuns = chat.sessions.all.some((session) => session.status === "running" || session.status === "queued");
  const themes: ThemeChoice[] = ["system", "light", "dark"];
  const chatShown = route.page === "chat";
  return [
    item("newSession", () => {
      go(chatHref(key));
      chat.creating = true;
    }),
    ...(chatShown ? [item("focus", () => document.getElementById("composer")?.focus())] : [item("chat", () => go(chatHref(key)))]),
    ...(conversation?.busy ? [item("stop", () => void conversation.abort().catch(() => undefined))] : []),
    ...(anyRuns ? [item("stopAll", () => void client.call("runs.abort", {}).catch(() => undefined))] : []),
    ...(approvals.pending.length > 0 ? [item("denyAll", () => void approvals.denyAll())] : []),
    ...(["approvals", "models", "settings", "health", "welcome"] as const)
      .filter((page) => page !== route.page)
      .map((page) => item(page, () => go(`#/${page}`), t.palette[`${page}Hint`])),
    ...(notices.permission === "none" || notices.permission === "blocked"
      ? []
      : [item(notices.on ? "notifyOff" : "notifyOn", () => void notices.toggle())]),
    item("copyAddress", () => void host.endpoint().then(({ url }) => navigator.clipboard.writeText(url))),
    ...themes.filter((each) => each !== theme.choice).map((each) => item(each, () => theme.choose(each), t.palette.themeHint)),
    ...(connection.status === "offline" ? [item("reconnect", () => client.connect())] : []),
  ];
}

function go(hash: string): void {
  window.location.hash = hash;
}

/** What stands beside a label is found by whole words' parts only: letters of it are everywhere. */
function contains(text: string, query: string): boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => text.toLowerCase().includes(word));
}

function isFilled({ items }: Group): boolean {
  return items.length > 0;
}

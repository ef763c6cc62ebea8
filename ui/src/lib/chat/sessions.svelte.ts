/** The list of sessions. */
import type { GatewayClient } from "$lib/gateway/client";
import type { Events, SessionRow } from "$lib/gateway/wire";
import { describe } from "$lib/strings";

const PAGE = 100;

export class SessionList {
  query = $state("");
  loading = $state(false);
  loaded = $state(false);
  error = $state<string>();
  more = $state(false);
  #rows = $state.raw(new Map<string, SessionRow>());
  #cursor: string | undefined;
  readonly #client: GatewayClient;
  /** All that are known here, as they are listed. */
  readonly all = $derived.by(() => filterSessions([...this.#rows.values()], ""));
  readonly shown = $derived.by(() => (this.query ? filterSessions(this.all, this.query) : this.all));

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  get(key: string): SessionRow | undefined {
    return this.#rows.get(key);
  }

  /** Fetches the first page again, keeping what is on the screen until it is here. */
  async refresh(): Promise<void> {
    await this.#fetch(undefined);
  }

  async loadMore(): Promise<void> {
    if (this.#cursor && !this.loading) await this.#fetch(this.#cursor);
  }

  apply({ key, session }: Events["session.changed"]): void {
    const rows = new Map(this.#rows);
    if (session && !session.archived) rows.set(key, session);
    else rows.delete(key);
    this.#rows = rows;
  }

  async #fetch(cursor: string | undefined): Promise<void> {
    this.loading = true;
    try {
      const page = await this.#client.call("sessions.list", { limit: PAGE, ...(cursor && { cursor }) });
      const rows = new Map(cursor ? this.#rows : []);
      for (const session of page.sessions) rows.set(session.key, session);
      this.#rows = rows;
      this.#cursor = page.nextCursor;
      this.more = page.nextCursor !== undefined;
      this.error = undefined;
      this.loaded = true;
    } catch (error) {
      this.error = describe(error);
    }
    this.loading = false;
  }
}

export function filterSessions(rows: SessionRow[], query: string): SessionRow[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const matches = ({ title, key, lastMessagePreview }: SessionRow): boolean => {
    const text = `${title} ${key} ${lastMessagePreview}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return rows.filter(matches).sort(byRecency);
}

function byRecency(a: SessionRow, b: SessionRow): number {
  return Number(b.pinned) - Number(a.pinned) || b.updatedAt.localeCompare(a.updatedAt);
}

export interface SessionGroup {
  name: "pinned" | "today" | "earlier";
  sessions: SessionRow[];
}

export function groupSessions(rows: SessionRow[], now: Date): SessionGroup[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const nameOf = (row: SessionRow): SessionGroup["name"] =>
    row.pinned ? "pinned" : Date.parse(row.updatedAt) >= midnight ? "today" : "earlier";
  return (["pinned", "today", "earlier"] as const)
    .map((name) => ({ name, sessions: rows.filter((row) => nameOf(row) === name) }))
    .filter((group) => group.sessions.length > 0);
}

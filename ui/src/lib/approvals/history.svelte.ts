/** The record: what was asked, answered and started, and which rules came and went. */
import type { GatewayClient } from "$lib/gateway/client";
import type { AuditEntry, Result } from "$lib/gateway/wire";
import { describe } from "$lib/strings";

const PAGE = 100;

export type Kind = AuditEntry["kind"] | "";

export class History {
  /** The newest first. */
  rows = $state.raw<AuditEntry[]>();
  more = $state(false);
  loading = $state(false);
  error = $state<string>();
  checked = $state.raw<Result<"audit.verify">>();
  readonly #client: GatewayClient;
  #cursor: string | undefined;
  #asked = 0;

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** The newest of a kind, or of all. */
  async load(kind: Kind): Promise<void> {
    this.#cursor = undefined;
    await this.#fetch(kind, []);
  }

  async loadMore(kind: Kind): Promise<void> {
    if (this.#cursor) await this.#fetch(kind, this.rows ?? []);
  }

  /** Whether the record is whole. */
  async verify(): Promise<void> {
    try {
      this.checked = await this.#client.call("audit.verify", {});
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
  }

  async #fetch(kind: Kind, before: AuditEntry[]): Promise<void> {
    const asked = (this.#asked += 1);
    const wanted = { ...(kind && { kind }), ...(this.#cursor && { cursor: this.#cursor }) };
    this.loading = true;
    try {
      const page = await this.#client.call("exec.approval.history", { limit: PAGE, ...wanted });
      // An answer to an earlier filter.
      if (asked !== this.#asked) return;
      this.rows = [...before, ...page.entries];
      this.#cursor = page.nextCursor;
      this.more = page.nextCursor !== undefined;
      this.error = undefined;
    } catch (error) {
      if (asked === this.#asked) this.error = describe(error);
    }
    if (asked === this.#asked) this.loading = false;
  }
}

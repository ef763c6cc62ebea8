/** What sessions are called, fetched one by one as they are named. */
import { nameOfKey } from "$lib/chat/ids";
import type { GatewayClient } from "$lib/gateway/client";

export class Titles {
  #known = $state.raw<ReadonlyMap<string, string>>(new Map());
  readonly #asked = new Set<string>();
  readonly #client: GatewayClient;

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** The end of its key, until the gateway has answered. */
  of(key: string): string {
    if (!this.#asked.has(key)) void this.#ask(key);
    return this.#known.get(key) ?? nameOfKey(key);
  }

  async #ask(key: string): Promise<void> {
    this.#asked.add(key);
    try {
      const { session } = await this.#client.call("sessions.get", { key });
      this.#known = new Map([...this.#known, [key, session.label ?? session.title]]);
    } catch {
      this.#asked.delete(key);
    }
  }
}

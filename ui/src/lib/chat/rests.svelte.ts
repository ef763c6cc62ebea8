/** What follows the shown part of messages that are too long for one answer of the gateway. */
import type { GatewayClient } from "$lib/gateway/client";
import type { Message } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import { plainText } from "./messages";

export interface Rest {
  text: string;
  /** Bytes that are still missing; unknown before the first part. */
  left?: number;
  loading: boolean;
  error?: string;
}

export class Rests {
  #byId = $state.raw(new Map<string, Rest>());
  readonly #client: Pick<GatewayClient, "call">;
  readonly #sessionKey: string;

  constructor(client: Pick<GatewayClient, "call">, sessionKey: string) {
    this.#client = client;
    this.#sessionKey = sessionKey;
  }

  of(messageId: string): Rest | undefined {
    return this.#byId.get(messageId);
  }

  /** Fetches the next part. */
  async load(message: Message): Promise<void> {
    const { text, left } = this.of(message.id) ?? { text: "" };
    this.#set(message.id, { text, ...(left !== undefined && { left }), loading: true });
    try {
      const offset = new TextEncoder().encode(plainText(message) + text).length;
      const params = { sessionKey: this.#sessionKey, messageId: message.id, offset };
      const part = await this.#client.call("chat.message.get", params);
      const next = part.nextOffset ?? part.totalBytes;
      this.#set(message.id, { text: text + part.text, left: part.totalBytes - next, loading: false });
    } catch (error) {
      this.#set(message.id, { text, ...(left !== undefined && { left }), loading: false, error: describe(error) });
    }
  }

  #set(messageId: string, rest: Rest): void {
    this.#byId = new Map(this.#byId).set(messageId, rest);
  }
}

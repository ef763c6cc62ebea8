/** The bytes of attachments as addresses that the page can show, fetched once and given back when nobody shows them. */
import type { GatewayClient } from "$lib/gateway/client";
import type { Result } from "$lib/gateway/wire";
import { t } from "$lib/strings";
import { isShown, type LocalFile } from "./files";

type Bytes = Uint8Array<ArrayBuffer>;

interface Entry {
  parts: Promise<Bytes[]>;
  size: number;
  /** How many places show it; it stays for a while at none, as scrolling comes back. */
  users: number;
  url?: string;
}

/** Bytes kept for attachments that are not on the page. */
const KEPT_BYTES = 64_000_000;

export class Blobs {
  readonly #client: Pick<GatewayClient, "call">;
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();

  constructor(client: Pick<GatewayClient, "call">) {
    this.#client = client;
  }

  /** A file of this tab needs no fetching; it stays until it is adopted or forgotten. */
  keep({ id, bytes }: LocalFile): void {
    if (this.#entries.has(id)) return;
    this.#entries.set(id, { parts: Promise.resolve([bytes]), size: bytes.length, users: 1 });
  }

  /** The gateway has a file of this tab, under its own id. */
  adopt(localId: string, attachmentId: string): void {
    const local = this.#entries.get(localId);
    if (!local || this.#entries.has(attachmentId)) return;
    // The address moves along, so that a picture on the page is not loaded again.
    this.#entries.set(attachmentId, { ...local, users: 0 });
    this.#entries.delete(localId);
  }

  /** The person took the file away. */
  forget(localId: string): void {
    const entry = this.#entries.get(localId);
    this.#entries.delete(localId);
    if (entry?.url) URL.revokeObjectURL(entry.url);
  }

  /** An address of the attachment, to be given back with `release`. */
  async acquire(id: string, mimeType: string): Promise<string> {
    const entry = this.#use(id);
    entry.users += 1;
    try {
      const parts = await entry.parts;
      // Anything but a picture gets a type that no browser acts on.
      entry.url ??= URL.createObjectURL(new Blob(parts, { type: isShown(mimeType) ? mimeType : "application/octet-stream" }));
      return entry.url;
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
  }

  release(id: string): void {
    const entry = this.#entries.get(id);
    if (entry) entry.users -= 1;
    this.#trim();
  }

  async bytes(id: string): Promise<Bytes> {
    return join(await this.#use(id).parts);
  }

  #use(id: string): Entry {
    const entry = this.#entries.get(id) ?? { parts: this.#fetch(id), size: 0, users: 0 };
    this.#entries.delete(id);
    this.#entries.set(id, entry);
    void entry.parts.then((parts) => (entry.size = length(parts))).catch(() => this.#entries.delete(id));
    return entry;
  }

  async #fetch(attachmentId: string): Promise<Bytes[]> {
    const parts: Bytes[] = [];
    let offset = 0;
    for (;;) {
      const part = await this.#client.call("attachments.get", { attachmentId, ...(offset > 0 && { offset }) });
      const content = toBytes(part.content);
      parts.push(content);
      offset += content.length;
      if (part.nextOffset === undefined) {
        if (!(await isWhole(parts, part))) throw new Error(t.attach.incomplete);
        return parts;
      }
      if (part.nextOffset !== offset) throw new Error(t.attach.incomplete);
    }
  }

  #trim(): void {
    const unused = [...this.#entries].filter(([, entry]) => entry.users <= 0);
    let size = unused.reduce((sum, [, entry]) => sum + entry.size, 0);
    for (const [id, entry] of unused) {
      if (size <= KEPT_BYTES) return;
      size -= entry.size;
      if (entry.url) URL.revokeObjectURL(entry.url);
      this.#entries.delete(id);
    }
  }
}

/** MessagePack brings bytes, JSON base64 text. */
function toBytes(content: unknown): Bytes {
  // A copy of its own: the decoder answers a view into the whole frame.
  if (content instanceof Uint8Array) return new Uint8Array(content);
  return Uint8Array.from(atob(String(content)), (character) => character.charCodeAt(0));
}

async function isWhole(parts: Bytes[], { sizeBytes, sha256 }: Result<"attachments.get">): Promise<boolean> {
  if (length(parts) !== sizeBytes) return false;
  // Missing where the page is served without TLS to another machine.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (!subtle) return true;
  const digest = new Uint8Array(await subtle.digest("SHA-256", join(parts)));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
}

function length(parts: Bytes[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function join(parts: Bytes[]): Bytes {
  const whole = new Uint8Array(length(parts));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

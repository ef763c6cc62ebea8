/** What this client sends in one session: on the page at once, and kept until the gateway has it. */
import type { GatewayClient } from "$lib/gateway/client";
import { DISCONNECTED, GatewayError } from "$lib/gateway/errors";
import { asBase64 } from "$lib/gateway/frames";
import type { Message, Params } from "$lib/gateway/wire";
import { describe, t } from "$lib/strings";
import type { Blobs } from "./blobs";
import { isAttached, localContent, type LocalFile } from "./files";
import { newId } from "./ids";
import { dropUnsent, keepUnsent, type Choice, type Unsent } from "./storage";
import type { Timeline } from "./timeline";

export interface Outgoing {
  text: string;
  files: LocalFile[];
  choice: Choice;
  /** Id of the message that this one replaces. */
  replaces?: string | undefined;
}

const CALL_MS = 30_000;
/** Files may have to go through a slow tunnel. */
const SLOWEST_BYTES_PER_MS = 50;

export class Outbox {
  readonly #client: GatewayClient;
  readonly #key: string;
  readonly #timeline: Timeline;
  readonly #blobs: Blobs;
  readonly #publish: () => void;
  readonly #waiting = new Map<string, { unsent: Unsent; files: LocalFile[] }>();

  constructor(client: GatewayClient, key: string, timeline: Timeline, blobs: Blobs, publish: () => void) {
    this.#client = client;
    this.#key = key;
    this.#timeline = timeline;
    this.#blobs = blobs;
    this.#publish = publish;
  }

  send({ text, files, choice, replaces }: Outgoing): void {
    const unsent: Unsent = {
      ...choice,
      sessionKey: this.#key,
      key: newId(),
      text,
      createdAt: new Date().toISOString(),
      ...(replaces && { replaces }),
      ...(files.length > 0 && { files: files.map((file) => file.name) }),
    };
    keepUnsent(unsent);
    for (const file of files) this.#blobs.keep(file);
    this.#waiting.set(unsent.key, { unsent, files });
    this.resume(unsent);
  }

  /** Shows an unsent message, if it is not shown yet, and sends it. */
  resume(unsent: Unsent): void {
    const { key, text, createdAt, replaces } = unsent;
    const waiting = this.#waiting.get(key) ?? { unsent, files: [] };
    this.#waiting.set(key, waiting);
    if (!this.#timeline.rows.some((row) => row.key === key)) {
      this.#timeline.addLocal(key, localContent(text, waiting.files), createdAt, replaces);
    }
    void this.retry(key);
  }

  /** Sends a message, again under its own key: the gateway answers a repeat with the first answer. */
  async retry(key: string): Promise<void> {
    const waiting = this.#waiting.get(key);
    if (!waiting) return;
    const { unsent, files } = waiting;
    if (files.length < (unsent.files?.length ?? 0)) {
      this.#timeline.setSending(key, { state: "failed", reason: t.sending.filesLost(unsent.files!.join(", ")), final: true });
      this.#publish();
      return;
    }
    this.#timeline.setSending(key, { state: "pending" });
    this.#publish();
    try {
      const size = files.reduce((sum, file) => sum + file.bytes.length, 0);
      const sent = await this.#client.call("chat.send", params(unsent, files), CALL_MS + size / SLOWEST_BYTES_PER_MS);
      const ended = sent.status === "ok" || sent.status === "error" || sent.status === "aborted";
      this.#timeline.acknowledge(key, sent.messageId, ended ? undefined : sent.status === "queued" ? "queued" : "started");
      dropUnsent(key);
    } catch (error) {
      // Without a connection it stays pending, and goes out by itself when there is one again.
      const lost = error instanceof GatewayError && error.code === DISCONNECTED;
      if (!lost && this.#waiting.has(key)) this.#timeline.setSending(key, { state: "failed", reason: describe(error) });
    }
    this.#publish();
  }

  /** Takes a message that was not sent back, for the composer. */
  takeBack(key: string): { text: string; files: LocalFile[]; problem: string | undefined } | undefined {
    const waiting = this.#waiting.get(key);
    if (!waiting) return undefined;
    const { unsent, files } = waiting;
    this.#waiting.delete(key);
    this.#timeline.removeLocal(key);
    dropUnsent(key);
    this.#publish();
    const lost = files.length < (unsent.files?.length ?? 0);
    return { text: unsent.text, files, problem: lost ? t.attach.addAgain(unsent.files!.join(", ")) : undefined };
  }

  /** The gateway told of a message: where it is one of these it need not be kept, and its files have their ids. */
  confirm({ runId, content }: Message): void {
    const waiting = runId ? this.#waiting.get(runId) : undefined;
    if (!runId || !waiting) return;
    const ids = content.filter(isAttached).map((block) => block.attachmentId);
    if (ids.length === waiting.files.length) waiting.files.forEach((file, at) => this.#blobs.adopt(file.id, ids[at]!));
    this.#waiting.delete(runId);
    dropUnsent(runId);
  }
}

function params({ sessionKey, text, key, model, thinking, replaces }: Unsent, files: LocalFile[]): Params<"chat.send"> {
  const attachments = files.map(({ name, mimeType, bytes }) => ({ name, mimeType, content: asBase64(bytes) }));
  return {
    sessionKey,
    message: text,
    idempotencyKey: key,
    ...(attachments.length > 0 && { attachments }),
    ...(model && { model }),
    ...(thinking && { thinking }),
    ...(replaces && { replaces }),
  };
}

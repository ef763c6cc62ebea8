/** One open session: what the page shows of it, and the calls that change it. */
import type { Approvals } from "$lib/approvals/approvals.svelte";
import type { GatewayClient } from "$lib/gateway/client";
import { DISCONNECTED, GatewayError } from "$lib/gateway/errors";
import type { AgentEvent, ChatEvent, Message } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import type { Blobs } from "./blobs";
import { Draft } from "./draft.svelte";
import { isAttached, localFile, type Attached, type LocalFile } from "./files";
import { plainText } from "./messages";
import { Outbox } from "./outbox";
import { Rests } from "./rests.svelte";
import { Timeline, type Activity, type Row, type Run } from "./timeline";

const PAGE = 100;

export class Conversation {
  readonly key: string;
  rows = $state.raw<Row[]>([]);
  runs = $state.raw<Run[]>([]);
  outputs = $state.raw<ReadonlyMap<string, string>>(new Map());
  hasOlder = $state(false);
  loading = $state<"no" | "newest" | "older">("no");
  loaded = $state(false);
  /** Why the history could not be fetched. */
  error = $state<string>();
  /** The message of the user that is being edited. */
  editing = $state<{ key: string; text: string }>();
  readonly draft: Draft;
  readonly outbox: Outbox;
  readonly blobs: Blobs;
  readonly rests: Rests;
  readonly approvals: Approvals;
  readonly #client: GatewayClient;
  readonly #timeline = new Timeline();
  #cursor: string | undefined;
  /** Events that arrived while the newest page was on its way, to be applied on top of it. */
  #held: (ChatEvent | Message)[] | undefined;
  #again = false;
  #frame: number | undefined;

  constructor(client: GatewayClient, key: string, blobs: Blobs, approvals: Approvals) {
    this.#client = client;
    this.approvals = approvals;
    this.key = key;
    this.blobs = blobs;
    this.draft = new Draft(key, blobs);
    this.rests = new Rests(client, key);
    this.outbox = new Outbox(client, key, this.#timeline, blobs, () => this.#publish());
  }

  get busy(): boolean {
    return this.runs.length > 0;
  }

  toolResult(id: string): ReturnType<Timeline["toolResults"]["get"]> {
    return this.#timeline.toolResults.get(id);
  }

  /** What a call that goes on has printed so far. */
  toolOutput(id: string): string {
    return this.outputs.get(id) ?? "";
  }

  hasToolCall(id: string): boolean {
    return this.#timeline.toolCalls.has(id);
  }

  /** Fetches the newest page; rows that are still right stay where they are. */
  async sync(): Promise<void> {
    if (this.#held) {
      this.#again = true;
      return;
    }
    this.#held = [];
    this.loading = "newest";
    let complete = true;
    try {
      const history = await this.#client.call("chat.history", { sessionKey: this.key, limit: PAGE });
      if (this.#timeline.applyNewest(history) || !this.loaded) {
        this.#cursor = history.nextCursor;
        this.hasOlder = history.hasMore;
      }
      for (const message of history.messages) this.outbox.confirm(message);
      this.error = undefined;
      this.loaded = true;
    } catch (error) {
      this.#failedToLoad(error);
    }
    for (const held of this.#held) complete = this.#apply(held) && complete;
    this.#held = undefined;
    this.loading = "no";
    this.#publish();
    if (this.#again || (!complete && this.#timeline.runs.size > 0 && !this.error)) {
      this.#again = false;
      await this.sync();
    }
  }

  async loadOlder(): Promise<void> {
    if (!this.hasOlder || this.loading !== "no") return;
    const before = this.#cursor ?? this.rows.find((row) => row.message.id)?.message.id;
    if (!before) return;
    this.loading = "older";
    try {
      const history = await this.#client.call("chat.history", { sessionKey: this.key, limit: PAGE, before });
      this.#timeline.applyOlder(history);
      this.#cursor = history.nextCursor;
      this.hasOlder = history.hasMore;
      this.#publish();
    } catch (error) {
      this.error = describe(error);
    }
    this.loading = "no";
  }

  /** Sends the draft. */
  send(): void {
    this.outbox.send({ ...this.draft.take(), choice: this.draft.choice });
  }

  say(text: string): void {
    this.outbox.send({ text, files: [], choice: this.draft.choice });
  }

  /** Takes a message that was not sent back into the composer. */
  takeBack(key: string): void {
    const back = this.outbox.takeBack(key);
    if (back) this.draft.putBack(back.text, back.files, back.problem);
  }

  /** The message of the user that an answer can be asked for again with. */
  promptOf(answer: Message): Message | undefined {
    return this.#timeline.promptOf(answer);
  }

  /** Sends a message anew in the place of `message`; the conversation goes on from there. */
  async replace(message: Message, text = plainText(message)): Promise<void> {
    const files = await Promise.all(message.content.filter(isAttached).map((block) => this.#copy(block)));
    this.outbox.send({ text, files, choice: this.draft.choice, replaces: message.id });
  }

  async abort(): Promise<void> {
    await this.#client.call("chat.abort", { sessionKey: this.key });
  }

  receive(event: ChatEvent): void {
    if (this.#held) this.#held.push(event);
    else if (!this.#apply(event)) void this.sync();
    this.#publishSoon();
  }

  receiveMessage(message: Message): void {
    if (this.#held) this.#held.push(message);
    else this.#apply(message);
    this.#publishSoon();
  }

  receiveActivity(event: AgentEvent): void {
    const printed = outputOf(event);
    if (printed) this.#timeline.addOutput(...printed);
    const activity = printed ? "unchanged" : activityOf(event);
    if (printed) this.#publishSoon();
    if (activity === "unchanged") return;
    this.#timeline.setActivity(event.runId, activity);
    this.#publishSoon();
  }

  async #copy({ attachmentId, name, mimeType }: Attached): Promise<LocalFile> {
    return localFile(name, mimeType, await this.blobs.bytes(attachmentId));
  }

  #apply(event: ChatEvent | Message): boolean {
    if ("state" in event) return this.#timeline.apply(event);
    this.#timeline.upsert(event);
    this.outbox.confirm(event);
    return true;
  }

  /** A session that was never written to does not exist yet, which is no error: the first message creates it. */
  #failedToLoad(error: unknown): void {
    const missing = error instanceof GatewayError && error.code === "NOT_FOUND";
    if (missing) this.loaded = true;
    this.error = missing || (error instanceof GatewayError && error.code === DISCONNECTED) ? undefined : describe(error);
  }

  #publish(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#frame = undefined;
    this.rows = this.#timeline.shown;
    this.outputs = new Map(this.#timeline.toolOutputs);
    this.runs = [...this.#timeline.runs.values()].map((run) => ({ ...run }));
  }

  /** Deltas may come faster than the screen: one update a frame is enough. */
  #publishSoon(): void {
    this.#frame ??= requestAnimationFrame(() => this.#publish());
  }
}

function outputOf(event: AgentEvent): [id: string, chunk: string] | undefined {
  if (event.stream !== "tool" || event.data.phase !== "output") return undefined;
  return [event.data.toolCallId, event.data.chunk];
}

function activityOf(event: AgentEvent): Activity | undefined | "unchanged" {
  if (event.stream === "thinking") return { kind: "thinking" };
  if (event.stream !== "tool") return "unchanged";
  if (event.data.phase === "waiting_approval") return { kind: "asking" };
  return event.data.phase === "start" ? { kind: "tool", name: event.data.name } : undefined;
}

/** One open session: what the page shows of it, and the calls that change it. */
import type { GatewayClient } from "$lib/gateway/client";
import { DISCONNECTED, GatewayError } from "$lib/gateway/errors";
import type { AgentEvent, ChatEvent, Message } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import { newId } from "./ids";
import { dropUnsent, keepUnsent, readDraft, writeDraft, type Unsent } from "./storage";
import { Timeline, type Activity, type Row, type Run } from "./timeline";

const PAGE = 100;

export class Conversation {
  readonly key: string;
  rows = $state.raw<Row[]>([]);
  runs = $state.raw<Run[]>([]);
  hasOlder = $state(false);
  loading = $state<"no" | "newest" | "older">("no");
  loaded = $state(false);
  /** Why the history could not be fetched. */
  error = $state<string>();
  draft = $state("");
  readonly #client: GatewayClient;
  readonly #timeline = new Timeline();
  #cursor: string | undefined;
  /** Events that arrived while the newest page was on its way, to be applied on top of it. */
  #held: (ChatEvent | Message)[] | undefined;
  #again = false;
  #frame: number | undefined;

  constructor(client: GatewayClient, key: string) {
    this.#client = client;
    this.key = key;
    this.draft = readDraft(key);
  }

  get busy(): boolean {
    return this.runs.length > 0;
  }

  toolResult(id: string): ReturnType<Timeline["toolResults"]["get"]> {
    return this.#timeline.toolResults.get(id);
  }

  hasToolCall(id: string): boolean {
    return this.#timeline.toolCalls.has(id);
  }

  setDraft(text: string): void {
    this.draft = text;
    writeDraft(this.key, text);
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

  send(text: string): void {
    const unsent: Unsent = { sessionKey: this.key, key: newId(), text, createdAt: new Date().toISOString() };
    keepUnsent(unsent);
    this.resume(unsent);
  }

  /** Shows an unsent message, if it is not shown yet, and sends it. */
  resume(unsent: Unsent): void {
    const { key, text, createdAt } = unsent;
    if (!this.rows.some((row) => row.key === key)) this.#timeline.addLocal(key, text, createdAt);
    void this.#deliver(key, text);
  }

  /** Sends a message again under its own key: the gateway answers a repeat with the first answer. */
  retry(row: Row): void {
    const text = this.#timeline.textOf(row.key);
    if (text !== undefined) void this.#deliver(row.key, text);
  }

  /** Takes a message that was not sent back into the composer. */
  takeBack(row: Row): void {
    const text = this.#timeline.textOf(row.key) ?? "";
    this.#timeline.removeLocal(row.key);
    dropUnsent(row.key);
    this.setDraft(this.draft ? `${text}\n${this.draft}` : text);
    this.#publish();
  }

  /** Asks again after a run failed. */
  askAgain(message: Message): void {
    const prompt = this.#timeline.promptOf(message.runId);
    if (prompt) this.send(prompt);
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
    const activity = activityOf(event);
    if (activity === "unchanged") return;
    this.#timeline.setActivity(event.runId, activity);
    this.#publishSoon();
  }

  async #deliver(key: string, text: string): Promise<void> {
    this.#timeline.setSending(key, { state: "pending" });
    this.#publish();
    try {
      const sent = await this.#client.call("chat.send", { sessionKey: this.key, message: text, idempotencyKey: key });
      const state = sent.status === "queued" ? "queued" : "started";
      const ended = sent.status === "ok" || sent.status === "error" || sent.status === "aborted";
      this.#timeline.acknowledge(key, sent.messageId, ended ? undefined : state);
      dropUnsent(key);
    } catch (error) {
      // Without a connection it stays pending, and goes out by itself when there is one again.
      const lost = error instanceof GatewayError && error.code === DISCONNECTED;
      if (!lost) this.#timeline.setSending(key, { state: "failed", reason: describe(error) });
    }
    this.#publish();
  }

  #apply(event: ChatEvent | Message): boolean {
    if ("state" in event) return this.#timeline.apply(event);
    this.#timeline.upsert(event);
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
    this.rows = [...this.#timeline.rows];
    this.runs = [...this.#timeline.runs.values()].map((run) => ({ ...run }));
  }

  /** Deltas may come faster than the screen: one update a frame is enough. */
  #publishSoon(): void {
    this.#frame ??= requestAnimationFrame(() => this.#publish());
  }
}

function activityOf(event: AgentEvent): Activity | undefined | "unchanged" {
  if (event.stream === "thinking") return { kind: "thinking" };
  if (event.stream !== "tool") return "unchanged";
  return event.data.phase === "start" ? { kind: "tool", name: event.data.name } : undefined;
}

/** The rows of one conversation, built from history, events and what this client is sending. No framework, no I/O. */
import type { ChatEvent, Content, History, InFlightRun, Message, RunError } from "$lib/gateway/wire";
import { emptyAnswer, plainText, withText } from "./messages";

/** `final`: sending it again as it is cannot help. */
export type Sending = { state: "pending" } | { state: "failed"; reason: string; final?: boolean };

export interface Row {
  /** Stays the same from the optimistic row to the confirmed message, so that the row on the page is never replaced. */
  key: string;
  message: Message;
  /** More text is coming. */
  streaming: boolean;
  /** Set until the gateway has acknowledged a message of this client. */
  sending?: Sending;
  /** The message that this one replaces, with all that came after it. */
  replaces?: string | undefined;
}

export interface Run {
  runId: string;
  state: "queued" | "started";
  /** The last `index` seen; -1 before any. */
  index: number;
  since: number;
  /** What the run does while no text arrives. */
  activity?: Activity | undefined;
}
export type Activity = { kind: "thinking" } | { kind: "asking" } | { kind: "tool"; name: string };

type ToolResult = Extract<Content, { type: "toolResult" }>;

const ENDED_KEPT = 100;
/** Characters of what a call that goes on has printed. */
const OUTPUT_KEPT = 32_768;

export class Timeline {
  rows: Row[] = [];
  runs = new Map<string, Run>();
  toolResults = new Map<string, ToolResult>();
  toolCalls = new Set<string>();
  /** What calls that go on have printed so far, the last of it. */
  toolOutputs = new Map<string, string>();
  sessionId: string | undefined;
  #ended = new Set<string>();
  /** Runs whose answers an edit of this client left behind; they may still be stopping. */
  readonly #left = new Set<string>();

  /** A message of this client, shown before the gateway knows of it. */
  addLocal(key: string, content: Content[], createdAt: string, replaces?: string): void {
    const message: Message = { id: "", seq: 0, role: "user", content, createdAt, status: "complete" };
    this.rows.push({ key, message, streaming: false, sending: { state: "pending" }, replaces });
  }

  /** What the page shows: while an edited message is on its way, no longer what it replaces. */
  get shown(): Row[] {
    const cuts = this.rows.filter((row) => row.sending).map((row) => this.#cut(row.replaces));
    const end = Math.min(...cuts);
    return end === Infinity ? [...this.rows] : this.rows.filter((row, at) => at < end || row.sending);
  }

  setSending(key: string, sending: Sending): void {
    this.#update(key, (row) => ({ ...row, sending }));
  }

  /** The gateway has the message, and its run goes on unless `runState` is undefined. */
  acknowledge(key: string, messageId: string, runState: Run["state"] | undefined): void {
    this.#dropReplaced(key);
    this.#update(key, ({ sending: _, ...row }) => ({ ...row, message: { ...row.message, id: messageId, runId: key } }));
    if (!runState || this.runs.has(key) || this.#ended.has(key)) return;
    this.runs.set(key, { runId: key, state: runState, index: -1, since: Date.now() });
  }

  removeLocal(key: string): void {
    this.rows = this.rows.filter((row) => row.key !== key || !row.sending);
  }

  /** Adds or replaces a message where it stands; a row never moves once it is shown. */
  upsert(message: Message): void {
    if (message.runId && this.#left.has(message.runId)) return;
    this.#noteTools(message);
    const at = this.#find(message);
    if (at >= 0) {
      const { key, replaces } = this.rows[at]!;
      this.rows[at] = { key, message, streaming: false, replaces };
      this.#dropReplaced(key);
      return;
    }
    let position = this.rows.length;
    while (position > 0 && order(this.rows[position - 1]!) > message.seq) position -= 1;
    const key = keyFor(message, new Set(this.rows.map((row) => row.key)));
    this.rows.splice(position, 0, { key, message, streaming: false });
  }

  /** Applies one event; false means that something before it is missing and the history must be fetched again. */
  apply(event: ChatEvent): boolean {
    if (this.#left.has(event.runId)) return true;
    if (event.state === "final" || event.state === "aborted" || event.state === "error") {
      this.#end(event);
      return true;
    }
    if (this.#ended.has(event.runId)) return true;
    const known = this.runs.get(event.runId);
    const from = event.indexFrom ?? event.index;
    if (known && event.index <= known.index) return true;
    const complete = from === (known?.index ?? -1) + 1;
    const run: Run = known ?? { runId: event.runId, state: "queued", index: -1, since: Date.now() };
    if (event.state !== "queued" && run.state === "queued") run.since = Date.now();
    run.state = event.state === "queued" ? "queued" : "started";
    this.runs.set(run.runId, run);
    if (!complete) return false;
    run.index = event.index;
    if (event.state === "delta" && event.messageId && event.delta) {
      run.activity = undefined;
      this.#append(run.runId, event.messageId, event.delta);
    }
    return true;
  }

  /** The result has all of it, so it is dropped then. */
  addOutput(toolCallId: string, chunk: string): void {
    if (this.toolResults.has(toolCallId)) return;
    this.toolOutputs.set(toolCallId, `${this.toolOutputs.get(toolCallId) ?? ""}${chunk}`.slice(-OUTPUT_KEPT));
  }

  setActivity(runId: string, activity: Activity | undefined): void {
    const run = this.runs.get(runId);
    if (run) run.activity = activity;
  }

  /** An older page, put above what is there. */
  applyOlder(history: History): void {
    const ids = new Set(this.rows.map((row) => row.message.id));
    const keys = new Set(this.rows.map((row) => row.key));
    const older: Row[] = [];
    for (const message of history.messages) {
      if (ids.has(message.id)) continue;
      this.#noteTools(message);
      const key = keyFor(message, keys);
      keys.add(key);
      older.push({ key, message, streaming: false });
    }
    this.rows = [...older, ...this.rows];
  }

  /** The newest page, on opening and after a loss. True when it does not join what was loaded, which is then dropped. */
  applyNewest(history: History): boolean {
    const loaded = new Set(this.rows.map((row) => row.message.id));
    const joins = history.sessionId === this.sessionId && history.messages.some((message) => loaded.has(message.id));
    if (!joins) this.rows = this.rows.filter((row) => row.sending);
    this.sessionId = history.sessionId;
    for (const message of history.messages) this.upsert(message);
    this.#dropLeftBehind(history);
    this.#settleRuns(history);
    if (history.inFlightRun) this.#resume(history.inFlightRun);
    return !joins;
  }

  /** The user's message that an answer belongs to, where no other message of the user came after it. */
  promptOf(answer: Message): Message | undefined {
    const at = this.rows.findLastIndex(({ message }) => message.role === "user");
    const after = this.rows.findLastIndex(({ message }) => message.id === answer.id) > at;
    return at >= 0 && after ? this.rows[at]!.message : undefined;
  }

  /** The gateway has the message, so what it replaces is gone. */
  #dropReplaced(key: string): void {
    const end = this.#cut(this.rows.find((row) => row.key === key)?.replaces);
    const gone = this.rows.filter((row, at) => at >= end && !row.sending && row.key !== key);
    this.rows = this.rows.filter((row) => !gone.includes(row));
    for (const { message } of gone) {
      if (!message.runId || message.runId === key) continue;
      this.#left.add(message.runId);
      this.#close(message.runId);
    }
  }

  /** Where the rows that a message replaces begin. */
  #cut(replaces: string | undefined): number {
    const at = replaces ? this.rows.findIndex((row) => row.message.id === replaces) : -1;
    return at < 0 ? Infinity : at;
  }

  #resume({ runId, messageId, text, index, startedAt }: InFlightRun): void {
    const run: Run = this.runs.get(runId) ?? { runId, state: "started", index, since: Date.parse(startedAt) };
    this.runs.set(runId, { ...run, state: "started", index });
    if (!text) return;
    const at = this.rows.findIndex((row) => row.message.id === messageId);
    if (at >= 0) this.rows[at] = { ...this.rows[at]!, streaming: true, message: withText(this.rows[at]!.message, text) };
    else this.#append(runId, messageId, text);
  }

  /** What an edit replaced is missing in the page, where its number says it would be. */
  #dropLeftBehind({ messages, hasMore }: History): void {
    const listed = new Set(messages.map((message) => message.id));
    const asked = new Set(this.rows.map(({ message }) => (message.role === "user" ? message.runId : undefined)));
    const first = hasMore ? (messages[0]?.seq ?? Infinity) : 0;
    this.rows = this.rows.filter(({ message, sending, streaming }) => {
      if (sending || streaming || listed.has(message.id)) return true;
      return message.seq === 0 ? message.role === "user" || asked.has(message.runId) : message.seq < first;
    });
  }

  /** Runs that ended while nobody listened must not be shown as going on. */
  #settleRuns(history: History): void {
    const answered = new Set(history.messages.filter(({ role }) => role !== "user").map(({ runId }) => runId));
    for (const run of this.runs.values()) {
      const goesOn = run.runId === history.inFlightRun?.runId || (run.state === "queued" && !answered.has(run.runId));
      if (!goesOn) this.#close(run.runId);
    }
  }

  #end(event: ChatEvent): void {
    this.#close(event.runId);
    if (event.message) this.upsert(event.message);
    else if (event.state === "error") this.#fail(event, event.error);
    else this.#updateMessage(event.messageId, (message) => ({ ...message, status: "aborted" }));
  }

  #close(runId: string): void {
    this.runs.delete(runId);
    this.#ended.add(runId);
    if (this.#ended.size > ENDED_KEPT) this.#ended.delete(this.#ended.values().next().value!);
    this.rows = this.rows.map((row) => (row.streaming && row.message.runId === runId ? { ...row, streaming: false } : row));
  }

  /** Shows why a run ended, in its answer or, where it never wrote one, in a row of its own. */
  #fail(event: ChatEvent, error: RunError | undefined): void {
    const failed: Partial<Message> = { status: "failed", ...(error && { error }) };
    if (this.#updateMessage(event.messageId, (message) => ({ ...message, ...failed }))) return;
    const { messageId: id = errorId(event.runId), runId } = event;
    this.rows.push({ key: id, streaming: false, message: { ...emptyAnswer(id, runId), ...failed } });
  }

  #append(runId: string, messageId: string, delta: string): void {
    const at = this.rows.findLastIndex((row) => row.message.id === messageId);
    if (at < 0) {
      const message = withText(emptyAnswer(messageId, runId), delta);
      this.rows.push({ key: messageId, message, streaming: true });
      return;
    }
    const row = this.rows[at]!;
    this.rows[at] = { ...row, streaming: true, message: withText(row.message, plainText(row.message) + delta) };
  }

  #update(key: string, change: (row: Row) => Row): void {
    this.rows = this.rows.map((row) => (row.key === key ? change(row) : row));
  }

  #updateMessage(id: string | undefined, change: (message: Message) => Message): boolean {
    const at = this.rows.findIndex((row) => id !== undefined && row.message.id === id);
    if (at >= 0) this.rows[at] = { ...this.rows[at]!, message: change(this.rows[at]!.message) };
    return at >= 0;
  }

  #find(message: Message): number {
    const { id, runId, role } = message;
    const at = this.rows.findLastIndex((row) => row.message.id === id);
    if (at >= 0 || !runId) return at;
    // The optimistic row of this message, or the row that stood in for a failed answer.
    const standIn = role === "user" ? "" : errorId(runId);
    return this.rows.findLastIndex((row) => row.message.id === standIn && (standIn || row.key === runId));
  }

  #noteTools(message: Message): void {
    for (const block of message.content) {
      if (block.type === "toolResult") {
        this.toolResults.set(block.id, block);
        this.toolOutputs.delete(block.id);
      }
      if (block.type === "toolCall") this.toolCalls.add(block.id);
    }
  }
}

/** What is not sent yet stays below everything that is; what streams has no number yet and keeps its place. */
function order(row: Row): number {
  return row.sending ? Infinity : row.message.seq;
}

/** A user's message is keyed by its run, which is known before the gateway has given it an id. */
function keyFor({ id, runId, role }: Message, taken: Set<string>): string {
  return role === "user" && runId && !taken.has(runId) ? runId : id;
}

function errorId(runId: string): string {
  return `error:${runId}`;
}

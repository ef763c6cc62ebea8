/** The one client of the gateway: one WebSocket, typed calls, events, and its own way back after a loss. */
import { RESTART_MS, backoff } from "./backoff";
import { DISCONNECTED, GatewayError, localError } from "./errors";
import { SUBPROTOCOL, decodeFrame, encodeRequest, type Event } from "./frames";
import { Pending } from "./pending";
import type { EventName, Events, HelloOk, Method, Params, Result } from "./wire";

export interface Endpoint {
  url: string;
  token: string | undefined;
}
export type OfflineReason = "unreachable" | "lost" | "restarting" | "stopping" | "protocol" | "refused";
export type Connection =
  | { status: "connecting" }
  | { status: "online"; hello: HelloOk }
  | { status: "offline"; reason: OfflineReason; detail?: string | undefined }
  | { status: "needs-token"; refused: boolean };

export interface Issue {
  path: string;
  message: string;
}
export interface ClientOptions {
  endpoint: () => Promise<Endpoint>;
  /** What `connect` says about this client. */
  identity: { version: string; platform: string; instanceId: string; mode?: string };
  events: EventName[];
  /** Checks params against the method's schema before they are sent. */
  validate?: (method: Method, params: object) => Promise<Issue[]>;
  socket?: (url: string, protocol: string) => WebSocket;
  random?: () => number;
}

const CLOSE_PROTOCOL = 1002;
const CLOSE_POLICY = 1008;
const CLOSE_RESTART = 1012;
const CLOSE_STOPPING = 1013;
const CLOSE_REVOKED = 4001;
const HANDSHAKE_MS = 10_000;
const CALL_MS = 30_000;
/** The gateway ticks every 15 s and pings every 25 s; a socket silent for this long is dead although still open. */
const SILENCE_MS = 45_000;

type Listener<T> = (value: T) => void;

export class GatewayClient {
  readonly #options: ClientOptions;
  readonly #pending = new Pending();
  readonly #listeners = new Map<EventName, Set<Listener<never>>>();
  readonly #stateListeners = new Set<Listener<Connection>>();
  readonly #gapListeners = new Set<() => void>();
  #state: Connection = { status: "connecting" };
  #socket: WebSocket | undefined;
  #refusal: GatewayError | undefined;
  #attempt = 0;
  #seq = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get state(): Connection {
    return this.#state;
  }

  onState(listener: Listener<Connection>): void {
    this.#stateListeners.add(listener);
  }

  on<E extends EventName>(event: E, listener: Listener<Events[E]>): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Called when events were lost on a connection that stays: what is shown must be fetched again. */
  onGap(listener: () => void): void {
    this.#gapListeners.add(listener);
  }

  async call<M extends Method>(method: M, params: Params<M>, timeoutMs = CALL_MS): Promise<Result<M>> {
    this.#mustBeOnline();
    const issues = (await this.#options.validate?.(method, params)) ?? [];
    if (issues.length > 0) {
      const message = issues.map((issue) => `${issue.path || "/"}: ${issue.message}`).join("; ");
      throw new GatewayError({ code: "INVALID_REQUEST", message, details: { issues }, retryable: false });
    }
    // The connection may have ended while the parameters were looked at.
    this.#mustBeOnline();
    return (await this.#request(method, params, timeoutMs)) as Result<M>;
  }

  /** Connects now, ending any wait; a connection that stands is left alone. */
  connect(): void {
    if (this.#socket) return;
    clearTimeout(this.#retry);
    void this.#open();
  }

  /** Ends the connection and stays away until `connect`. */
  disconnect(): void {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#drop(socket);
    socket?.close(1000);
  }

  #mustBeOnline(): void {
    if (this.#state.status !== "online") throw localError(DISCONNECTED, "not connected");
  }

  async #open(): Promise<void> {
    this.#setState({ status: "connecting" });
    let endpoint: Endpoint;
    try {
      endpoint = await this.#options.endpoint();
    } catch (error) {
      this.#retryLater({ status: "offline", reason: "unreachable", detail: String(error) });
      return;
    }
    if (this.#socket) return;
    const { token } = endpoint;
    if (!token) {
      this.#setState({ status: "needs-token", refused: false });
      return;
    }
    const create = this.#options.socket ?? ((url, protocol) => new WebSocket(url, protocol));
    const socket = create(endpoint.url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#seq = 0;
    this.#refusal = undefined;
    socket.onopen = () => void this.#handshake(socket, token);
    socket.onmessage = (message) => this.#receive(socket, message.data);
    socket.onclose = (close) => this.#ended(socket, close.code, close.reason);
    // An address that swallows what is sent to it must not keep the page waiting.
    this.#silence = setTimeout(() => this.#ended(socket, 1006, "silent"), HANDSHAKE_MS);
  }

  async #handshake(socket: WebSocket, token: string): Promise<void> {
    clearTimeout(this.#silence);
    try {
      const client = { id: "simpleclaw-ui", mode: "ui", ...this.#options.identity };
      const params = { minProtocol: 1, maxProtocol: 1, client, auth: { token } };
      const hello = (await this.#request("connect", params, HANDSHAKE_MS)) as HelloOk;
      await this.#request("events.subscribe", { sessions: "all", events: this.#options.events }, HANDSHAKE_MS);
      if (socket !== this.#socket) return;
      this.#attempt = 0;
      this.#setState({ status: "online", hello });
    } catch (error) {
      if (socket !== this.#socket) return;
      this.#refusal = error instanceof GatewayError && error.code !== DISCONNECTED ? error : undefined;
      socket.close(1000);
      // A peer that is gone never answers the close, so it is not waited for.
      this.#ended(socket, 1006, "");
    }
  }

  #request(method: string, params: object, timeoutMs: number): Promise<unknown> {
    return this.#pending.add(timeoutMs, (id) => this.#socket?.send(encodeRequest(id, method, params)));
  }

  #receive(socket: WebSocket, data: unknown): void {
    if (socket !== this.#socket) return;
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#ended(socket, 1006, "silent"), SILENCE_MS);
    if (!(data instanceof ArrayBuffer)) return;
    const frame = decodeFrame(data);
    if (frame?.kind === "response") this.#pending.settle(frame);
    else if (frame) this.#dispatch(frame);
  }

  #dispatch(event: Event): void {
    const lost = event.seq !== this.#seq + 1;
    this.#seq = event.seq;
    for (const listener of this.#listeners.get(event.name as EventName) ?? []) listener(event.payload as never);
    if (lost) for (const listener of this.#gapListeners) listener();
  }

  #ended(socket: WebSocket, code: number, reason: string): void {
    if (socket !== this.#socket) return;
    const wasOnline = this.#state.status === "online";
    const refusal = this.#refusal;
    this.#drop(socket);
    if (reason === "silent") socket.close();

    const refused = refusal ? refusal.code === "UNAUTHENTICATED" : code === CLOSE_POLICY && !wasOnline;
    if (refused || code === CLOSE_REVOKED) {
      // Asking again with the same token would only lock this client out.
      this.#setState({ status: "needs-token", refused: true });
    } else if (code === CLOSE_PROTOCOL || isProtocolMismatch(refusal)) {
      this.#setState({ status: "offline", reason: "protocol", detail: refusal?.message ?? reason });
    } else if (refusal) {
      this.#retryLater({ status: "offline", reason: "refused", detail: refusal.message }, refusal.retryAfterMs);
    } else if (code === CLOSE_RESTART) {
      this.#retryLater({ status: "offline", reason: "restarting" }, RESTART_MS);
    } else if (code === CLOSE_STOPPING) {
      this.#retryLater({ status: "offline", reason: "stopping" });
    } else {
      this.#retryLater({ status: "offline", reason: wasOnline ? "lost" : "unreachable", detail: reason });
    }
  }

  #drop(socket: WebSocket | undefined): void {
    if (socket) socket.onopen = socket.onmessage = socket.onclose = null;
    this.#socket = undefined;
    clearTimeout(this.#silence);
    this.#pending.failAll(localError(DISCONNECTED, "the connection ended"));
  }

  #retryLater(state: Connection, atLeastMs = 0): void {
    const delay = atLeastMs || backoff(this.#attempt, this.#options.random);
    this.#attempt += 1;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.connect(), delay);
    this.#setState(state);
  }

  #setState(state: Connection): void {
    this.#state = state;
    for (const listener of this.#stateListeners) listener(state);
  }
}

function isProtocolMismatch(refusal: GatewayError | undefined): boolean {
  return (refusal?.details as { reason?: string } | undefined)?.reason === "protocol";
}

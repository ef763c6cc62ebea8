import { decode, encode } from "@msgpack/msgpack";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GatewayClient, type Connection, type Endpoint } from "./client";
import { SUBPROTOCOL } from "./frames";

interface Request {
  type: string;
  id: string;
  method: string;
  params: Record<string, unknown>;
}

/** A socket that a test drives by hand. */
class FakeSocket {
  static all: FakeSocket[] = [];
  binaryType = "";
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: ArrayBuffer }) => void) | null = null;
  onclose: ((close: { code: number; reason: string }) => void) | null = null;
  sent: Request[] = [];
  closed = false;

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    FakeSocket.all.push(this);
  }
  send(data: Uint8Array): void {
    this.sent.push(decode(data) as Request);
  }
  close(): void {
    this.closed = true;
  }
  receive(frame: object): void {
    const bytes = encode(frame);
    this.onmessage?.({ data: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) });
  }
  async answer(method: string, answer: { payload?: unknown; error?: unknown } = { payload: {} }): Promise<void> {
    const request = this.sent.findLast((each) => each.method === method)!;
    this.receive({ type: "res", id: request.id, ok: !answer.error, ...answer });
    await vi.advanceTimersByTimeAsync(0);
  }
  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

const hello = { type: "hello-ok", server: { version: "1" }, snapshot: {} };
const wrongToken = { error: { code: "UNAUTHENTICATED", message: "wrong token", retryable: false } };

let states: Connection[];

function newClient(endpoint: Partial<Endpoint> = {}, validate?: () => Promise<{ path: string; message: string }[]>): GatewayClient {
  const client = new GatewayClient({
    endpoint: () => Promise.resolve({ url: "ws://gateway/ws", token: "t", ...endpoint }),
    identity: { version: "1", platform: "linux", instanceId: "i" },
    events: ["chat.event", "tick"],
    socket: (url, protocol) => new FakeSocket(url, protocol) as unknown as WebSocket,
    random: () => 1,
    ...(validate && { validate }),
  });
  client.onState((state) => states.push(state));
  return client;
}

const latest = (): FakeSocket => FakeSocket.all.at(-1)!;

async function goOnline(client: GatewayClient): Promise<FakeSocket> {
  client.connect();
  await vi.advanceTimersByTimeAsync(0);
  const socket = latest();
  socket.onopen?.();
  await socket.answer("connect", { payload: hello });
  await socket.answer("events.subscribe");
  expect(client.state.status).toBe("online");
  return socket;
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeSocket.all = [];
  states = [];
});
afterEach(() => vi.useRealTimers());

describe("handshake", () => {
  test("connects in binary, says who it is, and subscribes before it is online", async () => {
    const socket = await goOnline(newClient());
    expect(socket).toMatchObject({ url: "ws://gateway/ws", protocol: SUBPROTOCOL, binaryType: "arraybuffer" });
    expect(socket.sent).toEqual([
      {
        type: "req",
        id: "1",
        method: "connect",
        params: {
          minProtocol: 1,
          maxProtocol: 1,
          client: { id: "simpleclaw-ui", mode: "ui", version: "1", platform: "linux", instanceId: "i" },
          auth: { token: "t" },
        },
      },
      { type: "req", id: "2", method: "events.subscribe", params: { sessions: "all", events: ["chat.event", "tick"] } },
    ]);
    expect(states.map((state) => state.status)).toEqual(["connecting", "online"]);
  });

  test("does not wait for the challenge, and is not confused by it", async () => {
    const client = newClient();
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    latest().onopen?.();
    latest().receive({ type: "event", event: "connect.challenge", payload: { nonce: "n", ts: 1 } });
    await latest().answer("connect", { payload: hello });
    await latest().answer("events.subscribe");
    expect(client.state.status).toBe("online");
  });

  test("without a token it asks for one and opens nothing", async () => {
    const client = newClient({ token: undefined });
    client.connect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(client.state).toEqual({ status: "needs-token", refused: false });
    expect(FakeSocket.all).toEqual([]);
  });

  test.each([
    ["a refused token", (socket: FakeSocket) => socket.answer("connect", wrongToken)],
    ["close 1008 before hello", (socket: FakeSocket) => socket.end(1008)],
    ["close 4001", (socket: FakeSocket) => socket.end(4001)],
  ])("%s asks for another and is not tried again", async (_, refuse) => {
    const client = newClient();
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    latest().onopen?.();
    await refuse(latest());
    await vi.advanceTimersByTimeAsync(120_000);
    expect(client.state).toEqual({ status: "needs-token", refused: true });
    expect(FakeSocket.all).toHaveLength(1);
  });

  test("another protocol version asks for a reload and is not tried again", async () => {
    const client = newClient();
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    latest().onopen?.();
    const error = { code: "INVALID_REQUEST", message: "protocol", details: { reason: "protocol" }, retryable: false };
    await latest().answer("connect", { error });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(client.state).toMatchObject({ status: "offline", reason: "protocol" });
    expect(FakeSocket.all).toHaveLength(1);
  });

  test("an unanswered handshake is given up after 10 s and tried again", async () => {
    const client = newClient();
    client.connect();
    await vi.advanceTimersByTimeAsync(0);
    latest().onopen?.();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(client.state).toMatchObject({ status: "offline", reason: "refused" });
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(2);
  });
});

test("an address that never opens is given up after 10 s and tried again", async () => {
  const client = newClient();
  client.connect();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(client.state).toMatchObject({ status: "offline", reason: "unreachable" });
  expect(latest().closed).toBe(true);
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.all).toHaveLength(2);
});

describe("coming back", () => {
  test("tries again with growing delays, and starts over once it was online", async () => {
    const client = newClient();
    client.connect();
    for (const delay of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
      await vi.advanceTimersByTimeAsync(0);
      const tries = FakeSocket.all.length;
      latest().end(1006);
      await vi.advanceTimersByTimeAsync(delay - 1);
      expect(FakeSocket.all).toHaveLength(tries);
      await vi.advanceTimersByTimeAsync(1);
      expect(FakeSocket.all).toHaveLength(tries + 1);
    }
    latest().onopen?.();
    await latest().answer("connect", { payload: hello });
    await latest().answer("events.subscribe");
    const tries = FakeSocket.all.length;
    latest().end(1006);
    await vi.advanceTimersByTimeAsync(500);
    expect(FakeSocket.all).toHaveLength(tries + 1);
  });

  test.each([
    [1012, 250, "restarting"],
    [1013, 500, "stopping"],
    [1008, 500, "lost"],
    [1006, 500, "lost"],
  ])("after close %i while online it is back after %i ms", async (code, delay, reason) => {
    const client = newClient();
    (await goOnline(client)).end(code);
    expect(client.state).toMatchObject({ status: "offline", reason });
    await vi.advanceTimersByTimeAsync(delay);
    expect(FakeSocket.all).toHaveLength(2);
  });

  test("subscribes again and counts events from 1 again", async () => {
    const client = newClient();
    const gaps = vi.fn();
    client.onGap(gaps);
    const first = await goOnline(client);
    first.receive({ type: "tick", seq: 1, payload: { ts: 1 } });
    first.end(1012);
    await vi.advanceTimersByTimeAsync(250);
    latest().onopen?.();
    await latest().answer("connect", { payload: hello });
    await latest().answer("events.subscribe");
    latest().receive({ type: "tick", seq: 1, payload: { ts: 2 } });
    expect(latest().sent.map((request) => request.method)).toEqual(["connect", "events.subscribe"]);
    expect(gaps).not.toHaveBeenCalled();
  });

  test("a socket that falls silent is replaced", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    await vi.advanceTimersByTimeAsync(44_000);
    socket.receive({ type: "tick", seq: 1, payload: { ts: 1 } });
    await vi.advanceTimersByTimeAsync(44_000);
    expect(client.state.status).toBe("online");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(client.state).toMatchObject({ status: "offline", reason: "lost" });
    expect(socket.closed).toBe(true);
  });

  test("frames of a socket that was given up change nothing", async () => {
    const client = newClient();
    const old = await goOnline(client);
    const late = old.onclose;
    client.disconnect();
    late?.({ code: 4001, reason: "" });
    expect(client.state.status).toBe("online");
    expect(old.closed).toBe(true);
  });
});

describe("calls", () => {
  test("answer by id, in any order, without undefined members", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    const history = client.call("chat.history", { sessionKey: "k", before: undefined } as never);
    const health = client.call("health", {});
    await vi.advanceTimersByTimeAsync(0);
    const [first, second] = socket.sent.slice(-2);
    expect(first).toEqual({ type: "req", id: "3", method: "chat.history", params: { sessionKey: "k" } });
    socket.receive({ type: "res", id: second!.id, ok: true, payload: { ok: true } });
    socket.receive({ type: "res", id: first!.id, ok: true, payload: { messages: [] } });
    expect(await health).toEqual({ ok: true });
    expect(await history).toEqual({ messages: [] });
  });

  test("errors keep the gateway's code, words and details", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    const call = client.call("health", {});
    await vi.advanceTimersByTimeAsync(0);
    const error = { code: "RATE_LIMITED", message: "slow", retryable: true, retryAfterMs: 10, details: { a: 1 } };
    const outcome = expect(call).rejects.toMatchObject(error);
    await socket.answer("health", { error });
    await outcome;
  });

  test("fail locally: not connected, lost meanwhile, no answer, not valid", async () => {
    const client = newClient();
    await expect(client.call("health", {})).rejects.toMatchObject({ code: "DISCONNECTED" });

    const socket = await goOnline(client);
    const unanswered = expect(client.call("health", {}, 1000)).rejects.toMatchObject({ code: "NO_ANSWER" });
    await vi.advanceTimersByTimeAsync(1000);
    await unanswered;
    const lost = expect(client.call("health", {})).rejects.toMatchObject({ code: "DISCONNECTED" });
    await vi.advanceTimersByTimeAsync(0);
    socket.end(1006);
    await lost;

    const slow = newClient({}, () => new Promise((resolve) => setTimeout(() => resolve([]), 100)));
    const slowSocket = await goOnline(slow);
    const lostBefore = expect(slow.call("health", {})).rejects.toMatchObject({ code: "DISCONNECTED" });
    slowSocket.end(1006);
    await vi.advanceTimersByTimeAsync(100);
    await lostBefore;

    const strict = newClient({}, () => Promise.resolve([{ path: "/sessionKey", message: "is empty" }]));
    const strictSocket = await goOnline(strict);
    await expect(strict.call("health", {})).rejects.toMatchObject({ code: "INVALID_REQUEST", message: "/sessionKey: is empty" });
    expect(strictSocket.sent.map((request) => request.method)).toEqual(["connect", "events.subscribe"]);
  });
});

describe("events", () => {
  test("reach their listeners, `chat.event` flat and the others by payload", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    const chat = vi.fn();
    const tick = vi.fn();
    client.on("chat.event", chat);
    const stop = client.on("tick", tick);
    socket.receive({ type: "chat.event", seq: 1, runId: "r", sessionKey: "k", state: "delta", index: 0, delta: "x" });
    socket.receive({ type: "tick", seq: 2, payload: { ts: 5 } });
    stop();
    socket.receive({ type: "tick", seq: 3, payload: { ts: 6 } });
    expect(chat).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ runId: "r", delta: "x" }));
    expect(tick).toHaveBeenCalledExactlyOnceWith({ ts: 5 });
  });

  test("a hole in `seq` is told once, after the event that showed it", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    const told: string[] = [];
    client.on("tick", ({ ts }) => told.push(`tick ${ts}`));
    client.onGap(() => told.push("gap"));
    for (const seq of [1, 2, 4, 5]) socket.receive({ type: "tick", seq, payload: { ts: seq } });
    expect(told).toEqual(["tick 1", "tick 2", "tick 4", "gap", "tick 5"]);
  });

  test("bytes that are no frame are ignored", async () => {
    const client = newClient();
    const socket = await goOnline(client);
    socket.onmessage?.({ data: new Uint8Array([0xc1, 0xff]).buffer });
    socket.receive({ seq: 1 });
    socket.receive({ type: "unheard.of", seq: 1, payload: {} });
    expect(client.state.status).toBe("online");
  });
});

/** Frames of the wire protocol as MessagePack, one frame per binary WebSocket message. */
import { decode, encode } from "@msgpack/msgpack";
import type { WireError } from "./wire";

export const SUBPROTOCOL = "simpleclaw.v1+msgpack";

export interface Response {
  kind: "response";
  id: string;
  ok: boolean;
  payload: unknown;
  error: WireError | undefined;
}
export interface Event {
  kind: "event";
  name: string;
  seq: number;
  payload: unknown;
}

export function encodeRequest(id: string, method: string, params: object): Uint8Array<ArrayBuffer> {
  // Optional members that are undefined must be absent: nil is not what their schema allows.
  return encode({ type: "req", id, method, params }, { ignoreUndefined: true });
}

/** MessagePack carries bytes as they are where the schema says base64 text. */
export function asBase64(bytes: Uint8Array): string {
  return bytes as unknown as string;
}

/** Reads one frame. `undefined` for what this client has no use for: the challenge, or anything malformed. */
export function decodeFrame(data: ArrayBuffer): Response | Event | undefined {
  let frame: unknown;
  try {
    frame = decode(data);
  } catch {
    return undefined;
  }
  if (!isRecord(frame) || typeof frame.type !== "string") return undefined;
  if (frame.type === "res" && typeof frame.id === "string") {
    const error = frame.error as WireError | undefined;
    return { kind: "response", id: frame.id, ok: frame.ok === true, payload: frame.payload, error };
  }
  if (typeof frame.seq !== "number") return undefined;
  // `chat.event` carries its fields flat, every other event has a payload.
  const payload = frame.type === "chat.event" ? frame : frame.payload;
  return { kind: "event", name: frame.type, seq: frame.seq, payload };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

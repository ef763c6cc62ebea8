// @vitest-environment jsdom
import { beforeEach, expect, test, vi } from "vitest";
import { DISCONNECTED, localError } from "$lib/gateway/errors";
import type { Message } from "$lib/gateway/wire";
import { Blobs } from "./blobs";
import { localFile } from "./files";
import { Outbox } from "./outbox";
import { readUnsent } from "./storage";
import { Timeline } from "./timeline";

beforeEach(() => localStorage.clear());

const picture = localFile("a.png", "image/png", new Uint8Array([1, 2]));

function made(call = vi.fn()): { outbox: Outbox; timeline: Timeline; call: typeof call; blobs: Blobs } {
  const timeline = new Timeline();
  const blobs = new Blobs({ call });
  return { outbox: new Outbox({ call } as never, "k", timeline, blobs, () => undefined), timeline, call, blobs };
}
const settled = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

test("a message goes out with its files as bytes, and with what was chosen", async () => {
  const { outbox, timeline, call } = made(vi.fn().mockResolvedValue({ status: "started", messageId: "m1" }));
  outbox.send({ text: "", files: [picture], choice: { model: "p/m", thinking: "low" }, replaces: "m0" });
  await settled();
  const [method, params] = call.mock.calls[0]!;
  expect(method).toBe("chat.send");
  expect(params).toEqual({
    sessionKey: "k",
    message: "",
    idempotencyKey: timeline.rows[0]!.key,
    attachments: [{ name: "a.png", mimeType: "image/png", content: picture.bytes }],
    model: "p/m",
    thinking: "low",
    replaces: "m0",
  });
  expect(readUnsent()).toEqual([]);
});

test("without a connection it waits with its files, and goes out once", async () => {
  const call = vi.fn().mockRejectedValueOnce(localError(DISCONNECTED, "lost"));
  const { outbox, timeline } = made(call);
  outbox.send({ text: "hi", files: [picture], choice: {} });
  await settled();
  expect(timeline.rows[0]!.sending).toEqual({ state: "pending" });
  const [unsent] = readUnsent();
  expect(unsent).toMatchObject({ text: "hi", files: ["a.png"] });
  call.mockResolvedValue({ status: "started", messageId: "m1" });
  outbox.resume(unsent!);
  await settled();
  expect(call.mock.calls[1]![1].attachments).toHaveLength(1);
  expect([timeline.rows.length, timeline.rows[0]!.sending, readUnsent()]).toEqual([1, undefined, []]);
});

test("after a reload the files are gone: it is not sent without them, and says so", async () => {
  const { outbox, timeline, call } = made();
  outbox.resume({ sessionKey: "k", key: "r", text: "look", createdAt: "now", files: ["a.png", "b.txt"] });
  await settled();
  expect(call).not.toHaveBeenCalled();
  expect(timeline.rows[0]!.sending).toMatchObject({ state: "failed", final: true });
  expect(outbox.takeBack("r")).toMatchObject({ text: "look", files: [], problem: expect.stringContaining("a.png, b.txt") as string });
  expect(timeline.rows).toEqual([]);
});

test("what the gateway told of is kept no longer, and its picture keeps its bytes", async () => {
  const { outbox, timeline, call, blobs } = made(vi.fn().mockRejectedValue(localError(DISCONNECTED, "lost")));
  outbox.send({ text: "hi", files: [picture], choice: {} });
  const { key } = timeline.rows[0]!;
  const attached = { type: "image", attachmentId: "att", name: "a.png", mimeType: "image/png", sizeBytes: 2, sha256: "" } as const;
  outbox.confirm({ runId: key, content: [attached] } as unknown as Message);
  expect(readUnsent()).toEqual([]);
  expect([...(await blobs.bytes("att"))]).toEqual([1, 2]);
  expect(call.mock.calls.map(([method]) => method as string)).toEqual(["chat.send"]);
  await outbox.retry(key);
  expect(call).toHaveBeenCalledTimes(1);
});

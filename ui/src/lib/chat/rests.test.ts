import { expect, test, vi } from "vitest";
import type { Message } from "$lib/gateway/wire";
import { Rests } from "./rests.svelte";

const whole = "ä".repeat(6);
const message = { id: "m", content: [{ type: "text", text: "ää" }], truncated: true } as unknown as Message;

test("the rest comes in parts, counted in bytes, from where the shown text ends", async () => {
  const call = vi.fn(async (_: string, { offset }: { offset: number }) => {
    const at = offset / 2;
    const text = whole.slice(at, at + 3);
    const next = offset + text.length * 2;
    return { text, offset, totalBytes: 12, ...(next < 12 && { nextOffset: next }) };
  });
  const rests = new Rests({ call: call as never }, "k");
  await rests.load(message);
  expect(call).toHaveBeenLastCalledWith("chat.message.get", { sessionKey: "k", messageId: "m", offset: 4 });
  expect(rests.of("m")).toEqual({ text: "äää", left: 2, loading: false });
  await rests.load(message);
  expect(rests.of("m")).toEqual({ text: "ääää", left: 0, loading: false });
});

test("a part that fails is said, and what is there stays", async () => {
  const call = vi.fn().mockResolvedValueOnce({ text: "ä", offset: 4, totalBytes: 12, nextOffset: 6 });
  const rests = new Rests({ call }, "k");
  await rests.load(message);
  call.mockRejectedValueOnce(new Error("no"));
  await rests.load(message);
  expect(rests.of("m")).toEqual({ text: "ä", left: 6, loading: false, error: "no" });
});

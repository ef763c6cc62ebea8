/** Small things about one message. */
import type { Message } from "$lib/gateway/wire";

export function plainText(message: Message): string {
  return message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
}

export function withText(message: Message, text: string): Message {
  return { ...message, content: [...message.content.filter((block) => block.type !== "text"), { type: "text", text }] };
}

export function emptyAnswer(id: string, runId: string): Message {
  return { id, runId, seq: 0, role: "assistant", content: [], createdAt: new Date().toISOString(), status: "partial" };
}

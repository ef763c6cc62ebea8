/** Which approvals wait, in which order, and what became of one. */
import type { Approval } from "$lib/gateway/wire";

/** The oldest first: it has waited longest, and its time is up first. */
export function add(pending: Approval[], approval: Approval): Approval[] {
  return [...without(pending, approval.id), approval].sort(
    (a, b) => a.createdAt.localeCompare(b.createdAt) || a.id.localeCompare(b.id),
  );
}

export function without(pending: Approval[], id: string): Approval[] {
  return pending.filter((each) => each.id !== id);
}

/** Tells apart what is to be read: a question that comes again and says more than it did has not been seen yet. */
export function askedKey({ id, action }: Approval): string {
  return `${id} ${JSON.stringify(action)}`;
}

/** A call of a tool, as a message has it. */
export interface ToolCall {
  sessionKey: string;
  runId: string | undefined;
  id: string;
}

/** Whether it is this call that asks: ids are its run's own, and calls of other runs may have the same. */
export function isOfCall({ sessionKey, runId, toolCallId }: Approval, call: ToolCall): boolean {
  return runId !== undefined && runId === call.runId && sessionKey === call.sessionKey && toolCallId === call.id;
}

/** `29:41`, and `1:02:03` from an hour on; nothing below zero. */
export function timeLeft(expiresAt: string, now: number): string {
  const seconds = Math.max(0, Math.ceil((Date.parse(expiresAt) - now) / 1000)) || 0;
  const two = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** Once it says so, the last minute is not a surprise. */
export const HURRY_MS = 60_000;

export function hurries(expiresAt: string, now: number): boolean {
  return Date.parse(expiresAt) - now <= HURRY_MS;
}

/** Drafts and unsent messages, kept in the browser so that neither a reload nor a crash loses what a person wrote. */
import type { Thinking } from "$lib/gateway/wire";

/** How a message is answered where the person chose. */
export interface Choice {
  model?: string;
  thinking?: Thinking;
}

export interface Unsent extends Choice {
  sessionKey: string;
  key: string;
  text: string;
  createdAt: string;
  /** Id of the message that this one replaces. */
  replaces?: string;
  /** Names of its files; their bytes are only in the tab where they were added. */
  files?: string[];
}

const OUTBOX = "simpleclaw.outbox";
const DRAFT = "simpleclaw.draft:";
const CHOICE = "simpleclaw.choice:";

export function readDraft(sessionKey: string): string {
  return read(DRAFT + sessionKey) ?? "";
}

export function writeDraft(sessionKey: string, text: string): void {
  write(DRAFT + sessionKey, text || undefined);
}

export function readChoice(sessionKey: string): Choice {
  const { model, thinking } = (parse(read(CHOICE + sessionKey)) ?? {}) as Choice;
  return { ...(model && { model }), ...(thinking && { thinking }) };
}

export function writeChoice(sessionKey: string, choice: Choice): void {
  write(CHOICE + sessionKey, choice.model || choice.thinking ? JSON.stringify(choice) : undefined);
}

export function readUnsent(): Unsent[] {
  const parsed = parse(read(OUTBOX));
  return Array.isArray(parsed) ? (parsed as Unsent[]) : [];
}

export function keepUnsent(unsent: Unsent): void {
  const others = readUnsent().filter((other) => other.key !== unsent.key);
  write(OUTBOX, JSON.stringify([...others, unsent]));
}

export function dropUnsent(key: string): void {
  const left = readUnsent().filter((unsent) => unsent.key !== key);
  write(OUTBOX, left.length > 0 ? JSON.stringify(left) : undefined);
}

function parse(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Storage may be full or switched off; the page then still works, without this safety net. */
function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // Nothing to do about it here, and the message itself is still in memory.
  }
}

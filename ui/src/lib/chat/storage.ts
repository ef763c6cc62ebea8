/** Drafts and unsent messages, kept in the browser so that neither a reload nor a crash loses what a person wrote. */

export interface Unsent {
  sessionKey: string;
  key: string;
  text: string;
  createdAt: string;
}

const OUTBOX = "simpleclaw.outbox";
const DRAFT = "simpleclaw.draft:";

export function readDraft(sessionKey: string): string {
  return read(DRAFT + sessionKey) ?? "";
}

export function writeDraft(sessionKey: string, text: string): void {
  write(DRAFT + sessionKey, text || undefined);
}

export function readUnsent(): Unsent[] {
  try {
    const parsed: unknown = JSON.parse(read(OUTBOX) ?? "[]");
    return Array.isArray(parsed) ? (parsed as Unsent[]) : [];
  } catch {
    return [];
  }
}

export function keepUnsent(unsent: Unsent): void {
  const others = readUnsent().filter((other) => other.key !== unsent.key);
  write(OUTBOX, JSON.stringify([...others, unsent]));
}

export function dropUnsent(key: string): void {
  const left = readUnsent().filter((unsent) => unsent.key !== key);
  write(OUTBOX, left.length > 0 ? JSON.stringify(left) : undefined);
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

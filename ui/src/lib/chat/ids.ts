/** Session keys and idempotency keys. */

/** A random id. `crypto.randomUUID` is missing where the page is served without TLS to another machine. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const RESERVED = ["main", "cron", "subagent"];

/** The session name that the gateway accepts for what a person typed, or "" where nothing usable is left. */
export function sessionName(typed: string): string {
  const name = typed
    .normalize("NFKD")
    .toLowerCase()
    .replace(/\p{Mark}/gu, "")
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+|[._-]+$/g, "")
    .slice(0, 64);
  return RESERVED.includes(name) ? "" : name;
}

export function sessionKey(agentId: string, name: string): string {
  return `agent:${agentId}:${name}`;
}

/** What to call a session that the gateway does not list yet: the last part of its key. */
export function nameOfKey(key: string): string {
  return key.split(":").slice(2).join(":") || key;
}

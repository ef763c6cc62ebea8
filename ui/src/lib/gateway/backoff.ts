/** Delays between connection attempts: exponential with full jitter, so that clients do not come back all at once. */
export const FIRST_MS = 500;
export const MAX_MS = 15_000;
/** After a restart that the gateway announced it is back soon. */
export const RESTART_MS = 250;

export function backoff(attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(attempt, 10));
  // Never below a tenth of a second, or a refusing port would be hammered.
  return Math.max(100, Math.round(random() * ceiling));
}

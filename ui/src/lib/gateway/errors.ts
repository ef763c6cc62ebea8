import type { WireError } from "./wire";

/** A call that failed: an error the gateway answered, or one of the local codes below. */
export class GatewayError extends Error {
  readonly code: string;
  readonly details: unknown;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(error: WireError) {
    super(error.message);
    this.name = "GatewayError";
    this.code = error.code;
    this.details = error.details;
    this.retryable = error.retryable;
    this.retryAfterMs = error.retryAfterMs;
  }
}

/** Local code: there is no connection, or it ended before the answer came. The gateway may still have acted. */
export const DISCONNECTED = "DISCONNECTED";
/** Local code: connected, but no answer in time. The gateway may still have acted. */
export const NO_ANSWER = "NO_ANSWER";

export function localError(code: string, message: string, details?: unknown): GatewayError {
  return new GatewayError({ code, message, details, retryable: true });
}

/** Requests that wait for their response. */
import { GatewayError, NO_ANSWER, localError } from "./errors";
import type { Response } from "./frames";

interface Waiting {
  resolve: (payload: unknown) => void;
  reject: (error: GatewayError) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class Pending {
  #next = 0;
  #waiting = new Map<string, Waiting>();

  /** Registers one request; `send` is called with its id and may throw. */
  add(timeoutMs: number, send: (id: string) => void): Promise<unknown> {
    const id = String(++this.#next);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(localError(NO_ANSWER, `no answer within ${timeoutMs / 1000} s`));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  settle(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if (!waiting) return;
    this.#waiting.delete(response.id);
    clearTimeout(waiting.timer);
    if (response.ok) waiting.resolve(response.payload);
    else waiting.reject(new GatewayError(response.error ?? { code: "INTERNAL", message: "", retryable: false }));
  }

  failAll(error: GatewayError): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(error);
    }
    this.#waiting.clear();
  }
}

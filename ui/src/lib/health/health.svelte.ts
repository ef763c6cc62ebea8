/** What the health page shows: the snapshot, the last diagnostics and the tail of the log. */
import type { GatewayClient } from "$lib/gateway/client";
import type { Diagnostic, Health, LogLine } from "$lib/gateway/wire";
import { describe } from "$lib/strings";

const KEPT = 1000;
const POLL_MS = 2000;

export class HealthState {
  health = $state.raw<Health>();
  diagnostics = $state.raw<Diagnostic[]>([]);
  log = $state.raw<LogLine[]>([]);
  checking = $state(false);
  error = $state<string>();
  readonly #client: GatewayClient;
  #logCursor: string | undefined;

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** Loads everything and keeps it current; answers what ends that. */
  watch(): () => void {
    const stopHealth = this.#client.on("health", (health) => (this.health = health));
    const stopDiagnostics = this.#client.on("diagnostic.event", (event) => {
      this.diagnostics = [...this.diagnostics, event].slice(-KEPT);
    });
    void this.check(false);
    void this.#loadDiagnostics();
    void this.#pollLog();
    const timer = setInterval(() => {
      if (document.visibilityState === "visible") void this.#pollLog();
    }, POLL_MS);
    return () => {
      stopHealth();
      stopDiagnostics();
      clearInterval(timer);
    };
  }

  /** `probe` measures now instead of answering what is known. */
  async check(probe: boolean): Promise<void> {
    this.checking = true;
    try {
      this.health = await this.#client.call("health", probe ? { refresh: true } : {});
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
    this.checking = false;
  }

  async #loadDiagnostics(): Promise<void> {
    try {
      this.diagnostics = (await this.#client.call("diagnostics.list", { limit: KEPT })).events;
    } catch (error) {
      this.error = describe(error);
    }
  }

  async #pollLog(): Promise<void> {
    try {
      const cursor = this.#logCursor;
      const page = await this.#client.call("logs.tail", { limit: 500, ...(cursor && { cursor }) });
      this.#logCursor = page.nextCursor;
      if (page.lines.length > 0) this.log = [...this.log, ...page.lines].slice(-KEPT);
    } catch (error) {
      this.error = describe(error);
    }
  }
}

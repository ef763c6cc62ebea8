import type { Endpoint } from "$lib/gateway/client";
import type { Host, Permission } from "./host";

interface Internals {
  invoke(command: string, args?: Record<string, unknown>): Promise<unknown>;
}

/** The desktop app's window. The app hands endpoint and token over in memory; nothing is stored here. */
export class TauriHost implements Host {
  readonly kind = "tauri";
  readonly #internals: Internals;

  constructor(window: Window) {
    this.#internals = (window as unknown as { __TAURI_INTERNALS__: Internals }).__TAURI_INTERNALS__;
  }

  async endpoint(): Promise<Endpoint> {
    return (await this.#internals.invoke("gateway_endpoint")) as Endpoint;
  }

  saveToken(): void {
    // The app owns the token.
  }

  forgetToken(): void {
    // The app owns the token.
  }

  openExternal(url: string): void {
    void this.#internals.invoke("open_external", { url });
  }

  notifications(): Permission {
    return "granted";
  }

  askToNotify(): Promise<Permission> {
    return Promise.resolve("granted");
  }

  doneAsking(): void {
    void this.#internals.invoke("done_asking");
  }

  /** A click brings the app's window to the front, which is the app's own doing. */
  notify(title: string, body: string): void {
    void this.#internals.invoke("notify", { title, body });
  }
}

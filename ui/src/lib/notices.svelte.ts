/** Whether a person is told of an answer that ends while they look elsewhere. */
import type { Host, Permission } from "./host/host";

const KEY = "simpleclaw.notices";

export class Notices {
  permission = $state<Permission>("none");
  /** Unset until the person chose; the app's own window then notifies, a browser does not. */
  #chosen = $state<"on" | "off">();
  readonly #host: Host;
  readonly on = $derived.by(() => this.permission === "granted" && (this.#chosen ?? this.#default) === "on");

  constructor(host: Host) {
    this.#host = host;
    this.permission = host.notifications();
    const stored = read();
    if (stored === "on" || stored === "off") this.#chosen = stored;
  }

  get #default(): "on" | "off" {
    return this.#host.kind === "tauri" ? "on" : "off";
  }

  /** On a click only: the browser may ask the person. */
  async toggle(): Promise<void> {
    const wanted = !this.on;
    if (wanted) this.permission = await this.#host.askToNotify();
    this.#chosen = wanted && this.permission === "granted" ? "on" : "off";
    write(this.#chosen);
  }

  tell(title: string, body: string, onopen: () => void): void {
    if (this.on && document.hidden) this.#host.notify(title, body, onopen);
  }
}

function read(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(value: string): void {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // It then holds as long as the page.
  }
}

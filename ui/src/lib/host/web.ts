import type { Endpoint } from "$lib/gateway/client";
import type { Host, Permission } from "./host";

const KEY = "simpleclaw.token";
const FRAGMENT = /^#token=([0-9a-f]{64})$/;

/** A browser tab. The endpoint is always the page's own origin: nothing in the address can point the token elsewhere. */
export class WebHost implements Host {
  readonly kind = "web";
  readonly #window: Window;
  #token: string | undefined;

  constructor(window: Window) {
    this.#window = window;
    const token = takeFragmentToken(window);
    if (token) this.saveToken(token, false);
    else this.#token = this.#stored("sessionStorage") ?? this.#stored("localStorage");
    // A second link pasted into this tab changes only the fragment, so the page is not loaded anew.
    window.addEventListener("hashchange", () => {
      const later = takeFragmentToken(window);
      if (!later) return;
      this.saveToken(later, false);
      window.location.reload();
    });
  }

  endpoint(): Promise<Endpoint> {
    const { protocol, host } = this.#window.location;
    return Promise.resolve({ url: `${protocol === "https:" ? "wss" : "ws"}://${host}/ws`, token: this.#token });
  }

  saveToken(token: string, remember: boolean): void {
    this.#token = token;
    storage(this.#window, "sessionStorage")?.setItem(KEY, token);
    if (remember) storage(this.#window, "localStorage")?.setItem(KEY, token);
  }

  forgetToken(): void {
    this.#token = undefined;
    storage(this.#window, "sessionStorage")?.removeItem(KEY);
    storage(this.#window, "localStorage")?.removeItem(KEY);
  }

  #stored(name: "sessionStorage" | "localStorage"): string | undefined {
    return storage(this.#window, name)?.getItem(KEY) ?? undefined;
  }

  openExternal(url: string): void {
    this.#window.open(url, "_blank", "noopener,noreferrer");
  }

  notifications(): Permission {
    if (!("Notification" in this.#window)) return "none";
    return asPermission(Notification.permission);
  }

  async askToNotify(): Promise<Permission> {
    const now = this.notifications();
    return now === "ask" ? asPermission(await Notification.requestPermission()) : now;
  }

  doneAsking(): void {
    // It goes on showing what comes next.
  }

  notify(title: string, body: string, onopen: () => void): void {
    if (this.notifications() !== "granted") return;
    const notification = new Notification(title, { body });
    notification.onclick = () => {
      this.#window.focus();
      notification.close();
      onopen();
    };
  }
}

function asPermission(permission: NotificationPermission): Permission {
  return permission === "granted" ? "granted" : permission === "denied" ? "blocked" : "ask";
}

/** Reads `#token=` once and erases it, well formed or not, so that it stays neither in the address nor in the history. */
export function takeFragmentToken(window: Window): string | undefined {
  const { hash, pathname, search } = window.location;
  if (!hash.toLowerCase().startsWith("#token")) return undefined;
  window.history.replaceState(null, "", pathname + search);
  return FRAGMENT.exec(hash)?.[1];
}

/** Storage throws where the browser has it switched off; the token then lives as long as the page. */
function storage(window: Window, name: "sessionStorage" | "localStorage"): Storage | undefined {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

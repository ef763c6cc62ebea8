/** What the surroundings of the page provide: a browser tab (`web`) or the desktop app's window (`tauri`). */
import type { Endpoint } from "$lib/gateway/client";
import { TauriHost } from "./tauri";
import { WebHost } from "./web";

/** `ask`: the person has to be asked; `none`: there is nothing to notify with. */
export type Permission = "granted" | "ask" | "blocked" | "none";

export interface Host {
  readonly kind: "web" | "tauri";
  /** Where the gateway is, and the token for it where one is known. */
  endpoint(): Promise<Endpoint>;
  /** Keeps a token that the person typed in; `remember` keeps it beyond this tab. */
  saveToken(token: string, remember: boolean): void;
  /** Drops a token that the gateway refused. */
  forgetToken(): void;
  /** Opens a web address outside of this page. */
  openExternal(url: string): void;
  /** Whether this page may show notifications of the system. */
  notifications(): Permission;
  /** Only after the person's own click. */
  askToNotify(): Promise<Permission>;
  /** Takes the window that asks for approvals away. A tab stays. */
  doneAsking(): void;
  /** `onopen` where the person follows it. */
  notify(title: string, body: string, onopen: () => void): void;
}

export function detectHost(): Host {
  return "__TAURI_INTERNALS__" in window ? new TauriHost(window) : new WebHost(window);
}

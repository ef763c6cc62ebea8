/** The page that is shown, kept in the fragment: `#/chat/<session key>` or `#/health`. */
export type Page = "chat" | "health";

class Route {
  page = $state<Page>("chat");
  sessionKey = $state<string>();

  constructor() {
    this.#read();
    window.addEventListener("hashchange", () => this.#read());
  }

  #read(): void {
    const { page, sessionKey } = parse(window.location.hash);
    this.page = page;
    if (sessionKey) this.sessionKey = sessionKey;
  }
}

export function parse(hash: string): { page: Page; sessionKey: string | undefined } {
  const [page, key] = hash.replace(/^#\/?/, "").split("/");
  return { page: page === "health" ? "health" : "chat", sessionKey: page === "chat" && key ? decode(key) : undefined };
}

export function chatHref(sessionKey: string | undefined): string {
  return sessionKey ? `#/chat/${encodeURIComponent(sessionKey)}` : "#/chat";
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export const route = new Route();

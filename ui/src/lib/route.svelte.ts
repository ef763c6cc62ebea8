/** The page that is shown, kept in the fragment: `#/chat/<session key>`, `#/settings/<section>`, or only its name. */
export type Page = (typeof PAGES)[number];

const PAGES = ["chat", "approvals", "models", "settings", "health", "welcome"] as const;

class Route {
  page = $state<Page>("chat");
  sessionKey = $state<string>();
  /** What is open inside of the page. */
  part = $state<string>();

  constructor() {
    this.#read();
    window.addEventListener("hashchange", () => this.#read());
  }

  #read(): void {
    const { page, sessionKey, part } = parse(window.location.hash);
    this.page = page;
    this.part = part;
    if (sessionKey) this.sessionKey = sessionKey;
  }
}

export function parse(hash: string): { page: Page; sessionKey: string | undefined; part: string | undefined } {
  const [name, rest] = hash.replace(/^#\/?/, "").split("/");
  const page = PAGES.find((each) => each === name) ?? "chat";
  const below = rest && page === name ? decode(rest) : undefined;
  return { page, sessionKey: page === "chat" ? below : undefined, part: page === "chat" ? undefined : below };
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

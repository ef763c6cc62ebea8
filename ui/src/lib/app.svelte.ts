/** The one instance of everything that lives as long as the page. */
import { Approvals } from "./approvals/approvals.svelte";
import { Chat } from "./chat/chat.svelte";
import { newId } from "./chat/ids";
import { getIn } from "./config/paths";
import { GatewayClient, type Connection, type Issue } from "./gateway/client";
import type { Approval, Health, Method } from "./gateway/wire";
import { detectHost, type Host } from "./host/host";
import { Notices } from "./notices.svelte";
import { chatHref, route } from "./route.svelte";
import { t } from "./strings";

export class App {
  readonly host: Host;
  readonly client: GatewayClient;
  readonly approvals: Approvals;
  readonly chat: Chat;
  readonly notices: Notices;
  connection = $state.raw<Connection>({ status: "connecting" });
  /** Once connected, a loss shows a banner over what is there instead of taking it away. */
  everOnline = $state(false);
  /** From the gateway's question for a token until a connection stands. */
  asking = $state(false);
  paused = $state(false);
  /** Commands run without a question: the mode `full`. */
  unasked = $state(false);
  /** What a screen reader is told when an answer is complete. */
  announcement = $state("");

  constructor() {
    this.host = detectHost();
    this.client = new GatewayClient({
      endpoint: () => this.host.endpoint(),
      identity: identity(),
      events: [
        "chat.event",
        "agent.event",
        "session.message",
        "session.changed",
        "exec.approval.requested",
        "exec.approval.resolved",
        "models.changed",
        "config.changed",
        "health",
        "diagnostic.event",
        "gateway.paused",
        "gateway.resumed",
        "tick",
      ],
      validate,
    });
    this.notices = new Notices(this.host);
    this.approvals = new Approvals(this.client, "web", { requested: (approval) => this.#tellOf(approval) });
    this.chat = new Chat(this.client, this.approvals, {
      answered: (sessionKey, text) => {
        if (sessionKey === route.sessionKey) this.announcement = text;
      },
      ended: (sessionKey, ok) => this.#notify(sessionKey, ok),
    });
    this.client.onState((state) => this.#onState(state));
    this.client.on("config.changed", () => void this.#readMode());
    this.client.on("health", (health) => (this.paused = health.paused));
    this.client.on("gateway.paused", () => (this.paused = true));
    this.client.on("gateway.resumed", () => (this.paused = false));
  }

  start(): void {
    this.client.connect();
    const again = (): void => {
      if (document.visibilityState === "visible" && this.connection.status === "offline") this.client.connect();
    };
    window.addEventListener("online", again);
    document.addEventListener("visibilitychange", again);
  }

  useToken(token: string, remember: boolean): void {
    this.host.saveToken(token, remember);
    this.client.connect();
  }

  #onState(state: Connection): void {
    this.connection = state;
    if (state.status === "needs-token") {
      this.asking = true;
      if (state.refused) this.host.forgetToken();
    }
    if (state.status !== "online") return;
    this.asking = false;
    this.everOnline = true;
    const health: Partial<Health> = state.hello.snapshot.health;
    this.paused = health.paused ?? false;
    void this.#readMode();
    route.sessionKey ??= state.hello.snapshot.sessionDefaults.mainSessionKey;
  }

  async #readMode(): Promise<void> {
    try {
      const { value } = await this.client.call("config.get", {});
      this.unasked = getIn(value, ["tools", "exec", "mode"]) === "full";
    } catch {
      // Whoever may not read the configuration is not told.
    }
  }

  /** The app itself tells of it, window or not. */
  #tellOf(approval: Approval): void {
    this.announcement = t.approvals.asks[approval.action.kind](approval.agentId);
    if (this.host.kind === "tauri") return;
    const open = (): void => {
      window.location.hash = "#/approvals";
    };
    this.notices.tell(this.announcement, t.notices.asks, open);
  }

  #notify(sessionKey: string, ok: boolean): void {
    const session = this.chat.sessions.get(sessionKey);
    const open = (): void => {
      window.location.hash = chatHref(sessionKey);
    };
    this.notices.tell(session?.label ?? session?.title ?? t.app.name, ok ? t.notices.ready : t.notices.failed, open);
  }
}

/** What a connection of this page says about it. */
export function identity(): { version: string; platform: string; instanceId: string } {
  return { version: __VERSION__, platform: platform(), instanceId: instanceId() };
}

/** The validator and the schemas are not part of the first load. */
export async function validate(method: Method, params: object): Promise<Issue[]> {
  return (await import("./gateway/validate")).validate(method, params);
}

function platform(): string {
  return /Mac/.test(navigator.userAgent) ? "macos" : /Windows/.test(navigator.userAgent) ? "windows" : "linux";
}

/** Stays the same over reloads of this tab, so that the gateway sees one client and not many. */
function instanceId(): string {
  const key = "simpleclaw.instance";
  try {
    const id = sessionStorage.getItem(key) ?? newId();
    sessionStorage.setItem(key, id);
    return id;
  } catch {
    return newId();
  }
}

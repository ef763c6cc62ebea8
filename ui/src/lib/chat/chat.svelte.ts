/** Everything the chat page works on: the list of sessions, the open ones, and the events that change them. */
import type { Approvals } from "$lib/approvals/approvals.svelte";
import type { GatewayClient } from "$lib/gateway/client";
import type { Result } from "$lib/gateway/wire";
import { Blobs } from "./blobs";
import { Conversation } from "./conversation.svelte";
import { ModelList } from "./models.svelte";
import { SessionList } from "./sessions.svelte";
import { readUnsent } from "./storage";

type Agent = Result<"agents.list">["agents"][number];

interface Listener {
  /** Each answer as it enters a session. */
  answered: (sessionKey: string, text: string) => void;
  /** A run came to its end by itself. */
  ended: (sessionKey: string, ok: boolean) => void;
}

export class Chat {
  readonly sessions: SessionList;
  agents = $state.raw<Agent[]>([]);
  defaultAgentId = $state("main");
  mainSessionKey = $state<string>();
  /** A new session is being named. */
  creating = $state(false);
  readonly models: ModelList;
  readonly blobs: Blobs;
  readonly #approvals: Approvals;
  readonly #client: GatewayClient;
  readonly #open = new Map<string, Conversation>();

  constructor(client: GatewayClient, approvals: Approvals, listener: Listener) {
    this.#client = client;
    this.#approvals = approvals;
    client.on("models.changed", () => void this.#loadAgents());
    // Another model of an agent is no change of the models.
    client.on("config.changed", () => void this.#loadAgents());
    this.blobs = new Blobs(client);
    this.sessions = new SessionList(client);
    this.models = new ModelList(client);
    client.onState((state) => {
      if (state.status === "online") this.#connected(state.hello.snapshot.sessionDefaults);
    });
    client.onGap(() => this.#resync());
    client.on("chat.event", (event) => {
      this.#open.get(event.sessionKey)?.receive(event);
      if (event.state === "final" || event.state === "error") listener.ended(event.sessionKey, event.state === "final");
    });
    client.on("agent.event", (event) => this.#open.get(event.sessionKey)?.receiveActivity(event));
    client.on("session.message", ({ sessionKey, message }) => {
      this.#open.get(sessionKey)?.receiveMessage(message);
      if (message.role !== "assistant") return;
      const text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
      if (text) listener.answered(sessionKey, text);
    });
    client.on("session.changed", (change) => {
      this.sessions.apply(change);
      // An edit elsewhere left a part of what is shown behind.
      if (change.reason === "branched") void this.#open.get(change.key)?.sync();
    });
  }

  /** The conversation of a session, kept while the page lives so that going back to it shows it at once. */
  open(key: string): Conversation {
    const known = this.#open.get(key);
    if (known) return known;
    const conversation = new Conversation(this.#client, key, this.blobs, this.#approvals);
    this.#open.set(key, conversation);
    if (this.#client.state.status === "online") void conversation.sync();
    return conversation;
  }

  /** The model that answers for an agent where the person did not choose. */
  resolvedModel(agentId: string): string | undefined {
    return this.agents.find((agent) => agent.id === agentId)?.model.resolved;
  }

  #connected(defaults: Result<"connect">["snapshot"]["sessionDefaults"]): void {
    this.defaultAgentId = defaults.defaultAgentId;
    this.mainSessionKey = defaults.mainSessionKey;
    this.#resync();
    void this.#loadAgents();
    void this.models.refresh();
    for (const unsent of readUnsent()) this.open(unsent.sessionKey).outbox.resume(unsent);
  }

  #resync(): void {
    void this.sessions.refresh();
    for (const conversation of this.#open.values()) void conversation.sync();
  }

  async #loadAgents(): Promise<void> {
    try {
      this.agents = (await this.#client.call("agents.list", {})).agents;
    } catch {
      // Without the list the default agent is taken for a new session, and `auto` does not say what it stands for.
    }
  }
}

/** The way from the first start to the first real answer. */
import type { App } from "./app.svelte";
import type { Conversation } from "./chat/conversation.svelte";
import { isGuide } from "./models/guide";
import { configuredIds, Providers, providersOf } from "./models/providers.svelte";
import { Setup } from "./models/setup.svelte";
import { t } from "./strings";

export class Welcome {
  readonly providers: Providers;
  setup = $state.raw<Setup>();
  readonly #app: App;

  readonly list = $derived.by(() => providersOf(this.providers.config, this.#app.chat.models.rows));
  /** Servers on this computer that have something to answer with. */
  readonly local = $derived.by(() => this.list.filter(({ origin, models }) => origin === "found" && models.length > 0));
  readonly configured = $derived.by(() => this.list.filter(({ origin }) => origin === "configured"));
  readonly resolved = $derived.by(() => this.#app.chat.resolvedModel(this.#app.chat.defaultAgentId));
  readonly chosen = $derived.by(() => !isGuide(this.resolved));

  constructor(app: App) {
    this.#app = app;
    this.providers = new Providers(app.client);
    this.again();
  }

  /** A form for one more provider. */
  again(): void {
    this.setup = new Setup(this.#app.client, () => configuredIds(this.providers.config));
  }

  async use(model: string): Promise<void> {
    await this.providers.use(this.#app.chat.defaultAgentId, model);
  }

  sayHello(conversation: Conversation): void {
    conversation.say(t.welcome.helloText);
  }

  /** The guide knows these words; of a model nobody knows what it would do. */
  showApproval(conversation: Conversation): void {
    conversation.say(t.welcome.askText);
  }
}

/** The last model that answered in a conversation, if its last answer is complete. */
export function answeredBy({ rows, busy }: Conversation): string | undefined {
  const last = rows.at(-1)?.message;
  return !busy && last?.role === "assistant" && last.status === "complete" ? last.model : undefined;
}

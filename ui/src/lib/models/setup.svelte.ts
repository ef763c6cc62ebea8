/** A provider while it is added: chosen, given its key, tested, saved, and tested again as it stands in the configuration. */
import type { GatewayClient } from "$lib/gateway/client";
import type { ProviderDraft, ProviderTest } from "$lib/gateway/wire";
import { describe, t } from "$lib/strings";
import { KINDS, nameFor, type Kind } from "./kinds";

export type Step = "kind" | "key" | "test";
export const STEPS: Step[] = ["kind", "key", "test"];

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const TEST_MS = 60_000;

export class Setup {
  step = $state<Step>("kind");
  kind = $state.raw<Kind>(KINDS[0]!);
  name = $state("");
  url = $state("");
  key = $state("");
  result = $state.raw<ProviderTest>();
  /** After saving: what the saved provider says. */
  saved = $state.raw<{ name: string; result: ProviderTest }>();
  busy = $state<"no" | "testing" | "saving">("no");
  error = $state<string>();
  readonly #client: GatewayClient;
  readonly #taken: () => string[];

  readonly nameProblem = $derived.by(() => {
    if (this.#taken().includes(this.name.trim())) return t.models.nameTaken;
    return NAME.test(this.name.trim()) ? "" : t.models.nameBad;
  });
  readonly urlProblem = $derived.by(() => (!this.kind.url || isAddress(this.url) ? "" : t.models.urlBad));
  readonly complete = $derived.by(
    () => this.nameProblem === "" && this.urlProblem === "" && (this.kind.key !== "required" || this.key.trim() !== ""),
  );

  constructor(client: GatewayClient, taken: () => string[]) {
    this.#client = client;
    this.#taken = taken;
    this.choose(this.kind);
  }

  choose(kind: Kind): void {
    this.kind = kind;
    this.name = nameFor(kind, this.#taken());
    this.url = kind.url ?? "";
    this.result = undefined;
  }

  /** What was tested is no longer what would be saved. */
  changed(): void {
    this.result = undefined;
    this.error = undefined;
  }

  async test(): Promise<void> {
    this.busy = "testing";
    const key = this.key.trim();
    this.result = await testProvider(this.#client, { draft: this.#draft(key || undefined) });
    this.busy = "no";
  }

  async save(): Promise<void> {
    this.busy = "saving";
    this.error = undefined;
    const name = this.name.trim();
    const key = this.key.trim();
    try {
      if (key) await this.#client.call("secrets.set", { name, value: key });
      await this.#patch(name, key !== "");
      this.key = "";
      this.saved = { name, result: await testProvider(this.#client, { provider: name }) };
    } catch (error) {
      this.error = describe(error);
    }
    this.busy = "no";
  }

  async #patch(name: string, hasKey: boolean): Promise<void> {
    try {
      const entry = this.#draft(hasKey ? { secret: name } : undefined);
      await this.#client.call("config.patch", { patch: { models: { providers: { [name]: entry } } } });
    } catch (error) {
      // A key that nothing uses is not left behind.
      if (hasKey) await this.#client.call("secrets.remove", { name }).catch(() => undefined);
      throw error;
    }
  }

  #draft(apiKey: ProviderDraft["apiKey"]): ProviderDraft {
    const { api, url } = this.kind;
    return { api, ...(url && { baseUrl: this.url.trim() }), ...(apiKey !== undefined && { apiKey }) };
  }
}

/** A failure to test is a failed test as well. */
export async function testProvider(client: GatewayClient, what: { provider: string } | { draft: ProviderDraft }): Promise<ProviderTest> {
  try {
    return await client.call("providers.test", what, TEST_MS);
  } catch (error) {
    return { ok: false, error: { kind: "error", message: describe(error) } };
  }
}

function isAddress(text: string): boolean {
  try {
    const { protocol, hostname } = new URL(text.trim());
    return (protocol === "http:" || protocol === "https:") && hostname !== "";
  } catch {
    return false;
  }
}

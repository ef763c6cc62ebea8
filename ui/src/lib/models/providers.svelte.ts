/** The providers: those of the configuration, those found on this computer, and the built-in guide. */
import { getIn, isObject } from "$lib/config/paths";
import { secretState, type SecretState } from "$lib/config/secrets.svelte";
import type { GatewayClient } from "$lib/gateway/client";
import type { ProviderTest } from "$lib/gateway/wire";
import type { Config, ModelRow } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import { BUILT_IN } from "./guide";
import { testProvider } from "./setup.svelte";

export interface Provider {
  id: string;
  origin: "configured" | "found" | "builtin";
  api: string;
  baseUrl: string;
  key: SecretState;
  models: ModelRow[];
}

export class Providers {
  config = $state.raw<Config>();
  error = $state<string>();
  tests = $state.raw<Record<string, ProviderTest | "running">>({});
  readonly #client: GatewayClient;

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** Until the answer is called: follows the configuration. */
  watch(): () => void {
    void this.load();
    return this.#client.on("config.changed", () => void this.load());
  }

  async load(): Promise<void> {
    try {
      this.config = await this.#client.call("config.get", {});
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
  }

  async test(id: string): Promise<void> {
    this.tests = { ...this.tests, [id]: "running" };
    const result = await testProvider(this.#client, { provider: id });
    this.tests = { ...this.tests, [id]: result };
  }

  async remove(id: string): Promise<void> {
    await this.#patch({ models: { providers: { [id]: null } } });
  }

  async replaceKey({ id, key }: Provider, value: string): Promise<boolean> {
    const name = key.kind === "store" ? key.name : id;
    try {
      await this.#client.call("secrets.set", { name, value });
    } catch (error) {
      this.error = describe(error);
      return false;
    }
    if (key.kind !== "store" && !(await this.#patch({ models: { providers: { [id]: { apiKey: { secret: name } } } } }))) return false;
    await this.test(id);
    return true;
  }

  /** The model that an agent answers with from now on. */
  async use(agentId: string, model: string): Promise<boolean> {
    return this.#patch({ agents: { entries: { [agentId]: { model } } } });
  }

  async #patch(patch: Record<string, unknown>): Promise<boolean> {
    try {
      await this.#client.call("config.patch", { patch });
      await this.load();
      return true;
    } catch (error) {
      this.error = describe(error);
      return false;
    }
  }
}

export function configuredIds(config: Config | undefined): string[] {
  const entries = getIn(config?.value, ["models", "providers"]);
  return isObject(entries) ? Object.keys(entries) : [];
}

export function providersOf(config: Config | undefined, rows: ModelRow[]): Provider[] {
  const ids = configuredIds(config);
  const configured = ids.map((id): Provider => {
    const entry = getIn(config?.value, ["models", "providers", id]);
    const text = (key: string): string => String(getIn(entry, [key]) ?? "");
    const models = rows.filter(({ provider }) => provider === id);
    return { id, origin: "configured", api: text("api"), baseUrl: text("baseUrl"), key: secretState(getIn(entry, ["apiKey"])), models };
  });
  const others = [...new Set(rows.map(({ provider }) => provider))].filter((id) => !ids.includes(id));
  const rest = others.map((id): Provider => {
    const models = rows.filter(({ provider }) => provider === id);
    return { id, origin: id === BUILT_IN ? "builtin" : "found", api: "", baseUrl: "", key: { kind: "none" }, models };
  });
  const order = ["configured", "found", "builtin"];
  return [...configured, ...rest].sort((a, b) => order.indexOf(a.origin) - order.indexOf(b.origin));
}

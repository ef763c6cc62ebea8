/** What is known of the stored secrets: their names. A value only ever goes to the gateway. */
import type { GatewayClient } from "$lib/gateway/client";
import type { SecretRow } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import { isObject, type Path } from "./paths";

export class Secrets {
  rows = $state.raw<SecretRow[]>([]);
  /** What is wrong with where they are kept, in the gateway's words. */
  problems = $state.raw<string[]>([]);
  loaded = $state(false);
  error = $state<string>();
  readonly #client: GatewayClient;

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  async load(): Promise<void> {
    await this.#try(async () => {
      const list = await this.#client.call("secrets.list", {});
      this.rows = list.secrets;
      this.problems = list.problems;
      this.loaded = true;
    });
  }

  async set(name: string, value: string): Promise<boolean> {
    const ok = await this.#try(() => this.#client.call("secrets.set", { name, value }));
    if (ok) await this.load();
    return ok;
  }

  async remove(name: string): Promise<void> {
    if (await this.#try(() => this.#client.call("secrets.remove", { name }))) await this.load();
  }

  async #try(call: () => Promise<unknown>): Promise<boolean> {
    try {
      await call();
      this.error = undefined;
      return true;
    } catch (error) {
      this.error = describe(error);
      return false;
    }
  }
}

export type SecretState =
  | { kind: "none" | "literal" | "masked" }
  | { kind: "store" | "env" | "file"; name: string };

/** Stands for a literal secret in every answer of the gateway; sent back, it changes nothing. */
export const MASK = "__masked__";

export function secretState(value: unknown): SecretState {
  if (typeof value === "string") {
    const variable = /^\$\{(\w+)\}$/.exec(value)?.[1];
    if (variable) return { kind: "env", name: variable };
    return { kind: value === "" ? "none" : value === MASK ? "masked" : "literal" };
  }
  if (!isObject(value)) return { kind: "none" };
  if (typeof value.secret === "string") return { kind: "store", name: value.secret };
  if (typeof value.env === "string") return { kind: "env", name: value.env };
  return typeof value.file === "string" ? { kind: "file", name: value.file } : { kind: "none" };
}

/** Under which name a new secret of this place is kept. */
export function secretName(path: Path, taken: string[]): string {
  const own = path.slice(0, -1).at(-1) ?? path.at(-1) ?? "secret";
  const name = own.toLowerCase().replaceAll(/[^a-z0-9._-]+/g, "-").replaceAll(/^-+|-+$/g, "") || "secret";
  const free = (at: number): string => (at === 1 ? name : `${name}-${at}`);
  let at = 1;
  while (taken.includes(free(at))) at += 1;
  return free(at);
}

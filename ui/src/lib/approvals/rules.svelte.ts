/** The saved rules, and what would happen to a command. */
import type { GatewayClient } from "$lib/gateway/client";
import { GatewayError } from "$lib/gateway/errors";
import type { ApprovalRule, RuleTest } from "$lib/gateway/wire";
import { describe } from "$lib/strings";

export class Rules {
  list = $state.raw<ApprovalRule[]>();
  error = $state<string>();
  busy = $state(false);
  readonly #client: GatewayClient;
  #hash = "";

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** Loads them and keeps them current; answers what ends that. */
  watch(): () => void {
    void this.load();
    // An answer may have saved one.
    return this.#client.on("exec.approval.resolved", ({ decision }) => {
      if (decision === "allow-always") void this.load();
    });
  }

  async load(): Promise<void> {
    try {
      const { rules, hash } = await this.#client.call("exec.approvals.get", {});
      this.list = rules;
      this.#hash = hash;
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
  }

  async remove(id: string): Promise<void> {
    this.busy = true;
    try {
      await this.#removeOnce(id);
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
    this.busy = false;
  }

  async test(command: string, agentId: string, cwd: string, network: boolean): Promise<RuleTest> {
    const place = { ...(agentId && { sessionKey: `agent:${agentId}:main` }), ...(cwd && { cwd }), ...(network && { network }) };
    return this.#client.call("exec.approvals.test", { command, ...place });
  }

  /** Somebody else may have changed them meanwhile: then once more, on what there is now. */
  async #removeOnce(id: string, again = true): Promise<void> {
    const rules = (this.list ?? []).filter((rule) => rule.id !== id);
    try {
      const saved = await this.#client.call("exec.approvals.set", { rules, baseHash: this.#hash });
      this.list = saved.rules;
      this.#hash = saved.hash;
    } catch (error) {
      if (!again || !(error instanceof GatewayError) || error.code !== "CONFLICT") throw error;
      await this.load();
      await this.#removeOnce(id, false);
    }
  }
}

/** The approvals that wait, and what became of those that did while this page was there. */
import type { GatewayClient } from "$lib/gateway/client";
import { GatewayError } from "$lib/gateway/errors";
import type { Approval, ApprovalDecision, ApprovalRule } from "$lib/gateway/wire";
import { describe } from "$lib/strings";
import { add, isOfCall, without, type ToolCall } from "./queue";

const SETTLED_KEPT = 50;

interface Listener {
  /** One more waits. */
  requested: (approval: Approval) => void;
}

export class Approvals {
  /** The oldest first. */
  pending = $state.raw<Approval[]>([]);
  /** By id, the last ones. */
  settled = $state.raw<ReadonlyMap<string, Approval>>(new Map());
  /** Those whose answer is on its way. */
  deciding = $state.raw<ReadonlySet<string>>(new Set());
  /** Why an answer did not arrive, by id. */
  problems = $state.raw<ReadonlyMap<string, string>>(new Map());
  /** False where this connection may not see or answer them. */
  allowed = $state(true);
  loaded = $state(false);
  error = $state<string>();
  readonly #client: GatewayClient;

  readonly #surface: "dialog" | "web";

  constructor(client: GatewayClient, surface: "dialog" | "web", listener?: Listener) {
    this.#client = client;
    this.#surface = surface;
    client.on("exec.approval.requested", (approval) => {
      const known = this.pending.some(({ id }) => id === approval.id);
      this.pending = add(this.pending, approval);
      if (!known) listener?.requested(approval);
    });
    client.on("exec.approval.resolved", (outcome) => {
      // What is not known here was never shown here.
      const approval = this.get(outcome.id);
      if (approval) this.#settle({ ...approval, ...outcome });
    });
    client.onState((state) => {
      if (state.status === "online") void this.load();
    });
    client.onGap(() => void this.load());
  }

  async load(): Promise<void> {
    // The list may be older than what is heard while it is on its way.
    let came: Approval[] = [];
    const gone: string[] = [];
    const following = [
      this.#client.on("exec.approval.requested", (approval) => (came = add(came, approval))),
      this.#client.on("exec.approval.resolved", ({ id }) => gone.push(id)),
    ];
    try {
      const { approvals } = await this.#client.call("exec.approval.list", {});
      this.pending = [...approvals, ...came].filter(({ id }) => !gone.includes(id)).reduce(add, []);
      this.allowed = true;
      this.loaded = true;
      this.error = undefined;
    } catch (error) {
      if (error instanceof GatewayError && error.code === "FORBIDDEN") this.allowed = false;
      else this.error = describe(error);
    } finally {
      for (const stop of following) stop();
    }
  }

  get(id: string): Approval | undefined {
    return this.pending.find((each) => each.id === id) ?? this.settled.get(id);
  }

  /** What a tool call waits for or waited for. */
  ofToolCall(call: ToolCall): Approval | undefined {
    const is = (each: Approval): boolean => isOfCall(each, call);
    return this.pending.find(is) ?? [...this.settled.values()].findLast(is);
  }

  /** Whether the answer came over this connection. */
  isOwn({ decidedBy }: Approval): boolean {
    const { state } = this.#client;
    return state.status === "online" && decidedBy?.connId === state.hello.server.connId;
  }

  /** The first answer wins; one that comes later shows what the first one was. */
  async decide(approval: Approval, decision: ApprovalDecision, rule?: ApprovalRule): Promise<void> {
    const { id } = approval;
    if (this.deciding.has(id)) return;
    this.deciding = new Set([...this.deciding, id]);
    this.problems = new Map([...this.problems].filter(([key]) => key !== id));
    try {
      const answer = await this.#client.call("exec.approval.resolve", { id, decision, surface: this.#surface, ...(rule && { rule }) });
      this.#settle(answer.approval);
    } catch (error) {
      if (error instanceof GatewayError && error.code === "CONFLICT") await this.load();
      if (this.pending.some((each) => each.id === id)) this.problems = new Map([...this.problems, [id, describe(error)]]);
    }
    this.deciding = new Set([...this.deciding].filter((each) => each !== id));
  }

  async denyAll(): Promise<void> {
    await Promise.all(this.pending.map((approval) => this.decide(approval, "deny")));
  }

  #settle(approval: Approval): void {
    this.pending = without(this.pending, approval.id);
    const others = [...this.settled].filter(([id]) => id !== approval.id);
    this.settled = new Map([...others, [approval.id, approval] as const].slice(-SETTLED_KEPT));
  }
}

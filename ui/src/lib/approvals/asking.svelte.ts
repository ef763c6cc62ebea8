/** What the dialog asks about now: one after the other, the oldest first. */
import type { Approval } from "$lib/gateway/wire";
import type { Approvals } from "./approvals.svelte";

/** So long it says who answered elsewhere. */
export const TOLD_MS = 3000;

export class Asking {
  readonly #approvals: Approvals;
  #id = $state<string>();
  readonly current: Approval | undefined = $derived.by(() => (this.#id ? this.#approvals.get(this.#id) : undefined));
  /** `1 of 3`. */
  readonly of = $derived.by(() => this.#approvals.pending.length);
  readonly at = $derived.by(() => 1 + Math.max(0, this.#approvals.pending.findIndex(({ id }) => id === this.#id)));
  /** Somebody else answered, or its time is up: that is said before the next one comes. */
  readonly told = $derived.by(() => this.current !== undefined && this.current.state !== "pending" && !this.#approvals.isOwn(this.current));

  constructor(approvals: Approvals) {
    this.#approvals = approvals;
  }

  /** Keeps what is asked until it is answered, and calls `done` when nothing more waits. */
  watch(done: () => void): void {
    $effect(() => {
      if (this.current?.state === "pending") return;
      const next = this.#approvals.pending[0]?.id;
      if (this.told) {
        const timer = setTimeout(() => this.#go(next, done), TOLD_MS);
        return () => clearTimeout(timer);
      }
      this.#go(next, done);
      return undefined;
    });
  }

  #go(next: string | undefined, done: () => void): void {
    const before = this.#id;
    this.#id = next;
    if (before !== undefined && next === undefined) done();
  }
}

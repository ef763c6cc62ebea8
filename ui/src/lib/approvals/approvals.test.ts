import { expect, test } from "vitest";
import type { GatewayClient } from "$lib/gateway/client";
import { Approvals } from "./approvals.svelte";
import { approval } from "./sample";

/** A gateway whose list comes when the test says so, and events before it. */
function gateway() {
  const listeners = new Map<string, Set<(payload: unknown) => void>>();
  let answer: (result: unknown) => void = () => undefined;
  const client = {
    on(name: string, listener: (payload: unknown) => void) {
      const those = listeners.get(name) ?? new Set();
      listeners.set(name, those.add(listener));
      return () => those.delete(listener);
    },
    onState: () => undefined,
    onGap: () => undefined,
    call: () => new Promise((resolve) => (answer = resolve)),
  };
  return {
    client: client as unknown as GatewayClient,
    tell: (name: string, payload: unknown) => listeners.get(name)?.forEach((listener) => listener(payload)),
    list: (...approvals: unknown[]) => answer({ approvals }),
  };
}

test("a list that is older than what was heard meanwhile neither hides a question nor brings one back", async () => {
  const { client, tell, list } = gateway();
  const approvals = new Approvals(client, "dialog");
  for (let round = 0; round < 2; round += 1) {
    const loading = approvals.load();
    tell("exec.approval.requested", approval({ id: "new", createdAt: "2026-11-22T11:00:00.000Z" }));
    tell("exec.approval.resolved", { id: "old", state: "denied" });
    list(approval({ id: "old" }), approval({ id: "waits" }));
    await loading;
    expect(approvals.pending.map(({ id }) => id)).toEqual(["waits", "new"]);
  }
  const loading = approvals.load();
  list();
  await loading;
  expect(approvals.pending).toEqual([]);
});

test("a chat shows the question of its own call, and never that of another chat whose call has the same id", () => {
  const { client, tell } = gateway();
  const approvals = new Approvals(client, "web");
  const chats = ["agent:main:one", "agent:main:two"];
  const call = (sessionKey: string) => ({ sessionKey, runId: `run of ${sessionKey}`, id: "call_0" });
  const found = (): (string | undefined)[] => chats.map((key) => approvals.ofToolCall(call(key))?.id);
  const ask = (id: string, sessionKey: string): void => {
    tell("exec.approval.requested", approval({ id, sessionKey, runId: call(sessionKey).runId, toolCallId: "call_0" }));
  };
  ask("b", chats[1]!);
  expect(found()).toEqual([undefined, "b"]);
  ask("a", chats[0]!);
  expect(found()).toEqual(["a", "b"]);
  // Once answered, it is what the call had waited for.
  tell("exec.approval.resolved", { id: "b", state: "denied" });
  expect(found()).toEqual(["a", "b"]);
  expect(approvals.ofToolCall({ ...call(chats[0]!), runId: "an earlier run" })).toBeUndefined();
});

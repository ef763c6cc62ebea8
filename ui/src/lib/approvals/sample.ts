/** One approval, for tests. */
import type { Approval, ApprovalAction } from "$lib/gateway/wire";

export function approval({ action, ...change }: Partial<Omit<Approval, "action">> & { action?: Partial<ApprovalAction> } = {}): Approval {
  return {
    id: "a1",
    state: "pending",
    sessionKey: "agent:main:main",
    agentId: "main",
    action: {
      kind: "exec",
      argv: ["git", "push", "origin", "main"],
      program: "/usr/bin/git",
      cwd: "/home/me/reports",
      envNames: [],
      sandbox: "bubblewrap",
      network: true,
      ...action,
    },
    why: "It wants the network.",
    origin: { untrusted: [] },
    allowedDecisions: ["allow-once", "allow-session", "allow-always", "deny"],
    createdAt: "2026-11-22T10:00:00.000Z",
    expiresAt: "2026-11-22T10:30:00.000Z",
    ...change,
  };
}

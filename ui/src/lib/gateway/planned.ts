/**
 * What the gateway is about to offer: methods and events for approvals, written by hand until `cargo xtask schemas`
 * generates them. This file then goes, and with it what `wire` and `validate` take from it.
 */
export type ApprovalState = "pending" | "allowed" | "denied" | "expired" | "cancelled";
export type ApprovalDecision = "allow-once" | "allow-session" | "allow-always" | "deny";
export type ActionKind = "exec" | "script" | "read" | "write" | "fetch" | "message" | "cron" | "node" | "external";

export interface ApprovalAction {
  kind: ActionKind;
  argv: string[];
  /** The program's real path. */
  program?: string;
  script?: string;
  cwd?: string;
  /** Names of environment variables that the model sets. */
  envNames: string[];
  path?: string;
  /** Unified. */
  diff?: string;
  url?: string;
  /** What isolates it: `bubblewrap`, `landlock`, `none`, … */
  sandbox: string;
  network: boolean;
  /** What the agent says of it, in its own words. */
  description?: string;
}
export interface ApprovalOrigin {
  channel?: string;
  sender?: string;
  /** Pages and files from outside that the session has read. */
  untrusted: string[];
}
export interface ApprovalRule {
  /** Empty while it is only proposed. */
  id: string;
  agentId: string;
  folder?: string;
  program: string;
  /** The program's name included: all words, or with `prefix` the first ones. Exact, not escaped. */
  argv: string[];
  prefix: boolean;
  network: boolean;
  words: string;
  createdAt?: string;
  expiresAt?: string;
}
export interface DecidedBy {
  /** `dialog`, `web`, `cli`, `chat`, `tray`, `program`; `rule` where a rule answered, `gateway` where nobody could. */
  surface: string;
  user?: string;
  connId?: string;
}
export interface Approval {
  id: string;
  state: ApprovalState;
  sessionKey: string;
  agentId: string;
  runId?: string;
  toolCallId?: string;
  action: ApprovalAction;
  why: string;
  origin: ApprovalOrigin;
  allowedDecisions: ApprovalDecision[];
  proposedRule?: ApprovalRule;
  createdAt: string;
  expiresAt: string;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  decidedAt?: string;
  reason?: string;
}
export interface ApprovalRules {
  rules: ApprovalRule[];
  hash: string;
}
/** What became of an approval. */
export interface ApprovalResolved {
  id: string;
  sessionKey: string;
  agentId: string;
  state: ApprovalState;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  decidedAt: string;
  reason?: string;
}
export type AuditKind = "requested" | "resolved" | "rule-added" | "rule-changed" | "rule-removed" | "launched";
/** One row of the record; which members are there depends on its kind. */
export interface AuditEntry {
  /** From 1, without gaps. */
  seq: number;
  at: string;
  kind: AuditKind;
  approvalId?: string;
  sessionKey?: string;
  agentId?: string;
  runId?: string;
  action?: ApprovalAction;
  digest?: string;
  state?: ApprovalState;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  reason?: string;
  rule?: ApprovalRule;
  /** Of `launched`: what held it. */
  sandbox?: string;
}

export interface PlannedMethods {
  "exec.approval.list": { params: object; result: { approvals: Approval[]; total: number } };
  "exec.approval.resolve": {
    params: { id: string; decision: ApprovalDecision; rule?: ApprovalRule; reason?: string; surface?: "dialog" | "web" };
    result: { approval: Approval };
  };
  "exec.approvals.get": { params: object; result: ApprovalRules };
  "exec.approvals.set": { params: { rules: ApprovalRule[]; baseHash: string }; result: ApprovalRules };
  "exec.approvals.test": {
    params: { command: string; cwd?: string; sessionKey?: string; network?: boolean };
    result: {
      verdict: "allow" | "ask" | "forbid";
      why: string;
      action: ApprovalAction;
      allowedDecisions: ApprovalDecision[];
      proposedRule?: ApprovalRule;
    };
  };
  /** The newest first. */
  "exec.approval.history": {
    params: { agentId?: string; kind?: AuditKind; limit?: number; cursor?: string };
    result: { entries: AuditEntry[]; nextCursor?: string };
  };
  "audit.verify": {
    params: object;
    result: { ok: boolean; rows: number; head: { seq: number; hash: string }; firstBad?: { seq: number; why: string } };
  };
}

export interface PlannedEvents {
  "exec.approval.requested": Approval;
  "exec.approval.resolved": ApprovalResolved;
}

/** They have no schema to be checked against yet. */
export const PLANNED: ReadonlySet<string> = new Set<keyof PlannedMethods>([
  "exec.approval.list",
  "exec.approval.resolve",
  "exec.approvals.get",
  "exec.approvals.set",
  "exec.approvals.test",
  "exec.approval.history",
  "audit.verify",
]);

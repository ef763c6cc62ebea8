/** Short names for the generated types that the UI uses, taken from the methods and events that carry them. */
import type { Events, Methods } from "./generated/types";

export type { Events, Methods };
export type Method = keyof Methods;
export type EventName = keyof Events;
export type Params<M extends Method> = Methods[M]["params"];
export type Result<M extends Method> = Methods[M]["result"];

export type HelloOk = Result<"connect">;
export type History = Result<"chat.history">;
export type Message = History["messages"][number];
export type Content = Message["content"][number];
export type InFlightRun = NonNullable<History["inFlightRun"]>;
export type SessionRow = Result<"sessions.list">["sessions"][number];
export type Health = Result<"health">;
export type ModelRow = Result<"models.list">["models"][number];
export type Thinking = NonNullable<Params<"chat.send">["thinking"]>;
export type Config = Result<"config.get">;
export type ConfigIssue = Config["issues"][number];
export type ConfigVersion = Result<"config.history">["versions"][number];
export type SecretRow = Result<"secrets.list">["secrets"][number];
export type ProviderDraft = NonNullable<Params<"providers.test">["draft"]>;
export type ProviderTest = Result<"providers.test">;
export type UsageSummary = Result<"usage.summary">;
/** The `details` of a configuration that was not taken. */
export interface ConfigRefusal {
  issues?: Partial<ConfigIssue>[];
}
export type LogLine = Result<"logs.tail">["lines"][number];
export type Diagnostic = Result<"diagnostics.list">["events"][number];
export type ChatEvent = Events["chat.event"];
export type AgentEvent = Events["agent.event"];
export type RunError = NonNullable<ChatEvent["error"]>;

export type Approval = Result<"exec.approval.list">["approvals"][number];
export type ApprovalAction = Approval["action"];
export type ApprovalState = Approval["state"];
export type ApprovalDecision = Params<"exec.approval.resolve">["decision"];
export type ApprovalRule = Result<"exec.approvals.get">["rules"][number];
export type RuleTest = Result<"exec.approvals.test">;
export type AuditEntry = Result<"exec.approval.history">["entries"][number];

/** The `error` member of a response. */
export interface WireError {
  code: string;
  message: string;
  details?: unknown;
  retryable: boolean;
  retryAfterMs?: number;
}

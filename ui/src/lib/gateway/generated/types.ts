// Generated from schemas/ by `cargo xtask schemas`; do not edit.

export type ActionKind =
  ("write" | "fetch" | "message" | "cron" | "node") | "exec" | "script" | "read" | "list" | "search" | "external";
/**
 * What an agent does beside writing text.
 */
export type AgentEvent = (
  | {
      stream: "lifecycle";
      data: {
        phase: LifecyclePhase;
      };
    }
  | {
      stream: "thinking";
      data: {
        delta: string;
      };
    }
  | {
      stream: "typing";
      data: {
        active: boolean;
      };
    }
  | {
      stream: "model";
      data: {
        provider: string;
        model: string;
        reason: string;
      };
    }
  | {
      stream: "tool";
      data: ToolPhase;
    }
) & {
  runId: string;
  sessionKey: string;
  agentId: string;
  /**
   * Per run over every `agent.event`, from 0.
   */
  index: number;
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
};
export type LifecyclePhase = "start" | "end" | "error";
export type ToolPhase =
  | {
      phase: "start";
      toolCallId: string;
      name: string;
      args: unknown;
    }
  | {
      phase: "waiting_approval";
      toolCallId: string;
      name: string;
      approvalId: string;
    }
  | {
      phase: "output";
      toolCallId: string;
      name: string;
      chunk: string;
    }
  | {
      phase: "result";
      toolCallId: string;
      name: string;
      result: string;
      isError: boolean;
      durationMs: number;
    };
export type AllTag = "all";
export type Applied = "live" | "restart";
export type ApprovalState = ("pending" | "allowed" | "denied") | "expired" | "cancelled";
export type ApprovalDecision = "deny" | "allow-once" | "allow-session" | "allow-always";
/**
 * Milliseconds since the Unix epoch; on the wire `2026-11-22T13:01:57.000Z`.
 */
export type Timestamp = string;
export type AuditKind = ("requested" | "rule-added" | "rule-changed" | "rule-removed") | "resolved" | "launched";
export type Surface = "dialog" | "web" | "cli" | "chat" | "tray" | "program";
export type TestVerdict = "allow" | "ask" | "forbid";
export type ChannelState = "connected" | "connecting" | "disconnected" | "failed" | "stopped" | "loggedOut";
export type ChatState = "queued" | "started" | "delta" | "final" | "aborted" | "error";
export type Role = "user" | "assistant" | "tool" | "system";
/**
 * One block of a message.
 */
export type Content =
  | {
      type: "text";
      text: string;
    }
  | {
      type: "thinking";
      text: string;
    }
  | {
      type: "toolCall";
      id: string;
      name: string;
      arguments: unknown;
    }
  | {
      type: "toolResult";
      id: string;
      isError: boolean;
      content: string;
    }
  | (Attached & {
      type: "image";
    })
  | (Attached & {
      type: "file";
    });
export type DeliveryState = "queued" | "sending" | "sent" | "uncertain" | "failed";
export type MessageStatus = "complete" | "partial" | "aborted" | "interrupted" | "failed";
/**
 * What went wrong, in the one word that a client branches on.
 */
export type ErrorCode =
  | ("NOT_FOUND" | "RATE_LIMITED" | "TOO_LARGE" | "TIMEOUT")
  | "INVALID_REQUEST"
  | "UNAUTHENTICATED"
  | "FORBIDDEN"
  | "CONFLICT"
  | "UNAVAILABLE"
  | "INTERRUPTED"
  | "PROVIDER_ERROR"
  | "INTERNAL";
export type ProviderFailureKind =
  ("auth" | "rate_limit" | "quota" | "context" | "timeout" | "network") | "cut" | "request";
export type InjectRole = "system" | "assistant";
export type Thinking = "off" | "low" | "medium" | "high";
/**
 * What input does that meets a run of its session.
 */
export type QueueMode = "followup" | "steer" | "collect" | "interrupt";
export type SendStatus = ("queued" | "ok" | "error" | "aborted") | "started" | "in_flight";
export type ClientRole = "operator" | "node";
export type IssueSeverity = "warning" | "error";
export type Level = "trace" | "debug" | "info" | "warn" | "error";
/**
 * What a provider speaks.
 */
export type DraftApi = ("anthropic" | "gemini" | "ollama") | "openai";
/**
 * A key, or where it is.
 */
export type DraftKey =
  | string
  | {
      secret: string;
    }
  | {
      env: string;
    }
  | {
      file: string;
    };
/**
 * `"all"`, or a list of names.
 */
export type Selection = AllTag | string[];
export type SubsystemState = "starting" | "ok" | "degraded" | "failed" | "off";
export type HelloTag = "hello-ok";
export type PresenceReason = "connect" | "self";
export type ProviderCheck = "models" | "answer";
export type RunState = "queued" | "running" | "waiting_approval" | "ok" | "error" | "aborted";
export type SecretPlace = "keyStore" | "file";
export type SessionChange = ("message" | "run" | "reset") | "branched";
export type SessionKind = "main" | "chat" | "direct" | "group" | "cron" | "subagent";
export type SessionStatus = ("idle" | "queued" | "running" | "waiting_approval") | "failed";
export type ToolSource = "builtin" | "plugin" | "mcp" | "node";

export interface AgentIdentity {
  emoji?: string;
  avatar?: string;
}
export interface AgentModel {
  /**
   * As configured: `provider/model` or `auto`.
   */
  primary: string;
  /**
   * What `auto` stands for now.
   */
  resolved: string;
  fallbacks: string[];
}
export interface AgentRow {
  id: string;
  name: string;
  identity: AgentIdentity;
  model: AgentModel;
  /**
   * Absolute path.
   */
  workspace: string;
  tools: AgentTools;
  sessionCount: number;
}
export interface AgentTools {
  profile: string;
}
/**
 * Calls of models, those that failed included, and what they used.
 */
export interface AgentUsage {
  agentId: string;
  /**
   * That called a model.
   */
  runs: number;
  calls: number;
  /**
   * Of them, how many the provider failed.
   */
  failedCalls: number;
  /**
   * Cached ones included.
   */
  inputTokens: number;
  outputTokens: number;
  /**
   * Of the input, what the provider read from its cache.
   */
  cachedTokens: number;
  costUsd: number;
  /**
   * Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
   */
  estimatedCalls: number;
  /**
   * Calls of models whose price nobody knows; they are not in `costUsd`.
   */
  unpricedCalls: number;
}
export interface AgentsListResult {
  defaultId: string;
  agents: AgentRow[];
}
/**
 * One question to a person, and what became of it.
 */
export interface Approval {
  /**
   * 128 random bits in hex. Never used twice.
   */
  id: string;
  state: ApprovalState;
  sessionKey: string;
  agentId: string;
  /**
   * The run that waits for it; absent where a program asked.
   */
  runId?: string;
  toolCallId?: string;
  action: ApprovalAction;
  /**
   * Why it is asked and not simply done.
   */
  why: string;
  origin: ApprovalOrigin;
  allowedDecisions: ApprovalDecision[];
  proposedRule?: ApprovalRule;
  createdAt: Timestamp;
  expiresAt: Timestamp;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  decidedAt?: Timestamp;
  /**
   * What whoever decided said, or why it was cancelled.
   */
  reason?: string;
}
/**
 * What would be done. Every text in it is shown as it is, but for signs that would deceive, which are escaped.
 */
export interface ApprovalAction {
  kind: ActionKind;
  /**
   * Of `exec`: the arguments, the program's name first.
   */
  argv: string[];
  /**
   * The file that would run, canonical.
   */
  program?: string;
  /**
   * Of `script`: all of its text.
   */
  script?: string;
  cwd?: string;
  /**
   * Names of the variables that are added to the fixed ones. Values are never kept.
   */
  envNames: string[];
  path?: string;
  /**
   * Of `write`: unified.
   */
  diff?: string;
  url?: string;
  /**
   * What would hold it: `bubblewrap`, `landlock`, …, or `none`.
   */
  sandbox: string;
  /**
   * Whether it would reach the network.
   */
  network: boolean;
  /**
   * What the agent or the program says of it. Not checked by anybody: to be shown apart, and as such.
   */
  description?: string;
}
/**
 * Where the wish came from.
 */
export interface ApprovalOrigin {
  channel?: string;
  sender?: string;
  /**
   * Pages, files and senders nobody vouches for that the session has read.
   */
  untrusted: string[];
}
/**
 * What runs without a question. A rule never has a wildcard.
 */
export interface ApprovalRule {
  /**
   * Empty while it is only proposed.
   */
  id: string;
  agentId: string;
  /**
   * Where the command must be started; absent: anywhere.
   */
  folder?: string;
  /**
   * The file that may run, canonical.
   */
  program: string;
  /**
   * All arguments, or with `prefix` the first ones.
   */
  argv: string[];
  prefix: boolean;
  /**
   * Whether it may reach the network.
   */
  network: boolean;
  /**
   * Of a program: whether it holds only for what a sandbox keeps in. Absent in rules of earlier versions: it does.
   */
  sandboxed?: boolean;
  /**
   * The same in words.
   */
  words: string;
  createdAt?: Timestamp;
  expiresAt?: Timestamp;
}
/**
 * Who answered, and where.
 */
export interface DecidedBy {
  /**
   * `dialog`, `web`, `cli`, `chat`, `tray`, `program`; `rule` where a rule answered a program, which only earlier
   * versions let it; `gateway` where nobody could.
   */
  surface: string;
  user?: string;
  connId?: string;
}
export interface ApprovalHistoryParams {
  agentId?: string;
  sessionKey?: string;
  approvalId?: string;
  kind?: AuditKind;
  from?: Timestamp;
  to?: Timestamp;
  /**
   * 100 where absent.
   */
  limit?: number;
  /**
   * `nextCursor` of the page before.
   */
  cursor?: string;
}
export interface ApprovalHistoryResult {
  /**
   * Newest first.
   */
  entries: AuditEntry[];
  nextCursor?: string;
}
/**
 * One row of the record.
 */
export interface AuditEntry {
  /**
   * From 1, without gaps.
   */
  seq: number;
  at: Timestamp;
  kind: AuditKind;
  approvalId?: string;
  sessionKey?: string;
  agentId?: string;
  runId?: string;
  action?: ApprovalAction;
  /**
   * SHA-256 of all that was frozen, hex.
   */
  digest?: string;
  state?: ApprovalState;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  reason?: string;
  rule?: ApprovalRule;
  /**
   * Of `launched`: what held it.
   */
  sandbox?: string;
}
export interface ApprovalListResult {
  /**
   * Those that wait for an answer, oldest first.
   */
  approvals: Approval[];
  /**
   * How many wait; more than are listed where an answer would be too large.
   */
  total: number;
}
export interface ApprovalRequestParams {
  action: RequestedAction;
  /**
   * Why it is wanted, for whoever answers.
   */
  why: string;
  /**
   * The session that it belongs to; the main one where absent.
   */
  sessionKey?: string;
  /**
   * How long an answer is waited for; as `approvals.timeoutMinutes` says where absent, and never longer.
   */
  timeoutMs?: number;
  idempotencyKey: string;
}
/**
 * What a program or a node asks to be allowed to do. Together at most 8 KiB of text, `diff` apart.
 */
export interface RequestedAction {
  kind: ActionKind;
  /**
   * @maxItems 256
   */
  argv?: string[];
  program?: string;
  script?: string;
  cwd?: string;
  /**
   * Names alone, never a value.
   *
   * @maxItems 64
   */
  envNames?: string[];
  path?: string;
  diff?: string;
  url?: string;
  network?: boolean;
  description?: string;
}
export interface ApprovalRequestResult {
  /**
   * For `exec.approval.wait`.
   */
  id: string;
  expiresAt: Timestamp;
  state: ApprovalState;
}
export interface ApprovalResolveParams {
  id: string;
  decision: ApprovalDecision;
  rule?: RuleDraft;
  /**
   * For the agent and the record.
   */
  reason?: string;
  surface?: Surface;
  idempotencyKey?: string;
}
/**
 * A rule as a client gives it back, narrower where it likes.
 */
export interface RuleDraft {
  /**
   * Of the rule that is kept or made narrower; empty or absent for a proposed one.
   */
  id?: string;
  /**
   * Where given, that of the rule.
   */
  agentId?: string;
  folder?: string;
  program: string;
  /**
   * @maxItems 256
   */
  argv: string[];
  prefix: boolean;
  network: boolean;
  /**
   * As in the rule where absent.
   */
  sandboxed?: boolean;
  /**
   * Not looked at: the gateway writes them.
   */
  words?: string;
  createdAt?: Timestamp;
  expiresAt?: Timestamp;
}
/**
 * What became of an approval; it is no longer to be answered anywhere.
 */
export interface ApprovalResolvedEvent {
  id: string;
  sessionKey: string;
  agentId: string;
  state: ApprovalState;
  decision?: ApprovalDecision;
  decidedBy?: DecidedBy;
  decidedAt: Timestamp;
  reason?: string;
}
export interface ApprovalResult {
  approval: Approval;
}
export interface ApprovalWaitParams {
  id: string;
  /**
   * 0 answers at once.
   */
  timeoutMs: number;
}
/**
 * The saved rules of all agents.
 */
export interface ApprovalsRules {
  /**
   * Oldest first; expired ones are left out.
   */
  rules: ApprovalRule[];
  /**
   * SHA-256 of the rules, hex: `baseHash` of `exec.approvals.set`.
   */
  hash: string;
}
export interface ApprovalsSetParams {
  /**
   * What is to be left, each with its `id`. One that is missing is revoked; one that differs must be narrower than
   * it was. A new one comes from an answer `allow-always` alone.
   *
   * @maxItems 500
   */
  rules: RuleDraft[];
  /**
   * `hash` of the rules that the change starts from; where they are others, the answer is CONFLICT.
   */
  baseHash: string;
  idempotencyKey?: string;
}
/**
 * Either `command` or `argv`.
 */
export interface ApprovalsTestParams {
  /**
   * As an agent would write it.
   */
  command?: string;
  /**
   * @minItems 1
   * @maxItems 256
   */
  argv?: [string, ...string[]];
  /**
   * The agent's workspace where absent.
   */
  cwd?: string;
  /**
   * The main session of the default agent where absent.
   */
  sessionKey?: string;
  /**
   * Whether it wants the network.
   */
  network?: boolean;
}
/**
 * What would happen to a command, and why.
 */
export interface ApprovalsTestResult {
  verdict: TestVerdict;
  why: string;
  action: ApprovalAction;
  /**
   * Of `ask`.
   */
  allowedDecisions: ApprovalDecision[];
  proposedRule?: ApprovalRule;
}
/**
 * A stored attachment as a message shows it; the bytes come from `attachments.get`.
 */
export interface Attached {
  attachmentId: string;
  name: string;
  mimeType: string;
  sizeBytes: number;
  /**
   * Hex, lower case.
   */
  sha256: string;
}
export interface Attachment {
  /**
   * To show, never a path: without `/`, `\` and control characters.
   */
  name: string;
  /**
   * `type/subtype`; `application/octet-stream` where nothing better is known. What says `image/…` and is no PNG, JPEG,
   * GIF or WebP is taken as a file.
   */
  mimeType: string;
  /**
   * Standard base64 with padding of 1 byte to 16 MiB, or to what `attachments.maxMb` allows; MessagePack may carry the
   * bytes themselves.
   */
  content: string;
}
export interface AttachmentsGetParams {
  /**
   * Of an `image` or `file` block of a message.
   */
  attachmentId: string;
  /**
   * In bytes of the file, where the last part ended; absent: from its start.
   */
  offset?: number;
}
/**
 * One part of a file, and what the file is.
 */
export interface AttachmentsGetResult {
  attachmentId: string;
  name: string;
  mimeType: string;
  /**
   * Of the whole file.
   */
  sizeBytes: number;
  /**
   * Of the whole file; hex, lower case.
   */
  sha256: string;
  offset: number;
  /**
   * From `offset` on, at most 1 MiB of bytes. Base64 text in both encodings.
   */
  content: string;
  /**
   * Present where more follows.
   */
  nextOffset?: number;
}
export interface AuditBad {
  seq: number;
  why: string;
}
/**
 * The last row of the chain; the log has it too, from each start and each hour.
 */
export interface AuditHead {
  /**
   * 0 where there is none yet.
   */
  seq: number;
  /**
   * SHA-256, hex.
   */
  hash: string;
}
export interface AuditVerifyResult {
  ok: boolean;
  /**
   * Rows that are as they were written.
   */
  rows: number;
  head: AuditHead;
  firstBad?: AuditBad;
}
/**
 * Credentials. `Debug` shows only which are present.
 */
export interface Auth {
  token?: string;
  /**
   * Of a paired device; not built yet.
   */
  deviceToken?: string;
}
export interface ChannelAccount {
  accountId: string;
  state: ChannelState;
  since: Timestamp;
  connectedAt?: Timestamp;
  lastInboundAt?: Timestamp;
  lastOutboundAt?: Timestamp;
  lastError?: string;
  reconnectAttempts: number;
  queued: number;
}
export interface ChannelRow {
  id: string;
  kind: string;
  accounts: ChannelAccount[];
}
export interface ChannelsStatusParams {
  /**
   * Ask each platform now.
   */
  probe?: boolean;
  channel?: string;
}
export interface ChannelsStatusResult {
  channels: ChannelRow[];
}
export interface ChatAbortParams {
  sessionKey: string;
  /**
   * Absent: every run of the session, the waiting ones too.
   */
  runId?: string;
  idempotencyKey?: string;
}
export interface ChatAbortResult {
  aborted: boolean;
  runIds: string[];
}
/**
 * A run's life, flat in the frame. Exactly one terminal state per run.
 */
export interface ChatEvent {
  runId: string;
  sessionKey: string;
  state: ChatState;
  /**
   * Per run over every `chat.event`, from 0, +1 each.
   */
  index: number;
  /**
   * On a merged delta: the first index that it stands for.
   */
  indexFrom?: number;
  /**
   * The assistant message that this belongs to; a run with tools writes several.
   */
  messageId?: string;
  delta?: string;
  message?: Message;
  usage?: Usage;
  error?: RunError;
  /**
   * On a run that takes up an interrupted one: that one's id.
   */
  resumes?: string;
}
/**
 * One entry of a session's history.
 */
export interface Message {
  id: string;
  /**
   * From 1 per `sessionId`; a gap stands where messages were replaced.
   */
  seq: number;
  role: Role;
  content: Content[];
  createdAt: Timestamp;
  runId?: string;
  /**
   * `provider/model` that wrote it.
   */
  model?: string;
  usage?: Usage;
  origin?: Origin;
  delivery?: Delivery;
  status: MessageStatus;
  error?: RunError;
  /**
   * A text over 256 KiB is cut; `chat.message.get` reads the rest.
   */
  truncated?: boolean;
}
/**
 * Tokens and money of one or more model calls.
 */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
}
/**
 * Where a message came from.
 */
export interface Origin {
  /**
   * `webchat` for any client of this protocol, else a channel's id.
   */
  channel: string;
  /**
   * The client's or sender's immutable id.
   */
  sender: string;
  label?: string;
}
/**
 * What sending a message on its channel came to.
 */
export interface Delivery {
  channel: string;
  accountId: string;
  state: DeliveryState;
  attempts: number;
  lastError?: string;
}
/**
 * Why a run failed, in words and with the provider's part where it was the provider.
 */
export interface RunError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  provider?: ProviderFailure;
}
export interface ProviderFailure {
  id: string;
  model?: string;
  kind: ProviderFailureKind;
  httpStatus?: number;
  retryAfterMs?: number;
}
export interface ChatHistoryParams {
  sessionKey: string;
  /**
   * Default 200.
   */
  limit?: number;
  /**
   * A message id or a cursor: the page that ends before it.
   */
  before?: string;
  /**
   * A message id or a cursor: the page that starts after it.
   */
  after?: string;
}
/**
 * Oldest message first.
 */
export interface ChatHistoryResult {
  sessionKey: string;
  sessionId: string;
  messages: Message[];
  /**
   * In the direction asked for.
   */
  hasMore: boolean;
  /**
   * Goes into `before` (or `after`) for the next page.
   */
  nextCursor?: string;
  inFlightRun?: InFlightRun;
}
/**
 * The text so far of a run that writes now.
 */
export interface InFlightRun {
  runId: string;
  messageId: string;
  text: string;
  /**
   * The last `chat.event` index that `text` contains.
   */
  index: number;
  startedAt: Timestamp;
}
export interface ChatInjectParams {
  sessionKey: string;
  message: string;
  role?: InjectRole;
  label?: string;
  idempotencyKey?: string;
}
export interface ChatInjectResult {
  messageId: string;
}
export interface ChatMessageGetParams {
  sessionKey: string;
  messageId: string;
  /**
   * In bytes of the message's text, where the last part ended.
   */
  offset?: number;
}
/**
 * One part of a message's text, and the message itself with its text cut.
 */
export interface ChatMessageGetResult {
  message: Message;
  /**
   * From `offset` on, at most 256 KiB.
   */
  text: string;
  offset: number;
  totalBytes: number;
  /**
   * Present where more follows.
   */
  nextOffset?: number;
}
/**
 * What `chat.send` and `sessions.send` take beside the message.
 */
export interface ChatSendParams {
  /**
   * `main`, or a full key; a client's own key is created by its first message.
   */
  sessionKey: string;
  message: string;
  /**
   * Becomes the run's id. The same key again answers with the same run.
   */
  idempotencyKey: string;
  /**
   * A message with attachments may have an empty text.
   *
   * @maxItems 32
   */
  attachments?: Attachment[];
  /**
   * `provider/model` for this turn only.
   */
  model?: string;
  thinking?: Thinking;
  queueMode?: QueueMode;
  /**
   * Also send the reply to the session's channel.
   */
  deliver?: boolean;
  /**
   * Id of a user's message of this conversation that this one replaces: it and what followed leave the history, and
   * what still answers them is stopped. Its attachments are not carried over.
   */
  replaces?: string;
  /**
   * Longest time that the run may take.
   */
  timeoutMs?: number;
}
export interface ChatSendResult {
  runId: string;
  status: SendStatus;
  /**
   * Of the user's message.
   */
  messageId: string;
  /**
   * Canonical.
   */
  sessionKey: string;
}
export interface ClientInfo {
  id: string;
  version: string;
  platform: string;
  mode: string;
  displayName?: string;
  instanceId?: string;
}
export interface ConfigChangeResult {
  /**
   * Of the file as it is now; with `dryRun`, as it would be.
   */
  hash: string;
  /**
   * JSON Pointers of what differs in the file; at most 200.
   */
  changedPaths: string[];
  applied: Applied;
  /**
   * JSON Pointers of the changed keys that the next start applies.
   */
  restartPaths: string[];
  /**
   * What `config.get` says at the path now, masked; `null` where there is nothing any more. Everything where the
   * change had no one path.
   */
  value: {
    [k: string]: unknown;
  };
  /**
   * Unified, masked, cut at 32 KiB; empty where the text is the same.
   */
  diff: string;
  /**
   * What is unwise in the file, though no error.
   */
  issues: ConfigIssue[];
}
export interface ConfigIssue {
  /**
   * JSON Pointer.
   */
  path: string;
  /**
   * From 1; 0 where the place is unknown.
   */
  line: number;
  column: number;
  message: string;
  severity: IssueSeverity;
}
/**
 * Refetch `config.get`.
 */
export interface ConfigChangedEvent {
  hash: string;
}
export interface ConfigGetParams {
  /**
   * Dotted, or a JSON Pointer where it starts with `/`.
   */
  path?: string;
}
export interface ConfigGetResult {
  path: string;
  /**
   * SHA-256 of the file's text, hex; of the empty text where there is no file.
   */
  hash: string;
  /**
   * The file's text, masked.
   */
  raw: string;
  /**
   * What runs, with defaults.
   */
  value: {
    [k: string]: unknown;
  };
  /**
   * Whether the file has no errors; else what ran before goes on.
   */
  valid: boolean;
  issues: ConfigIssue[];
  schemaVersion: number;
}
export interface ConfigHistoryResult {
  /**
   * The last 50 changes, newest first.
   */
  versions: ConfigVersion[];
}
export interface ConfigVersion {
  /**
   * Names the file as it was before the change.
   */
  id: string;
  at: Timestamp;
  /**
   * Who changed it.
   */
  by: string;
  /**
   * What the change did: unified, masked, cut at 32 KiB.
   */
  diff: string;
}
export interface ConfigPatchParams {
  /**
   * JSON Merge Patch (RFC 7396): `null` removes, lists are replaced.
   */
  patch: {
    [k: string]: unknown;
  };
  /**
   * As in `config.set`.
   */
  baseHash?: string;
  /**
   * As in `config.set`.
   */
  dryRun?: boolean;
  idempotencyKey?: string;
}
/**
 * Where the configuration file is wrong; the last good version runs.
 */
export interface ConfigProblem {
  /**
   * From 1; 0 where the place is unknown.
   */
  line: number;
  column: number;
  message: string;
}
export interface ConfigRestoreParams {
  /**
   * Of `config.history`: the file becomes what it was before that change.
   */
  id: string;
  /**
   * As in `config.set`.
   */
  baseHash?: string;
  idempotencyKey?: string;
}
export interface ConfigSchemaParams {
  path?: string;
}
export interface ConfigSchemaResult {
  schema: unknown;
  /**
   * By JSON Pointer: `{order?, advanced?, secret?, reload}`.
   */
  uiHints: {
    [k: string]: unknown;
  };
  version: number;
}
/**
 * One value (`path` and `value`), or the whole file (`raw` and `baseHash`). A mask in either leaves the stored secret
 * as it is.
 */
export interface ConfigSetParams {
  /**
   * Dotted, or a JSON Pointer where it starts with `/`; empty is everything.
   */
  path?: string;
  /**
   * `null` removes.
   */
  value?: {
    [k: string]: unknown;
  };
  /**
   * The whole text of the file.
   */
  raw?: string;
  /**
   * `hash` of the text that the change starts from; where the file has another, the answer is CONFLICT.
   */
  baseHash?: string;
  /**
   * Answers what would happen, and writes nothing.
   */
  dryRun?: boolean;
  idempotencyKey?: string;
}
export interface ConnectParams {
  minProtocol: number;
  maxProtocol: number;
  client: ClientInfo;
  role?: ClientRole;
  /**
   * Asked for; granted is what the credential also holds. Empty: all it holds.
   *
   * @maxItems 32
   */
  scopes?: string[];
  /**
   * @maxItems 64
   */
  caps?: string[];
  /**
   * @maxItems 256
   */
  commands?: string[];
  permissions?: {
    [k: string]: boolean;
  };
  device?: Device;
  auth?: Auth;
  locale?: string;
  userAgent?: string;
}
export interface Device {
  id: string;
  publicKey: string;
  signature: string;
  /**
   * Milliseconds since the epoch.
   */
  signedAt: number;
  nonce: string;
}
/**
 * Calls of models, those that failed included, and what they used.
 */
export interface DayUsage {
  day: string;
  /**
   * That called a model.
   */
  runs: number;
  calls: number;
  /**
   * Of them, how many the provider failed.
   */
  failedCalls: number;
  /**
   * Cached ones included.
   */
  inputTokens: number;
  outputTokens: number;
  /**
   * Of the input, what the provider read from its cache.
   */
  cachedTokens: number;
  costUsd: number;
  /**
   * Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
   */
  estimatedCalls: number;
  /**
   * Calls of models whose price nobody knows; they are not in `costUsd`.
   */
  unpricedCalls: number;
}
/**
 * Something an operator should know, with a stable code.
 */
export interface DiagnosticEvent {
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
  level: Level;
  source: string;
  code: string;
  message: string;
  fields: {
    [k: string]: unknown;
  };
}
export interface DiagnosticsListParams {
  /**
   * `nextCursor` of the last answer.
   */
  after?: string;
  /**
   * Default 200.
   */
  limit?: number;
}
export interface DiagnosticsListResult {
  /**
   * Oldest first.
   */
  events: DiagnosticEvent[];
  nextCursor: string;
}
export interface EventsSubscribeParams {
  sessions?: Selection;
  events?: Selection;
}
export interface Features {
  /**
   * Methods that are built, sorted.
   */
  methods: string[];
  events: string[];
  capabilities: string[];
}
export interface GatewayPauseResult {
  paused: boolean;
  /**
   * Runs that the pause stopped.
   */
  runIds: string[];
}
export interface GatewayPausedEvent {
  at: Timestamp;
}
export interface GatewayResumedEvent {
  at: Timestamp;
}
export interface GatewayStopResult {
  stopping: boolean;
}
export interface Granted {
  role: ClientRole;
  scopes: string[];
  deviceToken?: string;
}
export interface Health {
  ok: boolean;
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
  version: string;
  uptimeMs: number;
  /**
   * The worst state of each channel's accounts, by channel id.
   */
  channels: {
    [k: string]: ChannelState;
  };
  /**
   * Agent ids.
   */
  agents: string[];
  cronJobs: number;
  connectedNodes: number;
  stateVersion: StateVersion;
  paused: boolean;
  subsystems: {
    [k: string]: Subsystem;
  };
  startup: StartupStep[];
  accounts: ChannelAccount[];
  runs: RunCounts;
  approvals: Pending;
  pairings: Pending;
  usage: TodayUsage;
  sandbox: Sandbox;
  configProblem?: ConfigProblem;
  store: StoreSize;
  process: ProcessFigures;
}
/**
 * Counters that grow within one `bootId`; a client ignores an older one.
 */
export interface StateVersion {
  presence: number;
  health: number;
}
export interface Subsystem {
  state: SubsystemState;
  since: Timestamp;
  detail?: string;
}
export interface StartupStep {
  step: string;
  startedAt: Timestamp;
  durationMs: number;
  /**
   * `ok`, `off`, `degraded: …` or `failed: …`
   */
  outcome: string;
}
export interface RunCounts {
  active: number;
  queued: number;
}
export interface Pending {
  pending: number;
}
export interface TodayUsage {
  todayCostUsd: number;
  todayRuns: number;
}
export interface Sandbox {
  kind: string;
  enforced: string[];
}
export interface StoreSize {
  sizeBytes: number;
  walBytes: number;
}
export interface ProcessFigures {
  rssBytes: number;
  connections: number;
}
export interface HealthParams {
  /**
   * Probe now instead of answering from the cache.
   */
  refresh?: boolean;
}
/**
 * The payload that answers a good `connect`.
 */
export interface HelloOk {
  type: HelloTag;
  protocol: number;
  server: ServerInfo;
  features: Features;
  snapshot: Snapshot;
  auth: Granted;
  policy: Policy;
}
export interface ServerInfo {
  version: string;
  connId: string;
  /**
   * New at every start of the gateway.
   */
  bootId: string;
}
/**
 * What the client needs to draw its first screen, filtered by the connection's scopes.
 */
export interface Snapshot {
  presence: PresenceEntry[];
  health: Health;
  stateVersion: StateVersion;
  uptimeMs: number;
  sessionDefaults: SessionDefaults;
}
/**
 * One connected device, else instance, else connection.
 */
export interface PresenceEntry {
  instanceId: string;
  connId?: string;
  role: ClientRole;
  mode: string;
  clientId: string;
  version: string;
  platform: string;
  displayName?: string;
  user?: string;
  since: Timestamp;
  lastActivityAt: Timestamp;
  reason: PresenceReason;
}
export interface SessionDefaults {
  defaultAgentId: string;
  mainKey: string;
  mainSessionKey: string;
}
/**
 * Limits that this gateway keeps; bytes and milliseconds.
 */
export interface Policy {
  /**
   * Largest message that the gateway takes.
   */
  maxPayload: number;
  /**
   * Largest frame that the gateway sends.
   */
  maxFrame: number;
  /**
   * Unsent bytes past which a slow reader is closed.
   */
  maxBufferedBytes: number;
  tickIntervalMs: number;
  maxRequestsInFlight: number;
}
/**
 * The params of a method without any but the optional key that every changing method takes.
 */
export interface KeyOnlyParams {
  idempotencyKey?: string;
}
export interface LogLine {
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
  level: Level;
  target: string;
  message: string;
  fields: {
    [k: string]: unknown;
  };
}
export interface LogsTailParams {
  /**
   * Absent: the newest lines.
   */
  cursor?: string;
  /**
   * Default 200.
   */
  limit?: number;
}
export interface LogsTailResult {
  /**
   * Oldest first.
   */
  lines: LogLine[];
  /**
   * Goes into `cursor` for what came since.
   */
  nextCursor: string;
}
/**
 * US dollars per million tokens.
 */
export interface ModelCost {
  input: number;
  output: number;
  /**
   * Of input that the provider reads from its cache; as `input` where absent.
   */
  cacheRead?: number;
  /**
   * Of input that the provider writes to its cache; as `input` where absent.
   */
  cacheWrite?: number;
}
export interface ModelRow {
  /**
   * `provider/model`, split at the first `/`.
   */
  id: string;
  name: string;
  provider: string;
  /**
   * In tokens.
   */
  contextWindow?: number;
  /**
   * `text`, `image`
   */
  input: string[];
  reasoning?: boolean;
  toolUse?: boolean;
  cost?: ModelCost;
  available: boolean;
  /**
   * Why it is not available.
   */
  reason?: string;
  /**
   * It failed a moment ago, and for so long is asked after an agent's other models.
   */
  cooldownMs?: number;
}
/**
 * Calls of models, those that failed included, and what they used.
 */
export interface ModelUsage {
  /**
   * `provider/model`
   */
  model: string;
  /**
   * That called a model.
   */
  runs: number;
  calls: number;
  /**
   * Of them, how many the provider failed.
   */
  failedCalls: number;
  /**
   * Cached ones included.
   */
  inputTokens: number;
  outputTokens: number;
  /**
   * Of the input, what the provider read from its cache.
   */
  cachedTokens: number;
  costUsd: number;
  /**
   * Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
   */
  estimatedCalls: number;
  /**
   * Calls of models whose price nobody knows; they are not in `costUsd`.
   */
  unpricedCalls: number;
}
/**
 * Refetch `models.list`.
 */
export interface ModelsChangedEvent {
  hash: string;
}
export interface ModelsListResult {
  models: ModelRow[];
}
/**
 * The params of a method that takes none.
 */
export interface NoParams {}
export interface PresenceEvent {
  presence: PresenceEntry[];
  stateVersion: StateVersion;
}
/**
 * As it would stand under `models.providers.<id>`.
 */
export interface ProviderDraft {
  /**
   * For the words of errors; `draft` where absent.
   */
  id?: string;
  api: DraftApi;
  /**
   * The provider's public address where absent.
   */
  baseUrl?: string;
  apiKey?: DraftKey;
}
/**
 * Why a test failed.
 */
export interface ProviderTestError {
  /**
   * As `provider.kind` of a run's error, such as `auth`; or `cap`: what may be spent is spent.
   */
  kind: string;
  /**
   * Who failed, why, and what to do.
   */
  message: string;
  httpStatus?: number;
  retryAfterMs?: number;
}
/**
 * Either `provider` or `draft`.
 */
export interface ProvidersTestParams {
  /**
   * The id of one that is configured, or that was found on this machine.
   */
  provider?: string;
  draft?: ProviderDraft;
  /**
   * Is asked for one short answer, which is a call like any other: booked, and held against the caps. Absent: the
   * first model that the configuration lists for the provider; where it lists none, the provider is only asked for
   * its list.
   */
  model?: string;
  /**
   * Taken as by every method of this scope. A test changes nothing, so nothing is kept under it: a repeat tests anew.
   */
  idempotencyKey?: string;
}
export interface ProvidersTestResult {
  ok: boolean;
  checked?: ProviderCheck;
  /**
   * Until the list was there, or the first piece of the answer; absent where it failed.
   */
  latencyMs?: number;
  /**
   * `provider/model` that was asked.
   */
  model?: string;
  /**
   * What the provider offers, as in `models.list`; absent where it does not say.
   */
  models?: ModelRow[];
  error?: ProviderTestError;
}
export interface RunsAbortParams {
  /**
   * Absent: every agent.
   */
  agentId?: string;
  idempotencyKey?: string;
}
export interface RunsAbortResult {
  runIds: string[];
}
export interface RunsGetParams {
  runId: string;
}
export interface RunsGetResult {
  runId: string;
  sessionKey: string;
  state: RunState;
  startedAt: Timestamp;
  endedAt?: Timestamp;
  error?: RunError;
  /**
   * The user's message first, then what the run wrote.
   */
  messageIds: string[];
}
export interface SecretRow {
  name: string;
  place?: SecretPlace;
  /**
   * JSON Pointers into the configuration.
   */
  usedIn: string[];
}
export interface SecretsListResult {
  /**
   * By name; with those that the configuration names and that are nowhere.
   */
  secrets: SecretRow[];
  place: SecretPlace;
  /**
   * What is wrong, each with what mends it.
   */
  problems: string[];
}
export interface SecretsRemoveParams {
  name: string;
  idempotencyKey?: string;
}
export interface SecretsRemoveResult {
  name: string;
  /**
   * What is without its secret now: JSON Pointers into the configuration.
   */
  usedIn: string[];
}
export interface SecretsSetParams {
  /**
   * 1 to 64 of a-z 0-9 . _ - that start with a letter or digit; `{secret: name}` in the configuration.
   */
  name: string;
  /**
   * At most 64 KiB. Replaces the one that is there.
   */
  value: string;
  idempotencyKey?: string;
}
export interface SecretsSetResult {
  name: string;
  place: SecretPlace;
  /**
   * JSON Pointers into the configuration.
   */
  usedIn: string[];
}
export interface SessionChangedEvent {
  key: string;
  reason: SessionChange;
  session: SessionRow;
}
/**
 * One session as lists show it.
 */
export interface SessionRow {
  key: string;
  /**
   * Changes with every reset; `Message.seq` counts within it.
   */
  sessionId: string;
  agentId: string;
  kind: SessionKind;
  label?: string;
  title: string;
  channel?: string;
  accountId?: string;
  peer?: string;
  createdAt: Timestamp;
  updatedAt: Timestamp;
  lastMessagePreview: string;
  status: SessionStatus;
  activeRunIds: string[];
  /**
   * `provider/model` that the next turn uses.
   */
  model: string;
  usage: Usage;
  messageCount: number;
  unread: number;
  pinned: boolean;
  archived: boolean;
}
/**
 * A message entered a session, from wherever.
 */
export interface SessionMessageEvent {
  sessionKey: string;
  message: Message;
}
/**
 * Calls of models, those that failed included, and what they used.
 */
export interface SessionUsage {
  sessionKey: string;
  /**
   * That called a model.
   */
  runs: number;
  calls: number;
  /**
   * Of them, how many the provider failed.
   */
  failedCalls: number;
  /**
   * Cached ones included.
   */
  inputTokens: number;
  outputTokens: number;
  /**
   * Of the input, what the provider read from its cache.
   */
  cachedTokens: number;
  costUsd: number;
  /**
   * Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
   */
  estimatedCalls: number;
  /**
   * Calls of models whose price nobody knows; they are not in `costUsd`.
   */
  unpricedCalls: number;
}
export interface SessionsGetParams {
  key: string;
  /**
   * How many of the newest messages to add.
   */
  messages?: number;
}
export interface SessionsGetResult {
  session: SessionRow;
  messages: Message[];
}
export interface SessionsListParams {
  agentId?: string;
  channel?: string;
  /**
   * Only sessions that changed within so many minutes.
   */
  activeMinutes?: number;
  /**
   * In key, label and title, whatever the case.
   */
  search?: string;
  /**
   * Default 100.
   */
  limit?: number;
  cursor?: string;
  /**
   * Default false: only sessions that are not archived.
   */
  archived?: boolean;
}
/**
 * Newest first.
 */
export interface SessionsListResult {
  sessions: SessionRow[];
  nextCursor?: string;
  /**
   * That match, over all pages.
   */
  total: number;
}
export interface SessionsResetParams {
  key: string;
  reason?: string;
  idempotencyKey?: string;
}
export interface SessionsResetResult {
  key: string;
  /**
   * The new, empty one.
   */
  sessionId: string;
}
/**
 * What `chat.send` and `sessions.send` take beside the message.
 */
export interface SessionsSendParams {
  key: string;
  message: string;
  idempotencyKey: string;
  /**
   * A message with attachments may have an empty text.
   *
   * @maxItems 32
   */
  attachments?: Attachment[];
  /**
   * `provider/model` for this turn only.
   */
  model?: string;
  thinking?: Thinking;
  queueMode?: QueueMode;
  /**
   * Also send the reply to the session's channel.
   */
  deliver?: boolean;
  /**
   * Id of a user's message of this conversation that this one replaces: it and what followed leave the history, and
   * what still answers them is stopped. Its attachments are not carried over.
   */
  replaces?: string;
  /**
   * Longest time that the run may take.
   */
  timeoutMs?: number;
}
export interface ShutdownEvent {
  reason: string;
  /**
   * Present where the gateway comes back by itself.
   */
  restartExpectedMs?: number;
}
export interface StatusResult {
  version: string;
  bootId: string;
  pid: number;
  uptimeMs: number;
  rssBytes: number;
  connections: number;
  runs: RunCounts;
  sessions: number;
  /**
   * Depth of each internal queue, by name.
   */
  queues: {
    [k: string]: number;
  };
}
export interface SystemPresenceResult {
  presence: PresenceEntry[];
  stateVersion: StateVersion;
}
export interface TickEvent {
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
}
export interface ToolRow {
  name: string;
  /**
   * As the model gets it.
   */
  description: string;
  source: ToolSource;
  /**
   * Of the plugin, MCP server or node.
   */
  sourceId?: string;
  /**
   * JSON Schema of the arguments.
   */
  parameters: {
    [k: string]: unknown;
  };
}
export interface ToolsListParams {
  /**
   * The default agent where absent.
   */
  agentId?: string;
}
export interface ToolsListResult {
  agentId: string;
  /**
   * Those that the agent's profile has.
   */
  tools: ToolRow[];
}
/**
 * `usage.caps` of the configuration, and how far they are used.
 */
export interface UsageCapState {
  todayUsd: number;
  /**
   * Since the first of the month.
   */
  monthUsd: number;
  dayCapUsd?: number;
  monthCapUsd?: number;
}
export interface UsageSummaryParams {
  /**
   * How many days, today included; 30 where absent.
   */
  days?: number;
}
/**
 * Days are those of the gateway's clock and time zone, as `2026-11-22`.
 */
export interface UsageSummaryResult {
  /**
   * The first day that is counted.
   */
  from: string;
  /**
   * Today.
   */
  to: string;
  total: UsageTotals;
  caps: UsageCapState;
  /**
   * Oldest first; days without a call are left out.
   */
  days: DayUsage[];
  /**
   * Most expensive first, as the next two; the first 100 of each.
   */
  agents: AgentUsage[];
  models: ModelUsage[];
  sessions: SessionUsage[];
}
/**
 * Calls of models, those that failed included, and what they used.
 */
export interface UsageTotals {
  /**
   * That called a model.
   */
  runs: number;
  calls: number;
  /**
   * Of them, how many the provider failed.
   */
  failedCalls: number;
  /**
   * Cached ones included.
   */
  inputTokens: number;
  outputTokens: number;
  /**
   * Of the input, what the provider read from its cache.
   */
  cachedTokens: number;
  costUsd: number;
  /**
   * Calls whose tokens are a guess from their length: stopped, cut off, or by a server that counts nothing.
   */
  estimatedCalls: number;
  /**
   * Calls of models whose price nobody knows; they are not in `costUsd`.
   */
  unpricedCalls: number;
}

/** Every method with its params and result. */
export interface Methods {
  "connect": { params: ConnectParams; result: HelloOk };
  "agents.list": { params: NoParams; result: AgentsListResult };
  "attachments.get": { params: AttachmentsGetParams; result: AttachmentsGetResult };
  "audit.verify": { params: NoParams; result: AuditVerifyResult };
  "channels.status": { params: ChannelsStatusParams; result: ChannelsStatusResult };
  "chat.abort": { params: ChatAbortParams; result: ChatAbortResult };
  "chat.history": { params: ChatHistoryParams; result: ChatHistoryResult };
  "chat.inject": { params: ChatInjectParams; result: ChatInjectResult };
  "chat.message.get": { params: ChatMessageGetParams; result: ChatMessageGetResult };
  "chat.send": { params: ChatSendParams; result: ChatSendResult };
  "config.get": { params: ConfigGetParams; result: ConfigGetResult };
  "config.history": { params: NoParams; result: ConfigHistoryResult };
  "config.patch": { params: ConfigPatchParams; result: ConfigChangeResult };
  "config.restore": { params: ConfigRestoreParams; result: ConfigChangeResult };
  "config.schema": { params: ConfigSchemaParams; result: ConfigSchemaResult };
  "config.set": { params: ConfigSetParams; result: ConfigChangeResult };
  "diagnostics.list": { params: DiagnosticsListParams; result: DiagnosticsListResult };
  "events.subscribe": { params: EventsSubscribeParams; result: NoParams };
  "exec.approval.history": { params: ApprovalHistoryParams; result: ApprovalHistoryResult };
  "exec.approval.list": { params: NoParams; result: ApprovalListResult };
  "exec.approval.request": { params: ApprovalRequestParams; result: ApprovalRequestResult };
  "exec.approval.resolve": { params: ApprovalResolveParams; result: ApprovalResult };
  "exec.approval.wait": { params: ApprovalWaitParams; result: ApprovalResult };
  "exec.approvals.get": { params: NoParams; result: ApprovalsRules };
  "exec.approvals.set": { params: ApprovalsSetParams; result: ApprovalsRules };
  "exec.approvals.test": { params: ApprovalsTestParams; result: ApprovalsTestResult };
  "gateway.pause": { params: KeyOnlyParams; result: GatewayPauseResult };
  "gateway.restart": { params: KeyOnlyParams; result: GatewayStopResult };
  "gateway.resume": { params: KeyOnlyParams; result: GatewayPauseResult };
  "gateway.shutdown": { params: KeyOnlyParams; result: GatewayStopResult };
  "health": { params: HealthParams; result: Health };
  "logs.tail": { params: LogsTailParams; result: LogsTailResult };
  "models.list": { params: NoParams; result: ModelsListResult };
  "providers.test": { params: ProvidersTestParams; result: ProvidersTestResult };
  "runs.abort": { params: RunsAbortParams; result: RunsAbortResult };
  "runs.get": { params: RunsGetParams; result: RunsGetResult };
  "secrets.list": { params: NoParams; result: SecretsListResult };
  "secrets.remove": { params: SecretsRemoveParams; result: SecretsRemoveResult };
  "secrets.set": { params: SecretsSetParams; result: SecretsSetResult };
  "sessions.get": { params: SessionsGetParams; result: SessionsGetResult };
  "sessions.list": { params: SessionsListParams; result: SessionsListResult };
  "sessions.reset": { params: SessionsResetParams; result: SessionsResetResult };
  "sessions.send": { params: SessionsSendParams; result: ChatSendResult };
  "status": { params: NoParams; result: StatusResult };
  "system-presence": { params: NoParams; result: SystemPresenceResult };
  "tools.list": { params: ToolsListParams; result: ToolsListResult };
  "usage.summary": { params: UsageSummaryParams; result: UsageSummaryResult };
}

/** Every event with its payload. */
export interface Events {
  "agent.event": AgentEvent;
  "chat.event": ChatEvent;
  "config.changed": ConfigChangedEvent;
  "diagnostic.event": DiagnosticEvent;
  "exec.approval.requested": Approval;
  "exec.approval.resolved": ApprovalResolvedEvent;
  "gateway.paused": GatewayPausedEvent;
  "gateway.resumed": GatewayResumedEvent;
  "health": Health;
  "models.changed": ModelsChangedEvent;
  "presence": PresenceEvent;
  "session.changed": SessionChangedEvent;
  "session.message": SessionMessageEvent;
  "shutdown": ShutdownEvent;
  "tick": TickEvent;
}

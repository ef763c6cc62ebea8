// Generated from schemas/ by `cargo xtask schemas`; do not edit.

/**
 * What an agent does beside writing text.
 */
export type AgentEvent = (
  | {
      data: {
        phase: LifecyclePhase;
      };
      stream: "lifecycle";
    }
  | {
      data: {
        delta: string;
      };
      stream: "thinking";
    }
  | {
      data: {
        active: boolean;
      };
      stream: "typing";
    }
  | {
      data: {
        model: string;
        provider: string;
        reason: string;
      };
      stream: "model";
    }
  | {
      data: ToolPhase;
      stream: "tool";
    }
) & {
  agentId: string;
  /**
   * Per run over every `agent.event`, from 0.
   */
  index: number;
  runId: string;
  sessionKey: string;
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
};
export type LifecyclePhase = "start" | "end" | "error";
export type ToolPhase =
  | {
      args: unknown;
      name: string;
      phase: "start";
      toolCallId: string;
    }
  | {
      durationMs: number;
      isError: boolean;
      name: string;
      phase: "result";
      result: string;
      toolCallId: string;
    };
export type AllTag = "all";
/**
 * Milliseconds since the Unix epoch; on the wire `2026-11-22T13:01:57.000Z`.
 */
export type Timestamp = string;
export type ChannelState = "connected" | "connecting" | "disconnected" | "failed" | "stopped" | "loggedOut";
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
/**
 * One block of a message.
 */
export type Content =
  | {
      text: string;
      type: "text";
    }
  | {
      text: string;
      type: "thinking";
    }
  | {
      arguments: unknown;
      id: string;
      name: string;
      type: "toolCall";
    }
  | {
      content: string;
      id: string;
      isError: boolean;
      type: "toolResult";
    }
  | (Attached & {
      type: "image";
    })
  | (Attached & {
      type: "file";
    });
export type DeliveryState = "queued" | "sending" | "sent" | "uncertain" | "failed";
export type Role = "user" | "assistant" | "tool" | "system";
export type MessageStatus = "complete" | "partial" | "aborted" | "interrupted" | "failed";
export type ChatState = "queued" | "started" | "delta" | "final" | "aborted" | "error";
export type InjectRole = "system" | "assistant";
/**
 * What input does that meets a run of its session.
 */
export type QueueMode = "followup" | "steer" | "collect" | "interrupt";
export type Thinking = "off" | "low" | "medium" | "high";
export type SendStatus = ("queued" | "ok" | "error" | "aborted") | "started" | "in_flight";
export type ClientRole = "operator" | "node";
export type IssueSeverity = "warning" | "error";
export type Level = "trace" | "debug" | "info" | "warn" | "error";
/**
 * `"all"`, or a list of names.
 */
export type Selection = AllTag | string[];
export type SubsystemState = "starting" | "ok" | "degraded" | "failed" | "off";
export type PresenceReason = "connect" | "self";
export type HelloTag = "hello-ok";
export type RunState = "queued" | "running" | "waiting_approval" | "ok" | "error" | "aborted";
export type SessionChange = "created" | "message" | "run" | "reset";
export type SessionKind = "main" | "chat" | "direct" | "group" | "cron" | "subagent";
export type SessionStatus = ("idle" | "queued" | "running" | "waiting_approval") | "failed";

export interface AgentIdentity {
  avatar?: string;
  emoji?: string;
}
export interface AgentModel {
  fallbacks: string[];
  /**
   * As configured: `provider/model` or `auto`.
   */
  primary: string;
  /**
   * What `auto` stands for now.
   */
  resolved: string;
}
export interface AgentRow {
  id: string;
  identity: AgentIdentity;
  model: AgentModel;
  name: string;
  sessionCount: number;
  tools: AgentTools;
  /**
   * Absolute path.
   */
  workspace: string;
}
export interface AgentTools {
  profile: string;
}
export interface AgentsListResult {
  agents: AgentRow[];
  defaultId: string;
}
/**
 * A stored attachment as a message shows it; the bytes come from `attachments.get`.
 */
export interface Attached {
  attachmentId: string;
  mimeType: string;
  name: string;
  /**
   * Hex, lower case.
   */
  sha256: string;
  sizeBytes: number;
}
export interface Attachment {
  /**
   * At most 16 MB of bytes.
   */
  content: string;
  mimeType: string;
  name: string;
}
/**
 * Credentials. `Debug` shows only which are present.
 */
export interface Auth {
  /**
   * Of a paired device; not built yet.
   */
  deviceToken?: string;
  token?: string;
}
export interface ChannelAccount {
  accountId: string;
  connectedAt?: Timestamp;
  lastError?: string;
  lastInboundAt?: Timestamp;
  lastOutboundAt?: Timestamp;
  queued: number;
  reconnectAttempts: number;
  since: Timestamp;
  state: ChannelState;
}
export interface ChannelRow {
  accounts: ChannelAccount[];
  id: string;
  kind: string;
}
export interface ChannelsStatusParams {
  channel?: string;
  /**
   * Ask each platform now.
   */
  probe?: boolean;
}
export interface ChannelsStatusResult {
  channels: ChannelRow[];
}
export interface ChatAbortParams {
  idempotencyKey?: string;
  /**
   * Absent: every run of the session, the waiting ones too.
   */
  runId?: string;
  sessionKey: string;
}
export interface ChatAbortResult {
  aborted: boolean;
  runIds: string[];
}
/**
 * A run's life, flat in the frame. Exactly one terminal state per run.
 */
export interface ChatEvent {
  delta?: string;
  error?: RunError;
  /**
   * Per run over every `chat.event`, from 0, +1 each.
   */
  index: number;
  /**
   * On a merged delta: the first index that it stands for.
   */
  indexFrom?: number;
  message?: Message;
  /**
   * The assistant message that this belongs to; a run with tools writes several.
   */
  messageId?: string;
  /**
   * On a run that takes up an interrupted one: that one's id.
   */
  resumes?: string;
  runId: string;
  sessionKey: string;
  state: ChatState;
  usage?: Usage;
}
/**
 * Why a run failed, in words and with the provider's part where it was the provider.
 */
export interface RunError {
  code: ErrorCode;
  message: string;
  provider?: ProviderFailure;
  retryable: boolean;
}
export interface ProviderFailure {
  httpStatus?: number;
  id: string;
  kind: ProviderFailureKind;
  model?: string;
  retryAfterMs?: number;
}
/**
 * One entry of a session's history.
 */
export interface Message {
  content: Content[];
  createdAt: Timestamp;
  delivery?: Delivery;
  error?: RunError;
  id: string;
  /**
   * `provider/model` that wrote it.
   */
  model?: string;
  origin?: Origin;
  role: Role;
  runId?: string;
  /**
   * From 1 per `sessionId`, without gaps.
   */
  seq: number;
  status: MessageStatus;
  /**
   * A text over 256 KiB is cut; `chat.message.get` reads the rest.
   */
  truncated?: boolean;
  usage?: Usage;
}
/**
 * What sending a message on its channel came to.
 */
export interface Delivery {
  accountId: string;
  attempts: number;
  channel: string;
  lastError?: string;
  state: DeliveryState;
}
/**
 * Where a message came from.
 */
export interface Origin {
  /**
   * `webchat` for any client of this protocol, else a channel's id.
   */
  channel: string;
  label?: string;
  /**
   * The client's or sender's immutable id.
   */
  sender: string;
}
/**
 * Tokens and money of one or more model calls.
 */
export interface Usage {
  costUsd: number;
  inputTokens: number;
  outputTokens: number;
}
export interface ChatHistoryParams {
  /**
   * A message id or a cursor: the page that starts after it.
   */
  after?: string;
  /**
   * A message id or a cursor: the page that ends before it.
   */
  before?: string;
  /**
   * Default 200.
   */
  limit?: number;
  sessionKey: string;
}
/**
 * Oldest message first.
 */
export interface ChatHistoryResult {
  /**
   * In the direction asked for.
   */
  hasMore: boolean;
  inFlightRun?: InFlightRun;
  messages: Message[];
  /**
   * Goes into `before` (or `after`) for the next page.
   */
  nextCursor?: string;
  sessionId: string;
  sessionKey: string;
}
/**
 * The text so far of a run that writes now.
 */
export interface InFlightRun {
  /**
   * The last `chat.event` index that `text` contains.
   */
  index: number;
  messageId: string;
  runId: string;
  startedAt: Timestamp;
  text: string;
}
export interface ChatInjectParams {
  idempotencyKey?: string;
  label?: string;
  message: string;
  role?: InjectRole;
  sessionKey: string;
}
export interface ChatInjectResult {
  messageId: string;
}
export interface ChatMessageGetParams {
  messageId: string;
  /**
   * In bytes of the message's text, where the last part ended.
   */
  offset?: number;
  sessionKey: string;
}
/**
 * One part of a message's text, and the message itself with its text cut.
 */
export interface ChatMessageGetResult {
  message: Message;
  /**
   * Present where more follows.
   */
  nextOffset?: number;
  offset: number;
  /**
   * From `offset` on, at most 1 MiB.
   */
  text: string;
  totalBytes: number;
}
/**
 * What `chat.send` and `sessions.send` take beside the message.
 */
export interface ChatSendParams {
  /**
   * @maxItems 32
   */
  attachments?: Attachment[];
  /**
   * Also send the reply to the session's channel.
   */
  deliver?: boolean;
  /**
   * Becomes the run's id. The same key again answers with the same run.
   */
  idempotencyKey: string;
  message: string;
  /**
   * `provider/model` for this turn only.
   */
  model?: string;
  queueMode?: QueueMode;
  /**
   * Id of a message that this one replaces, on a new branch.
   */
  replaces?: string;
  /**
   * `main`, or a full key; a client's own key is created by its first message.
   */
  sessionKey: string;
  thinking?: Thinking;
  /**
   * Longest time that the run may take.
   */
  timeoutMs?: number;
}
export interface ChatSendResult {
  /**
   * Of the user's message.
   */
  messageId: string;
  runId: string;
  /**
   * Canonical.
   */
  sessionKey: string;
  status: SendStatus;
}
export interface ClientInfo {
  displayName?: string;
  id: string;
  instanceId?: string;
  mode: string;
  platform: string;
  version: string;
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
  /**
   * SHA-256 of the file's text, hex; of the empty text where there is no file.
   */
  hash: string;
  issues: ConfigIssue[];
  path: string;
  /**
   * The file's text, masked.
   */
  raw: string;
  schemaVersion: number;
  valid: boolean;
  /**
   * Effective, with defaults.
   */
  value: {
    [k: string]: unknown;
  };
}
export interface ConfigIssue {
  column: number;
  /**
   * From 1; 0 where the place is unknown.
   */
  line: number;
  message: string;
  /**
   * JSON Pointer.
   */
  path: string;
  severity: IssueSeverity;
}
/**
 * Where the configuration file is wrong; the last good version runs.
 */
export interface ConfigProblem {
  column: number;
  /**
   * From 1; 0 where the place is unknown.
   */
  line: number;
  message: string;
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
export interface ConnectParams {
  auth?: Auth;
  /**
   * @maxItems 64
   */
  caps?: string[];
  client: ClientInfo;
  /**
   * @maxItems 256
   */
  commands?: string[];
  device?: Device;
  locale?: string;
  maxProtocol: number;
  minProtocol: number;
  permissions?: {
    [k: string]: boolean;
  };
  role?: ClientRole;
  /**
   * Asked for; granted is what the credential also holds. Empty: all it holds.
   *
   * @maxItems 32
   */
  scopes?: string[];
  userAgent?: string;
}
export interface Device {
  id: string;
  nonce: string;
  publicKey: string;
  signature: string;
  /**
   * Milliseconds since the epoch.
   */
  signedAt: number;
}
/**
 * Something an operator should know, with a stable code.
 */
export interface DiagnosticEvent {
  code: string;
  fields: {
    [k: string]: unknown;
  };
  level: Level;
  message: string;
  source: string;
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
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
  events?: Selection;
  sessions?: Selection;
}
export interface Features {
  capabilities: string[];
  events: string[];
  /**
   * Methods that are built, sorted.
   */
  methods: string[];
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
  deviceToken?: string;
  role: ClientRole;
  scopes: string[];
}
export interface Health {
  accounts: ChannelAccount[];
  /**
   * Agent ids.
   */
  agents: string[];
  approvals: Pending;
  /**
   * The worst state of each channel's accounts, by channel id.
   */
  channels: {
    [k: string]: ChannelState;
  };
  configProblem?: ConfigProblem;
  connectedNodes: number;
  cronJobs: number;
  ok: boolean;
  pairings: Pending;
  paused: boolean;
  process: ProcessFigures;
  runs: RunCounts;
  sandbox: Sandbox;
  startup: StartupStep[];
  stateVersion: StateVersion;
  store: StoreSize;
  subsystems: {
    [k: string]: Subsystem;
  };
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
  uptimeMs: number;
  usage: TodayUsage;
  version: string;
}
export interface Pending {
  pending: number;
}
export interface ProcessFigures {
  connections: number;
  rssBytes: number;
}
export interface RunCounts {
  active: number;
  queued: number;
}
export interface Sandbox {
  enforced: string[];
  kind: string;
}
export interface StartupStep {
  durationMs: number;
  /**
   * `ok`, `off`, `degraded: …` or `failed: …`
   */
  outcome: string;
  startedAt: Timestamp;
  step: string;
}
/**
 * Counters that grow within one `bootId`; a client ignores an older one.
 */
export interface StateVersion {
  health: number;
  presence: number;
}
export interface StoreSize {
  sizeBytes: number;
  walBytes: number;
}
export interface Subsystem {
  detail?: string;
  since: Timestamp;
  state: SubsystemState;
}
export interface TodayUsage {
  todayCostUsd: number;
  todayRuns: number;
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
  auth: Granted;
  features: Features;
  policy: Policy;
  protocol: number;
  server: ServerInfo;
  snapshot: Snapshot;
  type: HelloTag;
}
/**
 * Limits that this gateway keeps; bytes and milliseconds.
 */
export interface Policy {
  /**
   * Unsent bytes past which a slow reader is closed.
   */
  maxBufferedBytes: number;
  /**
   * Largest frame that the gateway sends.
   */
  maxFrame: number;
  /**
   * Largest message that the gateway takes.
   */
  maxPayload: number;
  maxRequestsInFlight: number;
  tickIntervalMs: number;
}
export interface ServerInfo {
  /**
   * New at every start of the gateway.
   */
  bootId: string;
  connId: string;
  version: string;
}
/**
 * What the client needs to draw its first screen, filtered by the connection's scopes.
 */
export interface Snapshot {
  health: Health;
  presence: PresenceEntry[];
  sessionDefaults: SessionDefaults;
  stateVersion: StateVersion;
  uptimeMs: number;
}
/**
 * One connected device, else instance, else connection.
 */
export interface PresenceEntry {
  clientId: string;
  connId?: string;
  displayName?: string;
  instanceId: string;
  lastActivityAt: Timestamp;
  mode: string;
  platform: string;
  reason: PresenceReason;
  role: ClientRole;
  since: Timestamp;
  user?: string;
  version: string;
}
export interface SessionDefaults {
  defaultAgentId: string;
  mainKey: string;
  mainSessionKey: string;
}
/**
 * The params of a method without any but the optional key that every changing method takes.
 */
export interface KeyOnlyParams {
  idempotencyKey?: string;
}
export interface LogLine {
  fields: {
    [k: string]: unknown;
  };
  level: Level;
  message: string;
  target: string;
  /**
   * Milliseconds since the epoch.
   */
  ts: number;
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
}
export interface ModelRow {
  available: boolean;
  /**
   * In tokens.
   */
  contextWindow?: number;
  cost?: ModelCost;
  /**
   * `provider/model`, split at the first `/`.
   */
  id: string;
  /**
   * `text`, `image`
   */
  input: string[];
  name: string;
  provider: string;
  /**
   * Why it is not available.
   */
  reason?: string;
  reasoning?: boolean;
  toolUse?: boolean;
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
  endedAt?: Timestamp;
  error?: RunError;
  /**
   * The user's message first, then what the run wrote.
   */
  messageIds: string[];
  runId: string;
  sessionKey: string;
  startedAt: Timestamp;
  state: RunState;
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
  accountId?: string;
  activeRunIds: string[];
  agentId: string;
  archived: boolean;
  channel?: string;
  createdAt: Timestamp;
  key: string;
  kind: SessionKind;
  label?: string;
  lastMessagePreview: string;
  messageCount: number;
  /**
   * `provider/model` that the next turn uses.
   */
  model: string;
  peer?: string;
  pinned: boolean;
  /**
   * Changes with every reset; `Message.seq` counts within it.
   */
  sessionId: string;
  status: SessionStatus;
  title: string;
  unread: number;
  updatedAt: Timestamp;
  usage: Usage;
}
/**
 * A message entered a session, from wherever.
 */
export interface SessionMessageEvent {
  message: Message;
  sessionKey: string;
}
export interface SessionsGetParams {
  key: string;
  /**
   * How many of the newest messages to add.
   */
  messages?: number;
}
export interface SessionsGetResult {
  messages: Message[];
  session: SessionRow;
}
export interface SessionsListParams {
  /**
   * Only sessions that changed within so many minutes.
   */
  activeMinutes?: number;
  agentId?: string;
  /**
   * Default false: only sessions that are not archived.
   */
  archived?: boolean;
  channel?: string;
  cursor?: string;
  /**
   * Default 100.
   */
  limit?: number;
  /**
   * In key, label and title, whatever the case.
   */
  search?: string;
}
/**
 * Newest first.
 */
export interface SessionsListResult {
  nextCursor?: string;
  sessions: SessionRow[];
  /**
   * That match, over all pages.
   */
  total: number;
}
export interface SessionsResetParams {
  idempotencyKey?: string;
  key: string;
  reason?: string;
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
  /**
   * @maxItems 32
   */
  attachments?: Attachment[];
  /**
   * Also send the reply to the session's channel.
   */
  deliver?: boolean;
  idempotencyKey: string;
  key: string;
  message: string;
  /**
   * `provider/model` for this turn only.
   */
  model?: string;
  queueMode?: QueueMode;
  /**
   * Id of a message that this one replaces, on a new branch.
   */
  replaces?: string;
  thinking?: Thinking;
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
  bootId: string;
  connections: number;
  pid: number;
  /**
   * Depth of each internal queue, by name.
   */
  queues: {
    [k: string]: number;
  };
  rssBytes: number;
  runs: RunCounts;
  sessions: number;
  uptimeMs: number;
  version: string;
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

/** Every method with its params and result. */
export interface Methods {
  "connect": { params: ConnectParams; result: HelloOk };
  "agents.list": { params: NoParams; result: AgentsListResult };
  "channels.status": { params: ChannelsStatusParams; result: ChannelsStatusResult };
  "chat.abort": { params: ChatAbortParams; result: ChatAbortResult };
  "chat.history": { params: ChatHistoryParams; result: ChatHistoryResult };
  "chat.inject": { params: ChatInjectParams; result: ChatInjectResult };
  "chat.message.get": { params: ChatMessageGetParams; result: ChatMessageGetResult };
  "chat.send": { params: ChatSendParams; result: ChatSendResult };
  "config.get": { params: ConfigGetParams; result: ConfigGetResult };
  "config.schema": { params: ConfigSchemaParams; result: ConfigSchemaResult };
  "diagnostics.list": { params: DiagnosticsListParams; result: DiagnosticsListResult };
  "events.subscribe": { params: EventsSubscribeParams; result: NoParams };
  "gateway.pause": { params: KeyOnlyParams; result: GatewayPauseResult };
  "gateway.restart": { params: KeyOnlyParams; result: GatewayStopResult };
  "gateway.resume": { params: KeyOnlyParams; result: GatewayPauseResult };
  "gateway.shutdown": { params: KeyOnlyParams; result: GatewayStopResult };
  "health": { params: HealthParams; result: Health };
  "logs.tail": { params: LogsTailParams; result: LogsTailResult };
  "models.list": { params: NoParams; result: ModelsListResult };
  "runs.abort": { params: RunsAbortParams; result: RunsAbortResult };
  "runs.get": { params: RunsGetParams; result: RunsGetResult };
  "sessions.get": { params: SessionsGetParams; result: SessionsGetResult };
  "sessions.list": { params: SessionsListParams; result: SessionsListResult };
  "sessions.reset": { params: SessionsResetParams; result: SessionsResetResult };
  "sessions.send": { params: SessionsSendParams; result: ChatSendResult };
  "status": { params: NoParams; result: StatusResult };
  "system-presence": { params: NoParams; result: SystemPresenceResult };
}

/** Every event with its payload. */
export interface Events {
  "agent.event": AgentEvent;
  "chat.event": ChatEvent;
  "config.changed": ConfigChangedEvent;
  "diagnostic.event": DiagnosticEvent;
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

//! `exec.approval.*`, `exec.approvals.*`, `audit.verify`: questions to a person, the rules that answers leave, and the
//! record of both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NoParams, resource};
use crate::approval::{ActionKind, Approval, ApprovalAction, ApprovalDecision, ApprovalRule, ApprovalState, DecidedBy};
use crate::time::Timestamp;

resource! {
    ApprovalList "exec.approval.list" Approvals ReadOnly (NoParams) -> ApprovalListResult;
    ApprovalRequest "exec.approval.request" WriteOrNode Required (ApprovalRequestParams) -> ApprovalRequestResult;
    ApprovalWait "exec.approval.wait" ApprovalsOrRequester ReadOnly (ApprovalWaitParams) -> ApprovalResult;
    ApprovalResolve "exec.approval.resolve" Approvals Optional (ApprovalResolveParams) -> ApprovalResult;
    ApprovalHistory "exec.approval.history" Approvals ReadOnly (ApprovalHistoryParams) -> ApprovalHistoryResult;
    ApprovalsGet "exec.approvals.get" Admin ReadOnly (NoParams) -> ApprovalsRules;
    ApprovalsSet "exec.approvals.set" Admin Optional (ApprovalsSetParams) -> ApprovalsRules;
    ApprovalsTest "exec.approvals.test" Read ReadOnly (ApprovalsTestParams) -> ApprovalsTestResult;
    AuditVerify "audit.verify" Approvals ReadOnly (NoParams) -> AuditVerifyResult;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalListResult {
    /// Those that wait for an answer, oldest first.
    pub approvals: Vec<Approval>,
    /// How many wait; more than are listed where an answer would be too large.
    pub total: u64,
}

/// What a program or a node asks to be allowed to do. Together at most 8 KiB of text, `diff` apart.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestedAction {
    pub kind: ActionKind,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(max = 8192)))]
    pub argv: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub program: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cwd: Option<String>,
    /// Names alone, never a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$")))]
    pub env_names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub diff: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub description: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalRequestParams {
    pub action: RequestedAction,
    /// Why it is wanted, for whoever answers.
    #[schemars(length(min = 1, max = 2048))]
    pub why: String,
    /// The session that it belongs to; the main one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub session_key: Option<String>,
    /// How long an answer is waited for; as `approvals.timeoutMinutes` says where absent, and never longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 604_800_000))]
    pub timeout_ms: Option<u64>,
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestResult {
    /// For `exec.approval.wait`.
    pub id: String,
    pub expires_at: Timestamp,
    /// `pending`: rules are for agents, and none answers a program.
    pub state: ApprovalState,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalWaitParams {
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// 0 answers at once.
    #[schemars(range(min = 0, max = 600_000))]
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalResult {
    /// As it is now.
    pub approval: Approval,
}

/// A rule as a client gives it back, narrower where it likes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleDraft {
    /// Of the rule that is kept or made narrower; empty or absent for a proposed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub id: Option<String>,
    /// Where given, that of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub folder: Option<String>,
    #[schemars(length(min = 1, max = 4096))]
    pub program: String,
    #[schemars(length(max = 256), inner(length(max = 8192)))]
    pub argv: Vec<String>,
    pub prefix: bool,
    pub network: bool,
    /// As in the rule where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxed: Option<bool>,
    /// Not looked at: the gateway writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub words: Option<String>,
    /// Not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalResolveParams {
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// One of `allowedDecisions`.
    pub decision: ApprovalDecision,
    /// With `allow-session` and `allow-always`: the proposed rule made narrower; the proposed one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleDraft>,
    /// For the agent and the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// Where the person answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surface: Option<Surface>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Surface {
    Dialog,
    Web,
    Cli,
    Chat,
    Tray,
    Program,
}

/// The saved rules of all agents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalsRules {
    /// Oldest first; expired ones are left out.
    pub rules: Vec<ApprovalRule>,
    /// SHA-256 of the rules, hex: `baseHash` of `exec.approvals.set`.
    pub hash: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalsSetParams {
    /// What is to be left, each with its `id`. One that is missing is revoked; one that differs must be narrower than
    /// it was. A new one comes from an answer `allow-always` alone.
    #[schemars(length(max = 500))]
    pub rules: Vec<RuleDraft>,
    /// `hash` of the rules that the change starts from; where they are others, the answer is CONFLICT.
    #[schemars(length(min = 64, max = 64))]
    pub base_hash: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

/// Either `command` or `argv`.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalsTestParams {
    /// As an agent would write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192))]
    pub command: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), inner(length(max = 8192)))]
    pub argv: Option<Vec<String>>,
    /// The agent's workspace where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cwd: Option<String>,
    /// The main session of the default agent where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub session_key: Option<String>,
    /// Whether it wants the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<bool>,
}

/// What would happen to a command, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalsTestResult {
    pub verdict: TestVerdict,
    pub why: String,
    /// As it would be asked, but that files have no hash here; they are left out where it is forbidden.
    pub action: ApprovalAction,
    /// Of `ask`.
    pub allowed_decisions: Vec<ApprovalDecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_rule: Option<ApprovalRule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestVerdict {
    Allow,
    Ask,
    Forbid,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApprovalHistoryParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub session_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub approval_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<AuditKind>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// 100 where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub cursor: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalHistoryResult {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuditKind {
    Requested,
    /// Answered, expired, cancelled: `state` says which.
    Resolved,
    RuleAdded,
    RuleChanged,
    RuleRemoved,
    /// Something that was allowed, by an answer, a rule or the policy, was started. What file tools do within the workspace
    /// is not noted, unless everything is allowed.
    Launched,
}

/// One row of the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// From 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    pub kind: AuditKind,
    #[serde(flatten)]
    pub about: AuditAbout,
}

/// What a row of the record says; which members are there depends on its kind.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditAbout {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ApprovalAction>,
    /// SHA-256 of all that was frozen, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ApprovalState>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ApprovalDecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<ApprovalRule>,
    /// Of `launched`: what held it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditVerifyResult {
    pub ok: bool,
    /// Rows that are as they were written.
    pub rows: u64,
    pub head: AuditHead,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<AuditBad>,
}

/// The last row of the chain; the log has it too, from each start and each hour.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditHead {
    /// 0 where there is none yet.
    pub seq: u64,
    /// SHA-256, hex.
    pub hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditBad {
    pub seq: u64,
    pub why: String,
}

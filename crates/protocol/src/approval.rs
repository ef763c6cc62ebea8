//! Approvals: what an agent or a program wants to do, who decided on it, and the rules that such decisions leave.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One question to a person, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// 128 random bits in hex. Never used twice.
    pub id: String,
    pub state: ApprovalState,
    pub session_key: String,
    pub agent_id: String,
    /// The run that waits for it; absent where a program asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    pub action: ApprovalAction,
    /// Why it is asked and not simply done.
    pub why: String,
    pub origin: ApprovalOrigin,
    pub allowed_decisions: Vec<ApprovalDecision>,
    /// What `allow-session` and `allow-always` would allow from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_rule: Option<ApprovalRule>,
    pub created_at: Timestamp,
    /// Without an answer until then it is refused.
    pub expires_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ApprovalDecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<DecidedBy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
    /// What whoever decided said, or why it was cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    Pending,
    Allowed,
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Nobody waits for the answer any more; `reason` says why.
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalDecision {
    /// This once.
    AllowOnce,
    /// And what the rule covers, until the session is reset.
    AllowSession,
    /// And what the rule covers, until the rule expires or is revoked.
    AllowAlways,
    Deny,
}

impl ApprovalDecision {
    pub fn allows(self) -> bool {
        self != Self::Deny
    }
}

/// What would be done. Every text in it is shown as it is, but for signs that would deceive, which are escaped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalAction {
    pub kind: ActionKind,
    /// Of `exec`: the arguments, the program's name first.
    pub argv: Vec<String>,
    /// The file that would run, canonical.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Of `script`: all of its text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Names of the variables that are added to the fixed ones. Values are never kept.
    pub env_names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of `write`: unified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What would hold it: `bubblewrap`, `landlock`, …, or `none`.
    pub sandbox: String,
    /// Whether it would reach the network.
    pub network: bool,
    /// What the agent or the program says of it. Not checked by anybody: to be shown apart, and as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ActionKind {
    /// One program, without a shell.
    Exec,
    /// Text that a shell runs.
    Script,
    /// One file.
    Read,
    /// The names in a folder.
    List,
    /// A folder, with every file that is in it and below.
    Search,
    Write,
    Fetch,
    Message,
    Cron,
    Node,
    /// A tool of a plugin or of an MCP server.
    External,
}

/// Where the wish came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalOrigin {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Pages, files and senders nobody vouches for that the session has read.
    pub untrusted: Vec<String>,
}

/// What runs without a question. A rule never has a wildcard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRule {
    /// Empty while it is only proposed.
    pub id: String,
    pub agent_id: String,
    /// Where the command must be started; absent: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The file that may run, canonical.
    pub program: String,
    /// All arguments, or with `prefix` the first ones.
    pub argv: Vec<String>,
    pub prefix: bool,
    /// Whether it may reach the network.
    pub network: bool,
    /// Of a program: whether it holds only for what a sandbox keeps in. Absent in rules of earlier versions: it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandboxed: Option<bool>,
    /// The same in words.
    pub words: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Who answered, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DecidedBy {
    /// `dialog`, `web`, `cli`, `chat`, `tray`, `program`; `rule` where a rule answered a program, which only earlier
    /// versions let it; `gateway` where nobody could.
    pub surface: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_on_the_wire() {
        let words = [
            (ApprovalDecision::AllowOnce, "allow-once"),
            (ApprovalDecision::AllowSession, "allow-session"),
            (ApprovalDecision::AllowAlways, "allow-always"),
            (ApprovalDecision::Deny, "deny"),
        ];
        for (decision, word) in words {
            assert_eq!(serde_json::to_value(decision).expect("a word"), word);
            assert_eq!(decision.allows(), word != "deny");
        }
    }
}

//! `simpleclaw approvals` and `simpleclaw audit`: what agents ask, answered from a terminal, and the record of it.

mod show;

use serde_json::{Value, json};
use simpleclaw_client::Client;
use simpleclaw_protocol::approval::{Approval, ApprovalDecision, ApprovalState};
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::approvals::{
    ApprovalHistory, ApprovalList, ApprovalListResult, ApprovalResolve, ApprovalResult, ApprovalWait, ApprovalsGet,
    ApprovalsRules, ApprovalsSet, ApprovalsTest, AuditVerify, AuditVerifyResult,
};

use crate::args::Global;
use crate::failure::{ERROR, Failure};
use crate::output::Output;

/// What can be typed after `approvals`. An id may be cut to its first characters where these name one alone.
#[derive(Debug, clap::Subcommand)]
pub enum ApprovalsCommand {
    /// Show what waits for an answer
    List,
    /// Show one question, and what became of it
    Show { id: String },
    /// Allow what is asked, this once unless told otherwise
    Allow {
        id: String,
        /// And what the proposed rule covers, until the session is reset
        #[arg(long, conflicts_with = "always")]
        session: bool,
        /// And what the proposed rule covers, until it is revoked
        #[arg(long)]
        always: bool,
    },
    /// Refuse what is asked
    Deny {
        id: String,
        /// For the agent, and for the record
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Show the saved rules
    Rules,
    /// Take back a saved rule
    Revoke { id: String },
    /// Show what was asked, answered and started, newest first
    History {
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        #[arg(long, value_name = "ID")]
        agent: Option<String>,
        #[arg(long, value_name = "KEY")]
        session: Option<String>,
        /// The last line's number of the page before
        #[arg(long, value_name = "N")]
        cursor: Option<String>,
    },
    /// Say what would happen to a command, and why; nothing is started
    Test {
        /// As text in one argument, or as words after `--`
        #[arg(required = true, value_name = "COMMAND")]
        command: Vec<String>,
        #[arg(long, value_name = "KEY")]
        session: Option<String>,
        #[arg(long, value_name = "FOLDER")]
        cwd: Option<String>,
        /// It wants the network
        #[arg(long)]
        network: bool,
    },
}

/// What can be typed after `audit`.
#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// Check that the record of approvals is as it was written; name the first row that is not
    Verify,
}

pub fn run(global: &Global, command: ApprovalsCommand, output: Output) -> Result<(), Failure> {
    match command {
        ApprovalsCommand::List => crate::call(global, output, ApprovalList::NAME, json!({}), show::list),
        ApprovalsCommand::Rules => crate::call(global, output, ApprovalsGet::NAME, json!({}), show::rules),
        ApprovalsCommand::History { limit, agent, session, cursor } => {
            let mut params = json!({ "limit": limit });
            for (name, value) in [("agentId", agent), ("sessionKey", session), ("cursor", cursor)] {
                put(&mut params, name, value.map(Value::from));
            }
            crate::call(global, output, ApprovalHistory::NAME, params, show::history)
        }
        ApprovalsCommand::Test { command, session, cwd, network } => {
            let mut params = match command.as_slice() {
                [text] => json!({ "command": text }),
                words => json!({ "argv": words }),
            };
            put(&mut params, "sessionKey", session.map(Value::from));
            put(&mut params, "cwd", cwd.map(Value::from));
            put(&mut params, "network", network.then_some(Value::Bool(true)));
            crate::call(global, output, ApprovalsTest::NAME, params, show::tested)
        }
        ApprovalsCommand::Show { id } => connected(global, output, show::one, async move |client| {
            let id = whole(client, &id).await?;
            Ok(client.call_raw(ApprovalWait::NAME, json!({ "id": id, "timeoutMs": 0 })).await?)
        }),
        ApprovalsCommand::Allow { id, session, always } => {
            let decision = match (session, always) {
                (true, _) => ApprovalDecision::AllowSession,
                (false, true) => ApprovalDecision::AllowAlways,
                (false, false) => ApprovalDecision::AllowOnce,
            };
            answer(global, output, id, decision, None)
        }
        ApprovalsCommand::Deny { id, reason } => answer(global, output, id, ApprovalDecision::Deny, reason),
        ApprovalsCommand::Revoke { id } => connected(global, output, show::rules, async move |client| {
            let ApprovalsRules { mut rules, hash } = client.call::<ApprovalsGet>(&Default::default()).await?;
            let ids: Vec<_> = rules.iter().map(|rule| rule.id.clone()).collect();
            let id = only(&id, &ids).ok_or_else(|| {
                Failure::new(ERROR, "NOT_FOUND", "there is no saved rule of this id, or more than one begins like it")
                    .remedy("`simpleclaw approvals rules` shows them.")
            })?;
            rules.retain(|rule| rule.id != id);
            let params = json!({ "rules": rules, "baseHash": hash, "idempotencyKey": key() });
            Ok(client.call_raw(ApprovalsSet::NAME, params).await?)
        }),
    }
}

/// Ends with 1 where the record is not as it was written.
pub fn audit(global: &Global, command: AuditCommand, output: Output) -> Result<(), Failure> {
    let AuditCommand::Verify = command;
    let mut found = None;
    connected(global, output, show::verified, async |client| {
        let value = client.call_raw(AuditVerify::NAME, json!({})).await?;
        found = crate::show::read::<AuditVerifyResult>(&value)?.first_bad;
        Ok(value)
    })?;
    match found {
        None => Ok(()),
        Some(bad) => {
            let mut failure = Failure::new(ERROR, "AUDIT", format!("row {}: {}", bad.seq, bad.why));
            // Standard output has it.
            failure.told = true;
            Err(failure)
        }
    }
}

fn answer(
    global: &Global,
    output: Output,
    id: String,
    decision: ApprovalDecision,
    reason: Option<String>,
) -> Result<(), Failure> {
    connected(global, output, show::one, async move |client| {
        let id = whole(client, &id).await?;
        let mut params = json!({ "id": id, "decision": decision, "surface": "cli", "idempotencyKey": key() });
        put(&mut params, "reason", reason.map(Value::from));
        Ok(client.call_raw(ApprovalResolve::NAME, params).await?)
    })
}

/// The whole id of a question that waits; what names none of them is given back as it is, for the gateway to judge.
async fn whole(client: &Client, id: &str) -> Result<String, Failure> {
    let list: ApprovalListResult = client.call::<ApprovalList>(&Default::default()).await?;
    let ids: Vec<_> = list.approvals.iter().map(|approval| approval.id.clone()).collect();
    Ok(only(id, &ids).unwrap_or_else(|| id.to_owned()))
}

/// The one id that begins so; at least four characters, so that a slip names nothing.
fn only(start: &str, ids: &[String]) -> Option<String> {
    let mut fitting = ids.iter().filter(|id| start.len() >= 4 && id.starts_with(start));
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.clone())
}

fn put(params: &mut Value, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        params[name] = value;
    }
}

fn key() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Connects, does what may take more than one call, shows the result.
fn connected(
    global: &Global,
    output: Output,
    show: fn(&Value) -> Result<String, Failure>,
    work: impl AsyncFnOnce(&Client) -> Result<Value, Failure>,
) -> Result<(), Failure> {
    crate::client_runtime()?.block_on(async {
        let exchange = async {
            let client = crate::connect::open(global, false).await?;
            let result = work(&client).await;
            client.close().await;
            result
        };
        let mut interrupts = crate::input::Interrupts::new()?;
        let result = tokio::select! {
            result = exchange => result,
            () = interrupts.next() => Err(Failure::interrupted()),
        }?;
        output.payload(&result, show)
    })
}

/// The word of a state.
fn state(approval: &Approval) -> &'static str {
    match approval.state {
        ApprovalState::Pending => "waits",
        ApprovalState::Allowed => "allowed",
        ApprovalState::Denied => "denied",
        ApprovalState::Expired => "expired",
        ApprovalState::Cancelled => "cancelled",
    }
}

/// An approval, out of the result that holds it.
fn approval(value: &Value) -> Result<Approval, Failure> {
    Ok(crate::show::read::<ApprovalResult>(value)?.approval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_names_one_or_nothing() {
        let ids = ["abcd1".to_owned(), "abcd2".to_owned(), "beef3".to_owned()];
        assert_eq!(only("beef", &ids).as_deref(), Some("beef3"));
        assert_eq!(only("abcd2", &ids).as_deref(), Some("abcd2"));
        for none in ["abcd", "bee", "", "ffff"] {
            assert_eq!(only(none, &ids), None, "{none}");
        }
    }
}

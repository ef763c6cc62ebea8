//! Answering: whose answer counts, and the rule that it leaves.

use simpleclaw_protocol::approval::{Approval, ApprovalDecision, ApprovalState, DecidedBy};
use simpleclaw_protocol::methods::approvals::{AuditAbout, AuditKind, RuleDraft};

use super::show::escaped;
use super::{Approvals, about_rule, audit, narrow, settle, words_of};
use crate::store::approval::Verdict;
use crate::store::{self, StoreError, Tx};

/// Rules of one session, and saved rules of all agents.
const MAX_RULES: u64 = 500;

/// An answer of a person.
#[derive(Debug, Clone)]
pub struct Reply {
    pub id: String,
    pub decision: ApprovalDecision,
    /// The proposed rule, made narrower.
    pub rule: Option<RuleDraft>,
    pub reason: Option<String>,
    pub by: DecidedBy,
    /// Whoever answers, by connection and instance.
    pub names: Vec<String>,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no approval of this id: `exec.approval.list` names those that wait")]
    Unknown,
    #[error("whoever asked cannot answer as well")]
    Own,
    /// Somebody or something was first.
    #[error("{}", words_of(.0))]
    Decided(Box<Approval>),
    #[error("the values of its variables were lost with a restart: it can be allowed once its run shows them again")]
    Unshown,
    #[error("this decision is not offered here: `allowedDecisions` names those that are")]
    NotOffered,
    #[error("{0}")]
    Rule(String),
    #[error("{0} rules are kept already; revoke some first")]
    TooManyRules(u64),
}

impl Approvals {
    /// Takes an answer, in a transaction of the caller; after its commit [`Self::tell`] is due.
    pub async fn reply(&self, tx: &mut Tx, reply: Reply, now: i64) -> Result<Result<Approval, Refused>, StoreError> {
        let Some(row) = store::approval::get(tx, &reply.id).await? else { return Ok(Err(Refused::Unknown)) };
        if row.requesters.iter().any(|name| reply.names.contains(name)) {
            return Ok(Err(Refused::Own));
        }
        if row.approval.state != ApprovalState::Pending || !self.broker.is_open(&reply.id, self.now()) {
            return Ok(Err(Refused::Decided(Box::new(self.as_it_is(row.approval)))));
        }
        if reply.decision.allows() && self.broker.is_unshown(&reply.id) {
            return Ok(Err(Refused::Unshown));
        }
        if !row.approval.allowed_decisions.contains(&reply.decision) {
            return Ok(Err(Refused::NotOffered));
        }
        let of_session = reply.decision == ApprovalDecision::AllowSession;
        let rule = match reply.decision {
            ApprovalDecision::AllowSession | ApprovalDecision::AllowAlways => {
                let Some(proposed) = &row.approval.proposed_rule else { return Ok(Err(Refused::NotOffered)) };
                match narrow::answered(proposed, reply.rule.as_ref(), now) {
                    Ok(rule) => Some(rule),
                    Err(words) => return Ok(Err(Refused::Rule(words))),
                }
            }
            ApprovalDecision::AllowOnce | ApprovalDecision::Deny if reply.rule.is_some() => {
                let words = "a rule goes with allow-session and allow-always alone";
                return Ok(Err(Refused::Rule(words.to_owned())));
            }
            ApprovalDecision::AllowOnce | ApprovalDecision::Deny => None,
        };
        // Without a session there is nothing that the rule could end with.
        let session_id = row.session_id.as_deref().filter(|_| of_session);
        if of_session && session_id.is_none() {
            return Ok(Err(Refused::NotOffered));
        }
        if rule.is_some() && store::approval::count_rules(tx, session_id, now).await? >= MAX_RULES {
            return Ok(Err(Refused::TooManyRules(MAX_RULES)));
        }
        let allowed = reply.decision.allows();
        let verdict = Verdict {
            state: if allowed { ApprovalState::Allowed } else { ApprovalState::Denied },
            decision: Some(reply.decision),
            by: reply.by,
            reason: reply.reason.as_deref().map(escaped),
        };
        let Some(approval) = settle(tx, &reply.id, &verdict, true, now).await? else {
            let row = store::approval::get(tx, &reply.id).await?;
            return Ok(
                Err(row.map_or(Refused::Unknown, |row| Refused::Decided(Box::new(self.as_it_is(row.approval))))),
            );
        };
        if let Some(rule) = rule {
            store::approval::put_rule(tx, &rule, session_id, now).await?;
            let about = AuditAbout {
                approval_id: Some(approval.id.clone()),
                session_key: of_session.then(|| approval.session_key.clone()),
                decided_by: Some(verdict.by),
                ..about_rule(rule)
            };
            audit::append(tx, AuditKind::RuleAdded, &about, now).await?;
        }
        Ok(Ok(approval))
    }
}

//! Tables `approvals` and `approval_rules`: questions with what became of them, and the rules that answers left.

use serde::{Deserialize, Serialize};
use simpleclaw_protocol::Timestamp;
use simpleclaw_protocol::approval::{
    Approval, ApprovalAction, ApprovalDecision, ApprovalOrigin, ApprovalRule, ApprovalState, DecidedBy,
};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx, to_word, word};

/// One stored question.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalRow {
    pub approval: Approval,
    /// Of the session when it was asked.
    pub session_id: Option<String>,
    /// SHA-256 of all that was frozen, hex.
    pub digest: String,
    /// Connections and instances that asked.
    pub requesters: Vec<String>,
    pub launched: bool,
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub state: ApprovalState,
    pub decision: Option<ApprovalDecision>,
    pub by: DecidedBy,
    pub reason: Option<String>,
}

/// The parts that are never searched by column.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    action: ApprovalAction,
    why: String,
    origin: ApprovalOrigin,
    allowed_decisions: Vec<ApprovalDecision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    proposed_rule: Option<ApprovalRule>,
}

impl Store {
    pub async fn approval(&self, id: &str) -> Result<Option<ApprovalRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM approvals WHERE id = ?").bind(id).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// Every question that has no outcome, oldest first.
    pub async fn pending_approvals(&self) -> Result<Vec<ApprovalRow>, StoreError> {
        let sql = "SELECT * FROM approvals WHERE state = 'pending' ORDER BY created_at, rowid";
        sqlx::query(sql).fetch_all(&self.readers).await?.iter().map(read).collect()
    }

    /// The rules for one session id and the saved ones of an agent that have not expired, oldest first.
    pub async fn approval_rules(
        &self,
        session_id: Option<&str>,
        agent_id: &str,
        now: i64,
    ) -> Result<(Vec<ApprovalRule>, Vec<ApprovalRule>), StoreError> {
        let sql = "SELECT session_id IS NOT NULL AS of_session, rule FROM approval_rules WHERE agent_id = ?1 \
                   AND (session_id IS NULL OR session_id = ?2) AND (expires_at IS NULL OR expires_at > ?3) \
                   ORDER BY created_at, rowid";
        let rows: Vec<(bool, String)> =
            sqlx::query_as(sql).bind(agent_id).bind(session_id).bind(now).fetch_all(&self.readers).await?;
        let (mut of_session, mut saved) = (Vec::new(), Vec::new());
        for (own, rule) in rows {
            let rule = serde_json::from_str(&rule)?;
            if own { of_session.push(rule) } else { saved.push(rule) }
        }
        Ok((of_session, saved))
    }

    /// The saved rules of all agents.
    pub async fn saved_rules(&self, now: i64) -> Result<Vec<ApprovalRule>, StoreError> {
        let rules: Vec<String> = sqlx::query_scalar(SAVED).bind(now).fetch_all(&self.readers).await?;
        rules.iter().map(|rule| Ok(serde_json::from_str(rule)?)).collect()
    }
}

const SAVED: &str = "SELECT rule FROM approval_rules WHERE session_id IS NULL AND \
                     (expires_at IS NULL OR expires_at > ?) ORDER BY created_at, rowid";

pub async fn get(tx: &mut Tx, id: &str) -> Result<Option<ApprovalRow>, StoreError> {
    let row = sqlx::query("SELECT * FROM approvals WHERE id = ?").bind(id).fetch_optional(tx).await?;
    row.as_ref().map(read).transpose()
}

/// What a tool call has asked before with the same digest, where that still counts: open, or allowed and not used.
pub async fn of_call(
    tx: &mut Tx,
    run_id: &str,
    tool_call_id: &str,
    digest: &str,
) -> Result<Option<ApprovalRow>, StoreError> {
    let sql = "SELECT * FROM approvals WHERE run_id = ? AND tool_call_id = ? AND digest = ? AND \
               (state = 'pending' OR (state = 'allowed' AND launched_at IS NULL)) ORDER BY created_at DESC LIMIT 1";
    let row = sqlx::query(sql).bind(run_id).bind(tool_call_id).bind(digest).fetch_optional(tx).await?;
    row.as_ref().map(read).transpose()
}

pub async fn insert(tx: &mut Tx, row: &ApprovalRow) -> Result<(), StoreError> {
    let approval = &row.approval;
    let body = Body {
        action: approval.action.clone(),
        why: approval.why.clone(),
        origin: approval.origin.clone(),
        allowed_decisions: approval.allowed_decisions.clone(),
        proposed_rule: approval.proposed_rule.clone(),
    };
    sqlx::query(
        "INSERT INTO approvals (id, state, session_key, session_id, agent_id, run_id, tool_call_id, body, digest, \
         requesters, created_at, expires_at) VALUES (?, 'pending', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&approval.id)
    .bind(&approval.session_key)
    .bind(&row.session_id)
    .bind(&approval.agent_id)
    .bind(&approval.run_id)
    .bind(&approval.tool_call_id)
    .bind(serde_json::to_string(&body)?)
    .bind(&row.digest)
    .bind(serde_json::to_string(&row.requesters)?)
    .bind(approval.created_at.0)
    .bind(approval.expires_at.0)
    .execute(tx)
    .await?;
    Ok(())
}

/// Gives a question its outcome where it has none; whether it was this call that gave it. An answer of a person comes
/// too late at `expires_at`, which `in_time` holds it to.
pub async fn decide(tx: &mut Tx, id: &str, verdict: &Verdict, in_time: bool, now: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE approvals SET state = ?, decision = ?, decided_by = ?, decided_at = ?, reason = ? \
               WHERE id = ? AND state = 'pending' AND (NOT ? OR expires_at > ?)";
    let done = sqlx::query(sql)
        .bind(to_word(&verdict.state)?)
        .bind(verdict.decision.as_ref().map(to_word).transpose()?)
        .bind(serde_json::to_string(&verdict.by)?)
        .bind(now)
        .bind(&verdict.reason)
        .bind(id)
        .bind(in_time)
        .bind(now)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Whoever asked again with the same key cannot answer either.
pub async fn set_requesters(tx: &mut Tx, id: &str, requesters: &[String]) -> Result<(), StoreError> {
    sqlx::query("UPDATE approvals SET requesters = ? WHERE id = ?")
        .bind(serde_json::to_string(requesters)?)
        .bind(id)
        .execute(tx)
        .await?;
    Ok(())
}

/// Notes that what was allowed was started; `false` where it was before.
pub async fn launch(tx: &mut Tx, id: &str, now: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE approvals SET launched_at = ? WHERE id = ? AND state = 'allowed' AND launched_at IS NULL";
    let done = sqlx::query(sql).bind(now).bind(id).execute(tx).await?;
    Ok(done.rows_affected() > 0)
}

/// Brings the state of a run to what its questions say: it waits for as long as one is open.
pub async fn set_run_state(tx: &mut Tx, run_id: &str) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE runs SET state = CASE WHEN EXISTS (SELECT 1 FROM approvals WHERE run_id = runs.id AND \
         state = 'pending') THEN 'waiting_approval' ELSE 'running' END \
         WHERE id = ? AND state IN ('running', 'waiting_approval')",
    )
    .bind(run_id)
    .execute(tx)
    .await?;
    Ok(())
}

pub async fn saved_rules(tx: &mut Tx, now: i64) -> Result<Vec<ApprovalRule>, StoreError> {
    let rules: Vec<String> = sqlx::query_scalar(SAVED).bind(now).fetch_all(tx).await?;
    rules.iter().map(|rule| Ok(serde_json::from_str(rule)?)).collect()
}

/// How many rules a session id has; without one, how many are saved.
pub async fn count_rules(tx: &mut Tx, session_id: Option<&str>, now: i64) -> Result<u64, StoreError> {
    let sql = "SELECT COUNT(*) FROM approval_rules WHERE session_id IS ? AND (expires_at IS NULL OR expires_at > ?)";
    let count: i64 = sqlx::query_scalar(sql).bind(session_id).bind(now).fetch_one(tx).await?;
    Ok(count.unsigned_abs())
}

/// Keeps a rule, in place of the one of that id. `session_id`: for as long as the session has it.
pub async fn put_rule(tx: &mut Tx, rule: &ApprovalRule, session_id: Option<&str>, now: i64) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO approval_rules (id, agent_id, session_id, rule, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET rule = excluded.rule, expires_at = excluded.expires_at",
    )
    .bind(&rule.id)
    .bind(&rule.agent_id)
    .bind(session_id)
    .bind(serde_json::to_string(rule)?)
    .bind(rule.created_at.map_or(now, |at| at.0))
    .bind(rule.expires_at.map(|at| at.0))
    .execute(tx)
    .await?;
    Ok(())
}

pub async fn remove_rule(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM approval_rules WHERE id = ?").bind(id).execute(tx).await?;
    Ok(())
}

/// Forgets questions decided before a time, rules that have expired, and those of sessions that were reset. The record
/// of all of them stays.
pub async fn forget(tx: &mut Tx, decided_before: i64, now: i64) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM approvals WHERE decided_at < ?").bind(decided_before).execute(&mut *tx).await?;
    sqlx::query(
        "DELETE FROM approval_rules WHERE expires_at <= ? OR \
         (session_id IS NOT NULL AND session_id NOT IN (SELECT session_id FROM sessions))",
    )
    .bind(now)
    .execute(tx)
    .await?;
    Ok(done.rows_affected())
}

fn read(row: &SqliteRow) -> Result<ApprovalRow, StoreError> {
    let body: Body = serde_json::from_str(row.try_get("body")?)?;
    let decision: Option<&str> = row.try_get("decision")?;
    let decided_by: Option<&str> = row.try_get("decided_by")?;
    let approval = Approval {
        id: row.try_get("id")?,
        state: word(row.try_get("state")?)?,
        session_key: row.try_get("session_key")?,
        agent_id: row.try_get("agent_id")?,
        run_id: row.try_get("run_id")?,
        tool_call_id: row.try_get("tool_call_id")?,
        action: body.action,
        why: body.why,
        origin: body.origin,
        allowed_decisions: body.allowed_decisions,
        proposed_rule: body.proposed_rule,
        created_at: Timestamp(row.try_get("created_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        decision: decision.map(word).transpose()?,
        decided_by: decided_by.map(serde_json::from_str).transpose()?,
        decided_at: row.try_get::<Option<i64>, _>("decided_at")?.map(Timestamp),
        reason: row.try_get("reason")?,
    };
    Ok(ApprovalRow {
        approval,
        session_id: row.try_get("session_id")?,
        digest: row.try_get("digest")?,
        requesters: serde_json::from_str(row.try_get("requesters")?)?,
        launched: row.try_get::<Option<i64>, _>("launched_at")?.is_some(),
    })
}

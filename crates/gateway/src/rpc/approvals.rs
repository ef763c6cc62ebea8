//! `exec.approval.*`, `exec.approvals.*`, `audit.verify`: who may ask, who may answer, and in what words they are refused.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use simpleclaw_protocol::approval::{Approval, ApprovalRule, ApprovalState, DecidedBy};
use simpleclaw_protocol::handshake::ClientRole;
use simpleclaw_protocol::methods::approvals::{
    ApprovalHistory, ApprovalHistoryParams, ApprovalHistoryResult, ApprovalList, ApprovalListResult, ApprovalRequest,
    ApprovalRequestParams, ApprovalRequestResult, ApprovalResolve, ApprovalResolveParams, ApprovalResult, ApprovalWait,
    ApprovalWaitParams, ApprovalsGet, ApprovalsRules, ApprovalsSet, ApprovalsSetParams, ApprovalsTest,
    ApprovalsTestParams, ApprovalsTestResult, AuditKind, AuditVerify, Method, Surface,
};
use simpleclaw_protocol::methods::{Call as _, NoParams};
use simpleclaw_protocol::session::SessionKey;
use simpleclaw_protocol::{ErrorCode, Scope, WireError};

use super::chat::PAGE_BYTES;
use super::{Key, no_session, session_key};
use crate::agent::Agent;
use crate::approval::decide::{Mode, Policy};
use crate::approval::{self, Refused, Reply, Request, audit, narrow, outside};
use crate::home::hex;
use crate::runtime::Runtime;
use crate::server::auth::forbidden;
use crate::server::dispatch::{Answer, Caller, Incoming, internal};
use crate::store::audit::AuditQuery;
use crate::store::{self, SessionRecord, StoreError, Tx};
use crate::tool::Places;

const DEFAULT_LIMIT: u32 = 100;
/// When a session that asks too much may ask again.
const RETRY_MS: u64 = 5_000;
/// Connections that one request may come from, one after the other.
const MAX_REQUESTERS: usize = 16;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.clone();
    match method {
        Method::ApprovalList => incoming.run::<ApprovalList, _, _, _>(|_| list(runtime)).await,
        Method::ApprovalRequest => {
            incoming.run::<ApprovalRequest, _, _, _>(|params| request(runtime, who, params)).await
        }
        Method::ApprovalWait => incoming.run::<ApprovalWait, _, _, _>(|params| wait(runtime, who, params)).await,
        Method::ApprovalResolve => {
            incoming.run::<ApprovalResolve, _, _, _>(|params| resolve(runtime, who, params)).await
        }
        Method::ApprovalHistory => incoming.run::<ApprovalHistory, _, _, _>(|params| history(runtime, params)).await,
        Method::ApprovalsGet => incoming.run::<ApprovalsGet, _, _, _>(|_: NoParams| rules(runtime)).await,
        Method::ApprovalsSet => incoming.run::<ApprovalsSet, _, _, _>(|params| set(runtime, who, params)).await,
        Method::ApprovalsTest => incoming.run::<ApprovalsTest, _, _, _>(|params| test(runtime, params)).await,
        Method::AuditVerify => {
            incoming.run::<AuditVerify, _, _, _>(|_| async { Ok(audit::verify(&runtime.store).await?) }).await
        }
    }
}

/// What whoever calls is known by; whoever asked by one of these names cannot answer.
fn names(caller: &Caller) -> Vec<String> {
    let instance = caller.instance_id.as_ref().map(|id| format!("instance {id}"));
    std::iter::once(format!("connection {}", caller.conn_id)).chain(instance).collect()
}

async fn list(runtime: &Arc<Runtime>) -> Result<ApprovalListResult, WireError> {
    let mut approvals = runtime.approvals.list().await?;
    let total = approvals.len() as u64;
    let mut left = PAGE_BYTES;
    let fitting = approvals.iter().take_while(|approval| take(&mut left, *approval)).count();
    approvals.truncate(fitting);
    Ok(ApprovalListResult { approvals, total })
}

/// Whether one more fits into the answer.
fn take(left: &mut usize, item: &impl serde::Serialize) -> bool {
    let size = serde_json::to_string(item).map_or(usize::MAX, |text| text.len());
    let fits = size <= *left;
    *left = left.saturating_sub(size);
    fits
}

async fn request(
    runtime: &Arc<Runtime>,
    caller: Caller,
    mut params: ApprovalRequestParams,
) -> Result<ApprovalRequestResult, WireError> {
    let loaded = runtime.config.current();
    let (key, session) = whose(runtime, params.session_key.as_deref()).await?;
    params.session_key = Some(key.to_string());
    let incoming = (caller.principal.name.as_str(), ApprovalRequest::NAME);
    let claim = Key::new(incoming, Some(&params.idempotency_key), &params)?;
    if let Some(first) = claim.answered::<ApprovalRequestResult>(&runtime.store).await? {
        return again(runtime, &caller, first).await;
    }
    let most = Duration::from_secs(u64::from(loaded.config.approvals.timeout_minutes) * 60);
    let timeout = params.timeout_ms.map_or(most, |ms| Duration::from_millis(ms).min(most));
    let mut policy = policy(runtime, &session, key.agent()).await?;
    // Whoever asks wants a person's word, whatever agents may do without one; and nothing here holds it.
    (policy.mode, policy.enforced, policy.require_sandbox) = (Mode::Ask, false, false);
    let sender = format!("{} ({})", caller.instance_id.as_deref().unwrap_or(&caller.conn_id), caller.mode);
    let (action, why, here) = (params.action, params.why, caller.principal.role == ClientRole::Operator);
    let wanted = blocking(move || outside::wanted(&action, &why, &sender, &policy, here)).await?;
    let wanted = wanted.map_err(|words| WireError::at("/action", words))?;
    let request = Request {
        session_key: key.to_string(),
        agent_id: key.agent().to_owned(),
        wanted,
        requesters: names(&caller),
        timeout,
    };
    let requested = runtime.approvals.request(request).await.map_err(|full| {
        let mut error = WireError::new(ErrorCode::RateLimited, full.to_string());
        (error.retryable, error.retry_after_ms) = (true, Some(RETRY_MS));
        error
    })?;
    let (row, now) = (requested.row(), runtime.clock.now_ms());
    let stored = claim
        .once(&runtime.store, now, move |tx| {
            Box::pin(async move {
                let (id, expires_at) = (row.approval.id.clone(), row.approval.expires_at);
                approval::store_request(tx, row, now).await?;
                Ok(Ok(ApprovalRequestResult { id, expires_at, state: ApprovalState::Pending }))
            })
        })
        .await;
    match stored {
        Ok((result, true)) => {
            runtime.approvals.requested(requested);
            Ok(result)
        }
        Ok((first, false)) => {
            requested.not_stored();
            again(runtime, &caller, first).await
        }
        Err(error) => {
            requested.not_stored();
            Err(error)
        }
    }
}

/// A repeat: whoever it comes from may wait for the answer, and cannot give it.
async fn again(
    runtime: &Arc<Runtime>,
    caller: &Caller,
    first: ApprovalRequestResult,
) -> Result<ApprovalRequestResult, WireError> {
    let (id, names) = (first.id.clone(), names(caller));
    let noted = runtime.store.write(move |tx| {
        Box::pin(async move {
            let Some(row) = store::approval::get(tx, &id).await? else { return Ok(true) };
            let mut requesters = row.requesters;
            let new = names.into_iter().filter(|name| !requesters.contains(name)).collect::<Vec<_>>();
            if new.is_empty() {
                return Ok(true);
            }
            requesters.extend(new);
            let fits = requesters.len() <= MAX_REQUESTERS;
            if fits {
                store::approval::set_requesters(tx, &id, &requesters).await?;
            }
            Ok(fits)
        })
    });
    match noted.await? {
        true => Ok(first),
        false => {
            let mut error = WireError::new(ErrorCode::RateLimited, "too many connections have repeated this request");
            error.details = Some(json!({ "id": first.id }));
            Err(error)
        }
    }
}

/// The session that a request belongs to.
async fn whose(runtime: &Arc<Runtime>, text: Option<&str>) -> Result<(SessionKey, SessionRecord), WireError> {
    let loaded = runtime.config.current();
    let key = session_key(text.unwrap_or("main"), &loaded.config.agents.default, "/sessionKey")?;
    match runtime.store.session(&key.to_string()).await? {
        Some(session) => Ok((key, session)),
        None => Err(no_session(&key)),
    }
}

/// What holds for the commands of a session, as `decide` wants it. Makes the agent's workspace where it is missing.
async fn policy(runtime: &Arc<Runtime>, session: &SessionRecord, agent_id: &str) -> Result<Policy, WireError> {
    let loaded = runtime.config.current();
    let Some(agent) = Agent::of(&loaded.config, &runtime.home, agent_id) else {
        return Err(WireError::not_found(format!("there is no agent {agent_id:?}: `agents.list` names them")));
    };
    let home = runtime.home.path().to_owned();
    let places = blocking(move || Places::of(&agent.workspace, &home)).await?;
    let places = places.map_err(|failed| internal(&failed.to_string()))?;
    let folders = places.folders(&session.session_id);
    let policy = Policy::of(&loaded.config, agent_id, runtime.sandbox.is_enforced(), folders);
    Ok(Policy { tainted: !session.untrusted.is_empty(), ..policy })
}

/// Runs what reads files beside the runtime's threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error.to_string()))
}

async fn wait(runtime: &Arc<Runtime>, caller: Caller, params: ApprovalWaitParams) -> Result<ApprovalResult, WireError> {
    let any = caller.principal.allows(Scope::Approvals);
    let found = runtime.approvals.get(&params.id).await?;
    let Some((approval, requesters)) = found else {
        // Whoever may see its own alone does not learn which others there are.
        return Err(if any { unknown() } else { forbidden(Scope::Approvals) });
    };
    if !any && !requesters.iter().any(|name| names(&caller).contains(name)) {
        return Err(forbidden(Scope::Approvals));
    }
    let limit = Duration::from_millis(params.timeout_ms);
    tokio::select! {
        () = runtime.approvals.wait(&params.id, limit) => {}
        // It waits on over the restart.
        () = runtime.supervisor.stopping().cancelled() => {}
        _ = runtime.control.until_asked_to_stop() => {}
    }
    let approval = runtime.approvals.get(&params.id).await?.map_or(approval, |(approval, _)| approval);
    Ok(ApprovalResult { approval })
}

async fn resolve(
    runtime: &Arc<Runtime>,
    caller: Caller,
    params: ApprovalResolveParams,
) -> Result<ApprovalResult, WireError> {
    let incoming = (caller.principal.name.as_str(), ApprovalResolve::NAME);
    let claim = Key::new(incoming, params.idempotency_key.as_deref(), &params)?;
    // A deadline that has passed counts, whether or not it was noticed; where that cannot be stored, it counts as well.
    let _ = runtime.approvals.expire_due().await;
    let reply = Reply {
        id: params.id,
        decision: params.decision,
        rule: params.rule,
        reason: params.reason,
        by: DecidedBy {
            surface: surface(params.surface, &caller.mode).to_owned(),
            user: Some(caller.principal.name.clone()),
            conn_id: Some(caller.conn_id.clone()),
        },
        names: names(&caller),
    };
    let (approvals, now) = (runtime.approvals.clone(), runtime.clock.now_ms());
    let (result, fresh) = claim
        .once(&runtime.store, now, move |tx| {
            Box::pin(async move {
                let answered = approvals.reply(tx, reply, now).await?;
                Ok(answered.map(|approval| ApprovalResult { approval }).map_err(refused))
            })
        })
        .await?;
    if fresh {
        runtime.approvals.tell(&result.approval);
    }
    Ok(result)
}

fn surface(said: Option<Surface>, mode: &str) -> &'static str {
    match (said, mode) {
        (Some(Surface::Dialog), _) => "dialog",
        (Some(Surface::Web), _) | (None, "ui" | "web") => "web",
        (Some(Surface::Cli), _) | (None, "cli") => "cli",
        (Some(Surface::Chat), _) => "chat",
        (Some(Surface::Tray), _) | (None, "tray" | "desktop") => "tray",
        (Some(Surface::Program) | None, _) => "program",
    }
}

fn unknown() -> WireError {
    WireError::not_found(Refused::Unknown.to_string())
}

fn refused(refusal: Refused) -> WireError {
    let words = refusal.to_string();
    match refusal {
        Refused::Unknown => unknown(),
        Refused::Own => WireError::new(ErrorCode::Forbidden, words).details(json!({ "reason": "requester" })),
        Refused::Decided(approval) => {
            let Approval { id, state, decision, decided_by, decided_at, reason, .. } = *approval;
            let mut outcome = json!({ "id": id, "state": state });
            if let Some(members) = outcome.as_object_mut() {
                members.extend(decision.map(|decision| ("decision".to_owned(), json!(decision))));
                members.extend(decided_by.map(|by| ("decidedBy".to_owned(), json!(by))));
                members.extend(decided_at.map(|at| ("decidedAt".to_owned(), json!(at))));
                members.extend(reason.map(|reason| ("reason".to_owned(), json!(reason))));
            }
            WireError::conflict(words).details(outcome)
        }
        Refused::Unshown => WireError::conflict(words).details(json!({ "reason": "variables" })),
        Refused::NotOffered => WireError::at("/decision", words),
        Refused::Rule(_) => WireError::at("/rule", words),
        Refused::TooManyRules(_) => WireError::new(ErrorCode::TooLarge, words),
    }
}

async fn history(runtime: &Arc<Runtime>, params: ApprovalHistoryParams) -> Result<ApprovalHistoryResult, WireError> {
    let before = match params.cursor.as_deref().map(str::parse::<i64>) {
        None => None,
        Some(Ok(seq)) if seq > 0 => Some(seq),
        Some(_) => return Err(WireError::at("/cursor", "is no `nextCursor` of this method")),
    };
    let default_agent = runtime.config.current().config.agents.default.clone();
    let key = params.session_key.as_deref().map(|text| session_key(text, &default_agent, "/sessionKey")).transpose()?;
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    let query = AuditQuery {
        agent_id: params.agent_id,
        session_key: key.map(|key| key.to_string()),
        approval_id: params.approval_id,
        kind: params.kind,
        from: params.from.map(|at| at.0),
        to: params.to.map(|at| at.0),
        before,
        limit: limit.saturating_add(1),
    };
    let rows = runtime.store.audit_page(&query).await?;
    let mut more = rows.len() > limit as usize;
    let (mut entries, mut left, mut last) = (Vec::new(), PAGE_BYTES, None);
    for row in rows.iter().take(limit as usize) {
        // What somebody wrote into the table by hand is `audit.verify`'s to name.
        if let Some(entry) = audit::entry(row) {
            if !take(&mut left, &entry) && !entries.is_empty() {
                more = true;
                break;
            }
            entries.push(entry);
        }
        last = Some(row.seq);
    }
    Ok(ApprovalHistoryResult { entries, next_cursor: last.filter(|_| more).map(|seq| seq.to_string()) })
}

async fn rules(runtime: &Arc<Runtime>) -> Result<ApprovalsRules, WireError> {
    Ok(listed(runtime.store.saved_rules(runtime.clock.now_ms()).await?))
}

fn listed(rules: Vec<ApprovalRule>) -> ApprovalsRules {
    let hash = store::body_hash(json!(rules));
    ApprovalsRules { rules, hash: hex(&hash) }
}

async fn set(runtime: &Arc<Runtime>, caller: Caller, params: ApprovalsSetParams) -> Result<ApprovalsRules, WireError> {
    let incoming = (caller.principal.name.as_str(), ApprovalsSet::NAME);
    let claim = Key::new(incoming, params.idempotency_key.as_deref(), &params)?;
    let now = runtime.clock.now_ms();
    let by = DecidedBy {
        surface: surface(None, &caller.mode).to_owned(),
        user: Some(caller.principal.name.clone()),
        conn_id: Some(caller.conn_id.clone()),
    };
    let changed = claim.once(&runtime.store, now, move |tx| Box::pin(change(tx, params, by, now)));
    Ok(changed.await?.0)
}

/// Makes the saved rules what `params` says, where that takes nothing but away.
async fn change(
    tx: &mut Tx,
    params: ApprovalsSetParams,
    by: DecidedBy,
    now: i64,
) -> Result<Result<ApprovalsRules, WireError>, StoreError> {
    let before = listed(store::approval::saved_rules(tx, now).await?);
    if before.hash != params.base_hash {
        let error = WireError::conflict("the rules are others by now: read them again with `exec.approvals.get`");
        return Ok(Err(error.details(json!({ "hash": before.hash }))));
    }
    // All of it is checked before any of it is written.
    let (mut wanted, mut seen) = (Vec::new(), HashSet::new());
    for (place, draft) in params.rules.iter().enumerate() {
        let at = format!("/rules/{place}");
        let id = draft.id.as_deref().unwrap_or_default();
        let Some(kept) = before.rules.iter().find(|rule| rule.id == id) else {
            let words = "names no saved rule by its `id`; a new rule comes from an answer `allow-always` alone";
            return Ok(Err(WireError::at(&at, words)));
        };
        if !seen.insert(id.to_owned()) {
            return Ok(Err(WireError::at(&at, "names a rule that stands in the list already")));
        }
        match narrow::changed(kept, draft, now) {
            Ok(rule) if rule != *kept => wanted.push(rule),
            Ok(_) => {}
            Err(words) => return Ok(Err(WireError::at(&at, words))),
        }
    }
    let removed = before.rules.into_iter().filter(|rule| !seen.contains(&rule.id));
    let removed = removed.map(|rule| (AuditKind::RuleRemoved, rule));
    for (kind, rule) in removed.chain(wanted.into_iter().map(|rule| (AuditKind::RuleChanged, rule))) {
        match kind {
            AuditKind::RuleRemoved => store::approval::remove_rule(tx, &rule.id).await?,
            _ => store::approval::put_rule(tx, &rule, None, now).await?,
        }
        let mut about = approval::about_rule(rule);
        about.decided_by = Some(by.clone());
        audit::append(tx, kind, &about, now).await?;
    }
    Ok(Ok(listed(store::approval::saved_rules(tx, now).await?)))
}

async fn test(runtime: &Arc<Runtime>, params: ApprovalsTestParams) -> Result<ApprovalsTestResult, WireError> {
    let (key, session) = whose(runtime, params.session_key.as_deref()).await?;
    runtime.sandbox.look().await;
    let policy = policy(runtime, &session, key.agent()).await?;
    let grants = runtime.approvals.grants(&key.to_string(), key.agent()).await?;
    let tested = blocking(move || outside::test(&params, (&policy, &grants)));
    tested.await?.map_err(|(place, words)| WireError::at(place, words))
}

//! `usage.*`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::usage::{
    AgentUsage, DayUsage, Method, ModelUsage, SessionUsage, UsageSummary, UsageSummaryParams, UsageSummaryResult,
    UsageTotals,
};

use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};
use crate::store::usage::{Group, Totals};

const DEFAULT_DAYS: u32 = 30;
/// Of groups that have no end by themselves.
const MOST: u32 = 100;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::UsageSummary => incoming.run::<UsageSummary, _, _, _>(|params| summary(runtime, params)).await,
    }
}

async fn summary(runtime: &Arc<Runtime>, params: UsageSummaryParams) -> Result<UsageSummaryResult, WireError> {
    let today = runtime.ledger.today();
    let days = params.days.unwrap_or(DEFAULT_DAYS).max(1);
    let (from, to) = (today.text_before(days - 1), today.text());
    let (store, limit) = (&runtime.store, days.max(MOST));
    let total = store.usage(Group::All, &from, &to, 1).await?.first().map(totals).unwrap_or_default();
    let by_day = store.usage(Group::Day, &from, &to, limit).await?;
    let by_agent = store.usage(Group::Agent, &from, &to, MOST).await?;
    let by_model = store.usage(Group::Model, &from, &to, MOST).await?;
    let by_session = store.usage(Group::Session, &from, &to, MOST).await?;
    Ok(UsageSummaryResult {
        total,
        caps: runtime.ledger.state().await?,
        days: by_day.into_iter().map(|row| DayUsage { usage: totals(&row), day: row.name }).collect(),
        agents: by_agent.into_iter().map(|row| AgentUsage { usage: totals(&row), agent_id: row.name }).collect(),
        models: by_model.into_iter().map(|row| ModelUsage { usage: totals(&row), model: row.name }).collect(),
        sessions: by_session
            .into_iter()
            .map(|row| SessionUsage { usage: totals(&row), session_key: row.name })
            .collect(),
        from,
        to,
    })
}

fn totals(row: &Totals) -> UsageTotals {
    UsageTotals {
        runs: row.runs,
        calls: row.calls,
        failed_calls: row.failed,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cached_tokens: row.cached_tokens,
        cost_usd: row.cost_micros as f64 / 1e6,
        estimated_calls: row.estimated,
        unpriced_calls: row.unpriced,
    }
}

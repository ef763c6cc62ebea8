//! Table `model_calls`: what each call of a model used and cost.

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{Store, StoreError, Tx};

/// Days that are kept; a summary asks for 366 at most.
pub const KEPT_DAYS: u32 = 400;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    Ok,
    /// By the provider.
    Failed,
    /// By a person, a time limit, or the end of the gateway.
    Stopped,
}

impl CallOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// Whose turn a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallOwner {
    pub agent_id: String,
    pub session_key: String,
    /// Of the moment when the run was accepted: a session that was reset since starts from nothing.
    pub session_id: String,
    pub run_id: String,
}

/// One call on its way into the table.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCall {
    pub at: i64,
    pub day: String,
    pub provider: String,
    pub model: String,
    pub owner: Option<CallOwner>,
    pub outcome: CallOutcome,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    pub cache_write_tokens: u64,
    pub estimated: bool,
    pub cost_micros: Option<i64>,
}

/// What calls are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    All,
    Day,
    Agent,
    Model,
    Session,
}

/// The calls of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub name: String,
    pub runs: u64,
    pub calls: u64,
    pub failed: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    pub cost_micros: i64,
    pub estimated: u64,
    pub unpriced: u64,
}

const SPENT: &str = "SELECT COALESCE(SUM(cost_micros), 0) FROM model_calls WHERE day >= ? AND day <= ?";

impl Store {
    /// Micro-dollars spent from one day to another, both included.
    pub async fn spent(&self, from: &str, to: &str) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar(SPENT).bind(from).bind(to).fetch_one(&self.readers).await?)
    }

    /// Calls from one day to another, both included: days in their order, everything else the most expensive first.
    pub async fn usage(&self, group: Group, from: &str, to: &str, limit: u32) -> Result<Vec<Totals>, StoreError> {
        let (name, only, order) = match group {
            Group::All => ("''", "1", "name"),
            Group::Day => ("day", "1", "name"),
            Group::Agent => ("agent_id", "agent_id IS NOT NULL", "cost DESC, input + output DESC, name"),
            Group::Model => ("provider || '/' || model", "1", "cost DESC, input + output DESC, name"),
            Group::Session => ("session_key", "session_key IS NOT NULL", "cost DESC, input + output DESC, name"),
        };
        let sql = sqlx::AssertSqlSafe(format!(
            "SELECT name, runs, calls, failed, input, output, cached, cost, estimated, unpriced FROM (\
             SELECT {name} AS name, COUNT(DISTINCT run_id) AS runs, COUNT(*) AS calls, \
             SUM(outcome = 'failed') AS failed, SUM(input_tokens) AS input, \
             SUM(output_tokens) AS output, SUM(cached_tokens) AS cached, COALESCE(SUM(cost_micros), 0) AS cost, \
             SUM(estimated) AS estimated, SUM(cost_micros IS NULL) AS unpriced \
             FROM model_calls WHERE day >= ? AND day <= ? AND {only} GROUP BY 1) ORDER BY {order} LIMIT ?"
        ));
        let rows = sqlx::query(sql).bind(from).bind(to).bind(i64::from(limit)).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }
}

/// Micro-dollars spent from one day to another, with what this transaction wrote.
pub async fn spent(tx: &mut Tx, from: &str, to: &str) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar(SPENT).bind(from).bind(to).fetch_one(tx).await?)
}

/// Stores a call, and adds it to its session.
pub async fn insert(tx: &mut Tx, call: &NewCall) -> Result<(), StoreError> {
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let owner = call.owner.as_ref();
    sqlx::query(
        "INSERT INTO model_calls (at, day, provider, model, agent_id, session_key, run_id, outcome, input_tokens, \
         output_tokens, cached_tokens, cache_write_tokens, estimated, cost_micros) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(call.at)
    .bind(&call.day)
    .bind(&call.provider)
    .bind(&call.model)
    .bind(owner.map(|owner| owner.agent_id.as_str()))
    .bind(owner.map(|owner| owner.session_key.as_str()))
    .bind(owner.map(|owner| owner.run_id.as_str()))
    .bind(call.outcome.as_str())
    .bind(number(call.input_tokens))
    .bind(number(call.output_tokens))
    .bind(number(call.cached_tokens))
    .bind(number(call.cache_write_tokens))
    .bind(call.estimated)
    .bind(call.cost_micros)
    .execute(&mut *tx)
    .await?;
    let Some(owner) = owner else { return Ok(()) };
    sqlx::query(
        "UPDATE sessions SET input_tokens = input_tokens + ?, output_tokens = output_tokens + ?, \
         cost_usd = cost_usd + ? WHERE key = ? AND session_id = ?",
    )
    .bind(number(call.input_tokens))
    .bind(number(call.output_tokens))
    .bind(call.cost_micros.unwrap_or(0) as f64 / 1e6)
    .bind(&owner.session_key)
    .bind(&owner.session_id)
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets calls before a day; how many.
pub async fn expire(tx: &mut Tx, before: &str) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM model_calls WHERE day < ?").bind(before).execute(tx).await?;
    Ok(done.rows_affected())
}

fn read(row: &SqliteRow) -> Result<Totals, StoreError> {
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::unsigned_abs);
    Ok(Totals {
        name: row.try_get("name")?,
        runs: count("runs")?,
        calls: count("calls")?,
        failed: count("failed")?,
        input_tokens: count("input")?,
        output_tokens: count("output")?,
        cached_tokens: count("cached")?,
        cost_micros: row.try_get("cost")?,
        estimated: count("estimated")?,
        unpriced: count("unpriced")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(day: &str, model: &str, cost_micros: Option<i64>, owner: Option<CallOwner>) -> NewCall {
        NewCall {
            at: 0,
            day: day.to_owned(),
            provider: "p".to_owned(),
            model: model.to_owned(),
            owner,
            outcome: if cost_micros.is_some() { CallOutcome::Ok } else { CallOutcome::Failed },
            input_tokens: 7,
            output_tokens: 3,
            cached_tokens: 2,
            cache_write_tokens: 1,
            estimated: false,
            cost_micros,
        }
    }

    #[tokio::test]
    async fn calls_are_summed_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (store, writer) = Store::open(&folder.path().join("gateway.db")).await.expect("opens");
        let test = async {
            let owner = CallOwner {
                agent_id: "main".to_owned(),
                session_key: "agent:main:main".to_owned(),
                session_id: "s".to_owned(),
                run_id: "r".to_owned(),
            };
            assert_eq!(store.spent("2026-01-01", "2026-12-31").await.expect("reads"), 0);
            assert!(store.usage(Group::All, "2026-01-01", "2026-12-31", 9).await.expect("reads").is_empty());
            let calls = [
                call("2026-11-21", "a", Some(40), Some(owner.clone())),
                call("2026-11-22", "b", Some(500), Some(owner)),
                call("2026-11-22", "a", None, None),
            ];
            let spent = store.write(move |tx| {
                Box::pin(async move {
                    for call in &calls {
                        insert(tx, call).await?;
                    }
                    spent(tx, "2026-11-22", "2026-11-22").await
                })
            });
            assert_eq!(spent.await.expect("writes"), 500);
            let names = |rows: Vec<Totals>| {
                rows.into_iter().map(|row| (row.name, row.calls, row.cost_micros)).collect::<Vec<_>>()
            };
            let mut found = Vec::new();
            for group in [Group::All, Group::Day, Group::Agent, Group::Model, Group::Session] {
                found.push(names(store.usage(group, "2026-11-01", "2026-11-30", 9).await.expect("reads")));
            }
            let row = |name: &str, calls, cost| (name.to_owned(), calls, cost);
            let expected = [
                vec![row("", 3, 540)],
                vec![row("2026-11-21", 1, 40), row("2026-11-22", 2, 500)],
                vec![row("main", 2, 540)],
                vec![row("p/b", 1, 500), row("p/a", 2, 40)],
                vec![row("agent:main:main", 2, 540)],
            ];
            assert_eq!(found, expected);
            let all = store.usage(Group::All, "2026-11-22", "2026-11-22", 9).await.expect("reads");
            let expected = Totals {
                name: String::new(),
                runs: 1,
                calls: 2,
                failed: 1,
                input_tokens: 14,
                output_tokens: 6,
                cached_tokens: 4,
                cost_micros: 500,
                estimated: 0,
                unpriced: 1,
            };
            assert_eq!(all, [expected]);
            let gone = store.write(move |tx| Box::pin(expire(tx, "2026-11-22")));
            assert_eq!(gone.await.expect("writes"), 1);
            store.close().await;
        };
        tokio::join!(test, writer);
    }
}

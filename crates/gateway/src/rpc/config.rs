//! `config.*`

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::config::{
    ConfigChangeResult, ConfigGet, ConfigGetParams, ConfigGetResult, ConfigHistory, ConfigHistoryResult, ConfigIssue,
    ConfigPatch, ConfigPatchParams, ConfigRestore, ConfigRestoreParams, ConfigSchema, ConfigSchemaParams,
    ConfigSchemaResult, ConfigSet, ConfigSetParams, Method,
};
use simpleclaw_protocol::{ErrorCode, WireError};

use super::Key;
use crate::config::{
    self, Change, Literal, Loaded, MASK, NotChanged, NotSaved, NotSynced, Refused, Request, SCHEMA_VERSION, SecretRef,
};
use crate::home::Home;
use crate::reload;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Caller, Incoming, internal};

/// Again after so long, where another program was in the way.
const RETRY_MS: u64 = 5_000;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    let who = incoming.caller.clone();
    match method {
        Method::ConfigGet => incoming.run::<ConfigGet, _, _, _>(|params| get(runtime, params)).await,
        Method::ConfigSchema => incoming.run::<ConfigSchema, _, _, _>(|params| async { schema(params) }).await,
        Method::ConfigHistory => incoming.run::<ConfigHistory, _, _, _>(|_| history(runtime)).await,
        Method::ConfigSet => incoming.run::<ConfigSet, _, _, _>(|params| set(runtime, who, params)).await,
        Method::ConfigPatch => incoming.run::<ConfigPatch, _, _, _>(|params| patch(runtime, who, params)).await,
        Method::ConfigRestore => incoming.run::<ConfigRestore, _, _, _>(|params| restore(runtime, who, params)).await,
    }
}

async fn get(runtime: &Arc<Runtime>, params: ConfigGetParams) -> Result<ConfigGetResult, WireError> {
    let (home, loaded) = (runtime.home.clone(), runtime.config.current());
    on_disk(move || look(&home, params, &loaded)).await?
}

async fn history(runtime: &Arc<Runtime>) -> Result<ConfigHistoryResult, WireError> {
    let home = runtime.home.clone();
    on_disk(move || config::versions(&home)).await
}

pub fn look(home: &Home, params: ConfigGetParams, running: &Loaded) -> Result<ConfigGetResult, WireError> {
    let path = params.path.unwrap_or_default();
    config::look(home, &path, running, &config::from_environment)
        .ok_or_else(|| WireError::not_found(format!("the configuration has nothing at {path:?}")))
}

pub fn schema(params: ConfigSchemaParams) -> Result<ConfigSchemaResult, WireError> {
    let path = params.path.unwrap_or_default();
    let Some(schema) = config::schema_at(&path) else {
        return Err(WireError::not_found(format!("the configuration has no key {path:?}")));
    };
    Ok(ConfigSchemaResult { schema, ui_hints: config::ui_hints().clone(), version: SCHEMA_VERSION })
}

async fn set(runtime: &Arc<Runtime>, who: Caller, params: ConfigSetParams) -> Result<ConfigChangeResult, WireError> {
    let claim = Key::new((&who.principal.name, ConfigSet::NAME), params.idempotency_key.as_deref(), &params)?;
    change(runtime, &who, claim, asked(params)?).await
}

async fn patch(
    runtime: &Arc<Runtime>,
    who: Caller,
    params: ConfigPatchParams,
) -> Result<ConfigChangeResult, WireError> {
    let claim = Key::new((&who.principal.name, ConfigPatch::NAME), params.idempotency_key.as_deref(), &params)?;
    change(runtime, &who, claim, patched(params)).await
}

async fn restore(
    runtime: &Arc<Runtime>,
    who: Caller,
    params: ConfigRestoreParams,
) -> Result<ConfigChangeResult, WireError> {
    let claim = Key::new((&who.principal.name, ConfigRestore::NAME), params.idempotency_key.as_deref(), &params)?;
    change(runtime, &who, claim, restored(params)).await
}

/// What a client asks for, before it is known who asks and when.
pub struct Asked {
    change: Change,
    base_hash: Option<String>,
    dry_run: bool,
}

pub fn asked(params: ConfigSetParams) -> Result<Asked, WireError> {
    let ConfigSetParams { path, value, raw, base_hash, dry_run, .. } = params;
    let change = match (path, value, raw) {
        (Some(path), Some(value), None) => Change::Set { path, value },
        (None, None, Some(raw)) if base_hash.is_some() => Change::Raw(raw),
        (None, None, Some(_)) => return Err(WireError::at("/baseHash", "`raw` replaces everything and needs it")),
        (_, _, Some(_)) => return Err(WireError::at("/raw", "stands alone, without `path` and `value`")),
        (Some(_), None, None) => return Err(WireError::at("/value", "is missing; `null` removes")),
        (None, _, None) => return Err(WireError::at("/path", "is missing")),
    };
    Ok(Asked { change, base_hash, dry_run: dry_run == Some(true) })
}

pub fn patched(params: ConfigPatchParams) -> Asked {
    let ConfigPatchParams { patch, base_hash, dry_run, .. } = params;
    Asked { change: Change::Patch(patch), base_hash, dry_run: dry_run == Some(true) }
}

pub fn restored(params: ConfigRestoreParams) -> Asked {
    Asked { change: Change::Restore(params.id), base_hash: params.base_hash, dry_run: false }
}

impl Asked {
    pub fn by(self, by: String, at: simpleclaw_protocol::Timestamp, mark: Option<String>) -> Request {
        let Self { change, base_hash, dry_run } = self;
        Request { change, base_hash, dry_run, by, at, mark, moved: Vec::new() }
    }
}

/// One change, from its file to what runs. A repeat of its key gives the first answer.
async fn change(
    runtime: &Arc<Runtime>,
    who: &Caller,
    claim: Key,
    asked: Asked,
) -> Result<ConfigChangeResult, WireError> {
    let _alone = runtime.config.one_writer().await;
    // A dry run has no effect that a repeat could have twice.
    let claim = if asked.dry_run { Key::none() } else { claim };
    if let Some(answer) = claim.answered(&runtime.store).await? {
        return Ok(answer);
    }
    let mut request = asked.by(named(runtime, who), runtime.clock.now(), claim.mark());
    if !request.dry_run {
        request.moved = moved(runtime, &request.change).await?;
    }
    let by = request.by.clone();
    let (home, running) = (runtime.home.clone(), runtime.config.current());
    let changed =
        on_disk(move || config::make(&home, request, &running, &config::from_environment)).await?.map_err(refused)?;
    if let Some(loaded) = changed.loaded {
        reload::apply(runtime, loaded, &by, &changed.result.restart_paths).await;
    }
    if let Some(why) = changed.not_synced {
        // Without its key, so that a repeat tries the disk again.
        return Err(not_synced(&why));
    }
    claim.keep(&runtime.store, &changed.result, runtime.clock.now_ms()).await?;
    Ok(changed.result)
}

/// The secrets that stand in the file as text where the change puts the names of the same ones: they were stored first,
/// and now move. Where another secret has the name, the text is all there is of the former one, and stays in its version.
async fn moved(runtime: &Arc<Runtime>, change: &Change) -> Result<Vec<Literal>, WireError> {
    let (home, change) = (runtime.home.clone(), change.clone());
    let mut moved = Vec::new();
    for literal in on_disk(move || config::referred(&home, &change)).await? {
        let stored = runtime.secrets.resolve(&SecretRef::Secret { secret: literal.name.clone() }).await;
        if stored.is_ok_and(|stored| stored.expose().trim() == literal.secret.expose().trim()) {
            moved.push(literal);
        }
    }
    Ok(moved)
}

/// Who changes: the principal, and with which program.
fn named(runtime: &Runtime, who: &Caller) -> String {
    match runtime.presence.client_of(&who.conn_id) {
        Some(client) => format!("{} with {client}", who.principal.name),
        None => who.principal.name.clone(),
    }
}

/// Work on files, off the threads that answer everyone.
async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, WireError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error.to_string()))
}

/// Why there was no change, as a client is told.
pub fn refused(why: NotChanged) -> WireError {
    match why {
        NotChanged::Stale(hash) => WireError::conflict("the configuration was changed meanwhile: look at it again")
            .details(json!({ "hash": hash })),
        NotChanged::Broken { hash, mistake } => {
            let words = format!(
                "config.yaml cannot be read: line {}, column {}: {}. Correct that line, or replace the whole text with `raw`",
                mistake.line, mistake.column, mistake.words
            );
            WireError::conflict(words).details(json!({ "hash": hash, "line": mistake.line, "column": mistake.column }))
        }
        NotChanged::NoPlace(words) => WireError::at("/path", words),
        NotChanged::NoVersion => WireError::not_found("there is no such version: `config.history` names them"),
        NotChanged::Invalid(issues) => invalid(&issues),
        NotChanged::Refused(Refused::TooMany) => WireError::new(
            ErrorCode::TooLarge,
            "these are too many changes at once: send the whole text as `raw`, or fewer at a time",
        ),
        NotChanged::Refused(Refused::NoWay { path, line, shared: true }) => {
            let words = format!(
                "{path} shares its value with other keys (`&`, `*`, `<<`), so it cannot be changed alone: edit line {line} of config.yaml"
            );
            WireError::issues("not changed", vec![simpleclaw_protocol::Issue::new(path, words)])
        }
        NotChanged::Refused(Refused::NoWay { path, line, shared: false }) => {
            internal(&format!("no way to change {path} at line {line} of config.yaml and nothing else"))
        }
        NotChanged::NotSaved(NotSaved::Changed(hash)) => refused(NotChanged::Stale(hash)),
        NotChanged::NotSaved(NotSaved::Io(path, error)) => {
            let words = format!("nothing was changed, because {} cannot be written: {error}", path.display());
            match error.kind() {
                std::io::ErrorKind::StorageFull => WireError::unavailable(words, RETRY_MS),
                _ => WireError::new(ErrorCode::Unavailable, words),
            }
        }
    }
}

/// A change that happened, and that is not acknowledged all the same.
pub fn not_synced(why: &NotSynced) -> WireError {
    let words = format!(
        "{} was changed, and that is in force, but its folder could not be brought to the disk: {}. A power cut may take \
         the change back; send it again once the disk is well",
        why.path.display(),
        why.error
    );
    tracing::error!(target: "diagnostic", source = "config", code = "config.not_synced", "{words}");
    WireError::unavailable(words, RETRY_MS)
}

/// Every error, with its place in the configuration and in the text that was not written.
fn invalid(issues: &[ConfigIssue]) -> WireError {
    #[derive(Serialize)]
    struct Details<'a> {
        issues: &'a [ConfigIssue],
    }
    let first = issues.first().map_or("it would have errors", |issue| issue.message.as_str());
    let path = issues.first().map(|issue| issue.path.as_str()).filter(|path| !path.is_empty());
    let place = path.map(|path| format!(" at {path}")).unwrap_or_default();
    let more = if issues.len() > 1 { format!(" (and {} more)", issues.len() - 1) } else { String::new() };
    let words = format!("the configuration was not changed: {first}{place}{more}").replace(MASK, "a mask");
    WireError::invalid(words).details(serde_json::to_value(Details { issues }).unwrap_or_default())
}

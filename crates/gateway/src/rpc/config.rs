//! `config.*`, the reading half.

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::config::{
    ConfigGet, ConfigGetParams, ConfigGetResult, ConfigSchema, ConfigSchemaParams, ConfigSchemaResult, Method,
};

use crate::config::{self, SCHEMA_VERSION};
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::ConfigGet => incoming.run::<ConfigGet, _, _, _>(|params| async { get(runtime, params) }).await,
        Method::ConfigSchema => incoming.run::<ConfigSchema, _, _, _>(|params| async { schema(params) }).await,
    }
}

fn get(runtime: &Runtime, params: ConfigGetParams) -> Result<ConfigGetResult, WireError> {
    let loaded = runtime.config.current();
    let path = params.path.unwrap_or_default();
    let Some(value) = config::get(&loaded, &path) else {
        return Err(WireError::not_found(format!("the configuration has nothing at {path:?}")));
    };
    Ok(ConfigGetResult {
        path,
        hash: loaded.hash.clone(),
        raw: loaded.raw.clone(),
        value,
        valid: loaded.valid,
        issues: loaded.issues.clone(),
        schema_version: SCHEMA_VERSION,
    })
}

fn schema(params: ConfigSchemaParams) -> Result<ConfigSchemaResult, WireError> {
    let path = params.path.unwrap_or_default();
    let Some(schema) = config::schema_at(&path) else {
        return Err(WireError::not_found(format!("the configuration has no key {path:?}")));
    };
    Ok(ConfigSchemaResult { schema, ui_hints: config::ui_hints().clone(), version: SCHEMA_VERSION })
}

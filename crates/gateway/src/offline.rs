//! `config.*` on the files of a home in which no gateway runs: the same code, answers and refusals as over the wire.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::Call;
use simpleclaw_protocol::methods::config::{
    ConfigGet, ConfigHistory, ConfigPatch, ConfigRestore, ConfigSchema, ConfigSet,
};

use crate::clock::Clock;
use crate::config;
use crate::home::{Home, HomeError, LockError};
use crate::rpc::config::{Asked, asked, look, not_synced, patched, refused, restored, schema};
use crate::server::dispatch::internal;

/// Why there was no answer.
#[derive(Debug)]
pub enum Failed {
    Wire(WireError),
    /// A gateway runs here: it is the one to ask.
    Locked(LockError),
    Home(HomeError),
}

impl From<WireError> for Failed {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// Calls one of the `config.*` methods. One that changes holds the home's lock meanwhile.
pub fn call(home: &Home, method: &str, params: Value, by: &str) -> Result<Value, Failed> {
    match method {
        ConfigGet::NAME => answer(look(home, read(params)?, &config::inspect(home))?),
        ConfigSchema::NAME => answer(schema(read(params)?)?),
        ConfigHistory::NAME => answer(config::versions(home)),
        ConfigSet::NAME => change(home, asked(read(params)?)?, by),
        ConfigPatch::NAME => change(home, patched(read(params)?), by),
        ConfigRestore::NAME => change(home, restored(read(params)?), by),
        other => Err(WireError::invalid(format!("{other} needs a running gateway")).into()),
    }
}

/// A value as it is typed in a shell: YAML, and text where the key takes text, whatever it looks like.
pub fn value(path: &str, typed: &str) -> Result<Value, String> {
    config::typed_value(path, typed)
}

fn change(home: &Home, asked: Asked, by: &str) -> Result<Value, Failed> {
    home.create().map_err(Failed::Home)?;
    let _lock = home.lock().map_err(Failed::Locked)?;
    let running = config::inspect(home);
    let request = asked.by(by.to_owned(), Clock.now(), None);
    let changed = config::make(home, request, &running, &config::from_environment).map_err(refused)?;
    if let Some(why) = changed.not_synced {
        return Err(not_synced(&why).into());
    }
    answer(changed.result)
}

fn read<P: DeserializeOwned>(params: Value) -> Result<P, Failed> {
    serde_json::from_value(params).map_err(|error| WireError::invalid(format!("invalid params: {error}")).into())
}

fn answer<R: Serialize>(result: R) -> Result<Value, Failed> {
    serde_json::to_value(result).map_err(|error| internal(&error.to_string()).into())
}

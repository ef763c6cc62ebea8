//! Who answers: the gateway, or, where none runs, the same code on the files.

use serde_json::Value;
use simpleclaw_client::Client;
use simpleclaw_gateway::Home;
use simpleclaw_gateway::offline::{self, Failed};

use crate::args::Global;
use crate::connect;
use crate::failure::{Failure, TAKEN};
use crate::place;

pub enum Target {
    Gateway { client: Client, file: Option<String> },
    Files(Home),
}

impl Target {
    /// The gateway that `--url` names or that runs in this home, else the home itself.
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        let home = place::home(global)?;
        if global.url.is_none() && home.read_lock().is_none() {
            return Ok(Self::Files(home));
        }
        let file = global.url.is_none().then(|| home.config_path().display().to_string());
        Ok(Self::Gateway { client: connect::open(global, false).await?, file })
    }

    pub async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        match self {
            Self::Gateway { client, .. } => Ok(client.call_raw(method, params).await?),
            Self::Files(home) => offline::call(home, method, params, "command line").map_err(|failed| match failed {
                Failed::Wire(error) => error.into(),
                Failed::Locked(error) => Failure::new(TAKEN, "LOCKED", error.to_string()),
                Failed::Home(error) => Failure::new(crate::failure::ERROR, "HOME", error.to_string()),
            }),
        }
    }

    /// Where the file is, as far as that is on this machine.
    pub fn file(&self) -> Option<String> {
        match self {
            Self::Gateway { file, .. } => file.clone(),
            Self::Files(home) => Some(home.config_path().display().to_string()),
        }
    }

    pub async fn close(self) {
        if let Self::Gateway { client, .. } = self {
            client.close().await;
        }
    }
}

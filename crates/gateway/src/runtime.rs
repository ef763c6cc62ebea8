//! The handles of a running gateway, made by `startup`. Handlers get the ones they need, never all of it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::approval::Approvals;
use crate::attachments::Attachments;
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::config::ConfigHandle;
use crate::control::Control;
use crate::events::Events;
use crate::health::{Health, Sources};
use crate::home::Home;
use crate::inbox::Inbox;
use crate::logging::LogHandle;
use crate::presence::Presence;
use crate::sandbox::Sandbox;
use crate::secrets::Secrets;
use crate::session::Sessions;
use crate::store::Store;
use crate::supervisor::Supervisor;
use crate::usage::Ledger;

/// New at every start.
#[derive(Debug, Clone)]
pub struct BootId(pub String);

pub struct Runtime {
    pub boot: BootId,
    /// Where clients of this machine connect, now.
    pub url: watch::Sender<String>,
    pub clock: Clock,
    pub home: Home,
    pub config: ConfigHandle,
    pub logs: LogHandle,
    pub store: Store,
    pub attachments: Attachments,
    pub events: Events,
    pub supervisor: Supervisor,
    pub control: Control,
    pub presence: Presence,
    pub secrets: Secrets,
    pub catalog: Catalog,
    pub inbox: Inbox,
    pub sessions: Sessions,
    pub health: Health,
    pub ledger: Ledger,
    pub sandbox: Arc<Sandbox>,
    pub approvals: Approvals,
}

impl Runtime {
    /// Where a health snapshot takes its facts from.
    pub fn health_sources(&self) -> Sources {
        Sources {
            config: self.config.clone(),
            store: self.store.clone(),
            sessions: self.sessions.clone(),
            presence: self.presence.clone(),
            control: self.control.clone(),
            events: self.events.clone(),
            ledger: self.ledger.clone(),
            sandbox: Arc::clone(&self.sandbox),
            approvals: self.approvals.clone(),
        }
    }
}

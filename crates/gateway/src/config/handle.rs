//! The configuration that runs, and the order of those who change it.

use std::sync::Arc;

use simpleclaw_protocol::DEFAULT_PORT;
use tokio::sync::watch;

use super::Loaded;

/// What the command line said instead of the configuration; it holds for as long as the process lives.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub port: Option<u16>,
    pub bind: Option<String>,
    /// A profile's own port, for as long as nothing names one.
    pub profile_port: Option<u16>,
}

/// Clones share it.
#[derive(Debug, Clone)]
pub struct ConfigHandle {
    current: Arc<watch::Sender<Arc<Loaded>>>,
    overrides: Arc<Overrides>,
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl ConfigHandle {
    pub fn new(loaded: Loaded, overrides: Overrides) -> Self {
        let current = watch::Sender::new(Arc::new(overrides.over(loaded)));
        Self { current: Arc::new(current), overrides: Arc::new(overrides), writing: Arc::default() }
    }

    pub fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.current.borrow())
    }

    /// What is asked for from now on gets this.
    pub fn replace(&self, loaded: Loaded) {
        self.current.send_replace(Arc::new(self.overrides.over(loaded)));
    }

    /// For who has to act when it changes.
    pub fn changes(&self) -> watch::Receiver<Arc<Loaded>> {
        self.current.subscribe()
    }

    /// Which keys of `gateway` the command line holds, whatever the configuration says.
    pub fn overridden(&self) -> Vec<&'static str> {
        let Overrides { port, bind, .. } = &*self.overrides;
        [port.is_some().then_some("port"), bind.is_some().then_some("bind")].into_iter().flatten().collect()
    }

    /// Held by the one who changes the file.
    pub async fn one_writer(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.writing).lock_owned().await
    }
}

/// Whether the configuration that runs names its port. Of a file with mistakes nobody can tell what it names, and what
/// runs then is another: that one names its port where it is not the usual one.
pub fn names_port(loaded: &Loaded) -> bool {
    match loaded.valid {
        true => super::names(loaded, "/gateway/port"),
        false => loaded.config.gateway.port != DEFAULT_PORT,
    }
}

impl Overrides {
    fn over(&self, mut loaded: Loaded) -> Loaded {
        let port = self.port.or(self.profile_port.filter(|_| !names_port(&loaded)));
        if port.is_some() || self.bind.is_some() {
            let mut config = (*loaded.config).clone();
            config.gateway.port = port.unwrap_or(config.gateway.port);
            config.gateway.bind = self.bind.clone().unwrap_or(config.gateway.bind);
            loaded.config = Arc::new(config);
        }
        loaded
    }
}

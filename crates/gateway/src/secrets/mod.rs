//! Secrets by name: in the key store of the system, else in `secrets.yaml`. Set and removed over the wire, read only by
//! the parts of the gateway that use them; what is read or set is kept out of the logs from then on.
//!
//! `vault` asks the key store, in bounded time; `os` is the one of each system. `file` is `secrets.yaml`. `index` knows
//! the names in the key store, `usage` where the configuration names any. A name in both places counts as in the file,
//! which a person may have written.
//!
//! Elsewhere: what the configuration may hold in place of a secret (`config::SecretRef`), hiding secrets in what is
//! shown of it (`config`) and in the logs (`logging`).

mod file;
mod index;
mod os;
mod outside;
mod usage;
mod vault;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simpleclaw_protocol::methods::secrets::{MAX_SECRET_BYTES, SecretPlace};
use simpleclaw_protocol::session::valid_name;

pub use usage::uses;

use self::file::SecretsFile;
use self::index::{Index, MAX_NAMES};
use self::vault::{Open, Vault, account};
use crate::config::{Secret, SecretRef};
use crate::home::Home;
use crate::logging::register_secret;

/// How long the key store may take for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often one that refuses is asked again. It may ask a person each time.
const ASKED_AGAIN: Duration = Duration::from_secs(300);
/// How often it is looked whether one that hangs goes on.
const LOOKED_AFTER: Duration = Duration::from_secs(1);

/// Why a secret is not there, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    pub words: String,
    /// It may be there later, without anyone setting it: the key store does not answer.
    pub later: bool,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    #[error("must be 1 to 64 of a-z 0-9 . _ - and start with a letter or digit")]
    Name,
    #[error("{0}")]
    Value(&'static str),
    #[error("a secret has at most 64 KiB; put a longer one into a file and write {{file: path}}")]
    TooLong,
    #[error("there are {MAX_NAMES} secrets already; remove what nobody uses")]
    TooMany,
    #[error("there is no secret `{0}`: `simpleclaw secrets list` names them")]
    NoSuch(String),
    #[error("`{name}` is in {}, which cannot be used: {why}. Unlock it, then try again", os::NAME)]
    KeyStore { name: String, why: String },
    /// `secrets.yaml`, or what is known of the key store.
    #[error("{0}")]
    Disk(String),
}

/// What there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub places: BTreeMap<String, SecretPlace>,
    /// Of the next one.
    pub place: SecretPlace,
    pub problems: Vec<String>,
}

/// Clones share it.
#[derive(Clone)]
pub struct Secrets {
    shared: Arc<Shared>,
}

struct Shared {
    home: Home,
    vault: Vault,
    index: Mutex<Index>,
    writing: tokio::sync::Mutex<()>,
}

/// What can be said of a reference without asking the key store.
enum Found {
    Known(Result<Secret, String>),
    InKeyStore(String),
}

impl Secrets {
    /// Asks no key store yet. A `secrets.yaml` that cannot be used is said at once.
    pub fn open(home: &Home) -> Self {
        Self::with(home, Arc::new(os::open), PATIENCE)
    }

    fn with(home: &Home, open: Open, patience: Duration) -> Self {
        if let Err(words) = SecretsFile::read(&home.secrets_path()) {
            tracing::warn!(target: "diagnostic", source = "secrets", code = "secrets.bad_file", "{words}");
        }
        let index = Index::open(&home.secrets_index_path());
        let vault = Vault::new(open, index.home(), patience);
        let shared =
            Shared { home: home.clone(), vault, index: Mutex::new(index), writing: tokio::sync::Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// The secret, where no key store has to be asked for it; `None` where one has.
    pub fn resolve_now(&self, reference: &SecretRef) -> Option<Result<Secret, Unresolved>> {
        match self.shared.find(reference) {
            Found::Known(found) => Some(found.map_err(|words| Unresolved { words, later: false })),
            Found::InKeyStore(_) => None,
        }
    }

    /// The secret. An error never holds one.
    pub async fn resolve(&self, reference: &SecretRef) -> Result<Secret, Unresolved> {
        let name = match self.shared.find(reference) {
            Found::Known(found) => return found.map_err(|words| Unresolved { words, later: false }),
            Found::InKeyStore(name) => name,
        };
        let remedy = format!("run `simpleclaw secrets set {name}`");
        match self.shared.vault.get(self.shared.account(&name)).await {
            Ok(Some(text)) => {
                register_secret(&text);
                Ok(Secret::new(text))
            }
            Ok(None) => {
                Err(Unresolved { words: format!("`{name}` is gone from {}; {remedy}", os::NAME), later: false })
            }
            Err(why) => {
                let words = format!("`{name}` is in {}, which cannot be used: {why}. Unlock it, or {remedy}", os::NAME);
                Err(Unresolved { words, later: true })
            }
        }
    }

    /// Held by the one who changes a secret, so that what one stores no other one removes meanwhile.
    pub async fn one_writer(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.shared.writing.lock().await
    }

    /// Keeps a secret, in place of the one of that name: in the key store, or in the file where there is none that
    /// works. Returns once it is on the disk.
    pub async fn set(&self, name: &str, value: Secret) -> Result<SecretPlace, Failed> {
        if !valid_name(name) {
            return Err(Failed::Name);
        }
        check_value(value.expose())?;
        register_secret(value.expose());
        let name = name.to_owned();
        let room = self.on_disk({
            let name = name.clone();
            move |shared| Ok(shared.has_room_for(&name))
        });
        if !room.await? {
            return Err(Failed::TooMany);
        }
        let stored = self.shared.vault.set(self.shared.account(&name), value.expose().to_owned()).await;
        match stored {
            Ok(()) => {
                self.on_disk(move |shared| shared.is_in_key_store(&name)).await?;
                Ok(SecretPlace::KeyStore)
            }
            Err(why) => {
                tracing::info!(target: "diagnostic", source = "secrets", code = "secrets.no_key_store", name, why, "a secret is kept in secrets.yaml, since {} cannot be used", os::NAME);
                self.on_disk(move |shared| shared.put_into_file(&name, &value)).await?;
                Ok(SecretPlace::File)
            }
        }
    }

    /// Forgets a secret, wherever it is.
    pub async fn remove(&self, name: &str) -> Result<(), Failed> {
        let in_key_store = self.shared.index().has(name);
        let name = name.to_owned();
        let in_file = self.on_disk({
            let name = name.clone();
            move |shared| Ok(shared.file()?.names().any(|known| known == name))
        });
        if !in_file.await? && !in_key_store {
            return Err(Failed::NoSuch(name));
        }
        if in_key_store && let Err(why) = self.shared.vault.remove(self.shared.account(&name)).await {
            return Err(Failed::KeyStore { name, why });
        }
        self.on_disk(move |shared| shared.forget(&name)).await
    }

    /// All names. Tries the key store, so that it can be said where the next one goes.
    pub async fn list(&self) -> Listing {
        let ready = self.shared.vault.ready().await;
        let mut problems = Vec::new();
        let mut places = BTreeMap::new();
        match self.on_disk(|shared| Ok(shared.file()?.names().map(str::to_owned).collect::<Vec<_>>())).await {
            Ok(names) => places.extend(names.into_iter().map(|name| (name, SecretPlace::File))),
            Err(failed) => problems.push(failed.to_string()),
        }
        let in_file = places.len();
        for name in self.shared.index().names() {
            places.entry(name.to_owned()).or_insert(SecretPlace::KeyStore);
        }
        let others = places.len() - in_file;
        if let (Err(why), true) = (&ready, others > 0) {
            problems.push(format!("{others} of them are in {}, which cannot be used: {why}", os::NAME));
        }
        let place = if ready.is_ok() { SecretPlace::KeyStore } else { SecretPlace::File };
        Listing { places, place, problems }
    }

    /// After a failure: as soon as what hung goes on, since a person may have unlocked it; else much later.
    pub async fn until_the_key_store_may_answer(&self) {
        if !self.shared.vault.has_hung() {
            return tokio::time::sleep(ASKED_AGAIN).await;
        }
        while self.shared.vault.hangs() {
            tokio::time::sleep(LOOKED_AFTER).await;
        }
    }

    /// What stands for a value where it is only compared with others.
    pub async fn hash(&self, value: &Secret) -> Result<String, Failed> {
        let value = value.clone();
        self.on_disk(move |shared| {
            let index = shared.index().clone();
            index.hash(value.expose()).map_err(|error| shared.unwritten(&error))
        })
        .await
    }

    /// Work on files, off the threads that answer everyone.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shared) -> Result<T, String> + Send + 'static,
    ) -> Result<T, Failed> {
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || work(&shared)).await {
            Ok(done) => done.map_err(Failed::Disk),
            Err(error) => Err(Failed::Disk(error.to_string())),
        }
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self, name: &str) -> String {
        account(self.index().home(), name)
    }

    fn file(&self) -> Result<SecretsFile, String> {
        SecretsFile::read(&self.home.secrets_path())
    }

    fn find(&self, reference: &SecretRef) -> Found {
        let found = match reference {
            SecretRef::Literal(secret) => Ok(secret.clone()),
            SecretRef::Env { env } => outside::from_variable(env),
            SecretRef::File { file } => outside::from_file(&self.home.path().join(file)),
            SecretRef::Secret { secret: name } => match self.file().and_then(|file| file.get(name)) {
                Ok(Some(secret)) => Ok(secret),
                // A file that cannot be read does not keep from what is elsewhere.
                _ if self.index().has(name) => return Found::InKeyStore(name.clone()),
                Ok(None) => Err(missing(name)),
                Err(words) => Err(words),
            },
        };
        Found::Known(found.inspect(|secret| register_secret(secret.expose())))
    }

    /// A file that cannot be read is said where it is needed.
    fn has_room_for(&self, name: &str) -> bool {
        let file = self.file().ok();
        let index = self.index();
        let known = || file.iter().flat_map(SecretsFile::names).chain(index.names());
        known().any(|known| known == name) || known().count() < MAX_NAMES
    }

    /// The key store has it now; an older one in the file would count before it.
    fn is_in_key_store(&self, name: &str) -> Result<(), String> {
        self.change_index(|index| if index.has(name) { Ok(index.clone()) } else { index.with(name) })?;
        self.file()?.remove(name)
    }

    /// The key store may have an older one, which the file hides; its name stays known, so that it can be forgotten.
    fn put_into_file(&self, name: &str, value: &Secret) -> Result<(), String> {
        self.file()?.set(name, value)
    }

    fn forget(&self, name: &str) -> Result<(), String> {
        self.file()?.remove(name)?;
        self.change_index(|index| if index.has(name) { index.without(name) } else { Ok(index.clone()) })
    }

    /// Only ever by the one writer. Others read the old one until the new one is on the disk.
    fn change_index(&self, change: impl FnOnce(&Index) -> std::io::Result<Index>) -> Result<(), String> {
        let before = self.index().clone();
        let after = change(&before).map_err(|error| self.unwritten(&error))?;
        *self.index() = after;
        Ok(())
    }

    fn unwritten(&self, error: &std::io::Error) -> String {
        format!("{} cannot be written: {error}", self.home.secrets_index_path().display())
    }
}

fn missing(name: &str) -> String {
    match valid_name(name) {
        true => format!("there is no secret `{name}`; run `simpleclaw secrets set {name}`"),
        // It may be anything, even the secret itself.
        false => "there is no secret of this name: a name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit; run `simpleclaw secrets set NAME` and write {secret: NAME}".to_owned(),
    }
}

fn check_value(value: &str) -> Result<(), Failed> {
    if value.trim().is_empty() {
        return Err(Failed::Value("is empty; `secrets.remove` forgets a secret"));
    }
    if value.len() > MAX_SECRET_BYTES {
        return Err(Failed::TooLong);
    }
    match value.contains(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        true => Err(Failed::Value("has a control character in it; a secret is text")),
        false => Ok(()),
    }
}

#[cfg(all(test, unix))]
mod tests;

//! The key store of each system, behind one interface.

use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};

use super::vault::KeyStore;

/// How people call it.
#[cfg(target_os = "macos")]
pub const NAME: &str = "the keychain";
#[cfg(windows)]
pub const NAME: &str = "the Credential Manager";
#[cfg(all(unix, not(target_os = "macos")))]
pub const NAME: &str = "the Secret Service";

/// Under what all that is ours stands in it.
const SERVICE: &str = "SimpleClaw";

pub fn open() -> Result<Box<dyn KeyStore>, String> {
    #[cfg(target_os = "macos")]
    let store = apple_native_keyring_store::keychain::Store::new();
    #[cfg(windows)]
    let store = windows_native_keyring_store::Store::new();
    #[cfg(all(unix, not(target_os = "macos")))]
    let store = zbus_secret_service_keyring_store::Store::new();
    let store: Arc<CredentialStore> = store.map_err(|error| words(&error))?;
    Ok(Box::new(System(store)))
}

struct System(Arc<CredentialStore>);

impl System {
    fn entry(&self, account: &str) -> Result<Entry, String> {
        self.0.build(SERVICE, account, None).map_err(|error| words(&error))
    }
}

impl KeyStore for System {
    fn get(&self, account: &str) -> Result<Option<String>, String> {
        match self.entry(account)?.get_password() {
            Ok(value) => Ok(Some(value)),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(words(&error)),
        }
    }

    fn set(&self, account: &str, value: &str) -> Result<(), String> {
        self.entry(account)?.set_password(value).map_err(|error| words(&error))
    }

    fn remove(&self, account: &str) -> Result<(), String> {
        match self.entry(account)?.delete_credential() {
            Ok(()) | Err(Error::NoEntry) => Ok(()),
            Err(error) => Err(words(&error)),
        }
    }
}

/// Never what an error carries of a value.
fn words(error: &Error) -> String {
    match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::TooLong(_, most) => format!("it takes at most {most} characters"),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "it holds something unreadable there".to_owned(),
        Error::Ambiguous(_) => "it has several entries of this name; remove all but one".to_owned(),
        Error::NotSupportedByStore(_) => "it cannot do this".to_owned(),
        _ => "it failed".to_owned(),
    }
}

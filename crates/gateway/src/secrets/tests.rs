use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Condvar;

use super::vault::KeyStore;
use super::*;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::home::tests::{fresh, mode};

/// How a key store of the tests is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum How {
    #[default]
    Works,
    Refuses,
    /// Takes everything and keeps nothing.
    Forgets,
    /// Until it is told otherwise.
    Hangs,
    Panics,
}

#[derive(Clone, Default)]
struct Fake {
    kept: Arc<Mutex<BTreeMap<String, String>>>,
    how: Arc<(Mutex<How>, Condvar)>,
}

impl Fake {
    fn be(&self, how: How) {
        *self.how.0.lock().expect("unbroken") = how;
        self.how.1.notify_all();
    }

    fn values(&self) -> Vec<String> {
        self.kept.lock().expect("unbroken").values().cloned().collect()
    }

    fn meet(&self) -> Result<How, String> {
        let (how, changed) = &*self.how;
        let how = *changed.wait_while(how.lock().expect("unbroken"), |how| *how == How::Hangs).expect("unbroken");
        match how {
            How::Refuses => Err("it is locked".to_owned()),
            How::Panics => panic!("on purpose"),
            how => Ok(how),
        }
    }

    fn secrets(&self, home: &Home) -> Secrets {
        let fake = self.clone();
        Secrets::with(
            home,
            Arc::new(move || Ok(Box::new(fake.clone()) as Box<dyn KeyStore>)),
            // Enough for what answers; what hangs is never released before it is over.
            Duration::from_millis(500),
        )
    }
}

impl KeyStore for Fake {
    fn get(&self, account: &str) -> Result<Option<String>, String> {
        let how = self.meet()?;
        let kept = self.kept.lock().expect("unbroken").get(account).cloned();
        Ok(kept.filter(|_| how != How::Forgets))
    }

    fn set(&self, account: &str, value: &str) -> Result<(), String> {
        if self.meet()? != How::Forgets {
            self.kept.lock().expect("unbroken").insert(account.to_owned(), value.to_owned());
        }
        Ok(())
    }

    fn remove(&self, account: &str) -> Result<(), String> {
        self.meet()?;
        self.kept.lock().expect("unbroken").remove(account);
        Ok(())
    }
}

fn named(name: &str) -> SecretRef {
    SecretRef::Secret { secret: name.to_owned() }
}

async fn text(secrets: &Secrets, name: &str) -> Result<String, Unresolved> {
    secrets.resolve(&named(name)).await.map(|secret| secret.expose().to_owned())
}

fn set<'a>(secrets: &'a Secrets, name: &'a str, value: &str) -> impl Future<Output = Result<SecretPlace, Failed>> + 'a {
    secrets.set(name, Secret::new(value))
}

#[tokio::test]
async fn a_key_store_that_works_has_them() {
    let (_folder, home) = fresh();
    let fake = Fake::default();
    let secrets = fake.secrets(&home);
    assert_eq!(set(&secrets, "work", "first-value").await, Ok(SecretPlace::KeyStore));
    assert_eq!(set(&secrets, "work", "second-value").await, Ok(SecretPlace::KeyStore));
    assert_eq!(fake.values(), ["second-value"], "the probe is gone, and so is the first");
    assert!(!home.secrets_path().exists());
    assert_eq!(mode(&home.secrets_index_path()), 0o600);
    assert!(!fs::read_to_string(home.secrets_index_path()).expect("is there").contains("value"));

    // After a start, too.
    let secrets = fake.secrets(&home);
    assert!(secrets.resolve_now(&named("work")).is_none(), "only the key store knows");
    assert_eq!(text(&secrets, "work").await.as_deref(), Ok("second-value"));
    let list = secrets.list().await;
    assert_eq!(list.places, BTreeMap::from([("work".to_owned(), SecretPlace::KeyStore)]));
    assert_eq!((list.place, list.problems), (SecretPlace::KeyStore, vec![]));

    // Another home has its own.
    let (_folder, other) = fresh();
    let other = fake.secrets(&other);
    assert!(text(&other, "work").await.is_err());
    assert_eq!(set(&other, "work", "other-value").await, Ok(SecretPlace::KeyStore));
    assert_eq!(text(&secrets, "work").await.as_deref(), Ok("second-value"));

    assert_eq!(secrets.remove("work").await, Ok(()));
    assert_eq!(fake.values(), ["other-value"]);
    assert_eq!(secrets.remove("work").await, Err(Failed::NoSuch("work".to_owned())));
    let gone = text(&secrets, "work").await.expect_err("is gone");
    assert!(gone.words.contains("run `simpleclaw secrets set work`") && !gone.later, "{gone:?}");
}

#[tokio::test]
async fn without_a_key_store_the_file_has_them() {
    for how in [How::Refuses, How::Forgets, How::Panics, How::Hangs] {
        let (_folder, home) = fresh();
        let fake = Fake::default();
        fake.be(how);
        let secrets = fake.secrets(&home);
        assert_eq!(set(&secrets, "work", "some-value").await, Ok(SecretPlace::File), "{how:?}");
        assert_eq!(mode(&home.secrets_path()), 0o600);
        assert!(secrets.resolve_now(&named("work")).is_some(), "nobody has to be asked");
        assert_eq!(text(&secrets, "work").await.as_deref(), Ok("some-value"));
        let list = secrets.list().await;
        assert_eq!(list.places, BTreeMap::from([("work".to_owned(), SecretPlace::File)]));
        assert_eq!((list.place, list.problems), (SecretPlace::File, vec![]));

        // It is used as soon as it works, and then there is one place.
        fake.be(How::Works);
        while secrets.list().await.place != SecretPlace::KeyStore {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(fake.values(), Vec::<String>::new(), "{how:?}: what came too late was taken back");
        assert_eq!(set(&secrets, "work", "new-value").await, Ok(SecretPlace::KeyStore));
        assert_eq!(fake.values(), ["new-value"]);
        assert!(!fs::read_to_string(home.secrets_path()).expect("is there").contains("value"));
        assert_eq!(text(&secrets, "work").await.as_deref(), Ok("new-value"));
    }
}

#[tokio::test]
async fn a_key_store_that_stops_answering_is_said_and_delays_once() {
    let (_folder, home) = fresh();
    let fake = Fake::default();
    let secrets = fake.secrets(&home);
    assert_eq!(set(&secrets, "work", "some-value").await, Ok(SecretPlace::KeyStore));
    fake.be(How::Hangs);
    let error = text(&secrets, "work").await.expect_err("hangs");
    assert!(error.later && error.words.contains("did not answer within 0.5 s"), "{error:?}");
    let again = text(&secrets, "work").await.expect_err("hangs");
    assert!(again.later && again.words.contains("still does not answer"), "{again:?}");
    let refused = secrets.remove("work").await.expect_err("cannot be known to be gone");
    assert!(matches!(refused, Failed::KeyStore { .. }), "{refused}");
    let list = secrets.list().await;
    assert_eq!(list.places, BTreeMap::from([("work".to_owned(), SecretPlace::KeyStore)]));
    assert!(list.problems.iter().any(|words| words.starts_with("1 of them")), "{:?}", list.problems);

    // One that is set now goes into the file, and counts from then on.
    assert_eq!(set(&secrets, "work", "newer-value").await, Ok(SecretPlace::File));
    fake.be(How::Works);
    assert_eq!(text(&secrets, "work").await.as_deref(), Ok("newer-value"));
    while secrets.list().await.place != SecretPlace::KeyStore {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(secrets.remove("work").await, Ok(()));
    assert_eq!(fake.values(), Vec::<String>::new(), "the older one is forgotten as well");
    assert!(text(&secrets, "work").await.is_err());
}

#[tokio::test]
async fn what_a_person_writes_into_the_file_counts() {
    let (_folder, home) = fresh();
    let fake = Fake::default();
    let secrets = fake.secrets(&home);
    assert_eq!(set(&secrets, "work", "stored-value").await, Ok(SecretPlace::KeyStore));
    let write = |text: &str, mode: u32| {
        fs::write(home.secrets_path(), text).expect("writes");
        fs::set_permissions(home.secrets_path(), fs::Permissions::from_mode(mode)).expect("sets");
    };
    write("work: by-hand\nOTHER: other-value\n", 0o600);
    assert_eq!(text(&secrets, "work").await.as_deref(), Ok("by-hand"));
    assert_eq!(text(&secrets, "OTHER").await.as_deref(), Ok("other-value"));
    write("work: by-hand\n", 0o644);
    assert_eq!(text(&secrets, "work").await.as_deref(), Ok("stored-value"), "an open file does not count");
    let error = text(&secrets, "other").await.expect_err("cannot be read");
    assert!(error.words.contains("run `chmod 600"), "{error:?}");
    let error = set(&secrets, "work", "new-value").await.expect_err("the old one could not be taken out");
    assert!(matches!(&error, Failed::Disk(words) if words.contains("chmod 600")), "{error}");
    assert!(secrets.list().await.problems.iter().any(|words| words.contains("chmod 600")));
    assert_eq!(fs::read_to_string(home.secrets_path()).expect("is there"), "work: by-hand\n");
}

#[tokio::test]
async fn what_is_no_name_and_no_secret() {
    let (_folder, home) = fresh();
    let secrets = Fake::default().secrets(&home);
    for name in ["", "A", ".a", "a b", "a/b", "ü", &"a".repeat(65)] {
        assert_eq!(set(&secrets, name, "value").await, Err(Failed::Name), "{name:?}");
    }
    for (value, expected) in [
        ("", false),
        (" \n", false),
        ("a\u{0}b", false),
        ("a\u{1b}[0m", false),
        ("-----BEGIN KEY-----\n\tx\r\n", true),
        ("x".repeat(MAX_SECRET_BYTES).as_str(), true),
        ("x".repeat(MAX_SECRET_BYTES + 1).as_str(), false),
    ] {
        assert_eq!(set(&secrets, "work", value).await.is_ok(), expected, "{} bytes", value.len());
    }
    let error = text(&secrets, "sk-Live 0123").await.expect_err("is no name");
    assert!(!error.words.contains("0123"), "what is no name may be a secret: {error:?}");
}

#[tokio::test]
async fn a_turn_waits_for_a_key_that_only_the_key_store_has() {
    let (_folder, home) = fresh();
    let fake = Fake::default();
    assert_eq!(set(&fake.secrets(&home), "work", "some-value").await, Ok(SecretPlace::KeyStore));
    let provider = serde_json::json!({
        "api": "openai", "baseUrl": "http://127.0.0.1:9/v1", "apiKey": {"secret": "work"}, "models": [{"id": "m"}]
    });
    let config = serde_json::json!({"models": {"detect": false, "providers": {"work": provider}}});
    let config: Config = serde_json::from_value(config).expect("is a configuration");
    let secrets = fake.secrets(&home);
    let catalog = Catalog::new(&config, &secrets);
    assert_eq!(catalog.trouble(), None, "nothing is wrong before the key store was asked");
    let come = async {
        catalog.until_keys_may_be_there(&secrets).await;
        catalog.configure(&config, &secrets).await;
    };
    let (resolved, ()) = tokio::join!(catalog.resolve("work/m", "requested"), come);
    assert_eq!(resolved.expect("has its key").id(), "work/m");

    fake.be(How::Hangs);
    catalog.configure(&config, &secrets).await;
    assert!(catalog.trouble().is_some_and(|words| words.contains("work")));
    let error = catalog.resolve("work/m", "requested").await.err().expect("has no key");
    assert!(error.message.contains("did not answer within 0.5 s"), "{}", error.message);
    fake.be(How::Works);
    catalog.until_keys_may_be_there(&secrets).await;
    catalog.configure(&config, &secrets).await;
    assert_eq!(catalog.trouble(), None);
}

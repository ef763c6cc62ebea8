//! What another configuration makes of the providers there are.

use serde_json::{Value, json};

use super::*;
use crate::home::tests::fresh;

/// Nobody listens there.
fn provider(path: &str, key: &str) -> Value {
    let url = format!("http://127.0.0.1:9/{path}");
    json!({ "api": "openai", "baseUrl": url, "apiKey": key, "models": [{ "id": "m" }] })
}

fn config(providers: &Value) -> Config {
    serde_json::from_value(json!({ "models": { "detect": false, "providers": providers } })).expect("a configuration")
}

fn source(catalog: &Catalog, id: &str) -> Source {
    catalog.configured().iter().find(|source| source.id == id).cloned().expect("is configured")
}

fn fail(catalog: &Catalog, provider: &str) {
    let error = no_provider(provider, "m", "refused".to_owned());
    catalog.failed(&ProviderError { kind: ProviderErrorKind::Auth, ..error });
}

/// These, with a list and a failure each.
async fn known(catalog: &Catalog, ids: &[&str]) -> Vec<Source> {
    let mut sources = Vec::new();
    for id in ids {
        let source = source(catalog, id);
        source.models().await.expect("are listed");
        fail(catalog, id);
        sources.push(source);
    }
    sources
}

/// Whether it is the one from before, with the list that it gave and the failure that it had.
fn kept(catalog: &Catalog, before: &Source) -> bool {
    let now = source(catalog, &before.id);
    let provider = |source: &Source| source.built("m").expect("could be built");
    let kept = [
        Arc::ptr_eq(&provider(before), &provider(&now)),
        now.asked().is_some(),
        catalog.cooling(&format!("{}/m", before.id)).is_some(),
    ];
    assert!(kept == [true; 3] || kept == [false; 3], "{}: all or nothing: {kept:?}", before.id);
    kept == [true; 3]
}

#[tokio::test]
async fn only_what_changed_is_built_anew() {
    let (folder, home) = fresh();
    let key_file = folder.path().join("key");
    std::fs::write(&key_file, "sk-of-the-file\n").expect("writes");
    let secrets = Secrets::open(&home);
    let mut providers = json!({
        "key": provider("v1", "sk-old"),
        "moved": provider("v1", "sk-old"),
        "same": provider("v1", "sk-of-the-file"),
        "gone": provider("v1", "sk-old"),
    });
    let catalog = Catalog::new(&config(&providers), &secrets);
    let before = known(&catalog, &["key", "moved", "same", "gone"]).await;
    // Found on this machine, and nothing of the configuration.
    fail(&catalog, "found");
    fail(&catalog, "new");

    providers["key"] = provider("v1", "sk-new");
    providers["moved"] = provider("v2", "sk-old");
    // The same key, kept elsewhere.
    providers["same"]["apiKey"] = json!({ "file": key_file });
    providers["new"] = provider("v1", "sk-old");
    providers.as_object_mut().expect("is an object").remove("gone");
    catalog.configure(&config(&providers), &secrets).await;
    let [key, moved, same, _] = before.as_slice() else { panic!("four") };
    assert!(kept(&catalog, same) && !kept(&catalog, key) && !kept(&catalog, moved));
    assert!(catalog.cooling("gone/m").is_none() && catalog.cooling("new/m").is_none());
    assert!(catalog.cooling("found/m").is_some(), "no configuration changed it");

    let before = known(&catalog, &["key", "moved", "new", "same"]).await;
    // The key is another one, and the configuration is not.
    std::fs::write(&key_file, "sk-of-another-day\n").expect("writes");
    catalog.configure(&config(&providers), &secrets).await;
    let left: Vec<_> = before.iter().map(|source| kept(&catalog, source)).collect();
    assert_eq!(left, [true, true, true, false]);
}

#[tokio::test]
async fn what_could_not_be_built_is_tried_again() {
    let (folder, home) = fresh();
    let key_file = folder.path().join("key");
    let secrets = Secrets::open(&home);
    let mut provider = provider("v1", "");
    provider["apiKey"] = json!({ "file": key_file });
    let config = config(&json!({ "a": provider }));
    let catalog = Catalog::new(&config, &secrets);
    assert!(catalog.trouble().is_some(), "there is no such file");
    std::fs::write(&key_file, "sk-here-now").expect("writes");
    catalog.configure(&config, &secrets).await;
    assert_eq!(catalog.trouble(), None);
    std::fs::remove_file(&key_file).expect("removes");
    catalog.configure(&config, &secrets).await;
    assert!(catalog.trouble().is_some(), "a provider without its key does not go on");
}

//! A home that lives while it is saved, files that are damaged, archives that nobody wrote in good faith.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tar::EntryType;

use super::*;
use crate::home::hex;
use crate::home::tests::{fresh, mode};
use crate::store::Store;
use crate::supervisor::Supervisor;

const CONFIG: &str = "# mine\nmodels: {detect: false}   # quiet\n";

/// A home with a bit of everything, and its store, open.
async fn lived_in() -> (TempDir, Home, Store, Supervisor) {
    let (folder, home) = fresh();
    let (store, writer) = Store::open(&home.db_path()).await.expect("opens");
    let supervisor = Supervisor::default();
    supervisor.spawn("store", writer);
    attach(&store, "carried").await;
    attach(&store, "lost").await;
    let workspace = home.agent_workspace("main");
    let deep = workspace.join("a folder").join("n".repeat(90)).join("m".repeat(90));
    fs::create_dir_all(&deep).expect("makes");
    for (path, content) in [
        (home.config_path(), CONFIG),
        (home.path().join("config.history"), ""),
        (home.token_path(), "t"),
        (home.secrets_path(), "acme: s3cret\n"),
        (home.attachments_dir().join("carried"), "a picture"),
        (home.attachments_dir().join("orphan"), "of nobody"),
        (workspace.join("run.sh"), "#!/bin/sh\n"),
        (deep.join("größe.txt"), "deep"),
        (home.logs_dir().join("a.log"), "not saved"),
    ] {
        match content {
            "" => fs::create_dir(&path).expect("makes"),
            _ => fs::write(&path, content).expect("writes"),
        }
    }
    fs::write(home.path().join("config.history/1.yaml"), "{}\n").expect("writes");
    fs::set_permissions(workspace.join("run.sh"), fs::Permissions::from_mode(0o755)).expect("sets");
    symlink("/etc/passwd", workspace.join("link")).expect("links");
    (folder, home, store, supervisor)
}

/// Notes that a message carries this file.
async fn attach(store: &Store, hash: &'static str) {
    let sql = "INSERT INTO attachments (id, message_id, sha256, name, mime_type, size_bytes, created_at) \
               VALUES (?, 'm', ?, 'n', 'a/b', 1, 0)";
    store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(sql).bind(hash).bind(hash).execute(tx).await?;
                Ok::<(), StoreError>(())
            })
        })
        .await
        .expect("stores");
}

fn paths(manifest: &Manifest) -> Vec<&str> {
    manifest.files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn there_and_back_again() {
    let (folder, home, store, _supervisor) = lived_in().await;
    for secrets in [false, true] {
        let file = folder.path().join(format!("{secrets}.tar.gz"));
        let created = create(&home, &file, secrets).await.expect("creates");
        assert_eq!((mode(&file), created.size_bytes), (0o600, fs::metadata(&file).expect("is there").len()));
        assert_eq!(verify(&file).await.expect("is whole"), created.manifest);
        let saved = paths(&created.manifest);
        assert_eq!(saved.contains(&"token"), secrets);
        assert_eq!(saved.contains(&"secrets.yaml"), secrets);
        assert!(!saved.iter().any(|path| path.contains("orphan") || path.contains("log")), "{saved:?}");
        let left: Vec<_> = created.manifest.left_out.iter().map(|left| left.path.as_str()).collect();
        assert_eq!(left, ["agents/main/workspace/link", "state/attachments/lost"]);

        let back = Home::at(folder.path().join(format!("back-{secrets}")));
        let restored = restore(&back, &file, false).await.expect("restores");
        assert_eq!((restored.aside, restored.manifest), (None, created.manifest));
        assert_eq!(fs::read_to_string(back.config_path()).expect("is there"), CONFIG);
        assert_eq!(back.token_path().exists(), secrets);
        assert_eq!(fs::read(back.attachments_dir().join("carried")).expect("is there"), b"a picture");
        let workspace = back.agent_workspace("main");
        let deep = workspace.join("a folder").join("n".repeat(90)).join("m".repeat(90)).join("größe.txt");
        assert_eq!(fs::read_to_string(&deep).expect("is there"), "deep");
        let modes = [
            mode(&back.config_path()),
            mode(&workspace.join("run.sh")),
            mode(&deep),
            mode(&workspace),
            mode(back.path()),
        ];
        assert_eq!(modes, [0o600, 0o700, 0o600, 0o700, 0o700]);
        let (again, writer) = Store::open(&back.db_path()).await.expect("opens");
        Supervisor::default().spawn("store", writer);
        assert_eq!(again.attached_contents().await.expect("reads").len(), 2);
        again.close().await;
    }
    store.close().await;
    let left: Vec<_> = fs::read_dir(folder.path()).expect("lists").map(|e| e.expect("entry").file_name()).collect();
    assert_eq!(left.len(), 5, "nothing is left over: {left:?}");
}

const HELD: &str = "planted-0123456789";

/// Every file below a folder that holds [`HELD`].
fn holding(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("lists").map(|entry| entry.expect("entry").path());
    let held = |path: PathBuf| match path.is_dir() {
        true => holding(&path),
        false if String::from_utf8_lossy(&fs::read(&path).expect("reads")).contains(HELD) => vec![path],
        false => vec![],
    };
    entries.flat_map(held).collect()
}

/// Only with secrets are those in it that stand as text in the configuration. Without them it can still be used.
#[tokio::test]
async fn secrets_that_stand_as_text_are_in_it_only_when_asked_for() {
    let (folder, home, store, _supervisor) = lived_in().await;
    store.close().await;
    let text = format!(
        "# mine, {HELD}\nmodels:\n  detect: false\n  providers:\n    acme:\n      api: openai\n      apiKey: {HELD}  # of May\n"
    );
    fs::write(home.config_path(), &text).expect("writes");
    fs::write(home.state_dir().join("config.last-good.yaml"), &text).expect("writes");
    let versions = home.history_dir();
    fs::write(versions.join("2.yaml"), format!("# {{}}\n{text}")).expect("writes");
    fs::write(versions.join("3.yaml"), format!("# {{\"diff\":\"{HELD}\"}}\ncron: {{}}\n")).expect("writes");
    fs::write(versions.join("4.yaml"), "# {}\nchannels: {x: {token: {secret: x}}}\n").expect("writes");
    fs::write(versions.join("5.yaml"), b"# {}\ntoken: \xff\n").expect("writes");

    let file = folder.path().join("without.tar.gz");
    let created = create(&home, &file, false).await.expect("creates");
    assert_eq!(verify(&file).await.expect("is whole"), created.manifest);
    let kept: Vec<_> = paths(&created.manifest).into_iter().filter(|path| path.starts_with("config")).collect();
    assert_eq!(kept, ["config.yaml", "config.history/1.yaml", "config.history/4.yaml"]);
    let of_configuration = created.manifest.left_out.iter().filter(|left| left.path.contains("config"));
    let left: Vec<_> = of_configuration.map(|left| (left.path.as_str(), left.reason.as_str())).collect();
    let held = "secrets stand in it as text";
    let expected = [
        (
            "config.yaml",
            "the secret at /models/providers/acme/apiKey; after a restore, `simpleclaw secrets set acme` gives it back",
        ),
        ("config.yaml", "what else looks like a secret in it; `__masked__` stands there"),
        ("state/config.last-good.yaml", held),
        ("config.history/2.yaml", held),
        ("config.history/3.yaml", held),
        ("config.history/5.yaml", held),
    ];
    assert_eq!(left, expected);
    let back = Home::at(folder.path().join("without"));
    restore(&back, &file, false).await.expect("restores");
    assert_eq!(holding(back.path()), Vec::<PathBuf>::new());
    let now = fs::read_to_string(back.config_path()).expect("is there");
    assert!(now.starts_with("# mine, __masked__\nmodels:\n  detect: false\n") && now.contains("# of May"), "{now}");
    let loaded = crate::config::preview(&back).expect("it can be started with");
    let key = crate::config::get(&loaded, "models.providers.acme.apiKey");
    assert_eq!((loaded.valid, key), (true, Some(serde_json::json!({ "secret": "acme" }))));

    let file = folder.path().join("with.tar.gz");
    create(&home, &file, true).await.expect("creates");
    let back = Home::at(folder.path().join("with"));
    restore(&back, &file, false).await.expect("restores");
    assert_eq!(holding(back.path()).len(), 4);
    assert_eq!(fs::read_to_string(back.config_path()).expect("is there"), text);
}

#[tokio::test]
async fn what_is_written_meanwhile_is_in_it_whole_or_not_at_all() {
    let (folder, home, store, supervisor) = lived_in().await;
    let writing = store.clone();
    supervisor.spawn_until_stop("writes", async move {
        for number in 0_i64.. {
            let pair = writing.write(move |tx| {
                Box::pin(async move {
                    for side in ["a", "b"] {
                        sqlx::query("INSERT INTO meta (key, value) VALUES (?, ?)")
                            .bind(format!("{side}{number:09}"))
                            .bind("x".repeat(500))
                            .execute(&mut *tx)
                            .await?;
                    }
                    Ok::<(), StoreError>(())
                })
            });
            pair.await.expect("stores");
        }
    });
    for round in 0..5 {
        let file = folder.path().join(format!("{round}.tar.gz"));
        create(&home, &file, false).await.expect("creates");
        let back = Home::at(folder.path().join(format!("back-{round}")));
        restore(&back, &file, false).await.expect("restores");
        let options = SqliteConnectOptions::new().filename(back.db_path()).read_only(true);
        let mut database = options.connect().await.expect("opens");
        let keys = "SELECT substr(key, 2) FROM meta WHERE key GLOB 'a*' ORDER BY key";
        let left: Vec<String> = sqlx::query_scalar(keys).fetch_all(&mut database).await.expect("reads");
        let keys = "SELECT substr(key, 2) FROM meta WHERE key GLOB 'b*' ORDER BY key";
        let right: Vec<String> = sqlx::query_scalar(keys).fetch_all(&mut database).await.expect("reads");
        database.close().await.expect("closes");
        assert_eq!(left, right, "half a commit");
        assert!(round == 0 || !left.is_empty(), "nothing was written meanwhile: the test has lost its point");
        assert!(left.iter().enumerate().all(|(at, key)| *key == format!("{at:09}")), "a commit is missing");
    }
    supervisor.stopping().cancel();
    store.close().await;
    assert!(supervisor.drain(std::time::Duration::from_secs(10)).await, "the tasks end");
}

#[tokio::test]
async fn damage_anywhere_is_seen() {
    let (folder, home, store, _supervisor) = lived_in().await;
    let file = folder.path().join("whole.tar.gz");
    create(&home, &file, true).await.expect("creates");
    store.close().await;
    let whole = fs::read(&file).expect("reads");
    let bad = folder.path().join("bad.tar.gz");
    let home = Home::at(folder.path().join("never"));
    // The first ten bytes are gzip's own: time and system, which mean nothing.
    for at in (10..whole.len()).step_by(whole.len() / 60) {
        let mut bytes = whole.clone();
        bytes[at] = !bytes[at];
        fs::write(&bad, &bytes).expect("writes");
        verify(&bad).await.expect_err(&format!("a wrong byte at {at}"));
        fs::write(&bad, &whole[..at]).expect("writes");
        verify(&bad).await.expect_err(&format!("cut off at {at}"));
        restore(&home, &bad, false).await.expect_err("is refused");
        assert!(!home.path().exists());
    }
    for more in [&b"x"[..], &whole] {
        fs::write(&bad, [whole.as_slice(), more].concat()).expect("writes");
        assert!(matches!(verify(&bad).await, Err(BackupError::Damaged(_))), "something behind it");
    }
    for nothing in [&b""[..], b"hello", &[0; 4096]] {
        fs::write(&bad, nothing).expect("writes");
        verify(&bad).await.expect_err("is none");
    }
    assert!(verify(folder.path()).await.expect_err("a folder").to_string().contains("no file"));
}

/// An entry of an archive that this module would never write.
struct Piece {
    name: String,
    kind: EntryType,
    content: Vec<u8>,
}

fn piece(name: &str, kind: EntryType, content: &[u8]) -> Piece {
    Piece { name: name.to_owned(), kind, content: content.to_owned() }
}

fn file(name: &str) -> Piece {
    piece(name, EntryType::Regular, b"x")
}

/// A manifest that fits, so that nothing but the piece itself is wrong.
fn manifest(pieces: &[Piece], schema: i64) -> Piece {
    let entry = |piece: &Piece| FileEntry {
        path: piece.name.trim_start_matches(PREFIX).to_owned(),
        size_bytes: piece.content.len() as u64,
        sha256: hex(&Sha256::digest(&piece.content)),
    };
    let manifest = Manifest {
        format: 1,
        created_at: Timestamp(0),
        version: "0".to_owned(),
        schema,
        secrets: false,
        files: pieces.iter().map(entry).collect(),
        left_out: Vec::new(),
    };
    piece(&format!("{PREFIX}{MANIFEST}"), EntryType::Regular, &serde_json::to_vec(&manifest).expect("writes"))
}

fn pack(path: &Path, pieces: &[Piece]) {
    let mut tar = tar::Builder::new(GzEncoder::new(File::create(path).expect("makes"), Compression::fast()));
    for piece in pieces {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(piece.kind);
        header.set_size(piece.content.len() as u64);
        header.set_mode(0o600);
        // The library's own way to set a name refuses what is tested here.
        header.as_gnu_mut().expect("a GNU header").name[..piece.name.len()].copy_from_slice(piece.name.as_bytes());
        header.set_cksum();
        tar.append(&header, piece.content.as_slice()).expect("writes");
    }
    tar.into_inner().expect("ends").finish().expect("ends");
}

#[tokio::test]
async fn hostile_archives_leave_nothing_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("makes");
    let (path, home) = (folder.path().join("hostile.tar.gz"), Home::at(inner.join("home")));
    let mut cases: Vec<Vec<Piece>> = [
        "/etc/cron.d/x",
        "../x",
        "config.yaml",
        "other/config.yaml",
        "simpleclaw-backup/../x",
        "simpleclaw-backup//x",
        "simpleclaw-backup/agents/../../../x",
        "simpleclaw-backup/agents/./x",
        "simpleclaw-backup/agents//x",
        "simpleclaw-backup/agents/x/",
        "simpleclaw-backup/agents",
        "simpleclaw-backup/agentsx/y",
        "simpleclaw-backup/gateway.lock",
        "simpleclaw-backup/plugins/p/plugin.yaml",
        "simpleclaw-backup/state/gateway.db-wal",
        "simpleclaw-backup/",
    ]
    .map(|name| vec![file(name)])
    .into();
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Char,
        EntryType::Block,
        EntryType::Fifo,
        EntryType::Directory,
        EntryType::Continuous,
        EntryType::GNUSparse,
        EntryType::GNULongLink,
        EntryType::XHeader,
        EntryType::XGlobalHeader,
        EntryType::new(b'?'),
    ] {
        cases.push(vec![piece("simpleclaw-backup/agents/x", kind, b"x")]);
    }
    let twice = || file("simpleclaw-backup/agents/x");
    cases.push(vec![twice(), twice()]);
    cases.push(vec![twice(), file("simpleclaw-backup/agents/x/y")]);
    let deep = format!("simpleclaw-backup/agents/{}x", "d/".repeat(70));
    for long in [deep, format!("simpleclaw-backup/agents/{}", "n".repeat(300)), "n".repeat(5000)] {
        cases.push(vec![piece("././@LongLink", EntryType::GNULongName, long.as_bytes()), file("x")]);
    }
    for mut pieces in cases {
        let names: Vec<_> = pieces.iter().map(|piece| (piece.name.clone(), piece.kind)).collect();
        pieces.push(manifest(&pieces, 0));
        pack(&path, &pieces);
        restore(&home, &path, false).await.expect_err(&format!("{names:?}"));
        assert_eq!(fs::read_dir(&inner).expect("lists").count(), 0, "{names:?} left something");
    }

    // And what would be taken but for its manifest.
    let good = || file("simpleclaw-backup/agents/x");
    let alone = manifest(&[], 0);
    for (pieces, words) in [
        (vec![good()], "no manifest"),
        (vec![good(), alone], "other files"),
        (vec![good(), manifest(&[file("agents/y")], 0)], "not what was saved"),
        (vec![manifest(&[], 0), good()], "follows its manifest"),
        (vec![good(), manifest(&[good()], 3)], "database is missing"),
        (
            vec![good(), piece("simpleclaw-backup/manifest.json", EntryType::Regular, b"{\"format\":2}")],
            "newer version",
        ),
        (vec![good(), piece("simpleclaw-backup/manifest.json", EntryType::Regular, b"{}")], "manifest is none"),
    ] {
        pack(&path, &pieces);
        let error = restore(&home, &path, false).await.expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    pack(&path, &[good(), manifest(&[good()], 0)]);
    restore(&home, &path, false).await.expect("an honest one is taken");
}

#[test]
fn what_swells_is_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bomb.tar.gz");
    pack(&path, &[piece("simpleclaw-backup/agents/x", EntryType::Regular, &vec![0; 50 << 20])]);
    assert!(fs::metadata(&path).expect("is there").len() < 1 << 20, "it is small");
    let error = archive::read(&path, 10 << 20, &mut |_| panic!("nothing of it is taken")).expect_err("too large");
    assert!(matches!(error, BackupError::Refused(_)), "{error}");
    // One that only says that it is large, as large as a number can be.
    let mut header = tar::Header::new_gnu();
    header.set_path("simpleclaw-backup/agents/x").expect("a path");
    header.set_mode(0o600);
    header.set_size(u64::MAX >> 2);
    header.set_cksum();
    let mut gzip = GzEncoder::new(File::create(&path).expect("makes"), Compression::fast());
    std::io::Write::write_all(&mut gzip, header.as_bytes()).expect("writes");
    gzip.finish().expect("ends");
    archive::read(&path, archive::MAX_BYTES, &mut |_| Ok(())).expect_err("too large");
}

#[tokio::test]
async fn a_home_with_something_in_it_is_moved_aside_as_a_whole() {
    let (folder, home, store, _supervisor) = lived_in().await;
    let file = folder.path().join("backup.tar.gz");
    create(&home, &file, false).await.expect("creates");
    store.close().await;
    fs::write(home.config_path(), "# newer\n").expect("writes");
    let error = restore(&home, &file, false).await.expect_err("is not empty").to_string();
    assert!(error.contains("--force"), "{error}");

    let lock = home.lock().expect("takes");
    let owner = crate::home::LockFile { pid: 7, url: "ws://127.0.0.1:1".into(), boot_id: "b".into() };
    lock.publish(&owner).expect("writes");
    let error = restore(&home, &file, true).await.expect_err("a gateway runs").to_string();
    assert!(error.contains("process 7") && error.contains("stop it first"), "{error}");
    drop(lock);
    assert_eq!(fs::read_to_string(home.config_path()).expect("is there"), "# newer\n");

    let aside = restore(&home, &file, true).await.expect("restores").aside.expect("was moved");
    assert_eq!(fs::read_to_string(home.config_path()).expect("is there"), CONFIG);
    assert_eq!(fs::read_to_string(aside.join("config.yaml")).expect("is there"), "# newer\n");
    assert!(aside.join("token").exists() && !home.token_path().exists());
    let error = create(&home, &file, false).await.expect_err("is there already").to_string();
    assert!(error.contains("is there already"), "{error}");
    create(&home, &home.path().join("b.tar.gz"), false).await.expect_err("within the home");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_not_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let newer = folder.path().join("newer.db");
    let options = SqliteConnectOptions::new().filename(&newer).create_if_missing(true);
    let mut database = options.connect().await.expect("opens");
    for sql in ["CREATE TABLE _sqlx_migrations (version BIGINT)", "INSERT INTO _sqlx_migrations VALUES (999)"] {
        sqlx::query(sql).execute(&mut database).await.expect("writes");
    }
    database.close().await.expect("closes");
    let bytes = fs::read(&newer).expect("reads");
    let pieces = || vec![piece("simpleclaw-backup/state/gateway.db", EntryType::Regular, &bytes)];
    let (path, home) = (folder.path().join("newer.tar.gz"), Home::at(folder.path().join("home")));
    for (schema, words) in [(999, "newer version of SimpleClaw"), (3, "another than its manifest says")] {
        let mut all = pieces();
        all.push(manifest(&pieces(), schema));
        pack(&path, &all);
        let error = restore(&home, &path, false).await.expect_err(words).to_string();
        assert!(error.contains(words) && !home.path().exists(), "{error}");
    }
}

//! The folder that holds everything of one gateway: where it is, what is where in it, the lock that keeps a second
//! gateway out, and the token that lets clients in.
//!
//! Elsewhere: what `config.yaml` says (`config`), what is written to `logs/` (`logging`), the database's schema
//! (`store`).

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use simpleclaw_protocol::session::valid_name;
use subtle::ConstantTimeEq;

/// Moves the home of every profile.
pub const HOME_VARIABLE: &str = "SIMPLECLAW_HOME";

/// More than this in `gateway.lock` or `token` is not ours.
const SMALL_FILE_BYTES: u64 = 4096;

/// The layout of one home. Only a path: nothing is created or checked before [`Home::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("this user has no home folder; set {HOME_VARIABLE} to the folder that SimpleClaw shall use")]
    NoUserHome,
    #[error("{0:?} is no profile name: 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit")]
    Profile(String),
    #[error("{} is a file, and SimpleClaw needs a folder there; move it away, or set {HOME_VARIABLE}", .0.display())]
    NotAFolder(PathBuf),
    #[error("{} does not hold 64 lower-case hexadecimal digits; remove it and the next start makes a new one", .0.display())]
    BadToken(PathBuf),
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Home {
    /// The home of this user, or the one that `SIMPLECLAW_HOME` names; a profile is the folder beside it with
    /// `-NAME` at its end.
    pub fn resolve(profile: Option<&str>) -> Result<Self, HomeError> {
        let user_home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        Self::locate(std::env::var_os(HOME_VARIABLE), user_home, profile)
    }

    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn locate(
        variable: Option<OsString>,
        user_home: Option<PathBuf>,
        profile: Option<&str>,
    ) -> Result<Self, HomeError> {
        let named = variable.filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = named.or_else(|| user_home.map(|home| home.join(".simpleclaw"))).ok_or(HomeError::NoUserHome)?;
        let mut path = std::path::absolute(&path).map_err(|source| HomeError::Io { doing: "find", path, source })?;
        if let Some(profile) = profile {
            if !valid_name(profile) {
                return Err(HomeError::Profile(profile.to_owned()));
            }
            let mut name = path.file_name().map(OsString::from).unwrap_or_default();
            name.push("-");
            name.push(profile);
            path.set_file_name(name);
        }
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path.join("state")
    }

    pub fn db_path(&self) -> PathBuf {
        self.state_dir().join("gateway.db")
    }

    pub fn token_path(&self) -> PathBuf {
        self.path.join("token")
    }

    pub fn lock_path(&self) -> PathBuf {
        self.path.join("gateway.lock")
    }

    pub fn logs_dir(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub fn trash_dir(&self) -> PathBuf {
        self.path.join("trash")
    }

    /// Where secrets are kept while no key store of the system is used; 0600.
    pub fn secrets_path(&self) -> PathBuf {
        self.path.join("secrets.yaml")
    }

    /// `id` is an agent id, checked by the configuration.
    pub fn agent_workspace(&self, id: &str) -> PathBuf {
        self.path.join("agents").join(id).join("workspace")
    }

    /// Makes the folder (0700), `state/` and `logs/`, where they are missing, and sees that it can be written.
    pub fn create(&self) -> Result<(), HomeError> {
        for folder in [self.path.clone(), self.state_dir(), self.logs_dir()] {
            make_private_folder(&folder)?;
        }
        #[cfg(unix)]
        nix::unistd::access(&self.path, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
            .map_err(|errno| self.io("write to", &self.path, errno.into()))?;
        Ok(())
    }

    /// Takes the lock of the one gateway that may run here, for as long as the answer lives.
    pub fn lock(&self) -> Result<HomeLock, LockError> {
        let path = self.lock_path();
        let failed = |source| LockError { owner: None, source: Some(source), path: path.clone() };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        // A reader that looks whether the lock is held holds it for a moment itself: that is no second gateway.
        for attempt in 0..10 {
            match file.try_lock() {
                Ok(()) => {
                    let lock = HomeLock { file };
                    // What a gateway that was killed has left is not ours.
                    lock.file.set_len(0).map_err(failed)?;
                    return Ok(lock);
                }
                Err(TryLockError::WouldBlock) if attempt < 9 => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(LockError { owner: read_lock_file(&file), source: None, path })
    }

    /// What a running gateway published. `None` where none runs, or it has not come that far yet.
    pub fn read_lock(&self) -> Option<LockFile> {
        let file = File::open(self.lock_path()).ok()?;
        // A gateway that stopped cleanly left nothing, which needs no look at the lock.
        if file.metadata().ok()?.len() == 0 {
            return None;
        }
        match file.try_lock_shared() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock) => read_lock_file(&file),
            Err(TryLockError::Error(_)) => None,
        }
    }

    /// The owner's token; made on the first call.
    pub fn token(&self) -> Result<Token, HomeError> {
        let path = self.token_path();
        match File::open(&path) {
            Ok(file) => self.read_token(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let token = Token::random();
                match create_private(&path, format!("{}\n", token.expose()).as_bytes()) {
                    Ok(()) => Ok(token),
                    // Another process was faster, and its token counts.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        self.read_token(File::open(&path).map_err(|source| self.io("read", &path, source))?)
                    }
                    Err(source) => Err(self.io("write", &path, source)),
                }
            }
            Err(source) => Err(self.io("read", &path, source)),
        }
    }

    fn read_token(&self, file: File) -> Result<Token, HomeError> {
        let path = self.token_path();
        make_private(&file, &path).map_err(|source| self.io("protect", &path, source))?;
        let mut text = String::new();
        match file.take(SMALL_FILE_BYTES).read_to_string(&mut text) {
            Ok(_) => Token::parse(text.trim_ascii_end()).ok_or(HomeError::BadToken(path)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(HomeError::BadToken(path)),
            Err(source) => Err(self.io("read", &path, source)),
        }
    }

    fn io(&self, doing: &'static str, path: &Path, source: io::Error) -> HomeError {
        HomeError::Io { doing, path: path.to_owned(), source }
    }
}

/// What `gateway.lock` holds while a gateway runs, as one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LockFile {
    pub pid: u32,
    /// Where clients of this machine connect.
    pub url: String,
    pub boot_id: String,
}

/// The lock on a home. Dropping it empties the file and lets the next gateway in; a crash does the latter.
#[derive(Debug)]
pub struct HomeLock {
    file: File,
}

impl HomeLock {
    /// Tells clients of this machine where the gateway is.
    pub fn publish(&self, content: &LockFile) -> io::Result<()> {
        let text = serde_json::to_string(content)?;
        self.file.set_len(0)?;
        (&self.file).rewind()?;
        (&self.file).write_all(text.as_bytes())?;
        self.file.sync_all()
    }
}

impl Drop for HomeLock {
    fn drop(&mut self) {
        // Where it fails, readers still see that nobody holds the lock.
        let _ = self.file.set_len(0);
    }
}

/// Why the lock was not taken: another gateway runs here (`source` is `None`), or the file gave an error.
#[derive(Debug)]
pub struct LockError {
    /// Who holds it, as far as they have said.
    pub owner: Option<LockFile>,
    pub source: Option<io::Error>,
    path: PathBuf,
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.source, &self.owner) {
            (Some(source), _) => write!(f, "cannot lock {}: {source}", self.path.display()),
            (None, Some(owner)) => {
                write!(f, "a gateway already runs here: process {}, at {}", owner.pid, owner.url)
            }
            (None, None) => write!(f, "a gateway already starts or stops here: {} is locked", self.path.display()),
        }
    }
}

impl std::error::Error for LockError {}

fn read_lock_file(mut file: &File) -> Option<LockFile> {
    file.rewind().ok()?;
    serde_json::from_reader(file.take(SMALL_FILE_BYTES)).ok()
}

/// 256 random bits as 64 lower-case hexadecimal digits. `Debug` shows nothing.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    fn random() -> Self {
        Self(hex(&rand::random::<[u8; 32]>()))
    }

    /// `None` where the text has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (text.len() == 64 && digits).then(|| Self(text.to_owned()))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Takes the same time whatever is given: the digests are compared, so not even the length shows.
    pub fn matches(&self, given: &str) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(given)).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Puts a file (0600) in place of what is there: after a crash there is the old one or the new one, whole.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    fs::rename(&temporary, path).and_then(|()| sync_folder(path)).inspect_err(|_| {
        let _ = fs::remove_file(&temporary);
    })
}

/// The same for a file that must not be there yet: `AlreadyExists` otherwise.
fn create_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = write_beside(path, content)?;
    // A rename would replace; a link refuses.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    linked.and_then(|()| sync_folder(path))
}

fn write_beside(path: &Path, content: &[u8]) -> io::Result<PathBuf> {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(format!(".{}.tmp", hex(&rand::random::<[u8; 8]>())));
    let temporary = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(error)
        }
    }
}

/// A name is safe on disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

fn make_private_folder(path: &Path) -> Result<(), HomeError> {
    let failed = |source| HomeError::Io { doing: "make the folder", path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(there) if !there.is_dir() => return Err(HomeError::NotAFolder(path.to_owned())),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(path).map_err(failed)?;
        }
        Err(source) => return Err(failed(source)),
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Takes away what others may do with a file that holds secrets, and says so.
fn make_private(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            tracing::warn!(
                target: "diagnostic",
                source = "home",
                code = "home.token_was_open",
                path = %path.display(),
                "other users could read the token; that is corrected, and a new token is wise"
            );
        }
    }
    #[cfg(not(unix))]
    let _ = (file, path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn fresh() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::at(folder.path().join("home"));
        home.create().expect("creates");
        (folder, home)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("is there").permissions().mode() & 0o777
    }

    #[test]
    fn where_a_home_is() {
        let cases: &[(Option<&str>, Option<&str>, Option<&str>, &str)] = &[
            (None, Some("/home/eve"), None, "/home/eve/.simpleclaw"),
            (Some(""), Some("/home/eve"), None, "/home/eve/.simpleclaw"),
            (None, Some("/home/eve"), Some("work"), "/home/eve/.simpleclaw-work"),
            (Some("/data/claw"), Some("/home/eve"), None, "/data/claw"),
            (Some("/data/claw/"), None, Some("work"), "/data/claw-work"),
        ];
        for (variable, user_home, profile, path) in cases {
            let home = Home::locate(variable.map(OsString::from), user_home.map(PathBuf::from), *profile);
            assert_eq!(home.expect("is found").path(), Path::new(path));
        }
        let relative = Home::locate(Some("claw".into()), None, None).expect("is found");
        assert!(relative.path().is_absolute(), "{relative:?}");
        for (user_home, profile, words) in [
            (None, None, "set SIMPLECLAW_HOME"),
            (Some("/home/eve"), Some("../up"), "no profile name"),
            (Some("/home/eve"), Some(""), "no profile name"),
        ] {
            let error = Home::locate(None, user_home.map(PathBuf::from), profile).expect_err("is refused");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_new_home_is_private_and_has_no_config() {
        let (_folder, home) = fresh();
        let mut names: Vec<_> =
            fs::read_dir(home.path()).expect("lists").map(|e| e.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, ["logs", "state"]);
        assert_eq!((mode(home.path()), mode(&home.state_dir())), (0o700, 0o700));
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("sets");
        home.create().expect("again");
        assert_eq!(mode(home.path()), 0o700);
    }

    #[test]
    fn a_home_that_cannot_be_is_refused_in_words() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("writes");
        let error = Home::at(&file).create().expect_err("a file");
        assert!(error.to_string().contains("is a file"), "{error}");
        let error = Home::at(file.join("below")).create().expect_err("below a file");
        assert!(error.to_string().starts_with("cannot make the folder"), "{error}");
    }

    #[test]
    fn one_gateway_at_a_time() {
        let (_folder, home) = fresh();
        let lock = home.lock().expect("takes");
        assert_eq!(home.read_lock(), None, "nothing published yet");
        assert_eq!(home.lock().expect_err("is taken").owner, None);

        let long = LockFile { pid: 7, url: format!("http://{}:1", "h".repeat(99)), boot_id: "b0".into() };
        let short = LockFile { pid: 8, url: "http://127.0.0.1:1".into(), boot_id: "b1".into() };
        lock.publish(&long).expect("writes");
        lock.publish(&short).expect("writes less than before");
        assert_eq!(home.read_lock().as_ref(), Some(&short));
        let error = home.lock().expect_err("is taken");
        assert_eq!(error.to_string(), "a gateway already runs here: process 8, at http://127.0.0.1:1");
        assert_eq!(error.owner, Some(short));

        drop(lock);
        assert_eq!(fs::read_to_string(home.lock_path()).expect("is there"), "");
        assert_eq!(home.read_lock(), None);
        home.lock().expect("free again");
    }

    #[test]
    fn what_a_killed_gateway_left_is_not_believed() {
        let (_folder, home) = fresh();
        fs::write(home.lock_path(), r#"{"pid":1,"url":"http://127.0.0.1:1","bootId":"old"}"#).expect("writes");
        assert_eq!(home.read_lock(), None);
        let lock = home.lock().expect("takes");
        assert_eq!(home.lock().expect_err("is taken").owner, None, "the old content is gone");
        drop(lock);
    }

    #[test]
    fn readers_do_not_keep_a_gateway_from_starting() {
        let (_folder, home) = fresh();
        let done = std::sync::atomic::AtomicBool::new(false);
        let (home, done) = (&home, &done);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = home.read_lock();
                    std::thread::yield_now();
                }
            });
            let all = (0..50).all(|_| fs::write(home.lock_path(), "stale").is_ok() && home.lock().is_ok());
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(all);
        });
    }

    #[test]
    fn the_token_is_made_once() {
        let (_folder, home) = fresh();
        let token = home.token().expect("makes");
        let text = fs::read_to_string(home.token_path()).expect("is there");
        assert_eq!(text, format!("{}\n", token.expose()));
        assert_eq!(mode(&home.token_path()), 0o600);
        assert_eq!(home.token().expect("reads").expose(), token.expose());
        assert_eq!(fs::read_dir(home.path()).expect("lists").count(), 3, "nothing is left over");
        assert!(token.matches(text.trim_end()));
        for other in ["", "x", &text, &text.to_uppercase()] {
            assert!(!token.matches(other), "{other:?}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn everyone_who_comes_first_gets_the_same_token() {
        let (_folder, home) = fresh();
        let tokens: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| home.token().expect("makes").expose().to_owned())).collect();
            threads.into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        assert!(tokens.windows(2).all(|pair| pair[0] == pair[1]), "{tokens:?}");
    }

    #[test]
    fn a_bad_token_file_is_an_error_and_an_open_one_is_closed() {
        let (_folder, home) = fresh();
        for bad in ["", "\n", "abc\n", &"g".repeat(64), &"A".repeat(64), &"a".repeat(65), "\u{0}"] {
            fs::write(home.token_path(), bad).expect("writes");
            let error = home.token().expect_err(bad).to_string();
            assert!(error.contains("64 lower-case") && error.contains("remove it"), "{error}");
        }
        fs::write(home.token_path(), [0xff; 64]).expect("writes");
        assert!(matches!(home.token(), Err(HomeError::BadToken(_))));
        fs::write(home.token_path(), "a".repeat(64)).expect("writes");
        fs::set_permissions(home.token_path(), fs::Permissions::from_mode(0o644)).expect("sets");
        assert_eq!(home.token().expect("reads").expose(), "a".repeat(64));
        assert_eq!(mode(&home.token_path()), 0o600);
    }
}

//! The folder that holds everything of one gateway: where it is and what is where in it; `lock`, which keeps a second
//! gateway out; `token`, which lets clients in; `port`, which a profile keeps.
//!
//! Elsewhere: what `config.yaml` says (`config`), what is written to `logs/` (`logging`), the database's schema
//! (`store`).

mod files;
mod lock;
mod port;
mod token;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use simpleclaw_protocol::session::valid_name;

pub(crate) use files::{hex, replace, sync_folder, write_private};
pub use lock::{HomeLock, LockError, LockFile};
pub use token::Token;

/// Moves the home of every profile.
pub const HOME_VARIABLE: &str = "SIMPLECLAW_HOME";

/// Of the gateway's folder: what [`Home::temp_dir`] is.
pub const TEMP: &str = "state/temp";

/// The layout of one home. Only a path: nothing is created or checked before [`Home::create`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    path: PathBuf,
    /// One of several of the same user.
    profile: bool,
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
    #[error(
        "{} cannot be written: {source}. SimpleClaw keeps all that it has there: make it writable, or set {HOME_VARIABLE} \
         to another folder",
        path.display()
    )]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("cannot {doing} {}: {source}", path.display())]
    Io { doing: &'static str, path: PathBuf, source: io::Error },
}

/// For whoever says by itself which path it is about: the system's own error, with its kind.
impl From<HomeError> for io::Error {
    fn from(error: HomeError) -> Self {
        match error {
            HomeError::NotWritable { source, .. } | HomeError::Io { source, .. } => source,
            error => Self::other(error),
        }
    }
}

impl Home {
    /// The home of this user, or the one that `SIMPLECLAW_HOME` names; a profile is the folder beside it with
    /// `-NAME` at its end.
    pub fn resolve(profile: Option<&str>) -> Result<Self, HomeError> {
        let user_home = directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned());
        Self::locate(std::env::var_os(HOME_VARIABLE), user_home, profile)
    }

    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), profile: false }
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
        Ok(Self { path, profile: profile.is_some() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    /// The former versions of the configuration.
    pub fn history_dir(&self) -> PathBuf {
        self.path.join("config.history")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.path.join("state")
    }

    pub fn db_path(&self) -> PathBuf {
        self.state_dir().join("gateway.db")
    }

    /// Files that messages carry, by their hash.
    pub fn attachments_dir(&self) -> PathBuf {
        self.state_dir().join("attachments")
    }

    /// Folders for temporary files of commands, one for each session.
    pub fn temp_dir(&self) -> PathBuf {
        self.path.join(TEMP)
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

    /// Where secrets are kept while no key store of the system can be used; 0600.
    pub fn secrets_path(&self) -> PathBuf {
        self.path.join("secrets.yaml")
    }

    /// What is known of the secrets in the key store of the system; holds none.
    pub fn secrets_index_path(&self) -> PathBuf {
        self.state_dir().join("secrets.json")
    }

    /// `id` is an agent id, checked by the configuration.
    pub fn agent_workspace(&self, id: &str) -> PathBuf {
        self.path.join("agents").join(id).join("workspace")
    }

    /// Makes the folder (0700) and those in it that are always there, where they are missing, and sees that they can be
    /// written.
    pub fn create(&self) -> Result<(), HomeError> {
        for path in [self.path.clone(), self.state_dir(), self.attachments_dir(), self.logs_dir()] {
            make_private_folder(&path)?;
            #[cfg(unix)]
            nix::unistd::access(&path, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK)
                .map_err(|errno| HomeError::NotWritable { path, source: errno.into() })?;
        }
        Ok(())
    }

    fn io(&self, doing: &'static str, path: &Path, source: io::Error) -> HomeError {
        HomeError::Io { doing, path: path.to_owned(), source }
    }
}

pub(crate) fn make_private_folder(path: &Path) -> Result<(), HomeError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            HomeError::NotWritable { path: path.to_owned(), source }
        }
        _ => HomeError::Io { doing: "make the folder", path: path.to_owned(), source },
    };
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

// The modes of files are half of what is tested here.
#[cfg(all(test, unix))]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    pub fn fresh() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = Home::at(folder.path().join("home"));
        home.create().expect("creates");
        (folder, home)
    }

    pub fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("is there").permissions().mode() & 0o777
    }

    #[test]
    fn where_a_home_is() {
        let cases = [
            (None, Some("/home/eve"), None, "/home/eve/.simpleclaw"),
            (Some(""), Some("/home/eve"), None, "/home/eve/.simpleclaw"),
            (None, Some("/home/eve"), Some("work"), "/home/eve/.simpleclaw-work"),
            (Some("/data/claw"), Some("/home/eve"), None, "/data/claw"),
            (Some("/data/claw/"), None, Some("work"), "/data/claw-work"),
        ];
        for (variable, user_home, profile, path) in cases {
            let home = Home::locate(variable.map(OsString::from), user_home.map(PathBuf::from), profile);
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
}

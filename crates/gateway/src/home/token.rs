//! The owner's token, which lets clients in.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::files::{create_private, hex};
use super::{Home, HomeError};

/// More than this in the file is no token.
const MAX_BYTES: u64 = 4096;

impl Home {
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
        match file.take(MAX_BYTES).read_to_string(&mut text) {
            Ok(_) => Token::parse(text.trim_ascii_end()).ok_or(HomeError::BadToken(path)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(HomeError::BadToken(path)),
            Err(source) => Err(self.io("read", &path, source)),
        }
    }
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

/// Takes away what others may do with a file that holds secrets, and says so.
fn make_private(file: &File, path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata()?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
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

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::home::tests::{fresh, mode};

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

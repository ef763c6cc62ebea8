//! The port of a profile: the first free one above the default at its first start, and the same one ever after, so that
//! clients find it where they left it.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::Home;
use super::files::write_private;

/// More than this in the file is no port.
const MAX_BYTES: u64 = 16;

impl Home {
    /// Whether this home is one of several of the same user, and so cannot have the default port.
    pub fn is_profile(&self) -> bool {
        self.profile
    }

    /// The port that this profile keeps; none before its first start.
    pub fn kept_port(&self) -> Option<u16> {
        let mut text = String::new();
        File::open(self.port_path()).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
        text.trim_ascii_end().parse().ok().filter(|port| *port != 0)
    }

    /// Keeps a port that could be had.
    pub(crate) fn keep_port(&self, port: u16) -> io::Result<()> {
        write_private(&self.port_path(), format!("{port}\n").as_bytes())
    }

    pub fn port_path(&self) -> PathBuf {
        self.state_dir().join("port")
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use crate::home::tests::fresh;

    #[test]
    fn a_port_is_kept_and_nonsense_is_none() {
        let (_folder, home) = fresh();
        assert_eq!((home.is_profile(), home.kept_port()), (false, None));
        home.keep_port(18_791).expect("writes");
        assert_eq!(home.kept_port(), Some(18_791));
        for nonsense in ["", "0", "70000", "x", "1879 1", &"1".repeat(99)] {
            fs::write(home.port_path(), nonsense).expect("writes");
            assert_eq!(home.kept_port(), None, "{nonsense:?}");
        }
    }
}

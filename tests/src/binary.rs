//! Where the program under test is, and what set-up has prepared for its tests.

use std::path::{Path, PathBuf};

/// The `simpleclaw` binary: `SIMPLECLAW_BIN`, else the one that the same build put beside this test's folder.
pub fn simpleclaw() -> PathBuf {
    program("SIMPLECLAW_BIN", "simpleclaw")
}

/// A program of the workspace, by the variable that may name it and by its file name.
pub fn program(variable: &str, name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(Path::parent).expect("a test lies two folders deep");
    let path = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: `cargo build` first, or name it in {variable}", path.display());
    path
}

/// What set-up has prepared, by the variable that may name it; without it, where set-up puts it in the checkout.
pub fn prepared(variable: &str, default: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the checkout");
    let path = std::env::var_os(variable).map_or_else(|| root.join(default), PathBuf::from);
    assert!(path.exists(), "{} is missing: `cargo xtask setup` brings it", path.display());
    path
}

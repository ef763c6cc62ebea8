//! Has a release build embed the web UI that is there now. Debug builds read it from the disk.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The macro resolves `..` only in a folder that is there; without this, a debug build made before the first build
    // of the UI would never serve it. Where it cannot be made (a read-only checkout), there is no UI to come either.
    let _ = std::fs::create_dir_all("../../ui/dist-gz");
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo:rerun-if-changed=../../ui/dist-gz/index.html.gz");
    }
}

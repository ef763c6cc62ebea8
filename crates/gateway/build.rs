//! Has a release build embed the web UI that is there now. Debug builds read it from the disk.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo:rerun-if-changed=../../ui/dist/index.html");
    }
}

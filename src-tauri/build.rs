//! Compiles `tauri.conf.json` and the capabilities into the app.

/// Each becomes a permission that a window has only where a file in `capabilities/` gives it.
const COMMANDS: &[&str] =
    &["gateway_endpoint", "open_external", "notify", "done_asking", "failure", "start_again", "open_config", "quit"];

fn main() {
    // The web UI goes into the app, and nothing else notices that it was built anew.
    println!("cargo:rerun-if-changed=ui/dist/index.html");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("./src-tauri/capabilities/**/*")
        .app_manifest(tauri_build::AppManifest::new().commands(COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("{error:#}");
    }
}

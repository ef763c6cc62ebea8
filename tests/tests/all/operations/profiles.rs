//! Several gateways of one user: each profile has a home and a port of its own, and keeps both.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::Value;
use simpleclaw_tests::DEADLINE;
use simpleclaw_tests::gateway::Home;

use crate::clients::cli::run;

/// A gateway of a profile; dropped, it is killed.
struct Profile(Child);

impl Drop for Profile {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder(home: &Home, name: &str) -> PathBuf {
    home.path().with_file_name(format!("home-{name}"))
}

/// Starts it without a port; where it listens.
async fn start(home: &Home, name: &str) -> (Profile, u16) {
    let mut command = home.command();
    command.args(["gateway", "run", "--profile", name]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut profile = Profile(command.spawn().expect("the gateway starts"));
    let lock = folder(home, name).join("gateway.lock");
    let began = Instant::now();
    loop {
        let owner: Value = serde_json::from_slice(&std::fs::read(&lock).unwrap_or_default()).unwrap_or_default();
        // What a killed gateway has left is another's.
        if owner["pid"] == profile.0.id() {
            let url = owner["url"].as_str().expect("a URL");
            return (profile, url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port"));
        }
        assert!(profile.0.try_wait().expect("a child of ours").is_none(), "{name} did not start");
        assert!(began.elapsed() < DEADLINE, "{name} does not listen");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn each_has_its_own_port_and_keeps_it() {
    let home = Home::new();
    for name in ["one", "two"] {
        std::fs::create_dir(folder(&home, name)).expect("a home");
        std::fs::write(folder(&home, name).join("config.yaml"), "models: {detect: false}\n").expect("a configuration");
    }
    let (one, first) = start(&home, "one").await;
    let (two, second) = start(&home, "two").await;
    assert!(first > 18_789 && second > 18_789 && first != second, "{first} {second}");
    let status = run(&home, &["status", "--profile", "one", "--json"]).await;
    assert_eq!((status.code, &status.json()["pid"]), (Some(0), &one.0.id().into()), "{}", status.stderr);
    drop((one, two));

    // The other way round, each where it was.
    let (_two, again) = start(&home, "two").await;
    assert_eq!(again, second);
    let (one, again) = start(&home, "one").await;
    assert_eq!(again, first);
    drop(one);
    let gone = run(&home, &["status", "--profile", "one"]).await;
    assert_eq!(gone.code, Some(3), "and not the gateway of somebody else: {}", gone.stderr);

    // What the configuration names counts.
    let named = free();
    let config = format!("models: {{detect: false}}\ngateway: {{port: {named}}}\n");
    std::fs::write(folder(&home, "one").join("config.yaml"), config).expect("a configuration");
    assert_eq!(start(&home, "one").await.1, named);
}

/// The port that a profile was given is its own for as long as nothing names one, and no longer.
#[tokio::test]
async fn a_port_that_is_named_while_a_profile_runs_is_moved_to() {
    let home = Home::new();
    std::fs::create_dir(folder(&home, "one")).expect("a home");
    std::fs::write(folder(&home, "one").join("config.yaml"), "models: {detect: false}\n").expect("a configuration");
    let (one, _) = start(&home, "one").await;
    let named = free();
    let set = run(&home, &["config", "set", "gateway.port", &named.to_string(), "--profile", "one"]).await;
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let began = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", named)).await.is_err() {
        assert!(began.elapsed() < DEADLINE, "it stays where it was");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    // A mistake in the file names nothing, and takes back nothing: neither while the gateway runs nor over a restart.
    std::fs::write(folder(&home, "one").join("config.yaml"), "gateway: {port: [\n").expect("a mistake");
    let began = Instant::now();
    loop {
        let health = run(&home, &["health", "--profile", "one", "--json"]).await;
        assert_eq!(health.code, Some(0), "it is where it was: {}", health.stderr);
        if health.json()["subsystems"]["config"]["state"] == "degraded" {
            break;
        }
        assert!(began.elapsed() < DEADLINE, "the mistake is not noticed");
    }
    // The move would be under way by then.
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", named)).await.is_ok());
    drop(one);
    assert_eq!(start(&home, "one").await.1, named);
}

/// A port that nobody listens on.
fn free() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|taken| taken.local_addr()).expect("a port").port()
}

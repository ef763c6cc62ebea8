//! The service manager's side: what a gateway tells it, and what `gateway install` writes for it.

use std::collections::HashMap;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use simpleclaw_tests::DEADLINE;
use simpleclaw_tests::gateway::Home;

use crate::clients::cli::{finish, run};

const QUIET: &str = "models: {detect: false}\n";

/// The manager's end of the socket.
struct Manager(UnixDatagram);

impl Manager {
    fn of(socket: UnixDatagram) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).expect("a time limit");
        Self(socket)
    }

    /// The fields of the next datagram.
    fn next(&self) -> HashMap<String, String> {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("a datagram in time");
        let text = std::str::from_utf8(&bytes[..length]).expect("UTF-8");
        let fields = text.lines().map(|line| line.split_once('=').expect("NAME=VALUE"));
        fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// The first datagram with this field.
    fn until(&self, field: &str) -> HashMap<String, String> {
        loop {
            let fields = self.next();
            if fields.contains_key(field) {
                return fields;
            }
        }
    }
}

/// A gateway that is told who its manager is; dropped, it is killed.
struct Service(Child);

impl Service {
    fn start(home: &Home, socket: &str, arguments: &[&str]) -> Self {
        let mut command = home.command();
        command.args(["gateway", "run"]).args(arguments).env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", "500000");
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(child.expect("the gateway starts"))
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        kill(pid, Signal::SIGTERM).expect("the gateway lives");
    }

    fn exited(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("a child of ours") {
                return status;
            }
            assert!(began.elapsed() < DEADLINE, "the gateway did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// READY once it listens, WATCHDOG for as long as it lives, STOPPING when it is asked to end, 0 at the end.
#[test]
fn the_manager_is_told_of_a_whole_life() {
    let home = Home::with_config(QUIET);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = Manager::of(UnixDatagram::bind(&path).expect("a socket"));
    let mut service = Service::start(&home, path.to_str().expect("UTF-8"), &["--port", "0"]);

    assert_eq!(manager.next()["STATUS"], "starting");
    let ready = manager.until("READY");
    assert_eq!(ready["READY"], "1");
    assert!(ready["STATUS"].starts_with("listening on ws://127.0.0.1:"), "{ready:?}");
    for _ in 0..3 {
        let alive = manager.until("WATCHDOG");
        assert_eq!(alive["WATCHDOG"], "1");
        assert!(alive["STATUS"].contains("0 runs active"), "{alive:?}");
    }

    let mut restart = home.command();
    let restarted = restart.args(["call", "gateway.restart"]).stdout(Stdio::null()).status().expect("it runs");
    assert!(restarted.success());
    assert_eq!(manager.until("READY")["READY"], "1", "and again after a restart");

    service.terminate();
    let stopping = manager.until("STOPPING");
    assert_eq!(stopping["STOPPING"], "1");
    assert!(stopping["STATUS"].starts_with("stopping"), "{stopping:?}");
    assert_eq!(service.exited().code(), Some(0));
}

/// A socket without a file, as containers have them.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_may_have_a_name_without_a_file() {
    use std::os::linux::net::SocketAddrExt as _;
    let name = format!("simpleclaw-{}", uuid::Uuid::new_v4());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = Manager::of(UnixDatagram::bind_addr(&address).expect("a socket"));
    let mut service = Service::start(&Home::with_config(QUIET), &format!("@{name}"), &["--port", "0"]);
    manager.until("READY");
    service.terminate();
    manager.until("STOPPING");
    assert_eq!(service.exited().code(), Some(0));
}

/// A start that fails says why, and never that it is ready.
#[test]
fn a_failed_start_is_told_too() {
    let home = Home::with_config("gateway: {port: many}\n");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let manager = Manager::of(UnixDatagram::bind(&path).expect("a socket"));
    let mut service = Service::start(&home, path.to_str().expect("UTF-8"), &[]);
    assert_eq!(service.exited().code(), Some(78));
    assert_eq!(manager.next()["STATUS"], "starting");
    let failed = manager.next();
    assert!(failed["STATUS"].contains("config.yaml:1:"), "{failed:?}");
    assert!(!failed.contains_key("READY"));
}

/// A socket that leads nowhere keeps nobody from starting.
#[test]
fn a_manager_that_is_gone_is_nobodys_trouble() {
    for nowhere in ["/nowhere/notify", "@nobody-listens-here", "relative", ""] {
        let home = Home::with_config(QUIET);
        let service = Service::start(&home, nowhere, &["--port", "0"]);
        let began = Instant::now();
        while std::fs::metadata(home.path().join("gateway.lock")).map_or(0, |about| about.len()) == 0 {
            assert!(began.elapsed() < DEADLINE, "{nowhere:?}: no start");
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(service);
    }
}

/// The command of the program in a home, with a place for units and without a session of systemd.
fn with_units(home: &Home, units: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = home.command();
    command.env("XDG_CONFIG_HOME", units).args(arguments);
    command
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_unit_is_written_replaced_and_removed() {
    let home = Home::new();
    let units = tempfile::tempdir().expect("a folder");
    let file = units.path().join("systemd/user/simpleclaw.service");
    let shown = run(&home, &["gateway", "install", "--print"]).await;
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    assert!(!home.path().exists(), "showing makes no home");

    for _ in 0..2 {
        let done = finish(with_units(&home, units.path(), &["gateway", "install", "--json"])).await;
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        assert_eq!((&done.json()["started"], done.json()["file"].as_str()), (&false.into(), file.to_str()));
    }
    let unit = std::fs::read_to_string(&file).expect("the unit");
    for line in [
        "Type=notify",
        "WatchdogSec=120",
        "Restart=on-failure",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "RestrictSUIDSGID=yes",
        &format!("ReadWritePaths=\"{}\"", home.path().display()),
        &format!("Environment=\"SIMPLECLAW_HOME={}\"", home.path().display()),
    ] {
        assert!(unit.lines().any(|is| is == line), "{line} is missing in:\n{unit}");
    }
    assert!(shown.stdout.ends_with(&unit), "what was shown is what was written: {}", shown.stdout);
    assert!(home.path().is_dir(), "systemd needs the folder that may be written");

    let gone = finish(with_units(&home, units.path(), &["gateway", "uninstall", "--json"])).await;
    assert_eq!((gone.code, file.exists()), (Some(0), false), "{}", gone.stderr);
    let again = finish(with_units(&home, units.path(), &["gateway", "uninstall"])).await;
    assert!(again.code == Some(0) && again.stdout.contains("nothing to do"), "{}", again.stdout);

    std::fs::write(&file, "[Service]\nExecStart=/bin/mine\n").expect("a unit of a person");
    for arguments in [["gateway", "install"], ["gateway", "uninstall"]] {
        let refused = finish(with_units(&home, units.path(), &arguments)).await;
        assert!(
            refused.code == Some(1) && refused.stderr.contains("was not written by this command"),
            "{}",
            refused.stderr
        );
    }
    assert!(std::fs::read_to_string(&file).expect("it is still there").contains("/bin/mine"));
}

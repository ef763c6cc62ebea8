//! Ways out. Each is a program that ends with 0 where the way was closed.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command as Process};

use super::*;

/// Somebody else's process, which none of them may touch.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        Self(Process::new("sleep").arg("600").env("SECRET", "of the victim").spawn().expect("starts"))
    }

    fn lives(&mut self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        self.0.try_wait().is_ok_and(|ended| ended.is_none()) && !stat.contains(") T ") && !stat.contains(") t ")
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn closed(place: &Place, mechanism: Mechanism, name: &str, argv: &[&str]) {
    let ended = place.run(mechanism, argv).await;
    let text = ended.output.text();
    assert_eq!((ended.reason, ended.code), (Reason::Exited, Some(0)), "{mechanism:?}: {name} is open: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files() {
    let walls = walls().await;
    for (mechanism, place) in walls.into_iter().flat_map(|mechanism| Place::both().map(|place| (mechanism, place))) {
        let outside = place.outside.display().to_string();
        let state = place.state.display().to_string();
        let sh = |script: &'static str| ["sh", "-c", script, "sh"];
        let attempts: [(&str, &'static str, &str); 10] = [
            ("writing outside", r#"! (echo x > "$1/new") 2>/dev/null"#, &outside),
            ("writing over", r#"! (echo x >> "$1/canary") 2>/dev/null"#, &outside),
            ("cutting short", r#"! perl -e 'truncate($ARGV[0], 0) or exit 1' "$1/canary""#, &outside),
            ("removing", r#"! rm "$1/canary" 2>/dev/null"#, &outside),
            ("reading outside", r#"! cat "$1/canary" 2>/dev/null"#, &outside),
            ("reading through a link", r#"ln -sf "$1/canary" link; ! cat link 2>/dev/null"#, &outside),
            ("a hard link", r#"! ln "$1/canary" hard 2>/dev/null"#, &outside),
            ("the token", r#"! cat "$1/token" 2>/dev/null && ! ls "$1/../outside" 2>/dev/null"#, &state),
            ("folders of people", r#"! ls /home 2>/dev/null | grep . && ! ls /root 2>/dev/null | grep ."#, ""),
            (
                "the system",
                r#"! (: > /usr/simpleclaw-was-here) 2>/dev/null && ! (: > /etc/simpleclaw-was-here) 2>/dev/null"#,
                "",
            ),
        ];
        for (name, script, argument) in attempts {
            let mut argv = sh(script).to_vec();
            argv.push(argument);
            closed(&place, mechanism, name, &argv).await;
        }
        assert_eq!(fs::read_to_string(place.outside.join("canary")).expect("reads"), "secret of the person");
        assert_eq!(fs::read_dir(&place.outside).expect("lists").count(), 1);
        // What is theirs works, or the rest would prove nothing.
        let temp = place.temp.display().to_string();
        let own = r#"echo a > a && mkdir -p d && mv a d/a && cat d/a && echo b > "$1/b" && ls /usr/bin/env && rm d/a"#;
        closed(&place, mechanism, "its own folders", &["sh", "-c", own, "sh", &temp]).await;
        assert!(place.temp.join("b").exists());
    }
}

/// Where the gateway's own folder lies in one that every command may read.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_own_in_a_folder_of_the_system() {
    for mechanism in walls().await {
        // Stands for it, without a folder being made there.
        let (place, hidden) = (Place::new(), Path::new("/usr/share"));
        let script = "! ls -A /usr/share | grep . && ls /etc/passwd && ! (: > /usr/share/new) 2>/dev/null";
        let frozen = freeze(&command(&place.workspace, &["sh", "-c", script], &[])).expect("nothing has changed");
        let sandbox = Sandbox::with(mechanism, vec![hidden.to_owned()]);
        let started = start(&sandbox, frozen, place.launch(mechanism), &place.supervisor).await;
        if mechanism == Mechanism::Landlock {
            assert!(matches!(started, Err(LaunchError::Hidden(_))), "{started:?}");
            continue;
        }
        let ended = started.expect("starts").ended().await;
        assert_eq!(ended.code, Some(0), "{mechanism:?}: {}", ended.output.text());
        // With the workspace in it, as it is.
        if tempfile::tempdir_in("/opt").is_err() {
            eprintln!("left out: only root can make a folder in /opt");
            continue;
        }
        let place = Place::below(Path::new("/opt"));
        let script = r#"! cat "$1/token" 2>/dev/null && echo own > file && cat file && ! (: > "$1/new") 2>/dev/null"#;
        closed(&place, mechanism, "the token", &["sh", "-c", script, "sh", &place.state.display().to_string()]).await;
        assert!(place.workspace.join("file").exists() && !place.state.join("new").exists());
    }
}

/// Whoever opens the terminal of a person reads what is typed there, and writes what is seen there.
#[tokio::test(flavor = "multi_thread")]
async fn terminals() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("opens");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("opens");
    let theirs = ptsname(&master, Vec::new()).expect("has a name").into_string().expect("text");
    for mechanism in walls().await {
        let place = Place::new();
        let script = r#"! (echo x > "$1") 2>/dev/null && ! (: < "$1") 2>/dev/null && ! (: < /dev/tty) 2>/dev/null"#;
        closed(&place, mechanism, "a terminal", &["sh", "-c", script, "sh", &theirs]).await;
        // With one of its own that one is open, and no other.
        let script = r#"! (echo x > "$1") 2>/dev/null && echo own > /dev/tty && echo ended"#;
        let launch = Launch { terminal: true, ..place.launch(mechanism) };
        let ended = place.launched(mechanism, launch, &["sh", "-c", script, "sh", &theirs]).await.ended().await;
        let lines: Vec<_> = ended.output.text().lines().map(str::to_owned).collect();
        assert_eq!((ended.code, lines), (Some(0), vec!["own".to_owned(), "ended".to_owned()]), "{mechanism:?}");
        if mechanism == Mechanism::Landlock {
            let launch = Launch { terminal: true, ..place.launch(mechanism) };
            let again = r#"echo own > "$(tty)""#;
            let ended = place.launched(mechanism, launch, &["sh", "-c", again]).await.ended().await;
            assert_eq!((ended.code, ended.output.text().trim_end()), (Some(0), "own"), "{mechanism:?}");
        }
    }
}

/// An open folder of the machine would lead to all of it.
#[tokio::test(flavor = "multi_thread")]
async fn no_folder_is_left_open() {
    let script = r#"opendir D, "/proc/self/fd"; for (readdir D) { next if /^\./ || $_ < 3; my $l = readlink "/proc/self/fd/$_";
        next if $l =~ m{^/proc/\d+/fd$}; if (-d "/proc/self/fd/$_" || $l =~ /socket/) { print "$_ $l\n"; $bad = 1 } } exit($bad // 0)"#;
    for mechanism in [walls().await, vec![Mechanism::Plain]].concat() {
        for place in Place::both() {
            closed(&place, mechanism, "an inherited descriptor", &["perl", "-e", script]).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn network_and_sockets() {
    // Stands for the gateway's own port.
    let gateway = TcpListener::bind(("127.0.0.1", 0)).expect("binds");
    gateway.set_nonblocking(true).expect("sets");
    let udp = UdpSocket::bind(("127.0.0.1", 0)).expect("binds");
    udp.set_nonblocking(true).expect("sets");
    let (tcp_port, udp_port) = (gateway.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    for mechanism in walls().await {
        let place = Place::new();
        let path = place.workspace.join("s");
        let unix = UnixListener::bind(&path).expect("binds");
        unix.set_nonblocking(true).expect("sets");
        let path = path.display().to_string();
        let tcp = format!(
            r#"use Socket; socket(S, AF_INET, SOCK_STREAM, 0) or exit 0;
            exit(connect(S, pack_sockaddr_in({tcp_port}, inet_aton("127.0.0.1"))) ? 1 : 0)"#
        );
        let listen = r#"use Socket; socket(S, AF_INET, SOCK_STREAM, 0) or exit 0;
            exit(bind(S, pack_sockaddr_in(0, INADDR_ANY)) && listen(S, 1) ? 1 : 0)"#;
        let datagram = format!(
            r#"use Socket; socket(S, AF_INET, SOCK_DGRAM, 0) or exit 0;
            exit(send(S, "x", 0, pack_sockaddr_in({udp_port}, inet_aton("127.0.0.1"))) ? 1 : 0)"#
        );
        let stream = r#"use Socket; socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 0;
            exit(connect(S, pack_sockaddr_un($ARGV[0])) ? 1 : 0)"#;
        let pair = r#"use Socket; socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) and exit 1;
            socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or exit 2; exit(connect(A, pack_sockaddr_un($ARGV[0])) ? 3 : 0)"#;
        let raw = r#"use Socket; exit(socket(S, AF_INET, SOCK_RAW, 1) || socket(S, 17, SOCK_RAW, 3) ? 1 : 0)"#;
        let attempts = [
            ("TCP to the gateway", tcp.as_str()),
            ("a TCP port of its own", listen),
            ("UDP", datagram.as_str()),
            ("a Unix socket", stream),
            ("a pair of Unix sockets", pair),
            ("raw sockets", raw),
        ];
        for (name, script) in attempts {
            closed(&place, mechanism, name, &["perl", "-e", script, &path]).await;
        }
        assert!(gateway.accept().is_err() && unix.accept().is_err() && udp.recv(&mut [0; 8]).is_err());

        // Where it is granted it works; sockets of programs here stay out of reach.
        let confined = Some(Confinement { network: true, ..place.confinement() });
        for (name, script, code) in [("tcp", tcp.as_str(), 1), ("unix", stream, 0), ("raw", raw, 0)] {
            let launch = Launch { confined: confined.clone(), ..place.launch(mechanism) };
            let mut running = place.launched(mechanism, launch, &["perl", "-e", script, &path]).await;
            let ended = running.ended().await;
            assert_eq!(ended.code, Some(code), "{mechanism:?} {name} {}", ended.output.text());
        }
        assert!(gateway.accept().is_ok() && unix.accept().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_processes() {
    for mechanism in walls().await {
        let place = Place::new();
        let mut victim = Victim::new();
        let pid = victim.0.id().to_string();
        let read = r#"! grep -q SECRET "/proc/$1/environ" 2>/dev/null"#;
        let ptrace = format!("exit(syscall({}, 16, $ARGV[0] + 0, 0, 0) == 0 ? 1 : 0)", libc::SYS_ptrace);
        let memory = r#"exit(open(M, "+<", "/proc/$ARGV[0]/mem") ? 1 : 0)"#;
        let root = r#"! ls "/proc/$1/root/" 2>/dev/null"#;
        let attempts: [(&str, Vec<&str>); 6] = [
            ("a signal", vec!["sh", "-c", r#"! kill -9 "$1" 2>/dev/null"#, "sh", &pid]),
            ("stopping", vec!["sh", "-c", r#"! kill -STOP "$1" 2>/dev/null"#, "sh", &pid]),
            ("an environment", vec!["sh", "-c", read, "sh", &pid]),
            ("a root", vec!["sh", "-c", root, "sh", &pid]),
            ("ptrace", vec!["perl", "-e", &ptrace, &pid]),
            ("memory", vec!["perl", "-e", memory, &pid]),
        ];
        for (name, argv) in attempts {
            closed(&place, mechanism, name, &argv).await;
            assert!(victim.lives(), "{mechanism:?} {name}");
        }
        // Its own children are its own.
        closed(&place, mechanism, "its own", &["sh", "-c", "sleep 60 & kill $! && ! wait $!"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kernel() {
    let calls = [
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_process_vm_readv,
        libc::SYS_open_by_handle_at,
        libc::SYS_init_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
    ];
    let numbers = calls.map(|call| call.to_string()).join(",");
    // 1 is EPERM: refused before the kernel looks at the arguments.
    let script = format!(
        r#"for my $call ({numbers}) {{ $! = 0; syscall($call, 0, 0, 0, 0, 0) == -1 && $! == 1 or print "$call: $!\n", $bad = 1 }}
        $! = 0; syscall({}, 0, 0) == -1 && $! == {} or print "clone3: $!\n", $bad = 1; exit($bad // 0)"#,
        libc::SYS_clone3,
        libc::ENOSYS
    );
    for mechanism in walls().await {
        let place = Place::new();
        closed(&place, mechanism, "a system call", &["perl", "-e", &script]).await;
        let namespace = "! unshare -Ur true 2>/dev/null && grep -q '^CapEff:.*0000000000000000' /proc/self/status";
        closed(&place, mechanism, "a namespace", &["sh", "-c", namespace]).await;
        closed(&place, mechanism, "new privileges", &["sh", "-c", "grep -q '^NoNewPrivs:.*1' /proc/self/status"]).await;
    }
}

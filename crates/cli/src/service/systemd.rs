//! A user unit of systemd: started again when it fails or hangs, and allowed to write its home and nothing else.

use std::path::{Path, PathBuf};

use super::{MARK, Plan, Service, command};

pub fn file(service: &Service, config_dir: &Path) -> PathBuf {
    config_dir.join("systemd").join("user").join(format!("{}.service", service.name))
}

pub fn plan(service: &Service, config_dir: &Path) -> Plan {
    let unit = format!("{}.service", service.name);
    let systemctl = |words: &[&str]| command(&[&["systemctl", "--user"][..], words].concat());
    let bus = ["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];
    let session = bus.into_iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
    Plan {
        file: file(service, config_dir),
        content: text(service).into_bytes(),
        manager: session && Path::new("/run/systemd/system").is_dir(),
        enable: vec![systemctl(&["daemon-reload"]), systemctl(&["enable", &unit])],
        // Not `start`: one that runs already runs the unit as it was before.
        start: vec![systemctl(&["restart", &unit])],
        stop: vec![systemctl(&["disable", "--now", &unit])],
        forget: vec![systemctl(&["daemon-reload"])],
        notes: vec![
            format!("Its log: journalctl --user -u {unit} -f"),
            "It ends when you log out, unless you say: loginctl enable-linger".to_owned(),
        ],
    }
}

/// The unit. Exit codes 2, 75 and 78 say that starting again would change nothing: arguments, a lock or port that is
/// taken, the configuration.
fn text(service: &Service) -> String {
    let program: Vec<_> = std::iter::once(&service.program)
        .chain(&service.arguments)
        .map(|word| quoted(word).replace('$', "$$"))
        .collect();
    let program = program.join(" ");
    let home = quoted(&service.home);
    let environment = match &service.home_variable {
        Some(path) => format!("Environment={}\n", quoted(&format!("SIMPLECLAW_HOME={path}"))),
        None => String::new(),
    };
    format!(
        "\
# {MARK}; changes go into a drop-in: systemctl --user edit {name}
[Unit]
Description=SimpleClaw gateway ({name})
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
NotifyAccess=main
ExecStart={program}
{environment}Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2 75 78
TimeoutStartSec=300
TimeoutStopSec=30
WatchdogSec=120
UMask=0077

# Only its home can be written. Without PrivateUsers a user's manager cannot do what the next three ask for.
PrivateUsers=yes
ProtectSystem=strict
PrivateTmp=yes
ReadWritePaths={home}
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=default.target
",
        name = service.name,
    )
}

/// A word in quotes, with what systemd would read otherwise made plain.
fn quoted(word: &str) -> String {
    let plain = word.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{plain}\"")
}

/// The program of a unit that [`text`] wrote.
pub fn program_of(unit: &str) -> Option<String> {
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=\""))?;
    let mut program = String::new();
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Some(program),
            '\\' => program.push(letters.next()?),
            // Each stands doubled.
            '%' | '$' => program.extend(letters.next()),
            plain => program.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    #[test]
    fn whatever_stands_in_a_path_is_said_so_that_systemd_reads_it() {
        let unit = text(&example());
        for line in [
            r#"ExecStart="/opt/simple claw/100%%/bin/simpleclaw" "gateway" "run" "--profile" "work""#,
            r#"Environment="SIMPLECLAW_HOME=/home/eve/my \"claws\"""#,
            r#"ReadWritePaths="/home/eve/my \"claws\"-work""#,
        ] {
            assert!(unit.lines().any(|is| is == line), "{line} is missing in:\n{unit}");
        }
        assert_eq!(program_of(&unit).as_deref(), Some("/opt/simple claw/100%/bin/simpleclaw"));
        let plain = Service { home_variable: None, program: "/a\\b$c".to_owned(), ..example() };
        let unit = text(&plain);
        assert!(unit.contains("ExecStart=\"/a\\\\b$$c\" ") && !unit.contains("Environment"), "{unit}");
        assert_eq!(program_of(&unit).as_deref(), Some("/a\\b$c"));
        for none in ["", "[Service]\n", "ExecStart=/usr/bin/other", "ExecStart=\"half"] {
            assert_eq!(program_of(none), None);
        }
    }

    #[test]
    fn a_profile_has_a_unit_of_its_own() {
        let plan = plan(&example(), Path::new("/c"));
        assert_eq!(plan.file, Path::new("/c/systemd/user/simpleclaw-work.service"));
        assert_eq!(plan.start, [["systemctl", "--user", "restart", "simpleclaw-work.service"]]);
        assert!(super::super::is_ours(&plan.content));
    }
}

//! An agent of launchd. Written after its manual; nobody has tried it yet.

use std::path::Path;

use super::{MARK, Plan, Service, command};

pub fn plan(service: &Service, user_home: &Path) -> Plan {
    let label = format!("ai.{}", service.name);
    let file = user_home.join("Library").join("LaunchAgents").join(format!("{label}.plist"));
    let domain = format!("gui/{}", user_id(user_home));
    let target = format!("{domain}/{label}");
    let path = file.display().to_string();
    Plan {
        content: text(service, &label).into_bytes(),
        manager: cfg!(target_os = "macos"),
        enable: vec![command(&["launchctl", "enable", &target])],
        start: vec![command(&["launchctl", "bootstrap", &domain, &path])],
        stop: vec![command(&["launchctl", "bootout", &target])],
        forget: Vec::new(),
        notes: vec![format!("Its log is in {}/logs. On macOS this has not been tried yet.", service.home)],
        file,
    }
}

fn text(service: &Service, label: &str) -> String {
    let words = std::iter::once(&service.program).chain(&service.arguments);
    let arguments: String = words.map(|word| format!("\n        <string>{}</string>", escaped(word))).collect();
    let environment = service.home_variable.as_ref().map_or_else(String::new, |path| {
        let path = escaped(path);
        format!(
            "\n    <key>EnvironmentVariables</key>\n    <dict><key>SIMPLECLAW_HOME</key><string>{path}</string></dict>"
        )
    });
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- {MARK} -->
<plist version="1.0">
<dict>
    <key>Label</key><string>{label}</string>
    <key>ProgramArguments</key>
    <array>{arguments}
    </array>{environment}
    <key>RunAtLoad</key><true/>
    <key>KeepAlive</key><dict><key>SuccessfulExit</key><false/></dict>
    <key>ThrottleInterval</key><integer>30</integer>
    <key>ExitTimeOut</key><integer>30</integer>
    <key>Umask</key><integer>63</integer>
    <key>ProcessType</key><string>Background</string>
</dict>
</plist>
"#
    )
}

/// As XML takes it.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Whose sessions launchd shall start it in.
fn user_id(user_home: &Path) -> u32 {
    #[cfg(unix)]
    {
        std::fs::metadata(user_home).map_or(0, |about| std::os::unix::fs::MetadataExt::uid(&about))
    }
    #[cfg(not(unix))]
    {
        let _ = user_home;
        0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{example, is_ours};
    use super::*;

    #[test]
    fn paths_are_escaped_and_the_file_is_marked() {
        let plan = plan(&Service { program: "/a&b/<c>".to_owned(), ..example() }, Path::new("/nobody"));
        let text = String::from_utf8(plan.content.clone()).expect("UTF-8");
        assert!(text.contains("<string>/a&amp;b/&lt;c&gt;</string>"), "{text}");
        assert!(text.contains("<string>/home/eve/my &quot;claws&quot;</string>"), "{text}");
        assert!(is_ours(&plan.content));
        assert_eq!(plan.file, Path::new("/nobody/Library/LaunchAgents/ai.simpleclaw-work.plist"));
    }
}

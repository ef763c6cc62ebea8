//! A task of the Windows Task Scheduler, at logon, without a window and without an end. Written after its schema; nobody
//! has tried it yet.

use std::path::Path;

use super::launchd::escaped;
use super::{MARK, Plan, Service, command};

pub fn plan(service: &Service) -> Plan {
    let file = Path::new(&service.home).join("task.xml");
    let (path, name) = (file.display().to_string(), service.name.as_str());
    Plan {
        content: utf16(&text(service)),
        manager: cfg!(windows),
        enable: vec![command(&["schtasks", "/Create", "/F", "/TN", name, "/XML", &path])],
        start: vec![command(&["schtasks", "/Run", "/TN", name])],
        stop: vec![command(&["schtasks", "/End", "/TN", name]), command(&["schtasks", "/Delete", "/F", "/TN", name])],
        forget: Vec::new(),
        notes: vec![format!("Its log is in {}. On Windows this has not been tried yet.", service.home)],
        file,
    }
}

fn text(service: &Service) -> String {
    let program = escaped(&service.program);
    // What a task runs has no environment of its own; a command interpreter in between would show a window.
    let arguments = escaped(&service.arguments.join(" "));
    let variable = match &service.home_variable {
        Some(path) => format!(" It needs SIMPLECLAW_HOME={} among the variables of the user.", escaped(path)),
        None => String::new(),
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>SimpleClaw gateway. {MARK}.{variable}</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Hidden>true</Hidden>
    <RestartOnFailure><Interval>PT1M</Interval><Count>5</Count></RestartOnFailure>
  </Settings>
  <Actions><Exec><Command>{program}</Command><Arguments>{arguments}</Arguments></Exec></Actions>
</Task>
"#
    )
}

/// With its mark of order in front, as `schtasks` reads it.
fn utf16(text: &str) -> Vec<u8> {
    std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{example, is_ours};
    use super::*;

    #[test]
    fn the_task_is_marked_and_runs_the_profile() {
        let plan = plan(&example());
        assert!(plan.content.starts_with(&[0xff, 0xfe]) && is_ours(&plan.content));
        let text = text(&example());
        assert!(text.contains("<Arguments>gateway run --profile work</Arguments>"), "{text}");
        assert!(text.contains("my &quot;claws&quot;"), "{text}");
    }
}

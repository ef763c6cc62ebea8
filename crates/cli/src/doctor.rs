//! `simpleclaw doctor`: what is wrong, in words, and the command that mends it. Nothing is changed.
//!
//! What the home shows is the gateway crate's; what the running gateway says is added here, what the machine offers in
//! `machine`.

mod machine;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use simpleclaw_gateway::LockFile;
use simpleclaw_gateway::doctor::{Finding, State, examine};
use simpleclaw_protocol::health::{Health, SubsystemState};

use crate::args::Global;
use crate::connect;
use crate::failure::{AUTH, ERROR, Failure};
use crate::output::{Colour, Output, paint};
use crate::place;

/// A gateway of this machine that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(5);
const VERSION: &str = env!("CARGO_PKG_VERSION");

pub async fn run(global: &Global, output: Output) -> Result<(), Failure> {
    let home = place::home(global)?;
    let mut findings = vec![Finding::new("version", State::Ok, format!("simpleclaw {VERSION}"))];
    findings.extend(examine(&home).await);
    if let Some(owner) = home.read_lock() {
        findings.extend(running(global, &owner).await);
    }
    findings.extend(machine::examine(global).await);
    let ok = findings.iter().all(|finding| finding.state != State::Error);
    let value =
        json!({ "ok": ok, "version": VERSION, "home": home.path().display().to_string(), "findings": findings });
    output.payload(&value, |_| Ok(show(&findings, paint)))?;
    match ok {
        true => Ok(()),
        // All is said.
        false => Err(Failure { told: true, ..Failure::new(ERROR, "UNHEALTHY", "something is wrong") }),
    }
}

/// What the gateway says of itself.
async fn running(global: &Global, owner: &LockFile) -> Vec<Finding> {
    let asked = async {
        let client = connect::open(global, false).await?;
        let answer = client.call_raw("health", json!({ "refresh": true })).await;
        client.close().await;
        let health: Health = serde_json::from_value(answer?).map_err(|error| Failure::internal(error.to_string()))?;
        Ok::<_, Failure>(health)
    };
    let health = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(health)) => health,
        Ok(Err(failure)) => {
            let finding = Finding::new("gateway", State::Error, format!("it does not answer: {}", failure.message));
            // It is there, so starting one is no remedy.
            return vec![match failure.remedy.filter(|_| failure.exit == AUTH) {
                Some(remedy) => finding.remedy(remedy),
                None => finding.remedy(format!("kill {}", owner.pid)),
            }];
        }
        Err(_) => {
            let words = format!("it hangs: no answer within {} s", PATIENCE.as_secs());
            return vec![Finding::new("gateway", State::Error, words).remedy(format!("kill {}", owner.pid))];
        }
    };
    let mut findings = Vec::new();
    if health.version != VERSION {
        let words =
            format!("version {} runs, and this program is {VERSION}: stop it and start it again", health.version);
        findings.push(Finding::new("gateway", State::Warning, words).remedy("simpleclaw call gateway.shutdown"));
    }
    for (name, subsystem) in &health.subsystems {
        let state = match subsystem.state {
            SubsystemState::Failed => State::Error,
            SubsystemState::Degraded => State::Warning,
            SubsystemState::Ok | SubsystemState::Starting | SubsystemState::Off => continue,
        };
        let detail = subsystem.detail.as_deref().unwrap_or("no detail");
        findings
            .push(Finding::new("gateway", state, format!("{name}: {detail}")).remedy("simpleclaw health --refresh"));
    }
    if health.paused {
        let finding = Finding::new("gateway", State::Note, "agents are paused");
        findings.push(finding.remedy("simpleclaw call gateway.resume"));
    }
    if findings.is_empty() {
        findings.push(Finding::new("gateway", State::Ok, "it answers, and all of its parts are well"));
    }
    findings
}

/// One finding a line, its remedy below, and the sum at the end.
fn show(findings: &[Finding], paint: fn(&str, Colour) -> String) -> String {
    let width = findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
    let mut text = String::new();
    for finding in findings {
        let (word, colour) = match finding.state {
            State::Ok => ("ok     ", Colour::Green),
            State::Note => ("note   ", Colour::Grey),
            State::Warning => ("warning", Colour::Yellow),
            State::Error => ("error  ", Colour::Red),
        };
        let _ = writeln!(text, "{}  {:width$}  {}", paint(word, colour), finding.check, finding.message);
        if let Some(remedy) = &finding.remedy {
            let _ = writeln!(text, "{:7}  {:width$}  -> {remedy}", "", "");
        }
    }
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    match (count(State::Error), count(State::Warning)) {
        (0, 0) => text.push_str("Nothing is wrong."),
        (0, warnings) => {
            let _ = write!(text, "It works; warnings: {warnings}.");
        }
        (errors, _) => {
            let _ = write!(text, "Something is wrong; errors: {errors}.");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_a_table_with_the_remedy_below() {
        let findings = [
            Finding::new("home", State::Ok, "/h"),
            Finding::new("database", State::Error, "it is damaged").remedy("mend it"),
        ];
        let expected = "\
ok       home      /h
error    database  it is damaged
                   -> mend it
Something is wrong; errors: 1.";
        fn plain(word: &str, _: Colour) -> String {
            word.to_owned()
        }
        assert_eq!(show(&findings, plain), expected);
        assert!(show(&findings[..1], plain).ends_with("Nothing is wrong."));
    }
}

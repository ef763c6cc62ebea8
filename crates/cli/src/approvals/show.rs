//! Questions, rules and the record as a person reads them. Texts of agents come escaped from the gateway; whatever else
//! a terminal would obey is made visible here.

use serde_json::Value;
use simpleclaw_protocol::approval::{Approval, ApprovalAction, ApprovalRule};
use simpleclaw_protocol::methods::approvals::{
    ApprovalHistoryResult, ApprovalListResult, ApprovalsRules, ApprovalsTestResult, AuditEntry, AuditKind,
    AuditVerifyResult, TestVerdict,
};

use super::{approval, state};
use crate::failure::Failure;
use crate::show::{read, table};

pub fn list(value: &Value) -> Result<String, Failure> {
    let list: ApprovalListResult = read(value)?;
    if list.approvals.is_empty() {
        return Ok("Nothing waits for an answer.".to_owned());
    }
    let mut lines: Vec<_> = list.approvals.iter().map(question).collect();
    let hidden = list.total.saturating_sub(list.approvals.len() as u64);
    if hidden > 0 {
        lines.push(format!("{hidden} more wait."));
    }
    lines.push("Answer with `simpleclaw approvals allow ID` or `simpleclaw approvals deny ID`.".to_owned());
    Ok(lines.join("\n\n"))
}

pub fn one(value: &Value) -> Result<String, Failure> {
    Ok(question(&approval(value)?))
}

/// All of a question, an argument a line.
fn question(approval: &Approval) -> String {
    let mut rows = vec![
        ("id", approval.id.clone()),
        ("state", state(approval).to_owned()),
        ("session", approval.session_key.clone()),
    ];
    rows.extend(action(&approval.action));
    // A program or a node says it of itself.
    rows.push((if approval.run_id.is_none() { "it says" } else { "why" }, approval.why.clone()));
    rows.extend(approval.origin.sender.iter().map(|sender| ("asked by", sender.clone())));
    rows.extend(approval.origin.untrusted.iter().map(|place| ("has read", place.clone())));
    rows.extend(approval.proposed_rule.iter().map(|rule| ("rule", rule.words.clone())));
    rows.push(("until", approval.expires_at.to_string()));
    if let Some(by) = &approval.decided_by {
        let who = by.user.iter().map(|user| format!("{user}, "));
        rows.push(("decided by", format!("{}{}", who.collect::<String>(), by.surface)));
    }
    rows.extend(approval.reason.iter().map(|reason| ("reason", reason.clone())));
    table(rows.into_iter().map(|(name, text)| (name, indented(&text))).collect())
}

fn action(action: &ApprovalAction) -> Vec<(&'static str, String)> {
    let mut rows = vec![("kind", format!("{:?}", action.kind).to_lowercase())];
    let one = |name, text: &Option<String>| text.clone().map(|text| (name, text));
    rows.extend(one("program", &action.program));
    rows.extend(action.argv.iter().map(|word| ("argument", word.clone())));
    rows.extend(one("script", &action.script));
    rows.extend(one("in", &action.cwd));
    rows.extend(action.env_names.iter().map(|name| ("variable", name.clone())));
    rows.extend(one("path", &action.path));
    rows.extend(one("change", &action.diff));
    rows.extend(one("address", &action.url));
    let network = if action.network { "with the network" } else { "without the network" };
    rows.push(("sandbox", format!("{}, {network}", action.sandbox)));
    rows.extend(one("it says", &action.description));
    rows
}

pub fn rules(value: &Value) -> Result<String, Failure> {
    let ApprovalsRules { rules, .. } = read(value)?;
    let row = |rule: ApprovalRule| (rule.id, plain(&rule.words));
    Ok(match rules.is_empty() {
        true => "No rules are saved.".to_owned(),
        false => table(rules.into_iter().map(row).collect()),
    })
}

pub fn history(value: &Value) -> Result<String, Failure> {
    let page: ApprovalHistoryResult = read(value)?;
    if page.entries.is_empty() {
        return Ok("Nothing has been asked.".to_owned());
    }
    let mut lines: Vec<_> = page.entries.iter().map(entry).collect();
    lines.extend(page.next_cursor.map(|cursor| format!("More: --cursor {cursor}")));
    Ok(lines.join("\n"))
}

fn entry(entry: &AuditEntry) -> String {
    let about = &entry.about;
    let what = match entry.kind {
        AuditKind::Requested => "asked",
        AuditKind::Resolved => "answered",
        AuditKind::RuleAdded => "rule added",
        AuditKind::RuleChanged => "rule changed",
        AuditKind::RuleRemoved => "rule removed",
        AuditKind::Launched => "started",
    };
    let mut words = vec![entry.seq.to_string(), entry.at.to_string(), what.to_owned()];
    words.extend(about.approval_id.clone());
    words.extend(about.state.map(|state| format!("{state:?}").to_lowercase()));
    words.extend(about.decided_by.as_ref().map(|by| format!("by {}", by.user.as_deref().unwrap_or(&by.surface))));
    let of_action = about.action.as_ref().map(|action| {
        let first = action.script.clone().or(action.path.clone()).or(action.url.clone()).unwrap_or_default();
        if action.argv.is_empty() { first } else { action.argv.join(" ") }
    });
    words.extend(of_action);
    words.extend(about.rule.as_ref().map(|rule| rule.words.clone()));
    words.extend(about.reason.clone());
    words.iter().map(|word| plain(word)).collect::<Vec<_>>().join("  ")
}

pub fn tested(value: &Value) -> Result<String, Failure> {
    let tested: ApprovalsTestResult = read(value)?;
    let verdict = match tested.verdict {
        TestVerdict::Allow => "It would run without a question.",
        TestVerdict::Ask => "It would be asked about.",
        TestVerdict::Forbid => "It would not run.",
    };
    let mut rows = action(&tested.action);
    rows.push(("why", tested.why));
    rows.extend(tested.proposed_rule.map(|rule| ("rule", rule.words)));
    let rows = rows.into_iter().map(|(name, text)| (name, indented(&text))).collect();
    Ok(format!("{verdict}\n{}", table(rows)))
}

pub fn verified(value: &Value) -> Result<String, Failure> {
    let verified: AuditVerifyResult = read(value)?;
    Ok(match verified.first_bad {
        None => format!(
            "All {} rows are as they were written. The last one's hash is {}.",
            verified.rows, verified.head.hash
        ),
        Some(bad) => format!(
            "Row {} is not as it was written: {}. The {} rows before it are.",
            bad.seq,
            plain(&bad.why),
            verified.rows
        ),
    })
}

/// Lines behind the first one under it.
fn indented(text: &str) -> String {
    text.lines().map(plain).collect::<Vec<_>>().join("\n    ")
}

/// Without what a terminal obeys.
fn plain(text: &str) -> String {
    let sign = |sign: char| match sign.is_control() {
        true => sign.escape_unicode().to_string(),
        false => sign.to_string(),
    };
    text.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_of_a_question_and_nothing_that_a_terminal_obeys() {
        let value = json!({ "approval": {
            "id": "0123456789abcdef0123456789abcdef", "state": "pending", "sessionKey": "agent:main:main",
            "agentId": "main",
            "action": { "kind": "exec", "argv": ["ls", "a b"], "program": "/usr/bin/ls", "envNames": ["COLOUR"],
                "sandbox": "none", "network": true, "description": "harmless\u{1b}[2K" },
            "runId": "r1", "why": "It wants the network.", "origin": { "untrusted": ["https://x.example"] },
            "allowedDecisions": ["allow-once", "deny"],
            "createdAt": "2026-11-22T13:01:57.000Z", "expiresAt": "2026-11-22T13:31:57.000Z",
        } });
        let expected = "\
id        0123456789abcdef0123456789abcdef
state     waits
session   agent:main:main
kind      exec
program   /usr/bin/ls
argument  ls
argument  a b
variable  COLOUR
sandbox   none, with the network
it says   harmless\\u{1b}[2K
why       It wants the network.
has read  https://x.example
until     2026-11-22T13:31:57.000Z";
        assert_eq!(one(&value).expect("a question"), expected);
    }

    #[test]
    fn what_the_record_says_of_itself() {
        let good = json!({ "ok": true, "rows": 3, "head": { "seq": 3, "hash": "ab" } });
        assert_eq!(
            verified(&good).expect("a result"),
            "All 3 rows are as they were written. The last one's hash is ab."
        );
        let bad = json!({ "ok": false, "rows": 1, "head": { "seq": 1, "hash": "ab" },
            "firstBad": { "seq": 2, "why": "it is missing" } });
        let expected = "Row 2 is not as it was written: it is missing. The 1 rows before it are.";
        assert_eq!(verified(&bad).expect("a result"), expected);
    }
}

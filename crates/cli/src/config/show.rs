//! The configuration as a person reads it.

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::{Colour, paint};

/// Longest part of a line that is shown.
const MAX_LINE: usize = 160;

/// Text as it is, all else as JSON.
pub fn value(value: &Value) -> Result<String, Failure> {
    match value {
        Value::String(text) => Ok(text.clone()),
        value => crate::show::any(value),
    }
}

pub fn good(checked: &Value) -> Result<String, Failure> {
    let warnings = checked["issues"].as_array().map_or(0, Vec::len);
    Ok(match warnings {
        0 => "The configuration is good.".to_owned(),
        _ => "The configuration can be used.".to_owned(),
    })
}

/// The issues that an error answer carries, where they are about a configuration.
pub fn issues(failure: &Failure) -> Vec<Value> {
    let issues = failure.more.get("details").and_then(|details| details["issues"].as_array());
    issues.into_iter().flatten().filter(|issue| issue["line"].is_u64()).cloned().collect()
}

/// Issues with the line that each is about, as far as the text has it.
pub fn with_lines(issues: &Value, raw: &str) -> Vec<Value> {
    let lines: Vec<&str> = raw.lines().collect();
    let with_line = |issue: &Value| {
        let mut issue = issue.clone();
        let number =
            issue["line"].as_u64().and_then(|line| usize::try_from(line).ok()).and_then(|line| line.checked_sub(1));
        if let Some(line) = number.and_then(|at| lines.get(at)) {
            issue["snippet"] = line.chars().take(MAX_LINE).collect::<String>().into();
        }
        issue
    };
    issues.as_array().into_iter().flatten().map(with_line).collect()
}

/// `file:line:column: words`, and the line with a sign below its place.
pub fn issue(issue: &Value, file: Option<&str>) -> String {
    let (line, column) = (issue["line"].as_u64().unwrap_or(0), issue["column"].as_u64().unwrap_or(0));
    let place = match (file, line) {
        (Some(file), 0) => format!("{file}: "),
        (Some(file), _) => format!("{file}:{line}:{column}: "),
        (None, _) => String::new(),
    };
    let severity = match issue["severity"].as_str() {
        Some("warning") => paint("warning", Colour::Yellow),
        _ => paint("error", Colour::Red),
    };
    let key = match issue["path"].as_str() {
        Some(path) if !path.is_empty() => format!("{}: ", path.trim_start_matches('/').replace('/', ".")),
        _ => String::new(),
    };
    let words = issue["message"].as_str().unwrap_or_default();
    let mut text = format!("{place}{severity}: {key}{words}");
    if let Some(snippet) = issue["snippet"].as_str() {
        let number = line.to_string();
        text.push_str(&format!("\n  {number} | {snippet}"));
        let shown = usize::try_from(column).ok().and_then(|column| column.checked_sub(1));
        // A mask on the line moves what comes after it.
        if let Some(at) = shown.filter(|at| *at < MAX_LINE && !snippet.contains("__masked__")) {
            text.push_str(&format!("\n  {} | {}^", " ".repeat(number.len()), " ".repeat(at)));
        }
    }
    text
}

/// What a change did.
pub fn change(changed: &Value, dry: bool) -> Result<String, Failure> {
    let diff = changed["diff"].as_str().unwrap_or_default();
    if diff.is_empty() {
        return Ok("Nothing changes: the file says so already.".to_owned());
    }
    let keys: Vec<&str> = changed["restartPaths"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let when = match (dry, keys.is_empty()) {
        (true, _) => "Not changed: this was a dry run.".to_owned(),
        (false, true) => "Changed.".to_owned(),
        (false, false) => format!("Changed. The next start applies {}.", keys.join(", ")),
    };
    Ok(format!("{}\n{when}", coloured(diff)))
}

pub fn history(history: &Value) -> Result<String, Failure> {
    let empty = json!([]);
    let versions = history["versions"].as_array().or(empty.as_array()).cloned().unwrap_or_default();
    if versions.is_empty() {
        return Ok("No changes yet.".to_owned());
    }
    let word = |version: &Value, name: &str| version[name].as_str().unwrap_or_default().to_owned();
    let entry = |version: &Value| {
        let head = format!("{}  {}  {}", word(version, "id"), word(version, "at"), word(version, "by"));
        let diff = word(version, "diff");
        match diff.is_empty() {
            true => head,
            false => format!("{head}\n{}\n", coloured(&diff)),
        }
    };
    Ok(versions.iter().map(entry).collect::<Vec<_>>().join("\n"))
}

fn coloured(diff: &str) -> String {
    let line = |line: &str| match line.chars().next() {
        Some('+') => paint(line, Colour::Green),
        Some('-') => paint(line, Colour::Red),
        _ => line.to_owned(),
    };
    diff.lines().map(line).collect::<Vec<_>>().join("\n")
}

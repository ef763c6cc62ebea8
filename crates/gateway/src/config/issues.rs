//! What is wrong with a configuration: all of it, up to a bound.

use simpleclaw_protocol::methods::config::{ConfigIssue, IssueSeverity};

use super::tree::{Mistake, Place};

/// Most issues that are kept of each kind, and shown in all.
const MAX_ISSUES: usize = 100;

#[derive(Debug, Default)]
pub struct Issues {
    errors: Vec<ConfigIssue>,
    warnings: Vec<ConfigIssue>,
}

impl Issues {
    /// `pointer` is a JSON Pointer; the words never quote a value.
    pub fn error(&mut self, pointer: &str, place: Place, message: impl Into<String>) {
        push(&mut self.errors, pointer, place, message.into(), IssueSeverity::Error);
    }

    pub fn warning(&mut self, pointer: &str, place: Place, message: impl Into<String>) {
        push(&mut self.warnings, pointer, place, message.into(), IssueSeverity::Warning);
    }

    pub fn mistake(&mut self, mistake: Mistake) {
        let place = Place { line: mistake.line, column: mistake.column, bytes: None };
        self.error("", place, mistake.words);
    }

    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && self.warnings.is_empty()
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// In the file's order; where there are too many, warnings go first.
    pub fn into_list(self) -> Vec<ConfigIssue> {
        let mut list = self.errors;
        list.extend(self.warnings);
        list.truncate(MAX_ISSUES);
        list.sort_by_key(|issue| (issue.line, issue.column));
        list
    }
}

fn push(list: &mut Vec<ConfigIssue>, pointer: &str, place: Place, message: String, severity: IssueSeverity) {
    if list.len() < MAX_ISSUES {
        let path = pointer.chars().take(1024).collect();
        list.push(ConfigIssue { path, line: place.line, column: place.column, message, severity });
    }
}

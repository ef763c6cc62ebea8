//! The menu's entries for a state: pure. Tested with the state, in `state_tests`.
//!
//! Deliberately elsewhere: making a native menu of them (`tray`), acting on a click (`app`).

use simpleclaw_protocol::health::TodayUsage;
use simpleclaw_protocol::message::SessionRow;

use crate::action::Action;
use crate::state::{Phase, State, approvals};

/// Characters of a session's name.
pub const NAME_LENGTH: usize = 40;

/// One line of the menu.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Words without an action.
    Text(String),
    Item {
        action: Action,
        label: String,
        enabled: bool,
    },
    Check {
        action: Action,
        label: String,
        enabled: bool,
        checked: bool,
    },
    Submenu {
        label: String,
        enabled: bool,
        entries: Vec<Entry>,
    },
    Separator,
}

impl State {
    /// From top to bottom.
    pub fn menu(&self, launch_at_login: bool) -> Vec<Entry> {
        let live = self.is_live();
        let item = |action: Action, label: &str, enabled| Entry::Item { action, label: label.to_owned(), enabled };
        let mut menu = vec![Entry::Text(self.status_line())];
        if matches!(self.phase, Phase::Failed(_)) {
            menu.push(item(Action::ShowFailure, "Why it did not start…", true));
        }
        if self.waiting() > 0 {
            let label = format!("⚠ {}…", approvals(self.waiting()));
            menu.push(item(Action::Approvals, &label, true));
        }
        if let Some(health) = self.health.as_ref().filter(|_| live) {
            menu.push(Entry::Text(today(&health.usage)));
        }
        let sessions: Vec<_> = self.sessions.iter().map(session).collect();
        menu.extend([
            Entry::Separator,
            item(Action::OpenChat, "Open Chat", live),
            item(Action::Dashboard, "Dashboard", live),
            Entry::Submenu {
                label: "Recent sessions".to_owned(),
                enabled: live && !sessions.is_empty(),
                entries: sessions,
            },
            Entry::Separator,
            item(Action::StopAll, "Stop all", live),
            Entry::Check {
                action: Action::PauseAll,
                label: "Pause all agents".to_owned(),
                enabled: live,
                checked: self.is_paused(),
            },
            Entry::Separator,
            item(Action::CopyAddress, "Copy gateway address", live),
            item(Action::Settings, "Settings…", live),
            Entry::Check {
                action: Action::LaunchAtLogin,
                label: "Launch at login".to_owned(),
                enabled: true,
                checked: launch_at_login,
            },
            item(Action::ViewLogs, "View logs", true),
            item(Action::Restart, "Restart gateway", !matches!(self.phase, Phase::Starting | Phase::Stopping)),
            Entry::Separator,
            item(Action::Quit, "Quit", true),
        ]);
        menu
    }
}

/// What was spent and done since midnight.
fn today(TodayUsage { today_cost_usd: cost, today_runs: runs }: &TodayUsage) -> String {
    let cost = match *cost {
        // Not nothing.
        small if small > 0.0 && small < 0.01 => "under $0.01".to_owned(),
        cost => format!("${cost:.2}"),
    };
    let runs = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
    format!("Today: {cost} · {runs}")
}

fn session(row: &SessionRow) -> Entry {
    let name = row.label.as_deref().unwrap_or(&row.title);
    Entry::Item { action: Action::OpenSession(row.key.clone()), label: short(name), enabled: true }
}

/// One line of at most [`NAME_LENGTH`] characters, without control characters.
pub fn short(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match name.char_indices().nth(NAME_LENGTH) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default().trim_end()),
        None => name,
    }
}

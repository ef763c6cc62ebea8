//! What a click in the menu means, and its id there. Doing it is `app`'s.

/// One thing that the menu can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    OpenChat,
    /// By session key.
    OpenSession(String),
    /// How the gateway is.
    Dashboard,
    /// The window that asks.
    Approvals,
    Settings,
    ShowFailure,
    StopAll,
    /// Pauses, or resumes where all agents are paused.
    PauseAll,
    CopyAddress,
    LaunchAtLogin,
    ViewLogs,
    Restart,
    Quit,
}

const PLAIN: [(&str, Action); 12] = [
    ("open-chat", Action::OpenChat),
    ("dashboard", Action::Dashboard),
    ("approvals", Action::Approvals),
    ("settings", Action::Settings),
    ("show-failure", Action::ShowFailure),
    ("stop-all", Action::StopAll),
    ("pause-all", Action::PauseAll),
    ("copy-address", Action::CopyAddress),
    ("launch-at-login", Action::LaunchAtLogin),
    ("view-logs", Action::ViewLogs),
    ("restart", Action::Restart),
    ("quit", Action::Quit),
];
const SESSION: &str = "session ";

impl Action {
    /// The id of its menu entry.
    pub fn id(&self) -> String {
        match self {
            Self::OpenSession(key) => format!("{SESSION}{key}"),
            _ => PLAIN.iter().find(|(_, action)| action == self).map_or("", |(id, _)| *id).to_owned(),
        }
    }

    /// The action of a menu entry; `None` for an id that is not one of ours.
    pub fn parse(id: &str) -> Option<Self> {
        match id.strip_prefix(SESSION) {
            Some(key) => Some(Self::OpenSession(key.to_owned())),
            None => PLAIN.iter().find(|(known, _)| *known == id).map(|(_, action)| action.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_lead_back_to_their_actions() {
        for action in PLAIN.into_iter().map(|(_, action)| action).chain([Action::OpenSession("agent:main:x".into())]) {
            assert_eq!(Action::parse(&action.id()), Some(action));
        }
        assert_eq!(Action::parse("other"), None);
    }
}

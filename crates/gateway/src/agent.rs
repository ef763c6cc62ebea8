//! Agents: who they are, where their workspace is, and the system prompt that says so to a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use simpleclaw_protocol::Timestamp;
use tokio::io::AsyncReadExt as _;

use crate::config::{Config, ToolProfile};
use crate::home::Home;

/// Files of a workspace that go into the system prompt, in this order.
const WORKSPACE_FILES: [&str; 5] = ["IDENTITY.md", "SOUL.md", "AGENTS.md", "USER.md", "MEMORY.md"];
/// Of one such file, in bytes; the rest is cut and the model is told.
const MAX_FILE: u64 = 24 * 1024;

/// One configured agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub id: String,
    pub name: String,
    pub workspace: PathBuf,
    /// As configured: `provider/model` or `auto`.
    pub model: String,
    pub fallbacks: Vec<String>,
    pub system_prompt: Option<String>,
    pub profile: ToolProfile,
}

impl Agent {
    /// An agent of the configuration.
    pub fn of(config: &Arc<Config>, home: &Home, id: &str) -> Option<Self> {
        let entry = config.agents.entries.get(id)?;
        let workspace = match &entry.workspace {
            Some(path) => home.path().join(path),
            None => home.agent_workspace(id),
        };
        Some(Self {
            id: id.to_owned(),
            name: entry.name.clone(),
            workspace,
            model: entry.model.clone(),
            fallbacks: entry.fallbacks.clone(),
            system_prompt: entry.system_prompt.clone(),
            profile: entry.tools.profile,
        })
    }

    /// What the model is told before the conversation: identity, date, workspace files.
    pub async fn system_prompt(&self, now: Timestamp) -> String {
        let date = now.to_string();
        let day = date.get(..10).unwrap_or(&date);
        let mut prompt = format!(
            "You are {}, a personal assistant that runs on its owner's own machine in SimpleClaw.\nToday is {day} (UTC).\n",
            self.name
        );
        if let Some(own) = &self.system_prompt {
            prompt.push('\n');
            prompt.push_str(own);
            prompt.push('\n');
        }
        for name in WORKSPACE_FILES {
            if let Some(text) = read_bounded(&self.workspace.join(name)).await {
                prompt.push_str(&format!("\n## {name}\n\n{}\n", text.trim()));
            }
        }
        prompt
    }
}

/// The start of a regular file as text; `None` where there is none or it is empty.
async fn read_bounded(path: &Path) -> Option<String> {
    // Before it is opened: opening some devices does something.
    if !tokio::fs::symlink_metadata(path).await.ok()?.is_file() {
        return None;
    }
    let mut options = tokio::fs::OpenOptions::new();
    options.read(true);
    // Commands write here too: what was a file a moment ago may be a link that leads out, or a pipe.
    #[cfg(unix)]
    {
        use nix::fcntl::OFlag;
        options.custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW).bits());
    }
    let file = options.open(path).await.ok()?;
    let meta = file.metadata().await.ok()?;
    if !meta.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).await.ok()?;
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if meta.len() > MAX_FILE {
        text.push_str("\n(The rest of this file was left out.)");
    }
    (!text.trim().is_empty()).then_some(text)
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Whatever a command makes of a file of the workspace while it is read.
    #[tokio::test]
    async fn no_link_is_followed_out_of_the_workspace() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [secret, file, next] = ["secret", "MEMORY.md", "next"].map(|name| folder.path().join(name));
        fs::write(&secret, "secret").expect("writes");
        fs::write(&file, "plain").expect("writes");
        assert_eq!(read_bounded(&file).await.as_deref(), Some("plain"));
        let done = Arc::new(AtomicBool::new(false));
        let swapper = std::thread::spawn({
            let (done, secret, file) = (Arc::clone(&done), secret.clone(), file.clone());
            move || {
                while !done.load(Ordering::Relaxed) {
                    symlink(&secret, &next).and_then(|()| fs::rename(&next, &file)).expect("links");
                    fs::write(&next, "plain").and_then(|()| fs::rename(&next, &file)).expect("writes");
                }
            }
        });
        for _ in 0..2_000 {
            assert!(read_bounded(&file).await.is_none_or(|text| text == "plain"));
        }
        done.store(true, Ordering::Relaxed);
        swapper.join().expect("no panic");
        fs::remove_file(&file).and_then(|()| symlink(&secret, &file)).expect("links");
        assert_eq!(read_bounded(&file).await, None);
    }
}

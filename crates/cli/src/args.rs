//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "simpleclaw", version, about = "A personal AI gateway", disable_help_subcommand = true)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Where the gateway is, and how to answer. `SIMPLECLAW_HOME` names another home than `~/.simpleclaw`.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// Address of the gateway [default: the running one's, else ws://127.0.0.1:18789]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// File with the token [default: the home's]
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Use the home ~/.simpleclaw-NAME
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Print only JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    Gateway {
        #[command(subcommand)]
        command: crate::gateway::GatewayCommand,
    },
    /// Show whether a gateway runs, and its figures
    Status,
    /// Show how each part of the gateway is
    Health {
        /// Probe now instead of showing the last result
        #[arg(long)]
        refresh: bool,
    },
    /// Call any method of the gateway
    Call {
        method: String,
        /// The params as JSON; `-` reads them from standard input
        #[arg(value_name = "JSON")]
        params: Option<String>,
    },
    /// Look at the configuration, and change it; works without a running gateway too
    Config {
        #[command(subcommand)]
        command: crate::config::ConfigCommand,
    },
    /// Keep the secrets that the configuration names
    Secrets {
        #[command(subcommand)]
        command: crate::secrets::SecretsCommand,
    },
    /// Answer what agents ask, and keep the rules that answers left
    Approvals {
        #[command(subcommand)]
        command: crate::approvals::ApprovalsCommand,
    },
    /// Check the record of approvals
    Audit {
        #[command(subcommand)]
        command: crate::approvals::AuditCommand,
    },
    /// Talk to an agent
    Chat(ChatOptions),
    /// Say what is wrong, and the command that mends it; changes nothing
    Doctor,
    /// Save everything of this home into one file, check such a file, take it back
    Backup {
        #[command(subcommand)]
        command: crate::backup::BackupCommand,
    },
    /// Print the token of this home
    Token,
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
}

#[derive(Debug, clap::Args)]
pub struct ChatOptions {
    /// Send this one message, print the reply, leave
    #[arg(short, long, value_name = "TEXT")]
    pub message: Option<String>,
    /// Session to talk in: `main` or agent:ID:NAME
    #[arg(long, value_name = "KEY", default_value = "main")]
    pub session: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_consistent() {
        Args::command().debug_assert();
    }
}

//! `simpleclaw gateway run`: the gateway in this process, until a signal or a client stops it.
//!
//! Elsewhere: having the system run it (`service`), telling the service manager (`notify`).

use std::time::Duration;

use serde_json::json;
use simpleclaw_gateway::logging::{self, LogOptions};
use simpleclaw_gateway::{Gateway, Home, Options, StartError, StopReason};

use crate::args::Global;
use crate::failure::{CONFIG, Failure};
use crate::input::{Interrupts, Terminations};
use crate::notify::Notify;
use crate::output::Output;

/// What can be typed after `gateway`.
#[derive(Debug, clap::Subcommand)]
pub enum GatewayCommand {
    /// Run it here until Ctrl-C or SIGTERM
    Run(RunOptions),
    /// Have the system run it: a hardened user unit of systemd; launchd and the Task Scheduler where those are
    Install(InstallOptions),
    /// Stop it and take it out of the system again; your data stays
    Uninstall,
}

#[derive(Debug, clap::Args)]
pub struct RunOptions {
    /// TCP port; 0 takes a free one [default: the configured one, else 18789]
    #[arg(long)]
    pub port: Option<u16>,
    /// `loopback`, `all` or an IP address [default: the configured one, else loopback]
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct InstallOptions {
    /// Only print what would be written
    #[arg(long)]
    pub print: bool,
    /// Write and enable it, and start it later
    #[arg(long)]
    pub no_start: bool,
}

/// How long a graceful stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Runs until it is stopped; a restart that a client asks for happens within this process.
pub fn run(global: &Global, options: &RunOptions, output: Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("cannot start: {error}")))?;
    let result = runtime.block_on(serve(global, options, output));
    // What is still busy after a graceful stop had its time.
    runtime.shutdown_background();
    result
}

async fn serve(global: &Global, options: &RunOptions, output: Output) -> Result<(), Failure> {
    // Before anything else: a stop during the start is not lost.
    let (mut interrupts, mut terminations) = (Interrupts::new()?, Terminations::new()?);
    let notify = Notify::from_env();
    let home = Home::resolve(global.profile.as_deref())
        .map_err(|error| failed(output, Failure::new(CONFIG, "CONFIG", error.to_string())))?;
    let logs = logging::init(LogOptions { home: &home, stderr: true, level: "info", json: output.json });
    let mut port = options.port;
    loop {
        let start =
            Options { port, bind: options.bind.clone(), logs: Some(logs.clone()), ..Options::new(home.clone()) };
        notify.status("starting");
        let gateway = Gateway::start(start).await.map_err(|error| {
            notify.status(&format!("no start: {error}"));
            failed(output, (&error).into())
        })?;
        if port == Some(0) {
            // Kept over a restart: clients come back to the address that they know.
            port = gateway.url().rsplit(':').next().and_then(|port| port.parse().ok()).or(port);
        }
        let url = gateway.url();
        listening(output, &url);
        notify.ready(&url);
        let again = tokio::select! {
            reason = gateway.stopped() => matches!(reason, StopReason::Restart),
            () = interrupts.next() => false,
            () = terminations.next() => false,
            never = notify.follow(&gateway) => match never {},
        };
        match again {
            true => notify.status("restarting"),
            false => notify.stopping(),
        }
        tokio::select! {
            () = gateway.shutdown(STOP_WITHIN) => {}
            () = interrupts.next() => return Err(Failure::interrupted()),
            // A second SIGTERM: whoever sends it does not want to wait.
            () = terminations.next() => return Ok(()),
        }
        if !again {
            return Ok(());
        }
    }
}

fn listening(output: Output, url: &str) {
    let pid = std::process::id();
    let line = match output.json {
        true => json!({ "event": "listening", "url": url, "pid": pid }).to_string(),
        false => format!("SimpleClaw listens on {url} (pid {pid}). Ctrl-C stops it."),
    };
    output.text(&format!("{line}\n"));
}

/// Under `--json`, a start that fails is an event like the start that succeeds.
fn failed(output: Output, failure: Failure) -> Failure {
    if output.json {
        output.text(&format!("{}\n", json!({ "event": "failed", "error": failure.error() })));
    }
    Failure { told: output.json, ..failure }
}

impl From<&StartError> for Failure {
    fn from(error: &StartError) -> Self {
        let exit = u8::try_from(error.exit_code()).unwrap_or(crate::failure::ERROR);
        Self::new(exit, error.code(), error.to_string())
    }
}

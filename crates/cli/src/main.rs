//! `simpleclaw`: the headless gateway, and an operator's commands against a running one.
//!
//! Here: arguments, exit codes, output. Elsewhere: the gateway itself (`simpleclaw_gateway`) and the connection to one
//! (`simpleclaw_client`).

mod approvals;
mod args;
mod backup;
mod chat;
mod config;
mod connect;
mod doctor;
mod failure;
mod gateway;
mod input;
mod notify;
mod output;
mod place;
mod secrets;
mod service;
mod show;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use serde_json::{Value, json};

use args::{Args, Command, Global};
use failure::Failure;
use gateway::GatewayCommand;
use output::Output;

fn main() -> ExitCode {
    if let Some(code) = simpleclaw_gateway::sandbox::enter() {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let output = Output { json: args.global.json };
    match run(args, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.exit)
        }
    }
}

fn run(args: Args, output: Output) -> Result<(), Failure> {
    let Args { global, command } = args;
    match command {
        Command::Gateway { command } => match command {
            GatewayCommand::Run(options) => gateway::run(&global, &options, output),
            GatewayCommand::Install(options) => service::install(&global, &options, output),
            GatewayCommand::Uninstall => service::uninstall(&global, output),
        },
        Command::Status => call(&global, output, "status", json!({}), show::status),
        Command::Health { refresh } => {
            let params = if refresh { json!({ "refresh": true }) } else { json!({}) };
            call(&global, output, "health", params, show::health)
        }
        Command::Call { method, params } => call(&global, output, &method, input::params(params)?, show::any),
        Command::Config { command } => client_runtime()?.block_on(config::run(&global, command, output)),
        Command::Secrets { command } => secrets::run(&global, command, output),
        Command::Approvals { command } => approvals::run(&global, command, output),
        Command::Audit { command } => approvals::audit(&global, command, output),
        Command::Chat(options) => client_runtime()?.block_on(chat::run(&global, options, output)),
        Command::Doctor => client_runtime()?.block_on(doctor::run(&global, output)),
        Command::Backup { command } => client_runtime()?.block_on(backup::run(&global, command, output)),
        Command::Token => {
            let token = place::token(&global)?;
            let shown = json!({ "token": token.expose() });
            output.payload(&shown, |_| Ok(token.expose().to_owned()))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "simpleclaw", &mut script);
            output.text(&String::from_utf8_lossy(&script));
            Ok(())
        }
    }
}

/// Connects, calls once, shows the result.
fn call(
    global: &Global,
    output: Output,
    method: &str,
    params: Value,
    show: fn(&Value) -> Result<String, Failure>,
) -> Result<(), Failure> {
    client_runtime()?.block_on(async {
        let exchange = async {
            let client = connect::open(global, false).await?;
            let result = client.call_raw(method, params).await;
            client.close().await;
            Ok::<_, Failure>(result?)
        };
        let mut interrupts = input::Interrupts::new()?;
        let result = tokio::select! {
            result = exchange => result,
            () = interrupts.next() => Err(Failure::interrupted()),
        }?;
        output.payload(&result, show)
    })
}

/// A client needs no second thread, and starting none is quicker.
fn client_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format!("cannot start: {error}")))
}

/// Help and version are answers; anything else is a mistake in the arguments.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if error.use_stderr() && json {
        let text = error.render().to_string();
        let failure = Failure::usage(text.trim_end().trim_start_matches("error: "));
        Output { json }.failure(&failure);
    } else {
        // Nobody is left to tell when this cannot be printed.
        let _ = error.print();
    }
    ExitCode::from(if error.use_stderr() { failure::USAGE } else { 0 })
}

//! `exec`: a command, kept in where this machine can.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::children::{Child, Start};
use super::context::Permitted;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, object};
use crate::approval::action::{Action, Command, Reach, Script, What, environment};
use crate::approval::command::{Parsed, SHELL, Unresolved, parse, resolve, resolve_script, system_path};
use crate::sandbox::{Confinement, Launch, Limits, freeze, start};

const MAX_ARGUMENTS: usize = 256;
const TIMEOUT: u64 = 120;
const MAX_TIMEOUT: u64 = 3_600;
/// In the background.
const BACKGROUND_TIMEOUT: u64 = 3_600;
const MAX_BACKGROUND_TIMEOUT: u64 = 86_400;
const OUTPUT_BYTES: usize = 1024 * 1024;
const MEMORY_BYTES: u64 = 4 * 1024 * 1024 * 1024;
const PROCESSES: u64 = 256;
/// What is printed goes to those who look on this often at most.
const SHOW_EVERY: Duration = Duration::from_millis(50);
/// How long a program in the background is watched, so that one that fails at once says so at once.
const FIRST_LOOK: Duration = Duration::from_millis(300);

pub struct Exec;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Args {
    #[serde(default)]
    argv: Option<Vec<String>>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    cwd: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    timeout_seconds: Option<u64>,
    #[serde(default)]
    background: bool,
    /// Wants the network.
    #[serde(default)]
    network: bool,
    /// Folders outside of the workspace that are to be written.
    #[serde(default)]
    writes: Vec<String>,
    /// Wants no sandbox at all.
    #[serde(default)]
    unconfined: bool,
    #[serde(default)]
    description: Option<String>,
}

impl Tool for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description:
                "Runs a command in your workspace, where it can be kept in a sandbox: it sees system folders and \
                the workspace, writes only the workspace and `$TMPDIR`, and has no network. What is in `$TMPDIR` stays \
                for the other commands of this session; file tools do not see it. Prefer `argv`; \
                `command` is text, and anything but one plain command in it is a shell script. `network`, `writes` \
                (folders that are there) and `unconfined` ask for more, and then the user is asked: ask only for what \
                is needed, and say in `description` what it is for. `background` gives an id for `process`."
                    .to_owned(),
            schema: object(
                &[],
                json!({
                    "argv": { "type": "array", "items": { "type": "string" }, "minItems": 1, "maxItems": MAX_ARGUMENTS },
                    "command": { "type": "string" },
                    "cwd": { "type": "string" },
                    "env": { "type": "object", "additionalProperties": { "type": "string" } },
                    "timeoutSeconds": { "type": "integer", "minimum": 1, "maximum": MAX_BACKGROUND_TIMEOUT },
                    "background": { "type": "boolean" },
                    "network": { "type": "boolean" },
                    "writes": { "type": "array", "items": { "type": "string" }, "maxItems": 16 },
                    "unconfined": { "type": "boolean" },
                    "description": { "type": "string" },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move { exec(context, arguments(args)?).await })
    }
}

async fn exec(context: &ToolContext<'_>, args: Args) -> Result<ToolResult, Failed> {
    let (limit, default) = match args.background {
        true => (MAX_BACKGROUND_TIMEOUT, BACKGROUND_TIMEOUT),
        false => (MAX_TIMEOUT, TIMEOUT),
    };
    let timeout = args.timeout_seconds.unwrap_or(default);
    if timeout == 0 || timeout > limit {
        return Err(Failed(format!("`timeoutSeconds` is 1 to {limit} here")));
    }
    if args.background {
        context.gateway.children.has_room(&context.run.session_key)?;
    }
    let (background, shown) = (args.background, shown(&args));
    let action = action(context, args).await?;
    let permitted = context.permit_action(action).await?;
    let untrusted = permitted.action.reach.network || !permitted.action.reach.sandboxed;
    let child = launch(
        context,
        permitted,
        Start {
            session_key: context.run.session_key.clone(),
            run_id: context.run.id.clone(),
            command: shown.clone(),
            untrusted,
            background,
        },
        Duration::from_secs(timeout),
    )
    .await?;
    let mut result = match background {
        true => in_background(&child).await,
        false => in_foreground(context, child).await,
    };
    result.untrusted = untrusted.then(|| format!("the command {shown}"));
    Ok(result)
}

/// What would be run, looked up and complete.
async fn action(context: &ToolContext<'_>, args: Args) -> Result<Action, Failed> {
    enum Wanted {
        Plain(Vec<String>),
        Script(String),
    }
    let wanted = match (args.argv, args.command) {
        (Some(argv), None) => Wanted::Plain(argv),
        (None, Some(command)) => match parse(&command) {
            Parsed::Simple(argv) => Wanted::Plain(argv),
            Parsed::Shell => Wanted::Script(command),
            Parsed::Refused(refusal) => return Err(Failed(refusal.to_string())),
        },
        _ => return Err(Failed::new("give either `argv` or `command`")),
    };
    let env = environment(args.env).map_err(|error| Failed(format!("`env`: {error}")))?;
    let cwd = context.find(args.cwd.unwrap_or_else(|| ".".to_owned())).await?;
    let sandboxed = context.is_enforced() && !args.unconfined;
    if sandboxed && !cwd.inside {
        return Err(Failed::new(
            "`cwd` is outside of the workspace, which a command in the sandbox does not see; leave it out, or ask for \
             `unconfined`",
        ));
    }
    let mut writes = Vec::new();
    for path in args.writes {
        let place = context.find(path).await?;
        if !place.inside {
            writes.push(blocking(move || folder(place.path)).await?);
        }
    }
    writes.sort();
    writes.dedup();
    let reach = Reach { sandboxed, network: args.network, writes };
    let confined = confinement(context, &reach).await?;
    let tmp = confined.as_ref().and_then(|confined| context.gateway.sandbox.tmp(confined)).map(Path::to_owned);
    let path = search_path(sandboxed);
    let what = blocking(move || {
        let failed = |error: Unresolved| Failed(format!("the command cannot be run: {error}"));
        Ok(match wanted {
            Wanted::Plain(argv) => {
                What::Exec(Command { env, ..resolve(&argv, &cwd.path, &path, tmp.as_deref()).map_err(failed)? })
            }
            Wanted::Script(text) => {
                What::Script(Script { env, ..resolve_script(&text, SHELL, &cwd.path, &path).map_err(failed)? })
            }
        })
    })
    .await?;
    let description = args.description.map(|words| words.chars().take(500).collect());
    Ok(Action { what, reach, description })
}

/// What is to be written has to be a folder, and there: only folders are opened for a command, and a yes to anything else
/// would be used up by a start that fails. Blocks.
fn folder(path: PathBuf) -> Result<PathBuf, Failed> {
    match path.is_dir() {
        true => Ok(path),
        false => Err(Failed(format!(
            "`writes` names folders that are there, and {path:?} is none; name the folder that it is in, or is to be in"
        ))),
    }
}

/// How a command that reaches so far is kept in; `None` where it is not.
async fn confinement(context: &ToolContext<'_>, reach: &Reach) -> Result<Option<Confinement>, Failed> {
    if !reach.sandboxed {
        return Ok(None);
    }
    Ok(Some(Confinement {
        workspace: context.places.workspace().to_owned(),
        temp: context.temp().await?,
        network: reach.network,
        writes: reach.writes.clone(),
    }))
}

/// Where programs are looked for: system folders, and what the gateway itself was started with where nothing confines.
fn search_path(sandboxed: bool) -> Vec<PathBuf> {
    let own = std::env::var_os("PATH").filter(|_| !sandboxed).unwrap_or_default();
    let own = std::env::split_paths(&own).filter(|folder| folder.is_absolute());
    own.chain(system_path()).collect()
}

/// Starts exactly what was allowed.
async fn launch(
    context: &ToolContext<'_>,
    permitted: Permitted,
    begin: Start,
    timeout: Duration,
) -> Result<Arc<Child>, Failed> {
    let Permitted { action, approval_id } = permitted;
    let confined = confinement(context, &action.reach).await?;
    let frozen = action.clone();
    let frozen = blocking(move || {
        freeze(&frozen).map_err(|changed| {
            Failed(format!("{changed}. What was allowed is not what is there now, so nothing was run; call again"))
        })
    })
    .await?;
    let limits = Limits { timeout, output_bytes: OUTPUT_BYTES, memory_bytes: MEMORY_BYTES, processes: PROCESSES };
    let gateway = context.gateway;
    let kind = if action.reach.sandboxed { gateway.sandbox.kind() } else { "none" };
    // In the record before it runs: what ran is there, whatever happens next.
    context.record(approval_id.as_deref(), &action, kind).await?;
    let launch = Launch { confined, limits, terminal: false };
    let (sandbox, supervisor, has_input) = (Arc::clone(&gateway.sandbox), gateway.supervisor.clone(), begin.background);
    let starting = async move {
        let mut running = start(&sandbox, frozen, launch, &supervisor).await?;
        if !has_input {
            // Nobody could write to it: what reads its input sees the end of it at once.
            running.close_input();
        }
        Ok(running)
    };
    gateway.children.start(begin, || context.is_going(), starting, &gateway.supervisor).await
}

/// Waits for the end, and shows what is printed meanwhile.
async fn in_foreground(context: &ToolContext<'_>, child: Arc<Child>) -> ToolResult {
    let guard = child.stop_on_drop();
    let mut left = OUTPUT_BYTES;
    loop {
        let ended = tokio::time::timeout(SHOW_EVERY, child.until_ended()).await.is_ok();
        let mut text = child.take_unread();
        super::output::end_cut(&mut text, left);
        left -= text.len();
        context.output(text);
        if ended {
            break;
        }
    }
    drop(guard);
    let Some(finished) = child.finished() else { return ToolResult::own("it has ended") };
    let printed = match finished.printed.trim_end() {
        "" => "(it printed nothing)",
        printed => printed,
    };
    let content = match finished.well {
        true => printed.to_owned(),
        false => format!("{printed}\n[{}]", finished.words),
    };
    ToolResult { is_error: !finished.well, ..ToolResult::own(content) }
}

async fn in_background(child: &Arc<Child>) -> ToolResult {
    if tokio::time::timeout(FIRST_LOOK, child.until_ended()).await.is_ok()
        && let Some(finished) = child.finished()
    {
        let words = format!("{}\n[it has ended already: {}]", child.take_unread().trim_end(), finished.words);
        return ToolResult { is_error: !finished.well, ..ToolResult::own(words) };
    }
    let printed = child.take_unread();
    ToolResult::own(format!("It goes in the background as {:?}; `process` asks for it.\n{printed}", child.id))
}

/// A command in one short line.
fn shown(args: &Args) -> String {
    let words = match (&args.argv, &args.command) {
        (Some(argv), _) => argv.join(" "),
        (None, Some(command)) => command.clone(),
        (None, None) => String::new(),
    };
    let mut line: String = words.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(120).collect();
    if words.chars().count() > 120 {
        line.push('…');
    }
    line
}

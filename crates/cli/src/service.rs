//! `simpleclaw gateway install` and `uninstall`: the system runs the gateway. What is written, and which commands make it
//! count, is of each system: `systemd`, `launchd`, `tasks`. Only the first has been tried.

mod launchd;
mod systemd;
mod tasks;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;
use simpleclaw_gateway::Home;

use crate::args::Global;
use crate::failure::{ERROR, Failure};
use crate::gateway::InstallOptions;
use crate::output::Output;
use crate::place;

pub use systemd::program_of;

/// Stands in every file that is written here, so that nobody's own file is replaced or removed.
const MARK: &str = "Written by `simpleclaw gateway install`";

/// What the system shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Service {
    /// `simpleclaw`, or `simpleclaw-NAME` for a profile.
    name: String,
    program: String,
    arguments: Vec<String>,
    home: String,
    /// `SIMPLECLAW_HOME`, where it is set now: the profile's name is added to it at each start.
    home_variable: Option<String>,
}

/// How one system is told.
struct Plan {
    file: PathBuf,
    content: Vec<u8>,
    /// Whether the system's own manager runs here, so that the commands can do something.
    manager: bool,
    enable: Vec<Vec<String>>,
    start: Vec<Vec<String>>,
    /// Before the file is removed.
    stop: Vec<Vec<String>>,
    /// After it is.
    forget: Vec<Vec<String>>,
    notes: Vec<String>,
}

impl Service {
    fn of(global: &Global, home: &Home) -> Result<Self, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal(format!("this program does not find itself: {error}")))?;
        let mut arguments = vec!["gateway".to_owned(), "run".to_owned()];
        let mut name = "simpleclaw".to_owned();
        if let Some(profile) = &global.profile {
            name = format!("{name}-{profile}");
            arguments.extend(["--profile".to_owned(), profile.clone()]);
        }
        let variable = std::env::var_os("SIMPLECLAW_HOME").filter(|value| !value.is_empty());
        let home_variable = match variable.map(|value| std::path::absolute(PathBuf::from(value))) {
            None => None,
            Some(Ok(path)) => Some(text(&path)?),
            Some(Err(error)) => return Err(Failure::usage(format!("SIMPLECLAW_HOME: {error}"))),
        };
        Ok(Self { name, program: text(&program)?, arguments, home: text(home.path())?, home_variable })
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let dirs = directories::BaseDirs::new().ok_or_else(|| Failure::usage("this user has no home folder"))?;
        match std::env::consts::OS {
            "linux" => Ok(systemd::plan(self, dirs.config_dir())),
            "macos" => Ok(launchd::plan(self, dirs.home_dir())),
            "windows" => Ok(tasks::plan(self)),
            other => {
                Err(Failure::usage(format!("no service manager is known for {other}; docs/operations.md has more")))
            }
        }
    }
}

/// Writes what the system needs, and starts it where the system's manager runs.
pub fn install(global: &Global, options: &InstallOptions, output: Output) -> Result<(), Failure> {
    let home = place::home(global)?;
    let service = Service::of(global, &home)?;
    let plan = service.plan()?;
    if options.print {
        let content = String::from_utf8_lossy(&plan.content);
        let value = json!({ "file": plan.file.display().to_string(), "content": content });
        return output.payload(&value, |_| Ok(format!("# {}\n{}", plan.file.display(), content.trim_end())));
    }
    refuse_others(&plan.file)?;
    // The unit names the folder as the one that may be written, so it has to be there.
    home.create().map_err(|error| Failure::new(ERROR, "HOME", error.to_string()))?;
    write(&plan.file, &plan.content).map_err(|error| failed(&format!("write {}", plan.file.display()), &error))?;
    let mut did = vec![format!("wrote {}", plan.file.display())];
    let mut notes = plan.notes.clone();
    let mut started = false;
    if plan.manager {
        run_all(&plan.enable, &mut did)?;
        match home.read_lock() {
            // Two cannot have one home; the one that runs may be the system's own, of the unit as it was before.
            Some(owner) if !is_active(&service) => notes.push(format!(
                "A gateway runs already (process {}). Stop it, then: {}",
                owner.pid,
                words(&plan.start)
            )),
            _ if options.no_start => notes.push(format!("Start it with: {}", words(&plan.start))),
            _ => {
                run_all(&plan.start, &mut did)?;
                started = true;
            }
        }
    } else {
        notes.push(format!("The system's service manager does not run here. Where it does: {}", all(&plan)));
    }
    let value = json!({ "file": plan.file.display().to_string(), "started": started, "did": did, "notes": notes });
    output.payload(&value, |_| Ok([did, notes].concat().join("\n")))
}

/// Takes out what [`install`] has put in. Not being there is no failure.
pub fn uninstall(global: &Global, output: Output) -> Result<(), Failure> {
    let home = place::home(global)?;
    let plan = Service::of(global, &home)?.plan()?;
    let mut did = Vec::new();
    if plan.file.exists() {
        refuse_others(&plan.file)?;
        if plan.manager {
            run_all(&plan.stop, &mut did)?;
        }
        fs::remove_file(&plan.file).map_err(|error| failed(&format!("remove {}", plan.file.display()), &error))?;
        did.push(format!("removed {}", plan.file.display()));
        if plan.manager {
            run_all(&plan.forget, &mut did)?;
        }
    }
    let kept = format!("Your data is still in {}", home.path().display());
    let value = json!({ "file": plan.file.display().to_string(), "did": did });
    output.payload(&value, |_| match did.is_empty() {
        true => Ok(format!("There is no {}: nothing to do", plan.file.display())),
        false => Ok(format!("{}\n{kept}", did.join("\n"))),
    })
}

/// Where the unit of this home would be; `None` on a system without systemd.
pub fn systemd_unit(global: &Global) -> Option<PathBuf> {
    let home = place::home(global).ok()?;
    let service = Service::of(global, &home).ok()?;
    let dirs = directories::BaseDirs::new()?;
    cfg!(target_os = "linux").then(|| systemd::file(&service, dirs.config_dir()))
}

fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(['\n', '\r', '\0']));
    let words = || Failure::usage(format!("{} cannot be written into a service: it is no plain text", path.display()));
    text.map(str::to_owned).ok_or_else(words)
}

/// A file that a person wrote, or changed so far that the mark is gone, is theirs.
fn refuse_others(file: &Path) -> Result<(), Failure> {
    match fs::read(file) {
        Ok(bytes) if !is_ours(&bytes) => {
            let words = format!("{} was not written by this command; move it away first", file.display());
            Err(Failure::new(ERROR, "CONFLICT", words))
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(&format!("read {}", file.display()), &error))
        }
        _ => Ok(()),
    }
}

/// The mark is plain ASCII, also in a file of two bytes a letter.
fn is_ours(bytes: &[u8]) -> bool {
    let letters: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
    letters.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// The whole file or none of it.
fn write(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = file.with_file_name(name);
    fs::write(&new, content)?;
    fs::rename(&new, file)
}

fn run_all(commands: &[Vec<String>], did: &mut Vec<String>) -> Result<(), Failure> {
    for command in commands {
        let line = command.join(" ");
        let Some((program, arguments)) = command.split_first() else { continue };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| failed(&format!("run `{line}`"), &error))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            let done = if did.is_empty() { String::new() } else { format!(" Done before: {}.", did.join("; ")) };
            return Err(Failure::new(ERROR, "SERVICE", format!("`{line}` failed ({}): {said}.{done}", output.status))
                .remedy("`simpleclaw doctor` says how the service is; docs/operations.md has more."));
        }
        did.push(line);
    }
    Ok(())
}

/// Whether the system runs this service now.
fn is_active(service: &Service) -> bool {
    let unit = format!("{}.service", service.name);
    let asked = Command::new("systemctl").args(["--user", "is-active", "--quiet", &unit]).stdin(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn failed(doing: &str, error: &io::Error) -> Failure {
    Failure::new(ERROR, "SERVICE", format!("cannot {doing}: {error}"))
}

fn words(commands: &[Vec<String>]) -> String {
    commands.iter().map(|command| command.join(" ")).collect::<Vec<_>>().join(" && ")
}

fn all(plan: &Plan) -> String {
    words(&[plan.enable.as_slice(), plan.start.as_slice()].concat())
}

/// A command from its words.
fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
fn example() -> Service {
    Service {
        name: "simpleclaw-work".to_owned(),
        program: "/opt/simple claw/100%/bin/simpleclaw".to_owned(),
        arguments: ["gateway", "run", "--profile", "work"].map(str::to_owned).to_vec(),
        home: "/home/eve/my \"claws\"-work".to_owned(),
        home_variable: Some("/home/eve/my \"claws\"".to_owned()),
    }
}

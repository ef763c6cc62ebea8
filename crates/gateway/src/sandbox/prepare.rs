//! From what is frozen and how it shall run to a plan with its open descriptors.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use super::freeze::{Frozen, Held, may_change, open_folder};
use super::plan::{Arg, Opened, Plan, Program, sealed};
use super::probe::Walls;
use super::{Launch, LaunchError, Mechanism, bubblewrap, environment, system};
use crate::approval::command::{TMP, canonical, system_path};

/// Links from a name to a program; as many as the kernel follows.
const MAX_HOPS: usize = 40;
/// Links to what lies beside frozen files; a folder with more is shown in part.
const MAX_LINKS: usize = 2_000;

/// `fds` holds stdin, stdout and stderr of the command.
pub fn prepare(
    walls: &Walls,
    frozen: Frozen,
    launch: &Launch,
    fds: Vec<OwnedFd>,
) -> Result<(Plan, Vec<OwnedFd>), LaunchError> {
    let mechanism = match (&launch.confined, walls.mechanism) {
        (None, _) => Mechanism::Plain,
        (Some(_), Mechanism::Plain) => return Err(LaunchError::NotIsolated),
        (Some(_), mechanism) => mechanism,
    };
    let mut making = Making { mechanism, fds, writable: vec![], copies: vec![], links: vec![] };
    let at_tmp = launch.confined.as_ref().and_then(|confined| walls.tmp(confined));
    let mut tmp = None;
    if let Some(confined) = &launch.confined {
        // Landlock grants each folder of the system as a whole.
        let of_system = walls.hidden.iter().find(|hidden| system::holds(hidden));
        if let Some(hidden) = of_system.filter(|_| mechanism == Mechanism::Landlock) {
            return Err(LaunchError::Hidden(hidden.clone()));
        }
        // The agent's own folders may lie inside the gateway's; nothing else may.
        for granted in &confined.writes {
            if walls.hidden.iter().any(|hidden| granted.starts_with(hidden)) {
                return Err(LaunchError::Hidden(granted.clone()));
            }
        }
        for path in [&confined.workspace, &confined.temp].into_iter().chain(&confined.writes) {
            if let Some(hidden) = walls.hidden.iter().find(|hidden| hidden.starts_with(path)) {
                // Landlock grants whole folders and takes nothing back; and the folder itself is not to be had at all. What
                // lies deeper could be moved away with a folder on the way to it, and the next command would see it there.
                if mechanism == Mechanism::Landlock || hidden.parent() != Some(path.as_path()) {
                    return Err(LaunchError::Hidden(hidden.clone()));
                }
            }
            let fd = making.folder(path)?;
            making.writable.push(Opened { path: path.clone(), fd });
        }
        // Once more: what is approved and frozen is named by the paths of the machine, which lead to the same inside.
        tmp = at_tmp.map(|folder| making.folder(folder)).transpose()?;
    }
    let (cwd, folder) = frozen.cwd;
    if mechanism == Mechanism::Bubblewrap && !making.visible(&cwd) {
        return Err(LaunchError::Outside(cwd));
    }
    let cwd = Opened { path: cwd, fd: making.add(folder) };

    let name = frozen.argv.first().map_or("", String::as_str);
    let called = called(name, &cwd.path, &frozen.program.path, at_tmp);
    let program = making.program(frozen.program, &called)?;
    let mut argv: Vec<Arg> = frozen.argv.into_iter().map(Arg::Text).collect();
    for (place, held) in frozen.scripts {
        let Some(arg) = argv.get_mut(place) else { continue };
        if let Some(frozen) = making.script(held)? {
            *arg = frozen;
        }
    }
    let temp = launch.confined.as_ref().map(|confined| match tmp {
        Some(_) => TMP.to_owned(),
        None => confined.temp.display().to_string(),
    });
    let mut env = environment::fixed(temp.as_deref(), |name| std::env::var(name).ok());
    env.extend(frozen.env);
    let plan = Plan {
        mechanism,
        bubblewrap: walls.bubblewrap.clone(),
        program,
        argv,
        env,
        cwd,
        network: launch.confined.as_ref().is_none_or(|confined| confined.network),
        terminal: launch.terminal,
        limits: launch.limits,
        writable: making.writable,
        tmp,
        hidden: walls.hidden.clone(),
        copies: making.copies,
        links: making.links,
        cgroup: None,
        status: None,
        signal_scope: walls.signal_scope,
    };
    Ok((plan, making.fds))
}

struct Making {
    mechanism: Mechanism,
    fds: Vec<OwnedFd>,
    writable: Vec<Opened>,
    copies: Vec<Opened>,
    links: Vec<(PathBuf, PathBuf)>,
}

impl Making {
    fn add(&mut self, file: File) -> usize {
        self.fds.push(file.into());
        self.fds.len() - 1
    }

    fn folder(&mut self, path: &Path) -> Result<usize, LaunchError> {
        let file = open_folder(path).map_err(|error| LaunchError::Folder { path: path.to_owned(), error })?;
        Ok(self.add(file))
    }

    fn visible(&self, path: &Path) -> bool {
        let granted = self.writable.iter().any(|opened| path.starts_with(&opened.path));
        granted || system::holds(path) || path == Path::new("/") || path == Path::new(TMP)
    }

    /// By the name that it is called by, a program may do one thing or another (`xz` and `xzcat` are one file), and find
    /// what is its own (Python the packages of an environment).
    fn program(&mut self, held: Held, called: &Path) -> io::Result<Program> {
        if self.mechanism != Mechanism::Bubblewrap {
            let file = self.reachable(held)?;
            return Ok(Program::Descriptor(self.add(file)));
        }
        let path = held.path.clone();
        let program = match !held.copied && system::holds(&path) {
            true if stays(called, &path) => return Ok(Program::Path(called.to_owned())),
            true => path.clone(),
            false => self.copy(held)?,
        };
        if called == path {
            return Ok(Program::Path(program));
        }
        // A link of our own with that name, which nobody turns to another program. Its root is of its own as well: below
        // that of a copy there may be a link into the workspace on the way.
        let link = self.place(called, &Path::new(bubblewrap::COPIES).join("name"));
        self.links.push((program, link.clone()));
        Ok(Program::Path(link))
    }

    /// What stands for a script among the arguments; `None` where its own path is as good.
    fn script(&mut self, held: Held) -> io::Result<Option<Arg>> {
        if !held.copied && system::holds(&held.path) {
            return Ok(None);
        }
        if self.mechanism == Mechanism::Bubblewrap {
            let place = self.copy(held)?;
            let text = place.into_os_string().into_string();
            return Ok(Some(Arg::Text(text.map_err(|_| io::Error::other("a script has no name in UTF-8"))?)));
        }
        let file = self.reachable(held)?;
        Ok(Some(Arg::Descriptor(self.add(file))))
    }

    /// Landlock would not let the command open a file of another folder, be it by its descriptor.
    fn reachable(&self, held: Held) -> io::Result<File> {
        if held.copied || self.mechanism != Mechanism::Landlock || system::holds(&held.path) {
            return Ok(held.file);
        }
        let mut original = reopened(&held.file)?;
        sealed("frozen", |copy| io::copy(&mut original, copy).map(drop))
    }

    /// A place for a sealed copy that nobody outside can reach. Not its own path: whoever can rename something over the
    /// original there (another command in the same workspace, say) takes a mount away with it, and the path then leads to
    /// the new file. Beside the copy lie links to what lies beside the original, up to the folder that is granted, so that
    /// what a script finds relative to itself is found.
    fn copy(&mut self, held: Held) -> io::Result<PathBuf> {
        let root = PathBuf::from(format!("{}/{}", bubblewrap::COPIES, self.copies.len()));
        let place = self.place(&held.path, &root);
        // A description of its own: two copies of one file would share a position.
        let fd = reopened(&held.file)?;
        let fd = self.add(fd);
        self.copies.push(Opened { path: place.clone(), fd });
        Ok(place)
    }

    /// Where below `root` something stands for what has this path, with links to what lies beside that.
    fn place(&mut self, original: &Path, root: &Path) -> PathBuf {
        let granted = self.writable.iter().map(|opened| &opened.path).filter(|path| original.starts_with(path));
        let granted = granted.max_by_key(|path| path.components().count()).cloned();
        let inside = granted.as_ref().and_then(|granted| original.strip_prefix(granted).ok());
        let inside = inside.or_else(|| original.file_name().map(Path::new)).map(Path::to_owned);
        let place = root.join(inside.as_deref().unwrap_or(Path::new("program")));
        if let Some(granted) = granted {
            self.link_beside(&granted, original, root);
        }
        place
    }

    fn link_beside(&mut self, granted: &Path, original: &Path, root: &Path) {
        let mut taken = original;
        // The nearest first: they are what is looked for most.
        for folder in original.ancestors().skip(1).take_while(|folder| folder.starts_with(granted)) {
            let Ok(inside) = folder.strip_prefix(granted) else { return };
            // Through no link that another command has put there meanwhile: not even names are shown from elsewhere.
            let entries = open_folder(folder).and_then(|opened| fs::read_dir(own_path(&opened)));
            for entry in entries.into_iter().flatten().flatten() {
                if self.links.len() >= MAX_LINKS {
                    return;
                }
                let beside = folder.join(entry.file_name());
                if beside != taken {
                    self.links.push((beside, root.join(inside).join(entry.file_name())));
                }
            }
            taken = folder;
        }
    }
}

/// Where a program is found by its name. The last part may be a link, which has the name that the program is called by;
/// folders on the way are those that they lead to.
fn called(name: &str, cwd: &Path, program: &Path, tmp: Option<&Path>) -> PathBuf {
    let places = match name.contains('/') {
        true => vec![cwd.join(name)],
        false => system_path().into_iter().map(|folder| folder.join(name)).collect(),
    };
    let leads = |place: PathBuf| {
        let place = canonical(place.parent()?, tmp).ok()?.join(place.file_name()?);
        canonical(&place, tmp).is_ok_and(|found| found == program).then_some(place)
    };
    // Where it leads elsewhere by now, what was approved still runs under the name that it was approved with.
    let beside = || Path::new(name).file_name().map(|name| program.with_file_name(name));
    places.into_iter().find_map(leads).or_else(beside).unwrap_or_else(|| program.to_owned())
}

/// Whether a name leads to a program for good: each link on the way lies in a folder of the system, and none is this
/// user's to change.
fn stays(name: &Path, program: &Path) -> bool {
    let mut at = name.to_owned();
    for _ in 0..MAX_HOPS {
        let Some(folder) = at.parent() else { return false };
        let of_system = fs::canonicalize(folder).is_ok_and(|folder| system::holds(&folder));
        if !of_system || may_change(&at) {
            return false;
        }
        match fs::read_link(&at) {
            Ok(target) => at = folder.join(target),
            Err(_) => return fs::canonicalize(&at).is_ok_and(|found| found == program),
        }
    }
    false
}

fn reopened(file: &File) -> io::Result<File> {
    File::open(own_path(file))
}

fn own_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

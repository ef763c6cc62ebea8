//! What a search passes over: the names that `.ignore`, `.gitignore` and `.git/info/exclude` list in the folders that it
//! comes through.
//!
//! Commands write these files. The library that knows what their lines mean would read them by itself, through links and
//! pipes, and without an end. So they are opened here, as `disk` opens files, and it is given lines of a measure. What is
//! past that counts as not written: more is shown then, and nothing else.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::is_bounded;
use crate::tool::disk;
use crate::tool::place::{Place, Places};

/// In the order in which they count: where the first says something of a name, the others are not asked. A `.git` that is
/// a file, and names another folder, is not followed.
const FILES: [&str; 3] = [".ignore", ".gitignore", ".git/info/exclude"];
/// Of the files that count in one folder, its own and those of the folders that it lies in: in bytes,
const MAX_BYTES: usize = 64 * 1024;
/// and in lines that say something.
const MAX_LINES: usize = 1_000;

pub struct Ignored {
    places: Places,
    /// The folder of the name that was asked about last, behind those that it lies in.
    folders: Vec<Folder>,
}

struct Folder {
    path: PathBuf,
    rules: Vec<Rules>,
}

/// What one file says.
struct Rules {
    /// Its place in [`FILES`].
    file: usize,
    bytes: usize,
    patterns: Gitignore,
}

impl Ignored {
    pub fn new(places: Places) -> Self {
        Self { places, folders: Vec::new() }
    }

    /// Whether a name is listed. They are asked about as a walk comes to them: all that a folder holds, before what comes
    /// behind it.
    pub fn has(&mut self, path: &Path, is_folder: bool) -> bool {
        let Some(folder) = path.parent() else { return false };
        while self.folders.last().is_some_and(|last| !folder.starts_with(&last.path)) {
            self.folders.pop();
        }
        if self.folders.last().is_none_or(|last| last.path.as_path() != folder) {
            let rules = self.read(folder);
            self.folders.push(Folder { path: folder.to_owned(), rules });
        }
        for file in 0..FILES.len() {
            // The nearest folder that says something decides.
            let rules = self.folders.iter().rev().flat_map(|folder| &folder.rules);
            for rules in rules.filter(|rules| rules.file == file) {
                match rules.patterns.matched(path, is_folder) {
                    Match::Ignore(_) => return true,
                    Match::Whitelist(_) => return false,
                    Match::None => {}
                }
            }
        }
        false
    }

    /// What the files of a folder say, as far as those above it have left room.
    fn read(&self, folder: &Path) -> Vec<Rules> {
        let (mut bytes, mut lines) = (MAX_BYTES, MAX_LINES);
        for rules in self.folders.iter().flat_map(|folder| &folder.rules) {
            bytes = bytes.saturating_sub(rules.bytes);
            lines = lines.saturating_sub(rules.patterns.len());
        }
        let mut found = Vec::new();
        for (file, name) in FILES.iter().enumerate() {
            let Some(text) = self.text(folder.join(name), bytes) else { continue };
            let patterns = patterns(folder, &text, lines);
            if patterns.is_empty() {
                continue;
            }
            bytes = bytes.saturating_sub(text.len());
            lines = lines.saturating_sub(patterns.len());
            found.push(Rules { file, bytes: text.len(), patterns });
        }
        found
    }

    /// The whole lines at the start of a plain file.
    fn text(&self, path: PathBuf, most: usize) -> Option<Vec<u8>> {
        // Most folders have none, and this look costs less than opening it name by name.
        if !path.symlink_metadata().is_ok_and(|about| about.is_file()) || self.places.own(&path).is_some() {
            return None;
        }
        let file = disk::open(&self.places, &Place { path, inside: false }).ok()?;
        let mut bytes = Vec::new();
        file.take(most as u64).read_to_end(&mut bytes).ok()?;
        if bytes.len() == most {
            // The last line may be cut, and mean something else so.
            bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0));
        }
        Some(bytes)
    }
}

fn patterns(folder: &Path, text: &[u8], most: usize) -> Gitignore {
    let mut builder = GitignoreBuilder::new(folder);
    // As git does it: a mark of the encoding is no part of the first line.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let lines = lines.map(|line| line.strip_suffix('\r').unwrap_or(line));
    let lines = lines.filter(|line| !line.trim().is_empty() && !line.starts_with('#') && is_bounded(line));
    for line in lines.take(most) {
        // One that is no pattern names nothing.
        let _ = builder.add_line(None, line);
    }
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ignore::WalkBuilder;
    use serde_json::json;

    use super::*;
    use crate::tool::search::tests::{tree, tried_in};

    const RULES: [(&str, &str); 6] = [
        (
            ".gitignore",
            "\u{feff}*.log\r\n!keep.log\n/top\nbuild/\n# comment\n\\#mark\n[ab].x\n{c,d}.y\ndocs/**/old\n[\n",
        ),
        (".ignore", "*.tmp\n!special.log\n  \n\n"),
        (".git/info/exclude", "secretly\n!a.log\n"),
        ("sub/.gitignore", "!a.log\nown\n"),
        ("sub/deep/.ignore", "!one.tmp\n"),
        ("other/.git/info/exclude", "theirs\n"),
    ];
    const SHOWN: [&str; 15] = [
        "c.x",
        "comment",
        "docs/new",
        "e.y",
        "keep.log",
        "other/build",
        "own",
        "special.log",
        "sub/a.log",
        "sub/deep/a.log",
        "sub/deep/one.tmp",
        "sub/keep.log",
        "sub/top",
        "theirs",
        "x",
    ];
    const PASSED_OVER: [&str; 16] = [
        "#mark",
        "a.log",
        "a.x",
        "build/x",
        "d.y",
        "docs/a/b/old",
        "docs/old",
        "one.tmp",
        "other/a.log",
        "other/theirs",
        "secretly",
        "sub/b.log",
        "sub/build/keep.log",
        "sub/own",
        "sub/secretly",
        "top",
    ];

    /// A file that a search finds, where it is shown.
    fn named(name: &str) -> (&str, &str) {
        (name, "line\n")
    }

    /// In their order.
    fn shown(places: &Places) -> Vec<String> {
        let found = tried_in(places, json!({ "pattern": "^line$", "limit": 1_000 })).expect("searches");
        found.lines().filter_map(|line| line.strip_suffix(":1: line")).map(str::to_owned).collect()
    }

    #[test]
    fn the_lines_mean_what_the_library_makes_of_the_files() {
        let names = SHOWN.into_iter().chain(PASSED_OVER).map(named);
        let (_folder, places) = tree(&RULES.into_iter().chain(names).collect::<Vec<_>>());
        assert_eq!(shown(&places), SHOWN);
        // Where there is nothing to be careful about, it may read them itself.
        let mut walk = WalkBuilder::new(places.workspace());
        walk.git_global(false).parents(false).require_git(false).hidden(false);
        let files = walk.build().map(|entry| entry.expect("an entry").into_path());
        let files = files.filter(|path| fs::read(path).is_ok_and(|text| text == b"line\n"));
        let mut files: Vec<_> = files.map(|path| places.shown(&path)).collect();
        files.sort_unstable();
        assert_eq!(files, SHOWN);
    }

    /// No link is followed, no pipe waited for, no second name of the gateway's own files read, and no line takes the stack.
    #[cfg(unix)]
    #[test]
    fn what_commands_put_there_does_no_harm() {
        use std::os::unix::fs::symlink;

        let folders = ["deep", "fine", "link", "linked-git", "named-git", "pipe", "second-name"];
        let files = folders.map(|folder| format!("{folder}/name"));
        let (folder, places) = tree(&files.iter().map(|name| named(name)).collect::<Vec<_>>());
        let (outside, secrets) = (folder.path().join("outside"), folder.path().join("home/secrets.yaml"));
        fs::create_dir_all(outside.join("info")).expect("a folder");
        for path in [outside.join("lines"), outside.join("info/exclude"), secrets.clone()] {
            fs::write(path, "name\n").expect("a file");
        }
        fs::write(outside.join("commondir"), format!("{}\n", outside.display())).expect("a file");
        let at = |name: &str| places.workspace().join(name);
        symlink(outside.join("lines"), at("link/.gitignore")).expect("a link");
        symlink(&outside, at("linked-git/.git")).expect("a link");
        fs::write(at("named-git/.git"), format!("gitdir: {}\n", outside.display())).expect("a file");
        nix::unistd::mkfifo(&at("pipe/.ignore"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        fs::hard_link(secrets, at("second-name/.ignore")).expect("a second name");
        let braces = |depth: usize| format!("{}name{}\n", "{".repeat(depth), "}".repeat(depth));
        fs::write(at("deep/.gitignore"), braces(9) + &braces(100_000)).expect("a file");
        fs::write(at("fine/.gitignore"), "name\n").expect("a file");
        let (tell, told) = std::sync::mpsc::channel();
        // Beside this, so that a pipe that is waited for is a failure and not the end of the tests.
        std::thread::spawn(move || tell.send(shown(&places)));
        let shown = told.recv_timeout(std::time::Duration::from_secs(60)).expect("the search ends");
        let expected: Vec<_> = files.into_iter().filter(|name| name != "fine/name").collect();
        assert_eq!(shown, expected);
    }

    /// However much is written, only so much counts, in a folder together with those above it; what is beside it is not
    /// counted with it.
    #[test]
    fn there_is_a_measure() {
        let comments = "# nothing\n".repeat(MAX_BYTES / 10);
        let lines = "nothing\n".repeat(MAX_LINES);
        let rules = [
            ("beside/.gitignore", "early\nlate".to_owned()),
            ("bytes/.gitignore", format!("early\n{comments}late\n")),
            ("lines/.gitignore", format!("early\n{lines}late\n")),
            ("lines/below/.gitignore", "late\n".to_owned()),
            ("long/.gitignore", format!("early\n[{}]ate\n", "l".repeat(2_000))),
        ];
        let mut names = Vec::new();
        for (file, _) in &rules {
            let folder = file.trim_end_matches(".gitignore");
            names.extend([format!("{folder}early"), format!("{folder}late")]);
        }
        let rules = rules.iter().map(|(name, text)| (*name, text.as_str()));
        let (_folder, places) = tree(&rules.chain(names.iter().map(|name| named(name))).collect::<Vec<_>>());
        assert_eq!(shown(&places), ["bytes/late", "lines/below/late", "lines/late", "long/late"]);
    }
}

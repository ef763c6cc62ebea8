//! From the text of a command to words, and from words to a program with an identity.
//!
//! No shell is modelled here. A text is one simple command only where it has nothing that any shell could read in
//! another way, by two readings that know nothing of each other: ours, which knows a few signs, and the grammar of
//! bash. It is then run without a shell, so what was read is what runs. Everything else is a script.

mod file;

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::{fs, io};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Point};

use super::action::{Command, FileId, Script};
use super::rule::programs;
use super::show::{escaped, escaped_path};
pub use file::{MAX_PROGRAM_BYTES, MAX_SCRIPT_BYTES, TMP, Unresolved, canonical, identify};

/// What runs a text that is no plain command.
pub const SHELL: &str = "/bin/sh";
/// Where programs are looked for that are kept in; only system folders.
pub const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub fn system_path() -> Vec<PathBuf> {
    std::env::split_paths(SYSTEM_PATH).collect()
}

/// Longest command, as text or as the sum of its words; what is longer could not be shown.
pub const MAX_COMMAND_BYTES: usize = 8 * 1024;
/// Most words of a command.
const MAX_WORDS: usize = 1024;
/// Most files among the arguments.
const MAX_FILES: usize = 32;
/// How long the grammar may try, in hundreds of its steps. A command of 8 KiB takes a tenth of it.
const MAX_STEPS: usize = 20_000;

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed {
    /// One command of plain words.
    Simple(Vec<String>),
    /// Anything that only a shell understands, or that shells disagree on.
    Shell,
    /// Neither runs nor is asked about.
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the command is empty")]
    Blank,
    #[error("the command has 8 KiB or more: put what is long into a file in the workspace")]
    TooLong,
    #[error("the command has a NUL byte")]
    Nul,
}

/// Finds out whether a text is one simple command of plain words.
pub fn parse(command: &str) -> Parsed {
    if let Err(refusal) = check(command) {
        return Parsed::Refused(refusal);
    }
    let Some(words) = read_words(command) else { return Parsed::Shell };
    let ranges: Vec<_> = words.iter().map(|word| word.range.clone()).collect();
    match is_plain_name(&words) && words.len() <= MAX_WORDS && grammar_agrees(command, &ranges) {
        true => Parsed::Simple(words.into_iter().map(|word| word.text).collect()),
        false => Parsed::Shell,
    }
}

fn check(text: &str) -> Result<(), Refusal> {
    match () {
        () if text.len() >= MAX_COMMAND_BYTES => Err(Refusal::TooLong),
        () if text.contains('\0') => Err(Refusal::Nul),
        () if text.trim().is_empty() => Err(Refusal::Blank),
        () => Ok(()),
    }
}

/// A word, and where it stands with its quotes.
struct Word {
    text: String,
    range: Range<usize>,
}

/// The words, where there is nothing but plain signs, quotes without anything to expand, and spaces.
fn read_words(text: &str) -> Option<Vec<Word>> {
    let mut words: Vec<Word> = Vec::new();
    let mut word: Option<Word> = None;
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        if sign == ' ' {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_with(|| Word { text: String::new(), range: at..at });
        let end = match sign {
            '\'' | '"' => loop {
                let (at, inner) = signs.next()?;
                // In single quotes only the quote ends, in double ones these four begin something.
                if inner == sign {
                    break at + 1;
                }
                if inner.is_control() || (sign == '"' && matches!(inner, '$' | '`' | '\\' | '!')) {
                    return None;
                }
                word.text.push(inner);
            },
            _ if is_plain(sign) => {
                word.text.push(sign);
                at + sign.len_utf8()
            }
            _ => return None,
        };
        word.range.end = end;
    }
    words.extend(word);
    Some(words)
}

/// Signs that mean themselves to every shell, wherever they stand but for the start of a command.
fn is_plain(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || "_-./,:+@%=".contains(sign) || (!sign.is_ascii() && sign.is_alphanumeric())
}

/// Whether the first word is the name of a program, to every shell; and no word is what zsh looks up.
fn is_plain_name(words: &[Word]) -> bool {
    let Some(first) = words.first().map(|word| word.text.as_str()) else { return false };
    !first.is_empty()
        && !first.contains(['=', ' ', '"', '\''])
        && !first.starts_with(['-', '+', '%', '@', ':', ','])
        && !OF_THE_SHELL.split_ascii_whitespace().any(|word| word == first)
        && !words.iter().any(|word| word.text.starts_with('='))
}

/// Words that a shell does not look up as a program, or does something else for than the program of that name.
const OF_THE_SHELL: &str = "! . [ [[ ]] { } alias autoload bg bind bindkey break builtin caller case cd chdir command \
    compgen complete compopt continue coproc declare dirs disable disown do done elif else emulate enable end esac \
    eval exec exit export fc fg fi float for foreach function functions getopts hash history if in integer jobs let \
    local logout mapfile nocorrect noglob popd pushd read readarray readonly rehash repeat return select set setopt \
    shift shopt source suspend then time times trap type typeset ulimit umask unalias unfunction unhash unlimit unset \
    unsetopt until wait whence where which while zcompile zmodload";

/// Whether bash's grammar sees one command with these words, and nothing in them to be expanded.
fn grammar_agrees(text: &str, words: &[Range<usize>]) -> bool {
    let mut parser = Parser::new();
    if parser.set_language(&tree_sitter_bash::LANGUAGE.into()).is_err() {
        return false;
    }
    let mut steps = 0;
    let mut progress = |_: &ParseState| {
        steps += 1;
        if steps > MAX_STEPS { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut read = |at: usize, _: Point| text.as_bytes().get(at..).unwrap_or_default();
    let options = ParseOptions::new().progress_callback(&mut progress);
    let Some(tree) = parser.parse_with_options(&mut read, None, Some(options)) else { return false };
    let root = tree.root_node();
    let [command] = children(root)[..] else { return false };
    if root.kind() != "program" || root.has_error() || command.kind() != "command" {
        return false;
    }
    let seen = children(command);
    seen.len() == words.len()
        && seen.iter().zip(words).enumerate().all(|(place, (node, range))| {
            let word = match (place, &children(*node)[..]) {
                (0, [name]) if node.kind() == "command_name" => *name,
                (0, _) => return false,
                _ => *node,
            };
            word.byte_range() == *range && is_literal(word)
        })
}

fn is_literal(node: Node<'_>) -> bool {
    match node.kind() {
        "word" | "number" => node.child_count() == 0,
        "raw_string" => true,
        "string" => children(node).iter().all(|part| matches!(part.kind(), "\"" | "string_content")),
        "concatenation" => children(node).into_iter().all(|part| part.kind() != "concatenation" && is_literal(part)),
        _ => false,
    }
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.children(&mut node.walk()).collect()
}

/// Finds the program and the scripts that the words name. Programs are looked for in `path` only, whose folders are
/// absolute; a name with a `/` is one from `cwd`. `tmp`: the folder that will stand at the command's `/tmp`, so that what
/// it names there is looked for there. Reads files: not for a runtime's thread.
pub fn resolve(argv: &[String], cwd: &Path, path: &[PathBuf], tmp: Option<&Path>) -> Result<Command, Unresolved> {
    let name = argv.first().filter(|name| !name.is_empty()).ok_or(Unresolved::Blank)?;
    if argv.iter().any(|word| word.contains('\0')) {
        return Err(Unresolved::Nul);
    }
    if argv.len() > MAX_WORDS || argv.iter().map(|word| word.len() + 1).sum::<usize>() >= MAX_COMMAND_BYTES {
        return Err(Unresolved::TooLong);
    }
    let cwd = working_folder(cwd)?;
    let program = program(name, &cwd, path, tmp)?;
    let files = script_files(argv, &program, &cwd, tmp)?;
    Ok(Command { argv: argv.to_vec(), program, files, cwd, env: BTreeMap::new(), tmp: tmp.map(Path::to_owned) })
}

/// The same for a script and the shell that is to run it, such as `sh`.
pub fn resolve_script(text: &str, shell: &str, cwd: &Path, path: &[PathBuf]) -> Result<Script, Unresolved> {
    check(text).map_err(|refusal| match refusal {
        Refusal::Blank => Unresolved::Blank,
        Refusal::TooLong => Unresolved::TooLong,
        Refusal::Nul => Unresolved::Nul,
    })?;
    let cwd = working_folder(cwd)?;
    Ok(Script { text: text.to_owned(), shell: program(shell, &cwd, path, None)?, cwd, env: BTreeMap::new() })
}

fn working_folder(cwd: &Path) -> Result<PathBuf, Unresolved> {
    let folder = fs::canonicalize(cwd).ok().filter(|folder| folder.is_dir() && folder.to_str().is_some());
    folder.ok_or_else(|| Unresolved::Folder(escaped_path(cwd)))
}

fn program(name: &str, cwd: &Path, path: &[PathBuf], tmp: Option<&Path>) -> Result<FileId, Unresolved> {
    let place = if is_path(name) {
        reached(cwd.join(name), tmp)?
    } else {
        let mut files = path.iter().filter(|folder| folder.is_absolute()).flat_map(|folder| candidates(folder, name));
        files.find(|file| is_program(file)).ok_or_else(|| Unresolved::NotFound(escaped(name)))?
    };
    let found = identify(&place, MAX_PROGRAM_BYTES)?;
    let shown = || escaped_path(&found.id.path);
    if found.set_id {
        return Err(Unresolved::SetId(shown()));
    }
    // A batch file is read by a shell that takes its arguments apart once more (CVE-2024-24576).
    let ending = found.id.path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let batch = cfg!(windows) && ending.is_some_and(|ending| matches!(ending.as_str(), "bat" | "cmd"));
    if !found.executable || batch {
        return Err(Unresolved::NotExecutable(shown()));
    }
    if let Some(line) = found.shebang {
        let known = line.is_some_and(|line| is_known_interpreter(&line, path));
        if !known {
            return Err(Unresolved::Interpreter(shown()));
        }
    }
    Ok(found.id)
}

/// Where what a command finds at a path is for us.
fn reached(path: PathBuf, tmp: Option<&Path>) -> Result<PathBuf, Unresolved> {
    if tmp.is_none() {
        return Ok(path);
    }
    canonical(&path, tmp).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unresolved::NotFound(escaped_path(&path)),
        _ => Unresolved::Unreadable { path: escaped_path(&path), error: error.to_string() },
    })
}

fn is_path(name: &str) -> bool {
    name.contains('/') || (cfg!(windows) && name.contains(['\\', ':']))
}

fn candidates(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut files = vec![folder.join(name)];
    if cfg!(windows) {
        files.push(folder.join(format!("{name}.exe")));
    }
    files
}

fn is_program(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.is_file() && file::is_executable(&about))
}

/// Whether the first line of a script starts a program from the folders of programs, and names no further file: that
/// one would be run without having been seen.
fn is_known_interpreter(line: &str, path: &[PathBuf]) -> bool {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let Some(interpreter) = words.next().map(Path::new) else { return false };
    let folder = interpreter.parent();
    interpreter.is_absolute()
        && super::rule::is_plain(interpreter)
        && folder.is_some_and(|folder| path.iter().any(|known| known == folder))
        && !words.any(|word| word.contains('/'))
}

/// Files among the arguments that a shell, an interpreter or a wrapper would run: the first one, whatever follows an
/// option or stands in one, and whatever looks like a script. Data files are not frozen, since programs write them.
fn script_files(argv: &[String], program: &FileId, cwd: &Path, tmp: Option<&Path>) -> Result<Vec<FileId>, Unresolved> {
    let called = argv.first().map(Path::new).and_then(Path::file_name);
    let runs_files = [program.path.file_name(), called]
        .into_iter()
        .flatten()
        .filter_map(|name| programs::class(&name.to_string_lossy()))
        .any(programs::Class::runs_files);
    let mut files: Vec<FileId> = Vec::new();
    if !runs_files {
        return Ok(files);
    }
    let (mut first, mut behind_option) = (true, false);
    for word in argv.iter().skip(1) {
        let option = word.starts_with('-') && word.len() > 1;
        for name in named_files(word, option) {
            let named = cwd.join(name);
            let Ok(place) = reached(named.clone(), tmp) else { continue };
            if !fs::metadata(&place).is_ok_and(|about| about.is_file()) {
                continue;
            }
            if !(option || behind_option || first || file::looks_like_a_script(&named, &place)) {
                continue;
            }
            first &= option;
            let id = identify(&place, MAX_SCRIPT_BYTES)?.id;
            if !files.contains(&id) {
                files.push(id);
            }
            if files.len() > MAX_FILES {
                return Err(Unresolved::TooManyFiles);
            }
        }
        behind_option = option;
    }
    Ok(files)
}

/// What of a word could be the name of a file: `x`, `@x`, `a=x`, `--a=x`, `-ax`.
fn named_files(word: &str, option: bool) -> Vec<&str> {
    let value = word.split_once('=').map(|(_, value)| value);
    let whole = if option { word.get(2..) } else { Some(word) };
    let names = [whole, value, word.strip_prefix('@')];
    names.into_iter().flatten().filter(|name| !name.is_empty()).collect()
}

#[cfg(all(test, unix))]
mod tests;

//! `search`: files by name and by what is in them, with the library of ripgrep.

mod ignored;

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::sinks::Lossy;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};
use ignore::overrides::OverrideBuilder;
use ignore::{Match, WalkBuilder};
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;
use tokio_util::sync::CancellationToken;

use super::output::{MAX_RESULT, end_cut};
use super::place::{Place, Places};
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, disk, object};
use crate::approval::action::What;
use ignored::Ignored;

const LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// Files that one search looks into.
const MAX_FILES: usize = 50_000;
/// Larger files are passed over, in bytes.
const MAX_SIZE: u64 = 16 * 1024 * 1024;
const MAX_TIME: Duration = Duration::from_secs(10);
/// Of one line that is shown, in bytes.
const MAX_LINE: usize = 400;
/// Of a compiled pattern, in bytes.
const MAX_PATTERN: usize = 1024 * 1024;
/// Of a pattern of names, in bytes.
const MAX_GLOB: usize = 1024;
/// Alternatives in a pattern of names.
const MAX_BRACES: usize = 8;

pub struct Search;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Args {
    #[serde(default)]
    pattern: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    glob: Option<String>,
    #[serde(default)]
    case_sensitive: bool,
    #[serde(default)]
    limit: Option<usize>,
}

impl Tool for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description: "Searches files below a folder of your workspace, or another one with the user's consent. \
                `pattern` is a regular expression for lines; without it, files are found by `glob` alone, such as \
                `**/*.md`. What a .gitignore names is passed over."
                .to_owned(),
            schema: object(
                &[],
                json!({
                    "pattern": { "type": "string" },
                    "path": { "type": "string" },
                    "glob": { "type": "string" },
                    "caseSensitive": { "type": "boolean" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": MAX_LIMIT },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let args: Args = arguments(args)?;
            if args.pattern.is_none() && args.glob.is_none() {
                return Err(Failed::new("give `pattern` for what is in files, `glob` for their names, or both"));
            }
            let place = context.find(args.path.clone().unwrap_or_else(|| ".".to_owned())).await?;
            context.permit(What::Search(place.path.clone())).await?;
            let untrusted = (!place.inside).then(|| format!("the folder {}", place.path.display()));
            let places = context.places.clone();
            let stop = context.stopped();
            let until = Instant::now() + MAX_TIME;
            let found = blocking(move || search(&places, &place, &args, until, &stop)).await?;
            Ok(ToolResult { untrusted, ..ToolResult::own(found) })
        })
    }
}

/// What was found so far, and whether there is room for more.
struct Found {
    out: String,
    count: usize,
    limit: usize,
    until: Instant,
}

impl Found {
    fn add(&mut self, line: &str) -> bool {
        self.out.push_str(line);
        self.out.push('\n');
        self.count += 1;
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.count < self.limit && self.out.len() < MAX_RESULT
    }

    fn late(&self) -> bool {
        Instant::now() >= self.until
    }
}

fn search(
    places: &Places,
    place: &Place,
    args: &Args,
    until: Instant,
    stop: &CancellationToken,
) -> Result<String, Failed> {
    let matcher = args.pattern.as_deref().map(|pattern| matcher(pattern, args.case_sensitive)).transpose()?;
    let mut overrides = OverrideBuilder::new(&place.path);
    if let Some(glob) = &args.glob {
        if !is_bounded(glob) {
            return Err(Failed(format!("`glob` has at most {MAX_GLOB} bytes and {MAX_BRACES} `{{`")));
        }
        overrides.add(glob).map_err(|error| Failed(format!("`glob` is no pattern of names: {error}")))?;
    }
    let overrides = overrides.build().map_err(|error| Failed(format!("`glob` is no pattern of names: {error}")))?;
    let mut walk = WalkBuilder::new(&place.path);
    // Nothing of the user's own settings, nor of folders above: an answer depends on what is searched alone. What that has
    // passed over itself, `ignored` reads.
    walk.follow_links(false).standard_filters(false);
    let (own, stopped) = (places.clone(), stop.clone());
    let ignored = Mutex::new(Ignored::new(places.clone()));
    walk.filter_entry(move |entry| {
        if own.own(entry.path()).is_some() || entry.file_name() == ".git" {
            return false;
        }
        // Then everything comes through, so that the loop below learns of it. It is never told of what is passed over, and
        // that may be all there is.
        if stopped.is_cancelled() || Instant::now() >= until {
            return true;
        }
        let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
        match overrides.matched(entry.path(), is_folder) {
            Match::None => !ignored.lock().unwrap_or_else(PoisonError::into_inner).has(entry.path(), is_folder),
            named => named.is_whitelist(),
        }
    });
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .binary_detection(BinaryDetection::quit(0))
        .heap_limit(Some(1 << 22))
        .build();
    let limit = args.limit.unwrap_or(LIMIT).clamp(1, MAX_LIMIT);
    let mut found = Found { out: String::new(), count: 0, limit, until };
    let mut files = 0;
    for entry in walk.build() {
        if stop.is_cancelled() {
            return Err(Failed::new("stopped"));
        }
        let is_file = entry.as_ref().is_ok_and(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
        files += usize::from(is_file);
        // Folders take their time too, whether or not there is a file in any of them.
        if files > MAX_FILES || found.late() {
            found.out.push_str("(the search ended early: too many files. Name a narrower `path` or `glob`.)\n");
            break;
        }
        // A folder that may not be read hides what is in it, and nothing else.
        let (Ok(entry), true) = (entry, is_file) else { continue };
        let shown = places.shown(entry.path());
        let place = Place { path: entry.path().to_owned(), inside: place.inside };
        let room = match &matcher {
            // The walk goes by names, which a link that was put there meanwhile takes elsewhere: even a name is shown only of
            // what can be opened without one.
            None => disk::open(places, &place).is_err() || found.add(&shown),
            Some(matcher) => lines(&mut searcher, matcher, places, &place, &shown, &mut found),
        };
        if !room {
            found.out.push_str("(there is more; name a narrower pattern, `path` or `glob`)\n");
            break;
        }
    }
    match found.out.is_empty() {
        true => Ok(format!("(nothing found in {files} files)")),
        false => Ok(found.out),
    }
}

/// Looks into one file; whether there is room for what others hold.
fn lines(
    searcher: &mut Searcher,
    matcher: &RegexMatcher,
    places: &Places,
    place: &Place,
    shown: &str,
    found: &mut Found,
) -> bool {
    // Gone, a link now, or not to be read: it is passed over.
    let Ok(file) = disk::open(places, place) else { return true };
    if file.metadata().map_or(true, |about| about.len() > MAX_SIZE) {
        return true;
    }
    let sink = Lossy(|number, line| {
        let mut line = line.trim_end().to_owned();
        if end_cut(&mut line, MAX_LINE) {
            line.push('…');
        }
        Ok::<bool, io::Error>(found.add(&format!("{shown}:{number}: {line}")) && !found.late())
    });
    if let Err(error) = searcher.search_file(matcher, &file, sink) {
        tracing::debug!(%error, "a file that could not be searched");
    }
    found.has_room()
}

/// Whether a pattern of names is small enough to be read. The library that does goes down once for each `{` within
/// another, whatever stack there is; no pattern goes deeper than it has them.
fn is_bounded(glob: &str) -> bool {
    glob.len() <= MAX_GLOB && glob.matches('{').count() <= MAX_BRACES
}

fn matcher(pattern: &str, case_sensitive: bool) -> Result<RegexMatcher, Failed> {
    RegexMatcherBuilder::new()
        .case_insensitive(!case_sensitive)
        .line_terminator(Some(b'\n'))
        .size_limit(MAX_PATTERN)
        .build(pattern)
        .map_err(|error| Failed(format!("`pattern` is no regular expression that can be searched for: {error}")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A workspace with these files in it.
    pub(super) fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Places) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (home, workspace) = (folder.path().join("home"), folder.path().join("work"));
        fs::create_dir_all(&home).expect("a folder");
        let places = Places::of(&workspace, &home).expect("places");
        for (name, text) in files {
            let path = places.workspace().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        (folder, places)
    }

    fn tried_until(places: &Places, until: Instant, args: Value) -> Result<String, Failed> {
        let args: Args = arguments(args).expect("arguments");
        let place = places.find(".").expect("a place");
        let found = search(places, &place, &args, until, &CancellationToken::new())?;
        let mut lines: Vec<_> = found.lines().collect();
        lines.sort_unstable();
        Ok(lines.join("\n"))
    }

    pub(super) fn tried_in(places: &Places, args: Value) -> Result<String, Failed> {
        tried_until(places, Instant::now() + MAX_TIME, args)
    }

    fn tried(args: Value) -> Result<String, Failed> {
        let (_folder, places) = tree(&[
            ("a.txt", "one\nTwo\nthree\n"),
            ("sub/b.md", "two here\n"),
            ("sub/binary", "\0two two\n"),
            (".hidden", "two hidden\n"),
            (".git/config", "two of git\n"),
            (".gitignore", "ignored\n"),
            ("ignored", "two ignored\n"),
        ]);
        tried_in(&places, args)
    }

    fn searched(args: Value) -> String {
        tried(args).expect("searches")
    }

    #[test]
    fn lines_and_names_are_found() {
        assert_eq!(searched(json!({ "pattern": "^two" })), ".hidden:1: two hidden\na.txt:2: Two\nsub/b.md:1: two here");
        assert_eq!(
            searched(json!({ "pattern": "two", "caseSensitive": true, "glob": "*.md" })),
            "sub/b.md:1: two here"
        );
        assert_eq!(searched(json!({ "glob": "**/*.md" })), "sub/b.md");
        assert_eq!(searched(json!({ "pattern": "nowhere" })), "(nothing found in 5 files)");
        let cut = searched(json!({ "pattern": "t", "limit": 1 }));
        assert!(cut.contains("there is more"), "{cut}");
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_became_a_link_shows_no_names() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [home, outside] = ["home", "outside"].map(|name| folder.path().join(name));
        for path in [&home, &outside] {
            fs::create_dir(path).expect("a folder");
        }
        fs::write(outside.join("name"), "line\n").expect("a file");
        let places = Places::of(&folder.path().join("work"), &home).expect("places");
        let sub = places.workspace().join("sub");
        fs::create_dir(&sub).expect("a folder");
        let place = places.find("sub").expect("a place");
        fs::remove_dir(&sub).and_then(|()| std::os::unix::fs::symlink(&outside, &sub)).expect("a link");
        for args in [json!({ "glob": "*" }), json!({ "pattern": "line" })] {
            let args: Args = arguments(args).expect("arguments");
            let until = Instant::now() + MAX_TIME;
            let found = search(&places, &place, &args, until, &CancellationToken::new()).expect("searches");
            assert!(!found.contains("name"), "{found}");
        }
    }

    /// Where there is no file, or none that is not passed over, a search ends in its time and when it is stopped.
    #[test]
    fn what_shows_nothing_ends_too() {
        let (_folder, without) = tree(&[]);
        fs::create_dir_all(without.workspace().join("a/b/c")).expect("folders");
        let (_other, passed_over) = tree(&[(".gitignore", "*\n"), ("a", ""), ("b/c", "")]);
        for places in [without, passed_over] {
            for args in [json!({ "pattern": "x" }), json!({ "glob": "*.md" })] {
                let found = tried_until(&places, Instant::now(), args.clone()).expect("searches");
                assert!(found.contains("ended early"), "{args}: {found}");
                let (args, place) = (arguments(args).expect("arguments"), places.find(".").expect("a place"));
                let stop = CancellationToken::new();
                stop.cancel();
                let failed = search(&places, &place, &args, Instant::now() + MAX_TIME, &stop).expect_err("is stopped");
                assert_eq!(failed.0, "stopped");
            }
        }
    }

    /// One of a hundred thousand braces would take more stack than there is, and the process with it.
    #[test]
    fn a_glob_without_measure_is_refused() {
        let nested = |depth: usize| format!("{}a.txt{}", "{".repeat(depth), "}".repeat(depth));
        assert_eq!(searched(json!({ "glob": nested(MAX_BRACES) })), "a.txt");
        for glob in [nested(MAX_BRACES + 1), nested(100_000), "a".repeat(MAX_GLOB + 1)] {
            let failed = tried(json!({ "glob": glob })).expect_err("is refused");
            assert!(failed.0.contains("`glob` has at most"), "{failed}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_said() {
        for pattern in ["(", "a{100000}{100000}", "a\nb"] {
            assert!(matcher(pattern, false).is_err(), "{pattern}");
        }
    }
}

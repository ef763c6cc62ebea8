//! Classes 8, 9 and 10 of the advisories: what is read is what runs, and what was read is what was there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;

use proptest::prelude::*;

use super::file::identify_while;
use super::*;

fn simple(words: &[&str]) -> Parsed {
    Parsed::Simple(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn plain_words_are_a_command() {
    for (text, words) in [
        ("ls", &["ls"][..]),
        ("  ls   -la  ", &["ls", "-la"]),
        ("/usr/bin/rg --json foo src/main.rs", &["/usr/bin/rg", "--json", "foo", "src/main.rs"]),
        ("./run.sh 1 2.5 -3 0x10", &["./run.sh", "1", "2.5", "-3", "0x10"]),
        ("git log --format=%h -n5 HEAD", &["git", "log", "--format=%h", "-n5", "HEAD"]),
        ("rg 'a b' \"c d\"", &["rg", "a b", "c d"]),
        (
            "rg '$HOME `id` $(id) * ? [a] ~ {a,b} ! # \\ ; | & < >'",
            &["rg", "$HOME `id` $(id) * ? [a] ~ {a,b} ! # \\ ; | & < >"],
        ),
        ("echo \"* ? [a] ~ {a,b} # ; | & < > '\"", &["echo", "* ? [a] ~ {a,b} # ; | & < > '"]),
        ("rg '' \"\" x", &["rg", "", "", "x"]),
        ("rg a'b c'\"d e\"f", &["rg", "ab cd ef"]),
        ("l\"\"s -l", &["ls", "-l"]),
        ("'ls' -l", &["ls", "-l"]),
        ("cat été.txt 日本.md", &["cat", "été.txt", "日本.md"]),
        ("cat 'a\u{202e}b'", &["cat", "a\u{202e}b"]),
        ("scp a@b.example:c d", &["scp", "a@b.example:c", "d"]),
        ("env A=1 sh", &["env", "A=1", "sh"]),
    ] {
        assert_eq!(parse(text), simple(words), "{text:?}");
    }
}

/// Every trick is a script: shown as one, and matched by no rule.
#[test]
fn everything_else_is_a_script() {
    for text in [
        // Expansions (CVE-2026-28463 and its kin).
        "ls *",
        "ls ?",
        "ls [ab]",
        "ls a*b",
        "ls ~",
        "ls ~root/x",
        "echo {a,b}",
        "echo {1..3}",
        "echo $HOME",
        "ls $x",
        "echo \"$x\"",
        "echo \"${x}\"",
        "echo $(id)",
        "echo `id`",
        "echo \"$(id)\"",
        "echo \"`id`\"",
        "echo $((1+1))",
        "echo $[1+1]",
        "cat <(id)",
        "tee >(id)",
        "echo $'a'",
        "echo $\"a\"",
        "echo !!",
        "echo \"!!\"",
        "echo a!b",
        "ls =ls",
        "ls '=ls'",
        "echo @(a|b)",
        "^a^b",
        "echo a^b",
        "echo $",
        "echo \"a$\"",
        // Backslashes, and lines put together (CVE-2026-28460).
        "l\\s",
        "\\ls",
        "ls \\\n-l",
        "ls a\\ b",
        "echo \"a\\b\"",
        "ls \\",
        "ls a\\\r\n b",
        // More than one command, or none.
        "ls; id",
        "ls;",
        "ls & id",
        "ls &",
        "ls && id",
        "ls || id",
        "ls | id",
        "ls |& id",
        "ls\nid",
        "ls\n",
        "\nls",
        "ls\rid",
        "ls\r\n",
        "(ls)",
        "{ ls; }",
        "! ls",
        "if true; then ls; fi",
        "while x; do y; done",
        "f() { ls; }",
        "case a in a) ls;; esac",
        "for i in a; do ls; done",
        "[[ -f x ]]",
        "[ -f x ]",
        "((1))",
        "coproc ls",
        "time ls",
        "# ls",
        "ls # id",
        "ls #",
        "ls a#b",
        "ls;#",
        // Redirections and what goes in.
        "ls > x",
        "ls >x",
        "ls 2>&1",
        "ls >> x",
        "ls < x",
        "ls <<< x",
        "cat <<E\nx\nE",
        "cat <<'E'\n$(id)\nE\n",
        "ls &> x",
        "ls >| x",
        "2>x ls",
        ">x",
        "<x cat",
        // Assignments.
        "A=1 ls",
        "A=1",
        "A+=1 ls",
        "A=(1 2)",
        "A[0]=1",
        "'A=1' ls",
        "A=1 B=2 ls",
        "PATH=. ls",
        // Words of the shell.
        "cd /tmp",
        ". ./x",
        "source x",
        "eval ls",
        "exec ls",
        "alias a=b",
        "export A=b",
        "command ls",
        "builtin ls",
        "trap x EXIT",
        "set -e",
        "unset x",
        "declare x",
        "'eval' ls",
        "ev\"\"al ls",
        "- ls",
        "-x",
        "%1",
        ":",
        ": x",
        "noglob ls",
        "repeat 3 ls",
        // Quotes that do not end; words that are not there.
        "ls '",
        "ls \"",
        "ls 'a\"",
        "ls \"a'",
        "'' a",
        "\"\"",
        "' ls'",
        "'a b' c",
        // Signs that are not seen, or that some shell takes for a space.
        "ls\tx",
        "\tls",
        "ls\u{b}x",
        "ls\u{c}x",
        "ls\u{a0}x",
        "ls\u{2003}x",
        "ls\u{3000}x",
        "ls\u{85}x",
        "ls\u{2028}x",
        "ls\u{200b}",
        "\u{feff}ls",
        "ls \u{202e}x",
        "ls \u{1b}[2K",
        "ls \u{7f}",
        "ls '\t'",
        "ls '\n'",
        "ls \"\n\"",
        "ls '\u{1b}'",
        "cafe\u{301}",
        "rm \u{2010}rf",
        "ls \u{ff5c} id",
        "ls \u{ff1b} id",
        "ls \u{37e} id",
    ] {
        assert_eq!(parse(text), Parsed::Shell, "{text:?}");
    }
}

#[test]
fn what_cannot_be_a_command_is_refused() {
    for text in ["", " ", "\n", " \t\r\n", "\u{a0}"] {
        assert_eq!(parse(text), Parsed::Refused(Refusal::Blank), "{text:?}");
    }
    for text in ["ls\0", "\0", "ls 'a\0b'", "ls; \0"] {
        assert_eq!(parse(text), Parsed::Refused(Refusal::Nul), "{text:?}");
    }
    let long = |bytes| format!("ls {}", "a".repeat(bytes - 3));
    assert_eq!(parse(&long(MAX_COMMAND_BYTES - 1)), simple(&["ls", &"a".repeat(MAX_COMMAND_BYTES - 4)]));
    assert_eq!(parse(&long(MAX_COMMAND_BYTES)), Parsed::Refused(Refusal::TooLong));
    assert_eq!(parse(&"a ".repeat(MAX_WORDS + 1)), Parsed::Shell);
}

/// What a shell makes of the arguments, run for real. The folder is empty, and so is the environment.
fn of_shell(shell: &str, text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let script = format!("set -- {text}\nfor word do printf '%s\\000' \"$word\"; done");
    let output = std::process::Command::new(shell)
        .args(["-c", &script])
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("the shell starts");
    let text = String::from_utf8(output.stdout).expect("words are text");
    let mut words: Vec<_> = text.split('\0').map(str::to_owned).collect();
    words.pop();
    words
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// The sign alphabet is harmless in any shell that would disagree: no word in it is a program that does anything.
    #[test]
    fn shells_read_the_same_words(text in "zz [-az0=%+:,./@ '\"\\\\$`!#~*?{}()\\[\\]|&;<>^é]{0,16}") {
        if let Parsed::Simple(words) = parse(&text) {
            for shell in ["sh", "bash"] {
                prop_assert_eq!(&of_shell(shell, &text), &words, "{} of {:?}", shell, &text);
            }
        }
    }

    #[test]
    fn any_text_is_survived(text in any::<String>()) {
        parse(&text);
    }

    #[test]
    fn quoted_words_come_back(words in proptest::collection::vec("[a-z $*;|<>~#é\u{202e}]{0,6}", 0..6)) {
        let text = format!("x {}", words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" "));
        let mut expected = vec!["x".to_owned()];
        expected.extend(words);
        // A word that begins with `=` is not among them.
        prop_assert_eq!(parse(&text), Parsed::Simple(expected));
    }
}

/// A folder of programs, and one to work in.
struct Place {
    _folder: tempfile::TempDir,
    bin: PathBuf,
    work: PathBuf,
}

fn place() -> Place {
    place_below(&std::env::temp_dir())
}

fn place_below(folder: &Path) -> Place {
    let folder = tempfile::tempdir_in(folder).expect("a folder");
    let root = folder.path().canonicalize().expect("it is there");
    let (bin, work) = (root.join("bin"), root.join("work"));
    fs::create_dir(&bin).and_then(|()| fs::create_dir(&work)).expect("folders");
    Place { _folder: folder, bin, work }
}

impl Place {
    fn put(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.bin.parent().expect("a root").join(name);
        fs::write(&path, content).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("sets the mode");
        path
    }

    fn resolve(&self, words: &[&str]) -> Result<Command, Unresolved> {
        let argv: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        resolve(&argv, &self.work, std::slice::from_ref(&self.bin), None)
    }

    fn paths(&self, words: &[&str]) -> Vec<String> {
        let files = self.resolve(words).expect("resolves").files;
        let name = |file: FileId| file.path.file_name().expect("a name").to_string_lossy().into_owned();
        files.into_iter().map(name).collect()
    }
}

#[test]
fn a_program_is_its_real_file() {
    let place = place();
    let real = place.put("bin/real-1.2", "\x7fELF", 0o755);
    symlink("real-1.2", place.bin.join("tool")).expect("links");
    let command = place.resolve(&["tool", "a b"]).expect("resolves");
    assert_eq!(command.argv, ["tool", "a b"]);
    assert_eq!(command.cwd, place.work);
    let id = &command.program;
    assert_eq!((&id.path, id.size), (&real, 4));
    assert_eq!(id.sha256, hex_of(b"\x7fELF"));
    assert_ne!(id.inode, 0);
    // By its path, in whatever way it is spelled, it is the same file.
    fs::create_dir(place.work.join("d")).expect("a folder");
    for spelled in ["../bin/tool", "../bin//./real-1.2", "d/../../bin/tool"] {
        assert_eq!(place.resolve(&[spelled]).expect("resolves").program, *id, "{spelled}");
    }
    // A folder that is reached by a link is the folder (CVE-2026-27545).
    let link = place.work.join("link");
    symlink(&place.bin, &link).expect("links");
    assert_eq!(
        resolve(&["tool".to_owned()], &link, std::slice::from_ref(&place.bin), None).expect("resolves").cwd,
        place.bin
    );
}

/// What a command finds at its `/tmp` is looked for where it is, by whatever way a name leads there.
#[test]
fn what_is_named_below_tmp_is_what_the_command_finds_there() {
    // A workspace below `/tmp` would not be found where that is another folder.
    let place = place_below(Path::new("/var/tmp"));
    place.put("bin/sh", "\x7fELF", 0o755);
    let tmp = place.work.with_file_name("tmp");
    fs::create_dir(&tmp).expect("a folder");
    let script = place.put("tmp/script", "#!/bin/sh\n", 0o755);
    let elsewhere = place.put("work/elsewhere", "x", 0o755);
    // Of somebody else, in the folder that everybody may write.
    let theirs = tempfile::NamedTempFile::new_in("/tmp").expect("a file");
    let theirs = theirs.path().to_str().expect("a name");
    for (name, target) in [
        ("link", "/tmp/script"),
        ("folder", "/tmp"),
        ("around", "../../../../../../../../tmp/./script"),
        ("theirs", theirs),
        ("loop", "loop"),
    ] {
        symlink(target, place.work.join(name)).expect("links");
    }
    symlink("inner", tmp.join("outer")).expect("links");
    symlink(&elsewhere, tmp.join("inner")).expect("links");
    let bin = [place.bin.clone(), "/bin".into()];
    let resolve = |words: &[&str]| {
        let argv: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        resolve(&argv, &place.work, &bin, Some(tmp.as_path()))
    };
    for (name, file) in [
        ("/tmp/script", Some(&script)),
        ("/tmp//../tmp/./script", Some(&script)),
        ("link", Some(&script)),
        ("./folder/script", Some(&script)),
        ("around", Some(&script)),
        ("/tmp/outer", Some(&elsewhere)),
        ("elsewhere", Some(&elsewhere)),
        (theirs, None),
        ("theirs", None),
        ("loop", None),
        ("/tmp/script/x", None),
        ("/tmpx/script", None),
    ] {
        let found = resolve(&["sh", name]).expect("resolves").files;
        assert_eq!(found.first().map(|id| &id.path), file, "{name}");
        let program = if name.contains('/') { name.to_owned() } else { format!("./{name}") };
        assert_eq!(resolve(&[program.as_str()]).ok().map(|command| command.program.path).as_ref(), file, "{program}");
    }
    let command = resolve(&["sh", "/tmp/script"]).expect("resolves");
    assert_eq!((command.argv, command.tmp), (["sh", "/tmp/script"].map(str::to_owned).to_vec(), Some(tmp)));
}

fn hex_of(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    crate::home::hex(&sha2::Sha256::digest(bytes))
}

#[test]
fn what_must_not_run_is_not_found() {
    let place = place();
    place.put("bin/plain", "x", 0o644);
    place.put("bin/suid", "x", 0o4755);
    place.put("work/here", "x", 0o755);
    place.put("work/data", "x", 0o644);
    fs::create_dir(place.bin.join("folder")).expect("a folder");
    nix::unistd::mkfifo(&place.work.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let shown = |name: &str| place.bin.join(name).display().to_string();
    let not_found = |name: &str| Err(Unresolved::NotFound(name.to_owned()));
    for (words, expected) in [
        (&["plain"][..], not_found("plain")),
        (&["folder"], not_found("folder")),
        (&[".."], not_found("..")),
        // The working folder is in no search path.
        (&["here"], not_found("here")),
        (&["none\u{202e}"], not_found("none\\u{202e}")),
        (&["suid"], Err(Unresolved::SetId(shown("suid")))),
        (&["../bin/suid"], Err(Unresolved::SetId(shown("suid")))),
        (&["../bin/plain"], Err(Unresolved::NotExecutable(shown("plain")))),
        (&[], Err(Unresolved::Blank)),
        (&[""], Err(Unresolved::Blank)),
        (&["suid", "a\0b"], Err(Unresolved::Nul)),
    ] {
        assert_eq!(place.resolve(words), expected, "{words:?}");
    }
    for words in [&["./pipe"][..], &["../bin"], &["../bin/folder"], &["/dev/null"]] {
        assert!(matches!(place.resolve(words), Err(Unresolved::NotFile(_))), "{words:?}");
    }
    // Elsewhere the system may refuse to set that bit.
    if cfg!(target_os = "linux") {
        place.put("bin/sgid", "x", 0o2755);
        assert_eq!(place.resolve(&["sgid"]), Err(Unresolved::SetId(shown("sgid"))));
    }
    assert_eq!(place.resolve(&["./here", &"a".repeat(MAX_COMMAND_BYTES)]), Err(Unresolved::TooLong));
    assert!(place.resolve(&["./here"]).is_ok());
    let nowhere = place.work.join("none");
    assert!(matches!(resolve(&["./here".to_owned()], &nowhere, &[], None), Err(Unresolved::Folder(_))));
    // A relative folder of programs would be one of the agent's.
    assert!(matches!(
        resolve(&["here".to_owned()], &place.work, &[".".into(), "".into()], None),
        Err(Unresolved::NotFound(_))
    ));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_taken() {
    let place = place();
    let path = place.put("work/x", "one", 0o755);
    let changes: [(&str, &dyn Fn()); 5] = [
        ("overwritten", &|| {
            fs::write(&path, "two").expect("writes");
            // The system's clock for files may not have moved on since.
            let file = fs::File::options().write(true).open(&path).expect("opens");
            file.set_modified(std::time::UNIX_EPOCH).expect("sets the time");
        }),
        ("longer", &|| fs::write(&path, "longer").expect("writes")),
        ("replaced", &|| {
            let other = place.put("work/y", "one", 0o755);
            fs::rename(other, &path).expect("renames");
        }),
        ("rights", &|| fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).expect("sets the mode")),
        ("removed", &|| fs::remove_file(&path).expect("removes")),
    ];
    for (name, change) in changes {
        fs::write(&path, "one").expect("writes");
        let found = identify_while(&path, 10, change);
        assert!(matches!(found, Err(Unresolved::Changing(_))), "{name}: {found:?}");
    }
    fs::write(&path, "one").expect("writes");
    assert!(identify(&path, 3).is_ok());
    assert!(matches!(identify(&path, 2), Err(Unresolved::TooLarge(..))));
}

#[test]
fn scripts_among_the_arguments_are_named() {
    let place = place();
    for program in ["python3.12", "sh", "env", "node", "cat", "awk"] {
        place.put(&format!("bin/{program}"), "\x7fELF", 0o755);
    }
    for (name, content, mode) in [
        ("x.py", "print(1)", 0o644),
        ("prog", "print(1)", 0o644),
        ("run", "#!/bin/sh\n", 0o644),
        ("tool", "x", 0o755),
        ("data.csv", "1,2", 0o644),
        ("other.txt", "1,2", 0o644),
    ] {
        place.put(&format!("work/{name}"), content, mode);
    }
    for (words, files) in [
        (&["python3.12", "x.py"][..], &["x.py"][..]),
        (&["python3.12", "./prog", "data.csv"], &["prog"]),
        (&["python3.12", "-u", "x.py", "data.csv"], &["x.py"]),
        (&["python3.12", "-c", "print(1)"], &[]),
        (&["node", "--require", "./prog", "x.py"], &["prog", "x.py"]),
        (&["node", "--require=./prog", "x.py"], &["prog", "x.py"]),
        (&["awk", "-fprog", "data.csv"], &["prog", "data.csv"]),
        (&["env", "A=1", "sh", "run"], &["run"]),
        (&["env", "A=prog", "sh", "x.py"], &["prog", "x.py"]),
        (&["sh", "data.csv", "run", "other.txt", "tool"], &["data.csv", "run", "tool"]),
        (&["sh", "x.py", "x.py", "./x.py"], &["x.py"]),
        (&["cat", "x.py", "run"], &[]),
    ] {
        assert_eq!(place.paths(words), files, "{words:?}");
    }
    symlink("python3.12", place.bin.join("py")).expect("links");
    assert_eq!(place.paths(&["py", "x.py"]), ["x.py"], "by the file's own name");
    let hash = |place: &Place| place.resolve(&["sh", "run"]).expect("resolves").files[0].sha256.clone();
    let before = hash(&place);
    place.put("work/run", "#!/bin/sh\nid\n", 0o644);
    assert_ne!(hash(&place), before, "a script that was rewritten is another one (CVE-2026-32921)");
}

#[test]
fn a_script_names_an_interpreter_of_the_system() {
    let place = place();
    let bin = place.bin.display();
    for (line, good) in [
        (format!("#!{bin}/sh"), true),
        (format!("#! {bin}/sh -e"), true),
        (format!("#!{bin}/env python3\nx"), true),
        (format!("#!{bin}/env -S node --require ./evil.js\n"), false),
        (format!("#!{bin}/../work/sh\n"), false),
        (format!("#!{}/sh\n", place.work.display()), false),
        ("#!sh\n".to_owned(), false),
        ("#!./sh\n".to_owned(), false),
        ("#!\n".to_owned(), false),
        (format!("#!{bin}/sh\r\n"), false),
        (format!("#!{bin}/{}\n", "s".repeat(200)), false),
    ] {
        place.put("work/run", &line, 0o755);
        let found = place.resolve(&["./run"]);
        assert_eq!(found.is_ok(), good, "{line:?}: {found:?}");
        assert!(good || matches!(found, Err(Unresolved::Interpreter(_))), "{line:?}: {found:?}");
    }
}

#[test]
fn a_script_is_its_text_and_its_shell() {
    let place = place();
    let shell = place.put("bin/sh", "\x7fELF", 0o755);
    let path = [place.bin.clone()];
    let script = resolve_script("ls | wc -l\n", "sh", &place.work, &path).expect("resolves");
    assert_eq!((script.text.as_str(), &script.shell.path, &script.cwd), ("ls | wc -l\n", &shell, &place.work));
    for (text, error) in
        [("", Unresolved::Blank), ("ls\0", Unresolved::Nul), (&"a".repeat(MAX_COMMAND_BYTES)[..], Unresolved::TooLong)]
    {
        assert_eq!(resolve_script(text, "sh", &place.work, &path), Err(error));
    }
}

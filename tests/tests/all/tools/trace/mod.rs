//! What was decided is held against what the kernel was asked for: for lines full of tricks, nothing is started that the
//! decision did not name.

mod lines;
mod recorder;

use simpleclaw_gateway::testing::{Decided, decided};

use recorder::{Place, Started, shell};

/// Lines that are made; about a third are one plain command, and are run three times.
const LINES: usize = 2_000;
const SHELLS: [&str; 2] = ["/bin/sh", "/bin/bash"];
/// Programs that each shell does the work of itself: it starts nothing for them.
const OWN: [&str; 3] = ["echo", "printf", "true"];

/// A line that is one plain command is read by each shell as it was by us: given to a shell, it starts the one program
/// that was named with the words that were shown, and nothing else. So does what we start, which is the program itself.
/// A line that is anything else is a script: the decision names the shell and shows the whole text.
#[test]
#[cfg_attr(not(can_trace), ignore = "needs strace, and to be allowed to trace")]
fn no_line_starts_what_was_not_named() {
    let place = Place::new();
    let (mut plain, mut scripts, mut refused) = (Vec::new(), 0, 0);
    while plain.len() + scripts + refused < LINES {
        let line = lines::line();
        match decided(&line, &place.work, &place.path) {
            Decided::Program { program, argv } => plain.push((line, Started { program, argv })),
            Decided::Script => scripts += 1,
            Decided::Refused(_) => refused += 1,
        }
    }
    let is_bait = |(line, named): &&(String, Started)| line.contains("canary") && !named.program.ends_with("canary");
    let baits = plain.iter().filter(is_bait).count();
    eprintln!("{LINES} lines: {} plain ({baits} of them with bait), {scripts} scripts, {refused} refused", plain.len());
    assert!(plain.len() > LINES / 5 && baits > LINES / 20, "too few lines could show anything");
    assert!(scripts > LINES / 4 && refused > 0, "too few lines have a trick in them");

    // The recorder sees everything that a line starts, and the driver leaves the line as it is.
    let control = SHELLS.map(|program| shell(program, "a \"$(canary 'x  é')\" | c; ./none || exec ./canary $x"));
    let jobs = plain.iter().flat_map(|(line, named)| {
        SHELLS.iter().map(|program| shell(program, line)).chain([named.clone()]).collect::<Vec<_>>()
    });
    let mut runs = place.record(&control.iter().cloned().chain(jobs).collect::<Vec<_>>()).into_iter();
    for control in control {
        let mut seen: Vec<String> = runs.next().expect("its run").iter().map(words).collect();
        let mut expected = [words(&control), "a ".into(), "canary x  é".into(), "c".into(), "./canary canary".into()];
        // The two sides of a pipe start in any order.
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected);
    }

    let mut wrong = Vec::new();
    for (line, named) in &plain {
        let run = [(); SHELLS.len() + 1].map(|()| runs.next().expect("its run"));
        if let Err(words) = held(line, named, &run) {
            wrong.push(format!("{line:?}: {words}"));
        }
    }
    assert_eq!(runs.next(), None);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), plain.len(), wrong[..wrong.len().min(10)].join("\n"));
}

fn words(started: &Started) -> String {
    started.argv.join(" ")
}

/// Holds a decision against its runs: one by each shell, then one without.
fn held(line: &str, named: &Started, runs: &[Vec<Started>; SHELLS.len() + 1]) -> Result<(), String> {
    let [by_shells @ .., direct] = runs;
    let name = named.argv[0].as_str();
    let Some((first, more)) = direct.split_first() else { return Err("nothing was started".to_owned()) };
    if first != named {
        return Err(format!("{named:?} was named, and {first:?} started"));
    }
    // `env` is there to start one program, which may be `env` again: its words name each, and those are shown.
    let by_words = |started: &[Started]| started[0].argv[0] == "env" && named.argv.contains(&started[1].argv[0]);
    if !direct.windows(2).all(by_words) {
        return Err(format!("{named:?} was named, and went on to {more:?}"));
    }
    for (program, run) in SHELLS.iter().zip(by_shells) {
        let expected: &[Started] = if OWN.contains(&name) { &[] } else { direct };
        if run.split_first() != Some((&shell(program, line), expected)) {
            return Err(format!("{program} started {run:?}, and we {direct:?}"));
        }
    }
    Ok(())
}

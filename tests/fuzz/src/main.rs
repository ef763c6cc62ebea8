//! The targets under libFuzzer. `SIMPLECLAW_FUZZ` names one; without it they are listed. The seeds are written into the
//! folder of the first argument, where libFuzzer reads them, and the words beside it.

#![no_main]

use std::path::Path;
use std::process::exit;
use std::sync::OnceLock;

use simpleclaw_fuzz::{TARGETS, Target};

static TARGET: OnceLock<Target> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: choose(),
    |bytes: &[u8]| if let Some(target) = TARGET.get() {
        (target.run)(bytes);
    }
);

fn choose() {
    let name = std::env::var("SIMPLECLAW_FUZZ").unwrap_or_default();
    let Some(target) = TARGETS.into_iter().find(|target| target.name == name) else {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        exit(i32::from(!name.is_empty()));
    };
    let corpus = std::env::args().nth(1).expect("the folder of the corpus");
    write(&target, Path::new(&corpus)).expect("the seeds can be written");
    let _ = TARGET.set(target);
}

fn write(target: &Target, corpus: &Path) -> std::io::Result<()> {
    for (number, seed) in target.seeds.iter().enumerate() {
        std::fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    let quoted = |word: &&str| word.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    let words: String = target.words.iter().map(|word| format!("\"{}\"\n", quoted(word))).collect();
    std::fs::write(corpus.with_extension("dict"), words)
}

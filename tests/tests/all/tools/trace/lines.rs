//! Command lines as somebody would write them who wants another program run than the one that is seen. Whatever gets
//! through starts `canary`, or runs a file of the folder, which does nothing.

/// First words that are programs, in several spellings; and one that is none.
const PROGRAMS: [&str; 19] = [
    "a",
    "a",
    "b",
    "c",
    "canary",
    "./canary",
    "d/a",
    "d/../canary",
    "../bin/a",
    "'a'",
    "a\"\"",
    "\"b\"",
    "''c",
    "env a",
    "env A=1 c",
    "echo",
    "printf",
    "true",
    "none",
];

/// What may stand before: of the shell, of its grammar, or a program that starts another.
const BEFORE: [&str; 34] = [
    "A=1 ",
    "A+=1 ",
    "A[0]=1 ",
    "A=1 B='2 3' ",
    "PATH=. ",
    "'A=1' ",
    "time ",
    "time -p ",
    "exec ",
    "exec -a x ",
    "command ",
    "command -p ",
    "builtin ",
    "eval ",
    "eval canary ",
    "env ",
    "env -i ",
    "! ",
    "- ",
    ". ",
    "\\",
    "coproc ",
    "alias a=canary; ",
    "alias a=canary\n",
    "shopt -s expand_aliases\nalias a=canary\n",
    "a() { canary; }; ",
    "trap canary EXIT; ",
    "if true; then canary; fi; ",
    ">y ",
    "2>y <x ",
    "# ",
    "\n",
    "\t",
    "\u{feff}",
];

/// Plain words, and quotes with tricks in them that are none there.
const WORDS: [&str; 41] = [
    "x",
    "-x",
    "--k=v",
    "A=1",
    "1",
    "2",
    "%",
    "%1",
    "@x",
    ":",
    ",",
    "+x",
    "a.b",
    "x/y",
    "../x",
    "a@b:c",
    "é",
    "日本",
    "canary",
    "''",
    "\"\"",
    "'x y'",
    "\"x y\"",
    "'$(canary)'",
    "'`canary`'",
    "'${x} $x'",
    "'; canary'",
    "\"; canary\"",
    "\"&& canary\"",
    "\"| canary &\"",
    "'> y'",
    "\"<(canary)\"",
    "'* ?'",
    "\"~ {canary,x} [a]\"",
    "'\\'",
    "'!!'",
    "\"# canary\"",
    "\"it's\"",
    "'\"'",
    "'\u{a0}'",
    "\"\u{202e}x\"",
];

/// What is put in somewhere, be it in the middle of a word or between quotes.
const TRICKS: [&str; 76] = [
    // Expansions.
    "$(canary)",
    "$( canary )",
    "`canary`",
    "$x",
    "${x}",
    "${none:-$(canary)}",
    "$((1+1))",
    "$[1+1]",
    "$'\\x63anary'",
    "$'\\n'canary",
    "$\"x\"",
    "$",
    "*",
    "?",
    "[a-z]*",
    "~",
    "~/canary",
    "{canary,x}",
    "{1..3}",
    "!!",
    "!",
    "^a^canary",
    "=canary",
    // Another command.
    ";canary",
    "; canary ",
    ";",
    "&canary ",
    "& canary ",
    "&",
    "&& canary ",
    "|| canary ",
    "|canary ",
    "| canary ",
    "|& canary ",
    "\ncanary ",
    "\n",
    "\r\ncanary ",
    "\r",
    "(canary)",
    "(",
    ")",
    "{ canary; }",
    "}",
    " if canary; then a; fi ",
    // Files.
    ">y ",
    " 2>&1 ",
    " <x ",
    ">|y ",
    "<<<x ",
    " <<E\ncanary\nE\n",
    " <<E\n$(canary)\nE\n",
    " <<-'E'\n$(canary)\nE\ncanary\n",
    "<(canary)",
    ">(canary)",
    // Quotes, and lines put together.
    "'",
    "\"",
    "''",
    "\\",
    "\\\\",
    "\\ ",
    "\\\n",
    "\\\r\n",
    "#",
    " # canary",
    " #\ncanary ",
    // Signs that are not seen, or that pass for a space.
    "\t",
    "\u{b}",
    "\u{c}",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{85}",
    "\u{2028}",
    "\u{200b}",
    "\u{1b}",
    "\0",
];

fn one_of<'a>(list: &[&'a str]) -> &'a str {
    list[rand::random_range(0..list.len())]
}

/// A command of plain words and quotes, with up to two tricks somewhere in it. Whoever fails on one prints it, so no seed
/// is kept.
pub fn line() -> String {
    let mut line = one_of(&PROGRAMS).to_owned();
    for _ in 0..rand::random_range(0..5_u8) {
        // Now and then two pieces make one word.
        line.push_str(one_of(&[" ", " ", " ", "  ", ""]));
        line.push_str(one_of(&WORDS));
    }
    if rand::random_range(0..8_u8) == 0 {
        line.insert_str(0, one_of(&BEFORE));
    }
    for _ in 0..[0, 0, 1, 1, 2][rand::random_range(0..5_usize)] {
        let places: Vec<usize> = (0..=line.len()).filter(|at| line.is_char_boundary(*at)).collect();
        line.insert_str(places[rand::random_range(0..places.len())], one_of(&TRICKS));
    }
    line
}

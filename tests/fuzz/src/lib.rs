//! What takes bytes from outside, one function each (trust.md P8): none of them may panic, hang or grow without bound,
//! and what they accept keeps its promises. `cargo xtask fuzz` drives them by coverage; the tests below by their seeds.
//!
//! Deliberately elsewhere: the cases that people thought of (`tests/all/frames.rs`, the tables beside the code).

use simpleclaw_gateway::testing;
use simpleclaw_protocol::{Encoding, codec};

/// A thing to fuzz.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// Inputs that reach far into it, one in each part between empty lines, or whole files of bytes.
    pub seeds: &'static [&'static [u8]],
    /// Words that chance would not find.
    pub words: &'static [&'static str],
}

pub const TARGETS: [Target; 7] = [
    Target {
        name: "frame-json",
        run: |bytes| frame(Encoding::Json, bytes),
        seeds: &[
            br#"{"type":"req","id":"1","method":"health"}"#,
            br#"{"type":"req","id":"1","method":"chat.send","params":{"sessionKey":"main","message":"\u00e9\ud83d\ude00","idempotencyKey":"k","queueMode":"followup"},"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#,
            br#"{"type":"req","id":"1","method":"connect","params":{"minProtocol":1,"maxProtocol":1,"client":{"id":"a","version":"1","platform":"p","mode":"m"},"auth":{"token":"t"},"scopes":["operator.read"]}}"#,
            br#"{"type":"req","id":"1","method":"chat.history","params":{"sessionKey":"agent:main:x","limit":1e2,"before":"m"}}"#,
        ],
        words: WORDS,
    },
    Target {
        name: "frame-msgpack",
        run: |bytes| frame(Encoding::Msgpack, bytes),
        seeds: &[
            b"\x83\xa4type\xa3req\xa2id\xa11\xa6method\xa6health",
            b"\x84\xa4type\xa3req\xa2id\xa11\xa6method\xaeconfig.get\x00\x00\x00\x00\xa6params\x81\xa4path\xa8a.b\xc4\x01\x00",
            b"\x84\xa4type\xa3req\xa2id\xa11\xa6method\xacchat.history\xa6params\x82\xaasessionKey\xa4main\xa5limit\xcd\x00\xc8",
        ],
        words: WORDS,
    },
    Target {
        name: "config",
        run: testing::config,
        seeds: &[
            b"gateway: {port: 18789, bind: loopback}\n",
            b"agents:\n  default: main\n  entries:\n    main: &a {name: Claw, model: local/x, systemPrompt: \"hi ${HOME}\"}\n    other: {<<: *a, name: B}\nsession: {queue: followup}\n",
            b"models:\n  detect: false\n  providers:\n    local: {api: openai, baseUrl: 'http://127.0.0.1:1/v1', apiKey: {env: KEY}, models: [x, {id: y, contextWindow: 4096}]}\n# a comment\n",
        ],
        words: &["gateway:", "agents:", "models:", "providers:", "apiKey:", "${", "<<: *a", "&a", "!!binary", "---\n", "|\n ", ">-\n "],
    },
    Target {
        name: "params",
        run: testing::params,
        seeds: &[
            b"chat.send\n{\"sessionKey\":\"main\",\"message\":\"m\",\"idempotencyKey\":\"k\",\"model\":\"a/b\",\"thinking\":\"low\",\"timeoutMs\":5}",
            b"sessions.list\n{\"limit\":5,\"search\":\"x\",\"cursor\":\"c\",\"archived\":true}",
            b"events.subscribe\n{\"sessions\":\"all\",\"events\":[\"tick\"]}",
            b"logs.tail\n{\"limit\":5,\"cursor\":\"1\"}",
        ],
        words: WORDS,
    },
    Target {
        name: "backup",
        run: testing::backup,
        // Two files, one of them with a long name, and their manifest.
        seeds: &[include_bytes!("backup.tar")],
        words: &["simpleclaw-backup/", "manifest.json", "agents/", "../", "././@LongLink", "ustar  "],
    },
    Target {
        name: "command",
        run: testing::command,
        seeds: &[
            b"rg --json 'a b' src/main.rs \"it's\" x=\"y\"z",
            b"FOO=1 ls *.txt > out 2>&1 && echo $(id) `id` ${x:-y} | sh -c 'x' # c",
            b"cat <<EOF\n$(x)\nEOF\nif true; then a; fi; for i in {1..3}; do b; done",
            b"echo ~ !! $'a\\x41' $((1+1)) <(x) a\\\nb [[ -f x ]] \xd0\xb0\xe2\x80\xae",
        ],
        words: &["$(", "${", "<<", "<<<", "&&", "$'", "\\\n", "#", "{a,b}", "[[ ", "=(", "\u{202e}", "\u{200b}", "''", "!!"],
    },
    Target {
        name: "paths",
        run: testing::paths,
        // What is in the workspace, an empty line, and the path.
        seeds: &[
            b"a/\nb>a/..\nout>@/outside\nup>../../..\n\nb/out/../outside/./new",
            b"no>where\nround>a/../round\n\nno//.",
            b"s\xff/\nl>s\xff\n\nl/gpj\xe2\x80\xaeexe. ",
            b"f\ntwo=@/home/token\n\ntwo",
            b"../x>@/home/state\n\n../x/gateway.db",
            b"p>/proc/self/root\n\np/etc/../proc/self/cwd/../x\n",
            b"@/home//agents/main/workspace/n/w/",
        ],
        words: &["../", "//", ">@/", "=@/", "/\n", "\n\n", "~/", "\0", "home/", "state/", "/proc/self/", "\u{202e}"],
    },
];

const WORDS: &[&str] = &[
    "\"type\":\"req\"",
    "\"method\":",
    "\"params\":",
    "sessionKey",
    "idempotencyKey",
    "attachments",
    "agent:main:",
    "chat.send",
    "chat.history",
    "config.get",
    "events.subscribe",
    "\\ud83d",
    "1e400",
    "-0.0",
    "\u{202e}",
];

/// A frame that is accepted says the same in either encoding.
fn frame(encoding: Encoding, bytes: &[u8]) {
    testing::request(encoding, bytes);
    let Ok(value) = codec::decode(encoding, bytes) else { return };
    for other in Encoding::ALL {
        let again = codec::encode(other, &value).expect("what was read can be written");
        assert_eq!(codec::decode(other, &again).expect("what was written can be read"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;

    /// Every seed, every start of it, and every seed with one byte changed.
    #[test]
    fn seeds_and_what_lies_around_them_are_survived() {
        for target in TARGETS {
            for seed in target.seeds {
                for end in 0..=seed.len() {
                    (target.run)(&seed[..end]);
                }
                for at in 0..seed.len() {
                    for byte in [0, b'"', 0x7f, 0xc1, 0xff] {
                        let mut changed = seed.to_vec();
                        changed[at] = byte;
                        (target.run)(&changed);
                    }
                }
            }
        }
    }
}

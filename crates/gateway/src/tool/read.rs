//! `read`: a text file, or a part of it by lines.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::output::{MAX_RESULT, end_cut};
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, disk, object};
use crate::approval::action::What;

/// Lines of one answer, where nothing else is asked for.
const LINES: usize = 2_000;
/// Of one line, in bytes.
const MAX_LINE: usize = 2_000;

pub struct Read;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    path: String,
    /// First line, from 1.
    #[serde(default)]
    offset: Option<usize>,
    #[serde(default)]
    limit: Option<usize>,
}

impl Tool for Read {
    fn name(&self) -> &'static str {
        "read"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description: "Reads a text file. Paths are relative to your workspace; a file outside of it needs the \
                user's consent. Long files come in parts: `offset` is the first line, from 1."
                .to_owned(),
            schema: object(
                &["path"],
                json!({
                    "path": { "type": "string" },
                    "offset": { "type": "integer", "minimum": 1 },
                    "limit": { "type": "integer", "minimum": 1, "maximum": LINES },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move { read(context, arguments(args)?).await })
    }
}

async fn read(context: &ToolContext<'_>, args: Args) -> Result<ToolResult, Failed> {
    let place = context.find(args.path).await?;
    context.permit(What::Read(place.path.clone())).await?;
    let places = context.places.clone();
    let outside = (!place.inside).then(|| format!("the file {}", place.path.display()));
    let text = blocking(move || {
        let found = disk::read(&places, &place)?;
        disk::text(&places, &place.path, found.bytes)
    })
    .await?;
    let part = part(&text, args.offset.unwrap_or(1).max(1), args.limit.unwrap_or(LINES).min(LINES));
    Ok(ToolResult { untrusted: outside, ..ToolResult::own(part) })
}

/// Some lines of a text, and how to get those that follow.
fn part(text: &str, first: usize, limit: usize) -> String {
    let all = text.lines().count();
    if first > all.max(1) {
        return format!("(the file has {all} lines; there is nothing from line {first} on)");
    }
    let mut out = String::new();
    let mut shown = 0;
    for line in text.lines().skip(first - 1).take(limit) {
        let mut line = line.to_owned();
        if end_cut(&mut line, MAX_LINE) {
            line.push_str(" (this line is cut here)");
        }
        // One line at least, however long.
        if shown > 0 && out.len() + line.len() > MAX_RESULT {
            break;
        }
        out.push_str(&line);
        out.push('\n');
        shown += 1;
    }
    let next = first + shown;
    if next <= all {
        out.push_str(&format!("(lines {first} to {} of {all}; go on with offset {next})\n", next - 1));
    }
    if all == 0 {
        out.push_str("(the file is empty)\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_how_to_go_on() {
        let text = "one\ntwo\r\nthree";
        assert_eq!(part(text, 1, LINES), "one\ntwo\nthree\n");
        assert_eq!(part(text, 2, 1), "two\n(lines 2 to 2 of 3; go on with offset 3)\n");
        assert_eq!(part(text, 4, 1), "(the file has 3 lines; there is nothing from line 4 on)");
        assert_eq!(part("", 1, 1), "(the file is empty)\n");
        let long = format!("{}\nend\n", "x".repeat(MAX_LINE + 5));
        assert!(part(&long, 1, LINES).starts_with(&format!("{} (this line is cut here)\nend", "x".repeat(MAX_LINE))));
        let many = "line of some length\n".repeat(LINES);
        assert!(part(&many.repeat(4), 1, LINES).len() < MAX_RESULT + 200);
    }
}

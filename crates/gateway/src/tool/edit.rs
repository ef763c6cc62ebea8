//! `edit`: parts of a text file, each found by the exact text that stands there now.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::output::middle_cut;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, disk, object, write};

/// Of one call.
const MAX_EDITS: usize = 64;
/// Of one `oldText`, in bytes.
const MAX_OLD: usize = 64 * 1024;
/// Of the difference that the model is shown, in bytes.
const MAX_SHOWN: usize = 8 * 1024;

pub struct Edit;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    path: String,
    edits: Vec<One>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct One {
    old_text: String,
    new_text: String,
}

impl Tool for Edit {
    fn name(&self) -> &'static str {
        "edit"
    }

    fn describe(&self) -> ToolSpec {
        let edit = object(
            &["oldText", "newText"],
            json!({ "oldText": { "type": "string" }, "newText": { "type": "string" } }),
        );
        ToolSpec {
            name: self.name().to_owned(),
            description:
                "Changes parts of a text file. Each `oldText` must stand in the file exactly once, white space \
                included; `newText` takes its place. The edits are made in their order, all or none."
                    .to_owned(),
            schema: object(
                &["path", "edits"],
                json!({
                    "path": { "type": "string" },
                    "edits": { "type": "array", "minItems": 1, "maxItems": MAX_EDITS, "items": edit },
                }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move { edit(context, arguments(args)?).await })
    }
}

async fn edit(context: &ToolContext<'_>, args: Args) -> Result<ToolResult, Failed> {
    let place = context.find(args.path).await?;
    let shown = context.places.shown(&place.path);
    let Some(found) = write::before(context, &place).await? else {
        return Err(Failed(format!("there is no {shown}; `write` makes a new file")));
    };
    // Large texts take a while, in which nothing else of the runtime is to wait.
    let (places, path) = (context.places.clone(), place.path.clone());
    let (found, new) = blocking(move || {
        let old = disk::text(&places, &path, found.bytes.clone())?;
        let new = apply(&old, &args.edits)?;
        Ok((found, new))
    })
    .await?;
    let change = write::change(&place, Some(found), new).await?;
    let diff = middle_cut(&change.diff, MAX_SHOWN);
    write::put(context, place, change).await?;
    Ok(ToolResult::own(format!("{shown} is changed:\n{diff}")))
}

/// The text with all edits made.
fn apply(text: &str, edits: &[One]) -> Result<String, Failed> {
    if edits.is_empty() || edits.len() > MAX_EDITS {
        return Err(Failed(format!("`edits` has 1 to {MAX_EDITS} entries")));
    }
    let mut now = text.to_owned();
    for (index, One { old_text, new_text }) in edits.iter().enumerate() {
        let wrong = |words: String| Failed(format!("edits[{index}]: {words} Nothing was changed."));
        if old_text.is_empty() {
            return Err(wrong("`oldText` is empty; give the text that is to be replaced.".to_owned()));
        }
        if old_text.len() > MAX_OLD {
            let most = MAX_OLD / 1024;
            return Err(wrong(format!(
                "`oldText` is longer than {most} KiB; give less of it, or `write` the file anew."
            )));
        }
        if old_text == new_text {
            return Err(wrong("`oldText` and `newText` are the same.".to_owned()));
        }
        let mut places = now.match_indices(old_text.as_str());
        let Some((at, _)) = places.next() else { return Err(wrong(not_found(&now, old_text))) };
        if let Some((second, _)) = places.next() {
            let lines = [at, second].map(|at| line_of(&now, at));
            return Err(wrong(format!(
                "`oldText` stands in the file more than once (lines {} and {}); give more of what is around it.",
                lines[0], lines[1]
            )));
        }
        now.replace_range(at..at + old_text.len(), new_text);
        if now.len() > write::MAX_CONTENT {
            return Err(wrong(format!("the file would be larger than {} MiB.", write::MAX_CONTENT / 1024 / 1024)));
        }
    }
    match now == text {
        true => Err(Failed::new("the edits together change nothing")),
        false => Ok(now),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or_default().matches('\n').count() + 1
}

/// Why a text was not found, as far as that can be told.
fn not_found(text: &str, wanted: &str) -> String {
    if text.contains("\r\n") && !wanted.contains("\r\n") && text.replace("\r\n", "\n").contains(wanted) {
        return "`oldText` stands in the file, but its lines end with \\r\\n there; write them so.".to_owned();
    }
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Once, and not for every line of the file: both may be long.
    let first = squeezed(wanted.lines().find(|line| !line.trim().is_empty()).unwrap_or_default());
    let near = text.lines().position(|line| !first.is_empty() && squeezed(line).contains(&first));
    match near {
        Some(line) => format!(
            "`oldText` does not stand in the file as it is given; something like it begins at line {}. Read that part \
             again and copy it exactly, with its white space.",
            line + 1
        ),
        None => "`oldText` does not stand in the file. Read it again; it may have changed.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits(pairs: &[(&str, &str)]) -> Vec<One> {
        pairs.iter().map(|(old, new)| One { old_text: (*old).to_owned(), new_text: (*new).to_owned() }).collect()
    }

    #[test]
    fn edits_are_made_in_order() {
        let done = apply("a b c\n", &edits(&[("b", "B"), ("a B", "x")])).expect("fits");
        assert_eq!(done, "x c\n");
        assert_eq!(apply("é1é", &edits(&[("1", "")])).expect("fits"), "éé");
    }

    #[test]
    fn what_does_not_fit_is_said_and_changes_nothing() {
        let text = "fn one() {\n    two();\n}\ntwo();\n";
        let long = "x".repeat(MAX_OLD + 1);
        for (pairs, words) in [
            (&[("two", "x")][..], "lines 2 and 4"),
            (&[("three", "x")], "does not stand in the file."),
            (&[("fn  one()", "x")], "begins at line 1"),
            (&[("", "x")], "is empty"),
            (&[(long.as_str(), "x")], "longer than 64 KiB"),
            (&[("one", "one")], "are the same"),
            (&[("one", "1"), ("1", "one")], "change nothing"),
            (&[("one", "1"), ("one", "x")], "edits[1]"),
            (&[], "1 to 64"),
        ] {
            let failed = apply(text, &edits(pairs)).expect_err("is refused");
            assert!(failed.0.contains(words), "{pairs:?}: {failed}");
        }
        let failed = apply("a\r\nb\r\n", &edits(&[("a\nb", "x")])).expect_err("is refused");
        assert!(failed.0.contains("\\r\\n"), "{failed}");
    }

    /// A file of many lines and a long line that is not in it cost the sum of both, not the product.
    #[test]
    fn what_is_not_found_is_said_soon() {
        let (text, wanted) = ("\n".repeat(1 << 20), "x y ".repeat(MAX_OLD / 4));
        let began = std::time::Instant::now();
        let failed = apply(&text, &edits(&[(wanted.as_str(), "x")])).expect_err("is refused");
        assert!(failed.0.contains("does not stand in the file."), "{failed}");
        // Well below a second; the product takes minutes.
        assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
    }
}

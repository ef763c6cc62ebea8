//! `list`: what is in a folder.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::disk::{self, Entry, Kind};
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, object};
use crate::approval::action::What;

/// Entries of one answer.
const MAX_ENTRIES: usize = 1_000;

pub struct List;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    #[serde(default)]
    path: Option<String>,
}

impl Tool for List {
    fn name(&self) -> &'static str {
        "list"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description:
                "Lists a folder of your workspace, or another one with the user's consent: folders end in `/`, \
                files have their size in bytes. `search` with a `glob` finds files below it."
                    .to_owned(),
            schema: object(&[], json!({ "path": { "type": "string" } })),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let Args { path } = arguments(args)?;
            let place = context.find(path.unwrap_or_else(|| ".".to_owned())).await?;
            context.permit(What::List(place.path.clone())).await?;
            let places = context.places.clone();
            let untrusted = (!place.inside).then(|| format!("the folder {}", place.path.display()));
            let (mut entries, more) = blocking(move || {
                let (mut entries, more) = disk::list(&places, &place, MAX_ENTRIES)?;
                entries.retain(|entry| places.own(&place.path.join(&entry.name)).is_none());
                Ok((entries, more))
            })
            .await?;
            entries.sort_by(|one, other| one.name.cmp(&other.name));
            Ok(ToolResult { untrusted, ..ToolResult::own(told(&entries, more)) })
        })
    }
}

fn told(entries: &[Entry], more: bool) -> String {
    let mut out = String::new();
    for Entry { name, kind, size } in entries {
        // One line each, whatever a name holds.
        let name = name.escape_debug().to_string().replace("\\'", "'").replace("\\\"", "\"");
        out.push_str(&match (kind, size) {
            (Kind::Folder, _) => format!("{name}/\n"),
            (Kind::File, size) => format!("{name}  {}\n", size.unwrap_or(0)),
            (Kind::Link, _) => format!("{name}  (link)\n"),
            (Kind::Other, _) => format!("{name}  (device or pipe)\n"),
        });
    }
    match (out.is_empty(), more) {
        (true, _) => "(empty)".to_owned(),
        (false, true) => format!("{out}(there are more than {MAX_ENTRIES}; the rest is left out)"),
        (false, false) => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_each() {
        let entry = |name: &str, kind, size| Entry { name: name.to_owned(), kind, size };
        let entries =
            [entry("it's \"a\"\nb", Kind::File, Some(3)), entry("d", Kind::Folder, None), entry("l", Kind::Link, None)];
        assert_eq!(told(&entries, false), "it's \"a\"\\nb  3\nd/\nl  (link)\n");
        assert_eq!(told(&[], false), "(empty)");
        assert!(told(&entries, true).ends_with("the rest is left out)"));
    }
}

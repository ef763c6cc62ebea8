//! `write`: a whole file, new or in the place of one.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use super::place::Place;
use super::{Failed, Tool, ToolContext, ToolResult, arguments, blocking, disk, object};
use crate::approval::action::{Change, What};

/// Of one file, in bytes.
pub const MAX_CONTENT: usize = 2 * 1024 * 1024;

pub struct Write;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    path: String,
    content: String,
}

impl Tool for Write {
    fn name(&self) -> &'static str {
        "write"
    }

    fn describe(&self) -> ToolSpec {
        ToolSpec {
            name: self.name().to_owned(),
            description: "Writes a text file, new or in the place of one, and makes the folders it needs in your \
                workspace. To change a part of a file, use `edit`."
                .to_owned(),
            schema: object(
                &["path", "content"],
                json!({ "path": { "type": "string" }, "content": { "type": "string" } }),
            ),
        }
    }

    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>> {
        Box::pin(async move {
            let Args { path, content } = arguments(args)?;
            let place = context.find(path).await?;
            let bytes = content.len();
            let before = before(context, &place).await?;
            let was = before.is_some();
            let change = change(&place, before, content).await?;
            put(context, place.clone(), change).await?;
            let path = context.places.shown(&place.path);
            let what = if was { "replaced" } else { "written" };
            Ok(ToolResult::own(format!("{path} is {what}: {bytes} bytes.")))
        })
    }
}

/// What is in the place of a file now; `None` where nothing is.
pub async fn before(context: &ToolContext<'_>, place: &Place) -> Result<Option<disk::Found>, Failed> {
    let (places, place) = (context.places.clone(), place.clone());
    blocking(move || disk::read_if_there(&places, &place)).await
}

/// What a file would be, with the difference to what it is, which takes a while to find between large ones.
pub async fn change(place: &Place, before: Option<disk::Found>, content: String) -> Result<Change, Failed> {
    if content.len() > MAX_CONTENT {
        return Err(Failed(format!("a file written here has at most {} MiB", MAX_CONTENT / 1024 / 1024)));
    }
    let path = place.path.clone();
    blocking(move || {
        let before = before.as_ref().map(|found| found.bytes.as_slice());
        Ok(Change::new(path, before, content.into_bytes()))
    })
    .await
}

/// Has a change decided on and makes it.
pub async fn put(context: &ToolContext<'_>, place: Place, change: Change) -> Result<(), Failed> {
    let permitted = context.permit(What::Write(change)).await?;
    let What::Write(change) = permitted.action.what else { return Err(Failed::new("another action was allowed")) };
    let places = context.places.clone();
    blocking(move || disk::replace(&places, &place, change.before.as_deref(), &change.content)).await
}

//! What an agent can do beside talking: one file per tool, and here what they share.
//!
//! A tool says what it *would* do as an `Action`; `context` has that decided, asks a person where it must, and only then
//! lets the tool go on. `place` knows which paths are whose, `disk` opens them without following links, `children` owns
//! the programs that were started, `temp` the folders for their temporary files. How decisions are made is `approval`'s,
//! how programs are kept in is `sandbox`'s.

mod address;
mod children;
mod context;
mod disk;
mod edit;
mod exec;
mod fetch;
mod html;
mod list;
mod memory;
mod output;
mod place;
mod process;
mod read;
mod search;
mod sessions;
#[cfg(all(unix, feature = "testing"))]
mod survive;
mod temp;
mod write;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use simpleclaw_adapters::provider::ToolSpec;

use crate::config::ToolProfile;
use crate::store::StoreError;

pub use children::Children;
pub use context::{Hands, ToolContext};
pub use place::Places;
#[cfg(all(unix, feature = "testing"))]
pub use survive::survive;
pub use temp::Temp;

/// Something a model may call.
pub trait Tool: Send + Sync {
    fn name(&self) -> &'static str;
    /// Name, description and the JSON Schema of the arguments, as the model gets them.
    fn describe(&self) -> ToolSpec;
    /// Does it. Dropping the future stops it, with whatever it started.
    fn call<'a>(&'a self, context: &'a ToolContext<'a>, args: Value) -> BoxFuture<'a, Result<ToolResult, Failed>>;
}

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    /// For the model.
    pub content: String,
    pub is_error: bool,
    /// Where content that somebody outside may have written came from: an address, a command, a session.
    pub untrusted: Option<String>,
}

impl ToolResult {
    /// A result whose words are this machine's own.
    pub fn own(content: impl Into<String>) -> Self {
        Self { content: content.into(), is_error: false, untrusted: None }
    }
}

/// A call that was not done, in words that a model can act on: what was wrong, what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

impl Failed {
    pub fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(format!("the gateway could not read or store what this needs: {error}"))
    }
}

impl From<Failed> for ToolResult {
    fn from(failed: Failed) -> Self {
        Self { content: failed.0, is_error: true, untrusted: None }
    }
}

/// Every tool of this version; clones share them.
#[derive(Clone)]
pub struct Toolbox {
    tools: Arc<Vec<Box<dyn Tool>>>,
}

impl Default for Toolbox {
    fn default() -> Self {
        let tools: Vec<Box<dyn Tool>> = vec![
            Box::new(exec::Exec),
            Box::new(process::Process),
            Box::new(read::Read),
            Box::new(write::Write),
            Box::new(edit::Edit),
            Box::new(list::List),
            Box::new(search::Search),
            Box::new(fetch::Fetch),
            Box::new(memory::Memory),
            Box::new(sessions::Sessions),
        ];
        Self { tools: Arc::new(tools) }
    }
}

impl Toolbox {
    /// The tools that agents of a profile have, in a fixed order.
    pub fn of(&self, profile: ToolProfile) -> impl Iterator<Item = &dyn Tool> {
        self.tools.iter().map(|tool| &**tool).filter(move |tool| allows(profile, tool.name()))
    }

    /// The tool of a name, where the profile has it.
    pub fn find(&self, profile: ToolProfile, name: &str) -> Option<&dyn Tool> {
        self.of(profile).find(|tool| tool.name() == name)
    }
}

/// Whether a profile has a tool. One that is not named here is for `full` alone.
fn allows(profile: ToolProfile, tool: &str) -> bool {
    let standard = ["exec", "process", "read", "write", "edit", "list", "search", "fetch", "memory"];
    match profile {
        ToolProfile::None => false,
        ToolProfile::Standard => standard.contains(&tool),
        ToolProfile::Full => true,
    }
}

/// Reads the arguments of a call. What is wrong with them is said as serde says it: it names the member.
fn arguments<T: DeserializeOwned>(args: Value) -> Result<T, Failed> {
    if !args.is_object() {
        let start: String = args.to_string().chars().take(80).collect();
        return Err(Failed(format!(
            "the arguments are not a JSON object but begin {start}; call again with an object"
        )));
    }
    serde_json::from_value(args)
        .map_err(|error| Failed(format!("the arguments do not fit: {error}. Call again with arguments as described")))
}

/// A JSON Schema of an object whose members are described by `properties`.
fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// Runs what blocks beside the runtime.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Failed> + Send + 'static) -> Result<T, Failed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => {
            tracing::error!(target: "diagnostic", source = "tools", code = "tool.panicked", "{error}");
            Err(Failed::new("the gateway made a mistake in this tool; its log says more. Try another way"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn profiles() {
        let tools = Toolbox::default();
        let names = |profile| tools.of(profile).map(Tool::name).collect::<Vec<_>>();
        assert_eq!(names(ToolProfile::None), Vec::<&str>::new());
        let standard = ["exec", "process", "read", "write", "edit", "list", "search", "fetch", "memory"];
        assert_eq!(names(ToolProfile::Standard), standard);
        assert_eq!(names(ToolProfile::Full), [&standard[..], &["sessions"]].concat());
        assert!(tools.find(ToolProfile::Standard, "sessions").is_none());
        assert!(tools.find(ToolProfile::Full, "sessions").is_some());
    }

    #[test]
    fn descriptions_are_closed_schemas_of_the_tools_own_names() {
        let mut seen = HashSet::new();
        for tool in Toolbox::default().of(ToolProfile::Full) {
            let spec = tool.describe();
            assert_eq!(spec.name, tool.name());
            assert!(seen.insert(spec.name.clone()), "{} stands twice", spec.name);
            assert!(jsonschema::validator_for(&spec.schema).is_ok(), "{}", spec.schema);
            assert_eq!((&spec.schema["type"], &spec.schema["additionalProperties"]), (&json!("object"), &json!(false)));
            assert!(spec.description.len() < 2_000, "{} is paid for with every call", spec.name);
        }
    }

    #[test]
    fn wrong_arguments_are_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Args {
            #[expect(dead_code, reason = "only its name is looked at")]
            path: String,
        }
        for (args, words) in [
            (json!({}), "path"),
            (json!({ "path": 3 }), "string"),
            (json!({ "path": "a", "pth": "b" }), "pth"),
            (json!("{\"path\": "), "not a JSON object"),
            (json!(["a"]), "not a JSON object"),
        ] {
            let failed = arguments::<Args>(args.clone()).expect_err("is refused");
            assert!(failed.0.contains(words), "{args}: {failed}");
        }
    }
}

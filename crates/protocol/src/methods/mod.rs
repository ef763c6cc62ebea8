//! The method table: one declarative row per method, split by resource.
//!
//! A built row names its params and result types; the gateway's `rpc` matches each resource's enum exhaustively, so a
//! row without its handler does not compile. A planned row is part of the contract but not built yet: it answers
//! `UNAVAILABLE` and is left out of `hello-ok.features.methods`.

use schemars::SchemaGenerator;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub mod agents;
pub mod approvals;
pub mod attachments;
pub mod channels;
pub mod chat;
pub mod config;
pub mod events;
pub mod gateway;
pub mod models;
mod planned;
pub mod providers;
pub mod runs;
pub mod secrets;
pub mod sessions;
pub mod tools;
pub mod usage;

pub use planned::PLANNED;

/// What a connection must hold to call a method or to see an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Scope {
    /// Nothing beyond a connection.
    None,
    Read,
    Write,
    Admin,
    Approvals,
    Pairing,
    /// Role `node`.
    Node,
    /// An operator with `operator.write`, or a node.
    WriteOrNode,
    /// An operator with `operator.approvals`; without it whoever may ask, and then for what it asked alone.
    ApprovalsOrRequester,
}

impl Scope {
    /// The name in `connect` and in `details.missingScope`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "operator.read",
            Self::Write | Self::WriteOrNode => "operator.write",
            Self::Admin => "operator.admin",
            Self::Approvals | Self::ApprovalsOrRequester => "operator.approvals",
            Self::Pairing => "operator.pairing",
            Self::Node => "node",
        }
    }

    /// All that a credential can hold.
    pub const ALL: [Scope; 5] = [Self::Read, Self::Write, Self::Admin, Self::Approvals, Self::Pairing];
}

/// How a method treats `idempotencyKey`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Idempotency {
    /// The method changes nothing.
    ReadOnly,
    /// Taken where given.
    Optional,
    Required,
}

/// One built row.
pub struct MethodSpec {
    pub name: &'static str,
    pub scope: Scope,
    pub idempotency: Idempotency,
    pub params: fn(&mut SchemaGenerator) -> schemars::Schema,
    pub result: fn(&mut SchemaGenerator) -> schemars::Schema,
}

/// One planned row.
pub struct PlannedMethod {
    pub name: &'static str,
    pub scope: Scope,
}

/// A row as a type, for typed calls.
pub trait Call {
    const NAME: &'static str;
    type Params: Serialize + DeserializeOwned + Send + Sync + 'static;
    type Result: Serialize + DeserializeOwned + Send + Sync + 'static;
}

/// Declares one resource: an enum of its methods, a marker type per row, and the rows.
macro_rules! resource {
    ($($row:ident $name:literal $scope:ident $idempotency:ident ($params:ty) -> $result:ty;)*) => {
        /// The methods of this resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Method { $($row),* }

        impl Method {
            pub(super) const ALL: &'static [(Self, crate::methods::MethodSpec)] = &[$((
                Self::$row,
                crate::methods::MethodSpec {
                    name: $name,
                    scope: crate::methods::Scope::$scope,
                    idempotency: crate::methods::Idempotency::$idempotency,
                    params: |generator| generator.subschema_for::<$params>(),
                    result: |generator| generator.subschema_for::<$result>(),
                },
            )),*];
        }

        $(
            #[doc = concat!("`", $name, "`")]
            #[derive(Debug, Clone, Copy)]
            pub struct $row;

            impl crate::methods::Call for $row {
                const NAME: &'static str = $name;
                type Params = $params;
                type Result = $result;
            }
        )*
    };
}
pub(crate) use resource;

/// Declares [`Method`] over all resources.
macro_rules! resources {
    ($($variant:ident $module:ident),* $(,)?) => {
        /// A built method, by resource.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Method { $($variant($module::Method)),* }

        /// All built rows, in the order of the resources.
        pub fn built() -> impl Iterator<Item = (Method, &'static MethodSpec)> {
            std::iter::empty()
                $(.chain($module::Method::ALL.iter().map(|(method, spec)| (Method::$variant(*method), spec))))*
        }
    };
}

resources! {
    Chat chat, Attachments attachments, Runs runs, Sessions sessions, Agents agents, Models models, Providers providers,
    Tools tools, Usage usage, Channels channels, Config config, Secrets secrets, Events events, Gateway gateway,
    Approvals approvals,
}

/// What a method name stands for.
#[derive(Clone, Copy)]
pub enum Lookup {
    Built {
        /// Position in [`built`], for tables kept beside it.
        index: usize,
        method: Method,
        spec: &'static MethodSpec,
    },
    Planned(&'static PlannedMethod),
}

impl Lookup {
    pub fn scope(&self) -> Scope {
        match self {
            Self::Built { spec, .. } => spec.scope,
            Self::Planned(planned) => planned.scope,
        }
    }
}

/// Finds a method by its name.
pub fn lookup(name: &str) -> Option<Lookup> {
    static TABLE: std::sync::LazyLock<std::collections::HashMap<&'static str, Lookup>> =
        std::sync::LazyLock::new(|| {
            let built =
                built().enumerate().map(|(index, (method, spec))| (spec.name, Lookup::Built { index, method, spec }));
            let planned = PLANNED.iter().map(|planned| (planned.name, Lookup::Planned(planned)));
            built.chain(planned).collect()
        });
    TABLE.get(name).copied()
}

/// The params of a method that takes none.
#[derive(Debug, Clone, Copy, Default, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// The params of a method without any but the optional key that every changing method takes.
#[derive(Debug, Clone, Default, Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyOnlyParams {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub idempotency_key: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        let mut names: Vec<_> = built().map(|(_, spec)| spec.name).chain(PLANNED.iter().map(|row| row.name)).collect();
        assert!(names.iter().all(|name| lookup(name).is_some()));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands twice in the table");
        assert!(lookup("chat.sendd").is_none());
    }

    /// The list can only shrink: building a method moves its row, and then its name goes from here.
    #[test]
    fn planned_methods() {
        let planned: Vec<_> = PLANNED.iter().map(|row| row.name).collect();
        let expected = include_str!("planned.txt").lines().collect::<Vec<_>>();
        assert_eq!(planned, expected);
    }

    #[test]
    fn changing_methods_take_a_key_and_reading_ones_do_not() {
        // Names of secrets and saved rules are for those who may change them.
        let only_read = ["secrets.list", "exec.approvals.get"];
        for (_, spec) in built() {
            let may_change = matches!(spec.scope, Scope::Write | Scope::WriteOrNode | Scope::Admin);
            let changes = may_change && !only_read.contains(&spec.name) || spec.name == "exec.approval.resolve";
            assert_eq!(changes, spec.idempotency != Idempotency::ReadOnly, "{}", spec.name);
            let mut generator = SchemaGenerator::default();
            let schema = (spec.params)(&mut generator);
            let text = serde_json::to_string(&(schema, generator.take_definitions(true))).expect("a schema is JSON");
            assert_eq!(changes, text.contains("\"idempotencyKey\""), "{}", spec.name);
        }
    }
}

//! `tools.*`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::tools::{Method, ToolRow, ToolSource, ToolsList, ToolsListParams, ToolsListResult};

use crate::agent::Agent;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::ToolsList => incoming.run::<ToolsList, _, _, _>(|params| async { list(runtime, params) }).await,
    }
}

fn list(runtime: &Arc<Runtime>, params: ToolsListParams) -> Result<ToolsListResult, WireError> {
    let config = runtime.config.current();
    let agent_id = params.agent_id.unwrap_or_else(|| config.config.agents.default.clone());
    let Some(agent) = Agent::of(&config.config, &runtime.home, &agent_id) else {
        return Err(WireError::not_found(format!("there is no agent {agent_id:?}: `agents.list` names them")));
    };
    let tools = runtime.sessions.context().tools.of(agent.profile).map(|tool| {
        let spec = tool.describe();
        ToolRow {
            name: spec.name,
            description: spec.description,
            source: ToolSource::Builtin,
            source_id: None,
            parameters: spec.schema,
        }
    });
    Ok(ToolsListResult { tools: tools.collect(), agent_id })
}

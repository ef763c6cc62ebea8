//! `agents.*`

use std::sync::Arc;

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::agents::{
    AgentIdentity, AgentModel, AgentRow, AgentTools, AgentsList, AgentsListResult, Method,
};

use crate::agent::Agent;
use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::AgentsList => incoming.run::<AgentsList, _, _, _>(|_| list(runtime)).await,
    }
}

async fn list(runtime: &Arc<Runtime>) -> Result<AgentsListResult, WireError> {
    let config = runtime.config.current();
    let counts = runtime.store.session_counts().await?;
    let agents = config.config.agents.entries.iter().filter_map(|(id, entry)| {
        let agent = Agent::of(&config.config, &runtime.home, id)?;
        Some(AgentRow {
            name: agent.name,
            identity: AgentIdentity { emoji: entry.identity.emoji.clone(), avatar: entry.identity.avatar.clone() },
            model: AgentModel {
                resolved: runtime.catalog.resolved_now(&agent.model),
                primary: agent.model,
                fallbacks: agent.fallbacks,
            },
            workspace: agent.workspace.display().to_string(),
            tools: AgentTools { profile: entry.tools.profile.as_str().to_owned() },
            session_count: counts.get(id).copied().unwrap_or(0),
            id: agent.id,
        })
    });
    Ok(AgentsListResult { default_id: config.config.agents.default.clone(), agents: agents.collect() })
}

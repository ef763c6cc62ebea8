//! `models.*`

use std::sync::Arc;

use simpleclaw_protocol::methods::models::{Method, ModelsList, ModelsListResult};

use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::ModelsList => {
            incoming
                .run::<ModelsList, _, _, _>(|_| async { Ok(ModelsListResult { models: runtime.catalog.list().await }) })
                .await
        }
    }
}

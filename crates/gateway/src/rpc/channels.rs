//! `channels.*`. There are no channels in this version, and the answer says so by being empty.

use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::channels::{ChannelsStatus, ChannelsStatusParams, ChannelsStatusResult, Method};

use crate::server::dispatch::{Answer, Incoming};

pub async fn handle(method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::ChannelsStatus => incoming.run::<ChannelsStatus, _, _, _>(|params| async { status(params) }).await,
    }
}

fn status(params: ChannelsStatusParams) -> Result<ChannelsStatusResult, WireError> {
    match params.channel {
        Some(channel) => Err(WireError::not_found(format!("there is no channel {channel:?}"))),
        None => Ok(ChannelsStatusResult { channels: vec![] }),
    }
}

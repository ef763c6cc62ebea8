//! An echo over the same socket code, in test builds only: what WebSocket conformance suites talk to.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::connection::{close_for, say_goodbye, websocket};

pub const PATH: &str = "/echo";

/// Sends every message back until the peer closes or breaks the rules.
pub async fn serve<S>(stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut ws, meter) = websocket(stream).await;
    meter.set_authenticated();
    let close = loop {
        match ws.next().await {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if ws.send(message).await.is_err() {
                    break None;
                }
            }
            Some(Ok(Message::Close(_))) | None => break None,
            Some(Ok(_)) => {}
            Some(Err(error)) => break close_for(&error),
        }
    };
    say_goodbye(ws, close).await;
}

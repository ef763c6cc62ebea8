//! Chat in the OpenAI-compatible shape: OpenAI itself, Ollama, llama-server, LM Studio, and
//! most hosted services.
//!
//! Written out here rather than left to genai, which in this shape always sends an
//! `Authorization` header, reads effort levels out of model names, sizes a list by an index
//! that the server chooses, and buffers an event without a bound. This is the shape that any
//! program on the network may answer, so it has to stand a hostile one.
//!
//! Here is the exchange itself: its time limits, its end, and what is not an answer at all.
//! Deliberately elsewhere: the request's body (`request`), what the events mean (`decode`),
//! the list of models (`models`), and other shapes (`vendor`).

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use self::decode::{Decoder, END_MARKER};
use super::error::{Origin, ProviderError, ProviderErrorKind};
use super::http::{self, MAX_ERROR_BODY, join, read_bounded};
use super::sse::{SseFault, SseParser};
use super::{ChatPiece, ChatRequest, ChatStream};

mod decode;
mod request;

/// No time limit is longer, so that adding one to the clock cannot overflow.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends the request and waits for the head of the answer.
pub(super) async fn stream(
    client: &Client,
    base: &Url,
    origin: Origin,
    request: ChatRequest,
) -> Result<ChatStream, ProviderError> {
    let first_byte = Instant::now() + request.first_byte_timeout.min(LONGEST_WAIT);
    let idle = request.idle_timeout.min(LONGEST_WAIT);
    let mut call = client.post(join(base, "chat/completions")).json(&request::body(base, request));
    if let Some(key) = &origin.key {
        call = call.bearer_auth(key.expose());
    }
    let response = match timeout_at(first_byte, call.send()).await {
        Ok(sent) => sent.map_err(|error| origin.transport(&error, false))?,
        Err(_) => return Err(too_slow(&origin)),
    };
    if !response.status().is_success() {
        return Err(http::failure(&origin, response).await);
    }
    if let Some(what) = not_a_stream(&response) {
        return Err(whole_answer(&origin, response, idle, what).await);
    }
    let reader = Reader {
        response,
        origin,
        parser: SseParser::default(),
        decoder: Decoder::default(),
        events: VecDeque::new(),
        pieces: VecDeque::new(),
        first_byte: Some(first_byte),
        idle,
        received: false,
        ended: false,
    };
    let pieces =
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|piece| (piece, reader))) });
    Ok(pieces.boxed())
}

fn too_slow(origin: &Origin) -> ProviderError {
    let text = format!(
        "{} sent nothing in time. The model may still be loading: try again, or raise runs.firstByteSeconds.",
        origin.server
    );
    origin.error(ProviderErrorKind::Timeout, &text)
}

/// The content types of an answer that cannot be a stream; others get the benefit of the doubt.
fn not_a_stream(response: &Response) -> Option<&'static str> {
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
    match kind.split(';').next()?.trim() {
        "application/json" => Some("a JSON document instead of a stream"),
        "text/html" => Some("a web page instead of an answer"),
        _ => None,
    }
}

/// Some servers report an error with status 200.
async fn whole_answer(origin: &Origin, response: Response, limit: Duration, what: &str) -> ProviderError {
    match timeout(limit, read_bounded(response, MAX_ERROR_BODY)).await {
        Err(_) => too_slow(origin),
        Ok(Err(_)) => origin.cut(),
        Ok(Ok(Some(body))) if body.is_empty() => origin.cut(),
        Ok(Ok(body)) => match serde_json::from_slice::<Value>(&body.unwrap_or_default()) {
            Ok(json) if json.get("error").is_some_and(|error| !error.is_null()) => origin.event(&json),
            _ => origin.garbage(what),
        },
    }
}

struct Reader {
    response: Response,
    origin: Origin,
    parser: SseParser,
    decoder: Decoder,
    events: VecDeque<String>,
    pieces: VecDeque<ChatPiece>,
    /// The deadline of the first byte, until it has come.
    first_byte: Option<Instant>,
    idle: Duration,
    /// Whether any event came: a body without one is not an answer cut off but something else.
    received: bool,
    ended: bool,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<ChatPiece>, ProviderError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if self.ended {
                return Ok(None);
            }
            if let Some(event) = self.events.pop_front() {
                self.received = true;
                self.ended = self.decoder.event(&self.origin, &event, &mut self.pieces)?;
                continue;
            }
            let started = self.first_byte.is_none();
            let deadline = self.first_byte.unwrap_or_else(|| Instant::now() + self.idle);
            let chunk = match timeout_at(deadline, self.response.chunk()).await {
                Ok(read) => read.map_err(|error| self.origin.transport(&error, true))?,
                Err(_) if started => return Err(self.stalled()),
                Err(_) => return Err(too_slow(&self.origin)),
            };
            match chunk {
                Some(bytes) => {
                    self.first_byte = None;
                    let parsed = self.parser.push(&bytes, &mut self.events);
                    parsed.map_err(|fault| self.fault(fault))?;
                }
                None => self.end_of_body()?,
            }
        }
    }

    /// Only the end marker may come without the empty line after it; half a JSON object would
    /// be reported as malformed where it was cut off.
    fn end_of_body(&mut self) -> Result<(), ProviderError> {
        match self.parser.rest() {
            Ok(Some(rest)) if rest.trim() == END_MARKER => {
                self.events.push_back(rest);
                Ok(())
            }
            Ok(None) if !self.received && self.first_byte.is_none() => {
                Err(self.origin.garbage("something that is not an event stream"))
            }
            _ => Err(self.origin.cut()),
        }
    }

    fn stalled(&self) -> ProviderError {
        let text = format!(
            "{} went silent in the middle of its answer. Try again, or raise runs.idleSeconds.",
            self.origin.server
        );
        self.origin.error(ProviderErrorKind::Timeout, &text)
    }

    fn fault(&self, fault: SseFault) -> ProviderError {
        self.origin.garbage(match fault {
            SseFault::TooLong => "an event longer than 1 MiB",
            SseFault::NotUtf8 => "bytes that are no text",
        })
    }
}

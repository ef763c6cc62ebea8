//! Chat in Anthropic's and Gemini's shapes, through the `genai` crate; the only module that
//! sees its message types.
//!
//! What genai leaves to its caller and is done here: the address and the key (it would read
//! the environment), time limits, an error that arrives as an item of the stream, an answer
//! that stops without its end, and one whose tool calls have none.
//!
//! What cannot be done here: genai bounds neither an event nor an error body, and nothing of
//! ours stands between it and the connection. reqwest lets nobody wrap a body or a connection
//! that it has made, and genai hands over its request to nobody else. So these two shapes trust
//! their server to end its lines; `ARCHITECTURE.md` says how far.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt, stream};
use genai::adapter::AdapterKind;
use genai::chat::{self as wire, ChatStreamEvent, ContentPart, MessageContent, StreamEnd};
use genai::resolver::{AuthData, Endpoint};
use genai::webc::StreamTimeout;
use genai::{ModelIden, ServiceTarget};
use reqwest::Url;
use serde_json::Value;

use super::error::{Origin, ProviderError, ProviderErrorKind};
use super::http::join;
use super::{
    ChatEnd, ChatMessage, ChatPiece, ChatRequest, ChatStream, MAX_ARGUMENTS, MAX_TOOL_CALLS, Part, Stop, Thinking,
    ToolCall, Usage, arguments_object, parse_arguments, result_text,
};

/// What a tool call counts besides its text, so that there is no end of empty ones either.
const CALL: usize = 1024;

/// Sends the request and waits for the first piece of the answer.
pub(super) async fn stream(
    client: &genai::Client,
    kind: AdapterKind,
    base: &Url,
    origin: Origin,
    request: ChatRequest,
) -> Result<ChatStream, ProviderError> {
    let Some(key) = &origin.key else {
        let text = "this API needs a key, and none is set. Set the provider's apiKey.";
        return Err(origin.error(ProviderErrorKind::Auth, text));
    };
    let target = ServiceTarget {
        // genai puts its paths straight behind the address, so that has to end in a slash.
        endpoint: Endpoint::from_owned(join(base, "").as_str()),
        auth: AuthData::from_single(key.expose()),
        model: ModelIden::new(kind, request.model.clone()),
    };
    let options = options(&request, kind);
    let answer = client.exec_chat_stream(target, chat_request(request, kind), Some(&options)).await;
    let events = answer.map_err(|error| fault(&origin, &error))?.stream;
    let mut answer = Answer { events, origin, kind, kept: 0, last_call: 0, ended: false };
    // genai sends nothing until it is polled; the first piece shows that the call was accepted.
    let first = answer.next().await?;
    let rest =
        stream::try_unfold(answer, |mut answer| async move { Ok(answer.next().await?.map(|piece| (piece, answer))) });
    Ok(stream::iter(first.map(Ok)).chain(rest).boxed())
}

struct Answer {
    events: wire::ChatStream,
    origin: Origin,
    kind: AdapterKind,
    /// What genai keeps until the end, in bytes.
    kept: usize,
    /// The part of it that is the last tool call.
    last_call: usize,
    ended: bool,
}

impl Answer {
    async fn next(&mut self) -> Result<Option<ChatPiece>, ProviderError> {
        while !self.ended {
            let event = self.events.next().await.ok_or_else(|| self.origin.cut())?;
            match event.map_err(|error| fault(&self.origin, &error))? {
                ChatStreamEvent::Chunk(chunk) if !chunk.content.is_empty() => {
                    return Ok(Some(ChatPiece::Text(chunk.content)));
                }
                ChatStreamEvent::ReasoningChunk(chunk) if !chunk.content.is_empty() => {
                    return Ok(Some(ChatPiece::Thinking(chunk.content)));
                }
                // For a Gemini stream that just stops genai makes up an end, without a reason.
                ChatStreamEvent::End(end) if self.kind == AdapterKind::Gemini && end.captured_stop_reason.is_none() => {
                    return Err(self.origin.cut());
                }
                ChatStreamEvent::End(end) => {
                    self.ended = true;
                    let end = chat_end(end);
                    if end.tool_calls.len() > MAX_TOOL_CALLS {
                        return Err(self.origin.too_many_calls());
                    }
                    return Ok(Some(ChatPiece::End(end)));
                }
                // Tool calls are taken from the end event: the chunks repeat themselves.
                ChatStreamEvent::ToolCallChunk(chunk) => {
                    let more = self.more_of(&chunk.tool_call);
                    self.keep(more)?;
                }
                ChatStreamEvent::ThoughtSignatureChunk(chunk) => {
                    self.keep(size_of::<String>() + chunk.content.len())?
                }
                _ => {}
            }
        }
        Ok(None)
    }

    /// How much longer the tool calls are with this chunk.
    fn more_of(&mut self, call: &wire::ToolCall) -> usize {
        let arguments = match &call.fn_arguments {
            Value::String(text) => text.len(),
            other => other.to_string().len(),
        };
        // Anthropic's chunks hold the call as far as it has come, and the first holds no arguments.
        let goes_on = self.kind == AdapterKind::Anthropic && arguments > 0;
        let before = if goes_on { self.last_call } else { 0 };
        self.last_call = CALL + call.call_id.len() + call.fn_name.len() + arguments;
        self.last_call.saturating_sub(before)
    }

    fn keep(&mut self, bytes: usize) -> Result<(), ProviderError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > MAX_ARGUMENTS { Err(self.origin.too_many_calls()) } else { Ok(()) }
    }
}

// The request ------------------------------------------------------------------------------

fn options(request: &ChatRequest, kind: AdapterKind) -> wire::ChatOptions {
    let mut options = wire::ChatOptions::default()
        .with_stream_header_timeout(request.first_byte_timeout)
        .with_stream_read_timeout(request.idle_timeout)
        .with_capture_usage(true)
        .with_capture_tool_calls(true);
    if let Some(limit) = request.max_tokens {
        options = options.with_max_tokens(limit);
    }
    // Anthropic wants the signed reasoning back with a tool's result. It is not kept, so the
    // step after a tool call goes without reasoning, which Anthropic allows.
    let after_tool = matches!(request.messages.last(), Some(ChatMessage::ToolResult { .. }));
    match request.thinking {
        Some(thinking) if !(after_tool && kind == AdapterKind::Anthropic) => {
            options.with_reasoning_effort(match thinking {
                Thinking::Low => wire::ReasoningEffort::Low,
                Thinking::Medium => wire::ReasoningEffort::Medium,
                Thinking::High => wire::ReasoningEffort::High,
            })
        }
        _ => options,
    }
}

fn chat_request(request: ChatRequest, kind: AdapterKind) -> wire::ChatRequest {
    let mut messages: Vec<wire::ChatMessage> = Vec::new();
    let mut results: Vec<wire::ToolResponse> = Vec::new();
    for message in request.messages {
        // Results of calls made together go back together, in one message.
        if let ChatMessage::ToolResult { call_id, name, content, is_error } = message {
            results.push(wire::ToolResponse::new(call_id, result_text(content, is_error)).with_fn_name(name));
            continue;
        }
        flush(&mut results, &mut messages);
        match message {
            ChatMessage::User { parts } => {
                let parts: Vec<ContentPart> = parts.into_iter().map(user_part).collect();
                messages.push(wire::ChatMessage::user(MessageContent::from_parts(parts)));
            }
            ChatMessage::Assistant { text, tool_calls } => {
                let text = (!text.is_empty()).then(|| ContentPart::Text(text));
                let calls = tool_calls.into_iter().map(|call| ContentPart::ToolCall(wire_call(call)));
                let parts: Vec<ContentPart> = text.into_iter().chain(calls).collect();
                messages.push(wire::ChatMessage::assistant(MessageContent::from_parts(parts)));
            }
            ChatMessage::ToolResult { .. } => {}
        }
    }
    flush(&mut results, &mut messages);
    let mut system = request.system;
    if kind == AdapterKind::Anthropic {
        // Without it every step of an agent pays for its whole past again. The mark behind the last message covers all
        // before it, and the one behind the system prompt is found again where the conversation was cut at its start.
        // Gemini does as much by itself.
        let cached = || wire::MessageOptions::default().with_cache_control(wire::CacheControl::Ephemeral);
        if let Some(last) = messages.last_mut() {
            last.options = Some(cached());
        }
        if let Some(system) = system.take() {
            messages.insert(0, wire::ChatMessage::system(system).with_options(cached()));
        }
    }
    let tool =
        |tool: super::ToolSpec| wire::Tool::new(tool.name).with_description(tool.description).with_schema(tool.schema);
    let mut chat = wire::ChatRequest::new(messages);
    if !request.tools.is_empty() {
        chat = chat.with_tools(request.tools.into_iter().map(tool));
    }
    match system {
        Some(system) => chat.with_system(system),
        None => chat,
    }
}

fn flush(results: &mut Vec<wire::ToolResponse>, messages: &mut Vec<wire::ChatMessage>) {
    if !results.is_empty() {
        messages.push(wire::ChatMessage::from(std::mem::take(results)));
    }
}

fn user_part(part: Part) -> ContentPart {
    match part {
        Part::Text(text) | Part::Attached(text) => ContentPart::Text(text),
        Part::Image { mime_type, bytes, name } => {
            ContentPart::from_binary_base64(mime_type, STANDARD.encode(&bytes), Some(name))
        }
    }
}

fn wire_call(call: ToolCall) -> wire::ToolCall {
    wire::ToolCall {
        fn_arguments: arguments_object(&call.arguments),
        call_id: call.id,
        fn_name: call.name,
        thought_signatures: None,
    }
}

// The answer -------------------------------------------------------------------------------

fn chat_end(end: StreamEnd) -> ChatEnd {
    let usage = end.captured_usage.as_ref().and_then(usage);
    let reason = end.captured_stop_reason.clone();
    let calls = end.captured_into_tool_calls().unwrap_or_default();
    let tool_calls: Vec<ToolCall> = calls.into_iter().map(tool_call).collect();
    let stop = match reason {
        // Gemini says `STOP` where it means the calls.
        None | Some(wire::StopReason::Completed(_)) if !tool_calls.is_empty() => Stop::ToolCalls,
        None | Some(wire::StopReason::Completed(_) | wire::StopReason::StopSequence(_)) => Stop::End,
        Some(wire::StopReason::ToolCall(_)) => Stop::ToolCalls,
        Some(wire::StopReason::MaxTokens(_)) => Stop::Length,
        Some(wire::StopReason::ContentFilter(word) | wire::StopReason::Other(word)) => Stop::Other(word),
    };
    ChatEnd { tool_calls, usage, stop }
}

fn tool_call(call: wire::ToolCall) -> ToolCall {
    let arguments = match call.fn_arguments {
        Value::String(text) => parse_arguments(text),
        Value::Null => Value::Object(serde_json::Map::new()),
        other => other,
    };
    ToolCall { id: call.call_id, name: call.fn_name, arguments }
}

fn usage(usage: &wire::Usage) -> Option<Usage> {
    let count = |tokens: Option<i32>| tokens.and_then(|tokens| u64::try_from(tokens).ok());
    let part = usage.prompt_tokens_details.as_ref();
    Some(Usage {
        input_tokens: count(usage.prompt_tokens)?,
        output_tokens: count(usage.completion_tokens).unwrap_or_default(),
        cached_tokens: part.and_then(|part| count(part.cached_tokens)).unwrap_or_default(),
        cache_write_tokens: part.and_then(|part| count(part.cache_creation_tokens)).unwrap_or_default(),
    })
}

fn fault(origin: &Origin, error: &genai::Error) -> ProviderError {
    match error {
        genai::Error::HttpError { status, body, headers, .. } => origin.status(*status, headers, body),
        genai::Error::ChatResponse { body, .. } => origin.event(body),
        genai::Error::WebStream { error, .. } => {
            if let Some(inner) = error.downcast_ref::<genai::Error>() {
                fault(origin, inner)
            } else if error.downcast_ref::<StreamTimeout>().is_some() {
                let text = format!(
                    "{} sent nothing for too long. Try again, or raise runs.firstByteSeconds and runs.idleSeconds.",
                    origin.server
                );
                origin.error(ProviderErrorKind::Timeout, &text)
            } else if let Some(broken) = error.downcast_ref::<reqwest::Error>() {
                // A body that breaks off is reported as one that cannot be decoded.
                origin.transport(broken, broken.is_decode() || broken.is_body())
            } else {
                origin.garbage("bytes that are no text")
            }
        }
        genai::Error::StreamParse { .. } | genai::Error::JsonValueExt(_) | genai::Error::SerdeJson(_) => {
            origin.garbage("malformed JSON in its stream")
        }
        // The others are about the request, and some of them quote it whole.
        _ => {
            let text = "the request does not fit this API. Choose another model, or leave the attachments out.";
            origin.error(ProviderErrorKind::Request, text)
        }
    }
}

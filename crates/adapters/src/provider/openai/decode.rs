//! What the events of an answer mean.

use std::collections::VecDeque;

use serde_json::Value;

use crate::provider::error::{Origin, ProviderError};
use crate::provider::{ChatEnd, ChatPiece, MAX_ARGUMENTS, MAX_TOOL_CALLS, Stop, ToolCall, Usage, parse_arguments};

pub(super) const END_MARKER: &str = "[DONE]";

/// What the events of one answer have said so far, besides the text handed on.
#[derive(Default)]
pub(super) struct Decoder {
    calls: Vec<PartialCall>,
    arguments_bytes: usize,
    usage: Option<Usage>,
    finish: Option<String>,
}

#[derive(Default)]
struct PartialCall {
    index: u64,
    id: String,
    name: String,
    arguments: String,
}

impl Decoder {
    /// Takes one event; true when it was the last.
    pub fn event(&mut self, origin: &Origin, data: &str, out: &mut VecDeque<ChatPiece>) -> Result<bool, ProviderError> {
        if data.trim() == END_MARKER {
            out.push_back(ChatPiece::End(self.end()));
            return Ok(true);
        }
        let event: Value = serde_json::from_str(data).map_err(|_| origin.garbage("malformed JSON in its stream"))?;
        if event.get("error").is_some_and(|error| !error.is_null()) {
            return Err(origin.event(&event));
        }
        if let Some(usage) = event.get("usage").and_then(usage) {
            self.usage = Some(usage);
        }
        let Some(choice) = event.pointer("/choices/0") else {
            return Ok(false);
        };
        for (paths, piece) in [
            (&["/delta/reasoning_content", "/delta/reasoning"][..], ChatPiece::Thinking as fn(String) -> ChatPiece),
            (&["/delta/content"][..], ChatPiece::Text),
        ] {
            let text = paths.iter().find_map(|path| choice.pointer(path)?.as_str());
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                out.push_back(piece(text.to_owned()));
            }
        }
        for delta in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.tool_call(origin, delta)?;
        }
        if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
            self.finish = Some(reason.to_owned());
        }
        Ok(false)
    }

    fn tool_call(&mut self, origin: &Origin, delta: &Value) -> Result<(), ProviderError> {
        let text = |path: &str| delta.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (id, name, arguments) = (text("/id"), text("/function/name"), text("/function/arguments"));
        // Some servers give no index; then a new id begins a new call.
        let index = delta.get("index").and_then(Value::as_u64);
        let known = match index {
            Some(index) => self.calls.iter().position(|call| call.index == index),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().position(|call| call.id == id),
        };
        self.arguments_bytes += id.len() + name.len() + arguments.len();
        if self.arguments_bytes > MAX_ARGUMENTS || (known.is_none() && self.calls.len() >= MAX_TOOL_CALLS) {
            return Err(origin.too_many_calls());
        }
        let at = known.unwrap_or_else(|| {
            let index = index.unwrap_or(self.calls.len() as u64);
            self.calls.push(PartialCall { index, ..PartialCall::default() });
            self.calls.len() - 1
        });
        if let Some(call) = self.calls.get_mut(at) {
            if call.id.is_empty() {
                call.id.push_str(id);
            }
            if call.name.is_empty() {
                call.name.push_str(name);
            }
            call.arguments.push_str(arguments);
        }
        Ok(())
    }

    fn end(&mut self) -> ChatEnd {
        let mut calls = std::mem::take(&mut self.calls);
        calls.sort_by_key(|call| call.index);
        let tool_calls: Vec<ToolCall> = calls.into_iter().map(PartialCall::finish).collect();
        let stop = match self.finish.take().as_deref() {
            // Some servers say `stop` where they mean the calls.
            None | Some("stop") if !tool_calls.is_empty() => Stop::ToolCalls,
            None | Some("stop") => Stop::End,
            Some("tool_calls" | "function_call") => Stop::ToolCalls,
            Some("length") => Stop::Length,
            Some(other) => Stop::Other(other.to_owned()),
        };
        ChatEnd { tool_calls, usage: self.usage.take(), stop }
    }
}

impl PartialCall {
    fn finish(self) -> ToolCall {
        let id = if self.id.is_empty() { format!("call_{}", self.index) } else { self.id };
        ToolCall { id, name: self.name, arguments: parse_arguments(self.arguments) }
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let count = |path: &str| usage.pointer(path).and_then(Value::as_u64);
    Some(Usage {
        input_tokens: count("/prompt_tokens")?,
        output_tokens: count("/completion_tokens").unwrap_or_default(),
        cached_tokens: count("/prompt_tokens_details/cached_tokens").unwrap_or_default(),
        cache_write_tokens: count("/prompt_tokens_details/cache_write_tokens").unwrap_or_default(),
    })
}

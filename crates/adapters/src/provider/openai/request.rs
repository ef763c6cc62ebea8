//! The body of a chat request.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use serde_json::{Value, json};

use crate::provider::{ChatMessage, ChatRequest, Part, Thinking, ToolCall, ToolSpec, arguments_object, result_text};

/// `base` tells OpenAI itself from the servers that are like it.
pub(super) fn body(base: &Url, request: ChatRequest) -> Value {
    let system = request.system.map(|text| json!({"role": "system", "content": text}));
    let messages: Vec<Value> = system.into_iter().chain(request.messages.into_iter().map(message)).collect();
    let mut body = json!({
        "model": request.model,
        "stream": true,
        "stream_options": {"include_usage": true},
        "messages": messages,
    });
    if !request.tools.is_empty() {
        let tool = |tool: ToolSpec| {
            json!({
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
            })
        };
        body["tools"] = request.tools.into_iter().map(tool).collect();
    }
    if let Some(limit) = request.max_tokens {
        // OpenAI's newer models refuse the old name; other servers know only the old one.
        let newer = base.host_str() == Some("api.openai.com");
        body[if newer { "max_completion_tokens" } else { "max_tokens" }] = limit.into();
    }
    if let Some(thinking) = request.thinking {
        body["reasoning_effort"] = match thinking {
            Thinking::Low => "low",
            Thinking::Medium => "medium",
            Thinking::High => "high",
        }
        .into();
    }
    body
}

fn message(message: ChatMessage) -> Value {
    match message {
        ChatMessage::User { parts } => json!({"role": "user", "content": user_content(parts)}),
        ChatMessage::Assistant { text, tool_calls } if tool_calls.is_empty() => {
            json!({"role": "assistant", "content": text})
        }
        ChatMessage::Assistant { text, tool_calls } => {
            let call = |call: ToolCall| {
                let arguments = arguments_object(&call.arguments).to_string();
                json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
            };
            let calls: Vec<Value> = tool_calls.into_iter().map(call).collect();
            let content = (!text.is_empty()).then_some(text);
            json!({"role": "assistant", "content": content, "tool_calls": calls})
        }
        ChatMessage::ToolResult { call_id, content, is_error, .. } => {
            json!({"role": "tool", "tool_call_id": call_id, "content": result_text(content, is_error)})
        }
    }
}

/// A plain string without images: some servers know nothing else.
fn user_content(parts: Vec<Part>) -> Value {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) | Part::Attached(text) => Some(text.as_str()),
            Part::Image { .. } => None,
        })
        .collect();
    if let Some(texts) = texts {
        return texts.join("\n").into();
    }
    parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) | Part::Attached(text) => json!({"type": "text", "text": text}),
            Part::Image { mime_type, bytes, .. } => {
                let url = format!("data:{mime_type};base64,{}", STANDARD.encode(&bytes));
                json!({"type": "image_url", "image_url": {"url": url}})
            }
        })
        .collect()
}

//! `attachments.*`: reading back the files that messages carry. Sending them is `chat.send`'s.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource;

resource! {
    AttachmentsGet "attachments.get" Read ReadOnly (AttachmentsGetParams) -> AttachmentsGetResult;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachmentsGetParams {
    /// Of an `image` or `file` block of a message.
    #[schemars(length(min = 1, max = 128))]
    pub attachment_id: String,
    /// In bytes of the file, where the last part ended; absent: from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// One part of a file, and what the file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentsGetResult {
    pub attachment_id: String,
    pub name: String,
    pub mime_type: String,
    /// Of the whole file.
    pub size_bytes: u64,
    /// Of the whole file; hex, lower case.
    pub sha256: String,
    pub offset: u64,
    /// From `offset` on, at most 1 MiB of bytes. Base64 text in both encodings.
    #[schemars(extend("contentEncoding" = "base64"))]
    pub content: String,
    /// Present where more follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_offset: Option<u64>,
}

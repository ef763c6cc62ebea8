//! `attachments.*`

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use simpleclaw_protocol::WireError;
use simpleclaw_protocol::methods::attachments::{AttachmentsGet, AttachmentsGetParams, AttachmentsGetResult, Method};

use crate::runtime::Runtime;
use crate::server::dispatch::{Answer, Incoming, internal};

/// Of one part; as base64 far below the limit of a frame, so that a few parts may wait for a slow reader.
const PART_BYTES: usize = 1024 * 1024;

pub async fn handle(runtime: &Arc<Runtime>, method: Method, incoming: Incoming) -> Answer {
    match method {
        Method::AttachmentsGet => incoming.run::<AttachmentsGet, _, _, _>(|params| get(runtime, params)).await,
    }
}

async fn get(runtime: &Arc<Runtime>, params: AttachmentsGetParams) -> Result<AttachmentsGetResult, WireError> {
    let Some(file) = runtime.store.attachment(&params.attachment_id).await? else {
        return Err(WireError::not_found("there is no such attachment: messages name those there are"));
    };
    let offset = params.offset.unwrap_or(0);
    if offset > file.size_bytes {
        return Err(WireError::at(
            "/offset",
            format!("is past the end of the file, which has {} bytes", file.size_bytes),
        ));
    }
    let bytes = match runtime.attachments.read(&file.sha256, offset, PART_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(WireError::not_found("the file of this attachment is gone from `state/attachments`"));
        }
        Err(error) => return Err(internal(&format!("reading an attachment: {error}"))),
    };
    let next = offset + bytes.len() as u64;
    if bytes.is_empty() && next < file.size_bytes {
        return Err(internal("the file of an attachment is shorter than it was"));
    }
    Ok(AttachmentsGetResult {
        attachment_id: file.attachment_id,
        name: file.name,
        mime_type: file.mime_type,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
        offset,
        content: STANDARD.encode(bytes),
        next_offset: (next < file.size_bytes).then_some(next),
    })
}

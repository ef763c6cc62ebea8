//! What a model gets of the files in a conversation: pictures as pictures where it can see, texts as text, and of
//! everything else the name. What it does not get, it is told of.

use std::collections::HashMap;

use simpleclaw_adapters::provider::{ChatMessage, ChatRequest, Part, ProviderError, ProviderErrorKind};
use simpleclaw_protocol::message::{Attached, Content, Message};

use crate::attachments::Attachments;
use crate::catalog::Resolved;

/// Of one text file, in bytes; the rest is cut and the model is told.
const MAX_TEXT: usize = 64 * 1024;
/// Pictures of one request, newest first, so that a long conversation neither fills the memory nor passes what providers
/// take. One message's always fit: a frame holds less.
const MAX_IMAGES: usize = 32;
const MAX_IMAGE_BYTES: u64 = 20 * 1024 * 1024;
/// What a picture costs of the window, in tokens: about the most that providers count.
pub const IMAGE_TOKENS: usize = 1_500;
/// A line that names a file, in bytes.
const LINE: usize = 160;

/// Whether the model is shown pictures; if not, why, in words for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    Sees,
    Blind(String),
}

impl Sight {
    /// By what is known of the model; where nothing is, it is tried.
    pub fn of(resolved: &Resolved) -> Self {
        match resolved.reads_images() {
            Some(false) => Self::Blind(format!("model {} takes no images", resolved.id())),
            Some(true) | None => Self::Sees,
        }
    }

    /// What to try next where a request with pictures failed in a way that may be because of them.
    pub fn lost(&self, resolved: &Resolved, error: &ProviderError) -> Option<Self> {
        // Some local servers say 500 where they mean that the model cannot see.
        let refused = error.kind == ProviderErrorKind::Request || error.http_status == Some(500);
        (*self == Self::Sees && refused).then(|| Self::Blind(format!("model {} refused the images", resolved.id())))
    }
}

pub fn shows_images(request: &ChatRequest) -> bool {
    let users = request.messages.iter().filter_map(|message| match message {
        ChatMessage::User { parts } => Some(parts),
        _ => None,
    });
    users.flatten().any(|part| matches!(part, Part::Image { .. }))
}

/// What an attachment takes of the window, in bytes of text.
pub fn size(block: &Content, sight: &Sight, bytes_per_token: usize) -> usize {
    match (block, sight) {
        (Content::Image(_), Sight::Sees) => LINE + IMAGE_TOKENS * bytes_per_token,
        (Content::File(file), _) if may_be_text(&file.mime_type) => {
            LINE * 2 + usize::try_from(file.size_bytes).unwrap_or(MAX_TEXT).min(MAX_TEXT)
        }
        (Content::Image(_) | Content::File(_), _) => LINE,
        _ => 0,
    }
}

/// The parts that stand for the attachments of these messages, by attachment id. `budget` is what one message's texts
/// may take together.
pub async fn load(
    attachments: &Attachments,
    messages: &[Message],
    sight: &Sight,
    budget: usize,
) -> HashMap<String, Vec<Part>> {
    let mut parts = HashMap::new();
    let (mut images, mut image_bytes) = (0, 0);
    for message in messages.iter().rev() {
        let texts = message.content.iter().filter(|block| match block {
            Content::File(file) => may_be_text(&file.mime_type),
            _ => false,
        });
        let most = MAX_TEXT.min(budget / texts.count().max(1));
        for block in &message.content {
            let (file, part) = match (block, sight) {
                (Content::Image(file), Sight::Blind(why)) => (file, vec![not_shown(file, why)]),
                (Content::Image(file), Sight::Sees) => {
                    let fits = images < MAX_IMAGES && image_bytes + file.size_bytes <= MAX_IMAGE_BYTES;
                    if fits {
                        images += 1;
                        image_bytes += file.size_bytes;
                    }
                    (
                        file,
                        if fits {
                            image(attachments, file).await
                        } else {
                            vec![not_shown(file, "newer ones took the room")]
                        },
                    )
                }
                (Content::File(file), _) => (file, vec![text_or_name(attachments, file, most).await]),
                _ => continue,
            };
            parts.insert(file.attachment_id.clone(), part);
        }
    }
    parts
}

fn not_shown(file: &Attached, why: &str) -> Part {
    Part::Attached(format!("[image {} not shown: {why}]", file.name))
}

async fn image(attachments: &Attachments, file: &Attached) -> Vec<Part> {
    match attachments.read(&file.sha256, 0, usize::try_from(file.size_bytes).unwrap_or(usize::MAX)).await {
        Ok(bytes) => vec![
            // So that words about one of several pictures find theirs.
            Part::Attached(format!("[image {}]", file.name)),
            Part::Image { mime_type: file.mime_type.clone(), bytes: bytes.into(), name: file.name.clone() },
        ],
        Err(error) => {
            unreadable(file, &error);
            vec![not_shown(file, "its file cannot be read any more")]
        }
    }
}

async fn text_or_name(attachments: &Attachments, file: &Attached, most: usize) -> Part {
    let Attached { attachment_id: id, name, mime_type, size_bytes, sha256 } = file;
    let named = |why: &str| Part::Attached(format!("[file {name}, {mime_type}, {size_bytes} bytes: {why}]"));
    if !may_be_text(mime_type) {
        return named("its content cannot be shown here");
    }
    let bytes = match attachments.read(sha256, 0, most).await {
        Ok(bytes) => bytes,
        Err(error) => {
            unreadable(file, &error);
            return named("it cannot be read any more");
        }
    };
    let whole = bytes.len() as u64 == *size_bytes;
    let Some(text) = text(&bytes, whole) else { return named("its content cannot be shown here") };
    // The id is nobody's to guess: what the file says cannot end it early.
    let cut = match whole {
        true => String::new(),
        false => format!("\n[cut here: the first {} of {size_bytes} bytes]", text.len()),
    };
    Part::Attached(format!(
        "--- file {name}, {mime_type}, id {id} ---\n{text}{cut}\n--- end of file {name}, id {id} ---"
    ))
}

fn unreadable(file: &Attached, error: &std::io::Error) {
    tracing::warn!(target: "diagnostic", source = "attachments", code = "attachment.unreadable", id = %file.attachment_id, %error, "a file that a message carries cannot be read");
}

/// The start of a file as text, if it is text; where it was cut, half a sign may stand at its end.
fn text(bytes: &[u8], whole: bool) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if !whole && error.error_len().is_none() => {
            std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    (!text.contains('\0')).then(|| text.trim_start_matches('\u{feff}'))
}

/// Types whose bytes are looked at for text; clients send the last for what they do not know.
fn may_be_text(mime_type: &str) -> bool {
    const TEXTS: [&str; 12] = [
        "json",
        "yaml",
        "x-yaml",
        "xml",
        "toml",
        "javascript",
        "x-javascript",
        "x-sh",
        "sql",
        "x-ndjson",
        "graphql",
        "octet-stream",
    ];
    let Some((kind, subtype)) = mime_type.split_once('/') else { return false };
    kind == "text"
        || (kind == "application" && TEXTS.contains(&subtype))
        || ["+json", "+xml", "+yaml"].iter().any(|ending| subtype.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_known_by_type_and_bytes() {
        for mime_type in ["text/plain", "text/x-rust", "application/json", "image/svg+xml", "application/ld+json"] {
            assert!(may_be_text(mime_type), "{mime_type}");
        }
        for mime_type in ["application/pdf", "image/png", "audio/mpeg", "application/zip", "x"] {
            assert!(!may_be_text(mime_type), "{mime_type}");
        }
        assert_eq!(text("\u{feff}añb".as_bytes(), true), Some("añb"));
        assert_eq!(text(&"añ".as_bytes()[..2], false), Some("a"), "cut in the middle of a sign");
        assert_eq!(text(&"añ".as_bytes()[..2], true), None);
        assert_eq!(text(b"a\0b", true), None);
        assert_eq!(text(b"\xff\xfe", false), None);
    }
}

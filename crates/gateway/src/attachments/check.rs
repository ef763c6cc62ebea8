//! What a client attaches, held against the rules: a name to show, a type, bytes. Nothing is stored here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use simpleclaw_protocol::methods::chat::Attachment;

use crate::home::hex;

const MIB: usize = 1024 * 1024;

/// One attachment that may be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub name: String,
    /// Lower case, without parameters; of an image what its bytes say.
    pub mime_type: String,
    pub kind: Kind,
    pub bytes: Vec<u8>,
    /// Hex.
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PNG, JPEG, GIF or WebP: what every model that sees can be shown.
    Image,
    File,
}

/// What is wrong with one member of one attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the params.
    pub path: String,
    pub problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("is a file's name to show, not a path: send what stands behind the last `/` or `\\`")]
    Path,
    #[error("holds {0:?}, which no name to show may: take it out")]
    Sign(char),
    #[error("is blank or dots alone: give the file a name")]
    NoName,
    #[error("must be a type such as `image/png`; `application/octet-stream` where nothing better is known")]
    Type,
    #[error("is empty: leave the attachment out")]
    Empty,
    #[error("is not standard base64 with padding: send it without a `data:` prefix, spaces or line breaks")]
    Base64,
    #[error("is larger than {0} MB, the most that one attachment may have: send a smaller file (`attachments.maxMb`)")]
    TooLarge(usize),
}

/// Reads what was attached, or says everything that is wrong with it.
pub fn check(attachments: Vec<Attachment>, max_mb: u32) -> Result<Vec<Checked>, Vec<Fault>> {
    let max_mb = max_mb as usize;
    let (mut checked, mut faults) = (Vec::new(), Vec::new());
    for (index, attachment) in attachments.into_iter().enumerate() {
        let Attachment { name, mime_type, content } = attachment;
        let mut fault =
            |member, problem| faults.push(Fault { path: format!("/attachments/{index}/{member}"), problem });
        let named = check_name(&name).map_err(|problem| fault("name", problem)).is_ok();
        let typed = essence(&mime_type);
        if typed.is_none() {
            fault("mimeType", Problem::Type);
        }
        let bytes = decode(content, max_mb).map_err(|problem| fault("content", problem));
        if let (true, Some(declared), Ok(bytes)) = (named, typed, bytes) {
            let image = image_type(&bytes).filter(|_| declared.starts_with("image/"));
            checked.push(Checked {
                name,
                // The bytes decide: a provider refuses a JPEG that is called a PNG.
                mime_type: image.map_or(declared, str::to_owned),
                kind: if image.is_some() { Kind::Image } else { Kind::File },
                sha256: hex(&Sha256::digest(&bytes)),
                bytes,
            });
        }
    }
    if faults.is_empty() { Ok(checked) } else { Err(faults) }
}

fn check_name(name: &str) -> Result<(), Problem> {
    if name.contains(['/', '\\']) {
        return Err(Problem::Path);
    }
    // The signs that turn the writing around make `gpj.exe` look like `exe.jpg`.
    let turns =
        |sign: char| matches!(sign, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if let Some(sign) = name.chars().find(|sign| sign.is_control() || turns(*sign)) {
        return Err(Problem::Sign(sign));
    }
    match name.trim().chars().all(|sign| sign == '.') {
        true => Err(Problem::NoName),
        false => Ok(()),
    }
}

/// `type/subtype` in lower case; parameters behind it are left out.
fn essence(mime_type: &str) -> Option<String> {
    let essence = mime_type.split(';').next()?.trim_end();
    let (kind, subtype) = essence.split_once('/')?;
    let restricted = |name: &str| {
        name.starts_with(|sign: char| sign.is_ascii_alphanumeric())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    (restricted(kind) && restricted(subtype)).then(|| essence.to_ascii_lowercase())
}

fn decode(content: String, max_mb: usize) -> Result<Vec<u8>, Problem> {
    // Four signs stand for three bytes; what is far too long is not decoded first.
    if content.len() / 4 * 3 > max_mb * MIB + 3 {
        return Err(Problem::TooLarge(max_mb));
    }
    let bytes = STANDARD.decode(content).map_err(|_| Problem::Base64)?;
    match bytes.len() {
        0 => Err(Problem::Empty),
        size if size > max_mb * MIB => Err(Problem::TooLarge(max_mb)),
        _ => Ok(bytes),
    }
}

/// The kind of image that the first bytes say.
fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(name: &str, mime_type: &str, bytes: &[u8]) -> Attachment {
        Attachment { name: name.into(), mime_type: mime_type.into(), content: STANDARD.encode(bytes) }
    }

    fn one(name: &str, mime_type: &str, bytes: &[u8]) -> Checked {
        check(vec![attachment(name, mime_type, bytes)], 16).expect("is taken").remove(0)
    }

    #[test]
    fn an_image_is_what_its_bytes_say() {
        for (declared, bytes, kind, mime_type) in [
            ("image/png", &b"\x89PNG\r\n\x1a\nrest"[..], Kind::Image, "image/png"),
            ("image/png", b"\xff\xd8\xff\xe0rest", Kind::Image, "image/jpeg"),
            ("IMAGE/GIF", b"GIF89a", Kind::Image, "image/gif"),
            ("image/webp", b"RIFF\0\0\0\0WEBPVP8 ", Kind::Image, "image/webp"),
            ("image/png", b"<html>", Kind::File, "image/png"),
            ("image/svg+xml", b"<svg/>", Kind::File, "image/svg+xml"),
            ("application/octet-stream", b"\x89PNG\r\n\x1a\n", Kind::File, "application/octet-stream"),
            ("Text/Plain; charset=utf-8", b"x", Kind::File, "text/plain"),
        ] {
            let checked = one("a", declared, bytes);
            assert_eq!((checked.kind, checked.mime_type.as_str()), (kind, mime_type), "{declared}");
        }
    }

    #[test]
    fn names_are_names() {
        for name in ["a.txt", " a b ", "ünï-日本.png", "...x", "a'\"b"] {
            assert_eq!(one(name, "text/plain", b"x").name, name);
        }
        for (name, problem) in [
            ("../a", Problem::Path),
            ("c:\\a", Problem::Path),
            ("/", Problem::Path),
            ("a\nb", Problem::Sign('\n')),
            ("a\0", Problem::Sign('\0')),
            ("a\u{202e}b", Problem::Sign('\u{202e}')),
            ("..", Problem::NoName),
            ("  ", Problem::NoName),
        ] {
            assert_eq!(check_name(name), Err(problem), "{name:?}");
        }
    }

    #[test]
    fn types_are_types() {
        for mime_type in ["png", "image/", "/png", "image/p ng", "image/png/x", "imägé/png", "", ";", "-a/b"] {
            assert_eq!(essence(mime_type), None, "{mime_type:?}");
        }
        assert_eq!(essence("application/vnd.ms-excel").as_deref(), Some("application/vnd.ms-excel"));
    }

    #[test]
    fn every_fault_is_named_at_its_place() {
        let mut broken = vec![attachment("a", "text/plain", b"x"); 5];
        broken[1].name = "a/b".into();
        broken[1].mime_type = "text".into();
        broken[2].content = "?".into();
        broken[3].content = String::new();
        broken[4].content = STANDARD.encode(vec![0; MIB + 1]);
        let faults = check(broken, 1).expect_err("is refused");
        let faults: Vec<_> = faults.into_iter().map(|fault| (fault.path, fault.problem)).collect();
        let expected = [
            ("/attachments/1/name", Problem::Path),
            ("/attachments/1/mimeType", Problem::Type),
            ("/attachments/2/content", Problem::Base64),
            ("/attachments/3/content", Problem::Empty),
            ("/attachments/4/content", Problem::TooLarge(1)),
        ];
        assert_eq!(faults, expected.map(|(path, problem)| (path.to_owned(), problem)));
        assert_eq!(one("a", "text/plain", &vec![0; 16 * MIB]).bytes.len(), 16 * MIB);
    }
}

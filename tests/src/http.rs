//! Plain HTTP, byte by byte: what is sent is exactly what a test wrote.

use std::collections::HashMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::{DEADLINE, within};

#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// `GET target` with these headers and the usual `Host`.
pub async fn get(port: u16, target: &str) -> Answer {
    request(port, "GET", target, &[("Host", &format!("127.0.0.1:{port}"))]).await
}

/// One request with exactly these headers, `Connection: close` besides.
pub async fn request(port: u16, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
        text.push_str("Connection: close\r\n");
    }
    text.push_str("\r\n");
    exchange(port, text.as_bytes()).await
}

/// Sends bytes and reads the answer to its end.
pub async fn exchange(port: u16, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the gateway listens");
    stream.write_all(bytes).await.expect("the gateway reads");
    let mut answer = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match within(DEADLINE, "HTTP answer", stream.read(&mut chunk)).await {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
        }
        if is_whole(&answer) {
            break;
        }
        // A switch of protocols has no end.
        if answer.starts_with(b"HTTP/1.1 101") && answer.windows(4).any(|end| end == b"\r\n\r\n") {
            break;
        }
    }
    parse(&String::from_utf8_lossy(&answer))
}

/// Whether a body of known length is there: the connection may stay open behind it.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.and_then(|length| length.parse::<usize>().ok()).is_some_and(|length| length > 0 && body.len() >= length)
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let headers = lines.filter_map(|line| line.split_once(": "));
    Answer {
        status: status.expect("a status line"),
        headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
        body: body.to_owned(),
    }
}

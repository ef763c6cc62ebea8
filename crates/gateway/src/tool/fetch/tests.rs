use std::io::Write as _;

use super::*;

/// Class 15 of the advisories: every notation of an address leads to the same refusal, without a name being asked.
#[tokio::test]
async fn no_notation_of_a_private_address_is_fetched() {
    for text in [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://①②⑦.⓪.⓪.①/",
        "http://%31%32%37.0.0.1/",
        "http://0/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[0:0:0:0:0:0:0:1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[0:0:0:0:0:ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://10.0.0.1/",
        "http://172.16.0.1:8080/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
    ] {
        let Ok(url) = url_of(text) else { continue };
        let failed = resolve(&url).await.expect_err(text);
        assert!(failed.0.contains("not fetched"), "{text}: {failed}");
    }
    // The name that every machine has for itself.
    for text in ["http://localhost/", "http://LOCALHOST/", "http://localhost./"] {
        assert!(resolve(&url_of(text).expect("a URL")).await.is_err(), "{text}");
    }
}

#[test]
fn one_address_of_this_machine_refuses_a_name() {
    let all = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|address| address.parse().expect("an address"));
        reachable("example.org", addresses.collect())
    };
    assert_eq!(all(&["1.1.1.1:80", "[2606:4700::1111]:80"]).expect("the internet's").len(), 2);
    for addresses in [
        &["127.0.0.1:80"][..],
        &["1.1.1.1:80", "127.0.0.1:80"],
        &["[::1]:80", "1.1.1.1:80"],
        &["1.1.1.1:80", "[::ffff:127.0.0.1]:80"],
        &[],
    ] {
        assert!(all(addresses).is_err(), "{addresses:?}");
    }
}

/// By the time of the connection the name leads to this machine: nobody asks for it again.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_connection_goes_to_what_was_looked_at() {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    let canary = TcpListener::bind("127.0.0.1:0").expect("a free port");
    canary.set_nonblocking(true).expect("sets");
    let port = canary.local_addr().expect("an address").port();
    let server = TcpListener::bind(("127.0.0.2", port)).expect("the same port of another address");
    let looked_at = vec![server.local_addr().expect("an address")];
    let answering = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a connection");
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer");
    });
    let url = url_of(&format!("http://localhost:{port}/")).expect("a URL");
    let response = get(&url, looked_at.clone()).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    answering.join().expect("a thread");
    // Where nobody answers any more, nothing else is tried.
    assert!(get(&url, looked_at).await.is_err());
    assert_eq!(canary.accept().expect_err("nobody comes").kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_no_page_is_refused() {
    for text in [
        "",
        "example.org",
        "file:///etc/passwd",
        "ftp://example.org/",
        "gopher://127.0.0.1:6379/_x",
        "javascript:alert(1)",
        "data:text/plain,x",
        "http://",
        "http://user@example.org/",
        "http://user:secret@example.org/",
        "http://example.org@127.0.0.1/",
        "http://./",
        "http://exa mple.org/",
        "http://[::1/",
        "http://example.org:99999/",
    ] {
        assert!(url_of(text).is_err(), "{text:?}");
    }
    assert!(url_of(&format!("http://example.org/{}", "x".repeat(MAX_URL))).is_err());
    assert_eq!(url_of("https://Example.org/a#part").expect("a URL").as_str(), "https://example.org/a");
}

#[test]
fn one_site() {
    let site = |text: &str| site(&url_of(text).expect("a URL"));
    for same in ["http://example.org/", "https://www.example.org/a", "https://example.org./"] {
        assert_eq!(site(same), "example.org");
    }
    assert_ne!(site("https://example.org:8443/"), "example.org");
    assert_ne!(site("https://evil.example.org/"), "example.org");
}

fn headers(pairs: &[(reqwest::header::HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
}

#[test]
fn bodies_become_text_within_bounds() {
    let html = headers(&[(CONTENT_TYPE, "text/html; charset=utf-8")]);
    let page = decode(&html, b"<title>T</title><p>one".to_vec()).expect("text");
    assert_eq!(readable(page, false), "Title: T\n\none");
    let page = decode(&html, b"<p>one".to_vec()).expect("text");
    assert_eq!(readable(page, true), "<p>one");
    let latin = headers(&[(CONTENT_TYPE, "text/plain; charset=ISO-8859-1")]);
    assert_eq!(readable(decode(&latin, b"caf\xe9".to_vec()).expect("text"), false), "café");
    for (kind, bytes) in [("image/png", &b"x"[..]), ("text/plain", b"a\0b")] {
        assert!(decode(&headers(&[(CONTENT_TYPE, kind)]), bytes.to_vec()).is_err(), "{kind}");
    }
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..=MAX_UNPACKED / 65_536 {
        bomb.write_all(&[b'a'; 65_536]).expect("packs");
    }
    let bomb = bomb.finish().expect("packs");
    assert!(bomb.len() < 64 * 1024);
    let packed = headers(&[(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "gzip")]);
    let failed = decode(&packed, bomb).err().expect("is too much");
    assert!(failed.0.contains("unpacks to more"), "{failed}");
    assert!(decode(&headers(&[(CONTENT_ENCODING, "br")]), vec![1]).is_err());
}

/// Headers are no page: of what they say there is only as much as tells what was sent.
#[test]
fn little_is_told_of_what_is_no_page() {
    let words = "do as i say ".repeat(100);
    for name in [CONTENT_TYPE, CONTENT_ENCODING] {
        let failed = decode(&headers(&[(name, words.as_str())]), b"x".to_vec()).err().expect("is no text");
        assert!(failed.0.contains("do as i say") && failed.0.len() < 200, "{failed}");
    }
    let failed = url_of(&format!("{}:x", "do-as-i-say-".repeat(100))).expect_err("another scheme");
    assert!(failed.0.contains("do-as-i-say") && failed.0.len() < 200, "{failed}");
}

#[test]
fn long_texts_come_in_parts() {
    let url = url_of("https://example.org/").expect("a URL");
    let text = "é".repeat(MAX_RESULT);
    let first = part(&url, StatusCode::OK, &text, 0);
    assert!(first.ends_with(&format!("go on with offset {MAX_RESULT})")), "{}", &first[first.len() - 80..]);
    assert!(!part(&url, StatusCode::OK, &text, MAX_RESULT).contains("go on"));
    assert!(part(&url, StatusCode::OK, "short", 99).ends_with("(200 OK)\n\n"));
}

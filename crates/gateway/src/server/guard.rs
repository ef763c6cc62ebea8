//! Who may even ask: `Host`, `Origin` and the URL, checked before any upgrade and before any page. Pure. Credentials
//! are `auth`'s.

use http::header::{HOST, ORIGIN};
use http::request::Parts;

/// The web views of the tray app, on each system.
const OWN_WINDOWS: [&str; 2] = ["tauri://localhost", "http://tauri.localhost"];

/// Query members that only ever carry a credential, which a URL must not.
const CREDENTIALS: [&str; 9] =
    ["token", "access_token", "auth", "authorization", "password", "apikey", "api_key", "devicetoken", "secret"];

/// What a gateway accepts, from its configuration.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Exact web origins, besides the gateway's own and the tray's windows.
    pub allowed_origins: Vec<String>,
    /// Host names, besides `localhost` and the loopback addresses.
    pub allowed_hosts: Vec<String>,
}

impl Guard {
    /// Whether a request may go on. All refusals look the same from outside; the reason is for the log.
    pub fn check(&self, request: &Parts) -> Result<(), &'static str> {
        let host = single(request, HOST)?.ok_or("no Host")?;
        if !self.known_host(host) {
            return Err("a foreign Host");
        }
        if request.uri.authority().is_some_and(|authority| authority.as_str() != host) {
            return Err("a URL for another host than Host");
        }
        if let Some(origin) = single(request, ORIGIN)?
            && !self.known_origin(origin, host)
        {
            return Err("a foreign Origin");
        }
        if request.uri.query().is_some_and(carries_credential) {
            return Err("a credential in the URL");
        }
        Ok(())
    }

    /// The name decides; the port does not, because a tunnel changes it.
    fn known_host(&self, host: &str) -> bool {
        let Some(name) = host_name(host) else { return false };
        let own = ["localhost", "127.0.0.1", "[::1]"].into_iter();
        let mut known = own.chain(self.allowed_hosts.iter().map(String::as_str));
        known.any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    fn known_origin(&self, origin: &str, host: &str) -> bool {
        let own = ["http://", "https://"].into_iter().any(|scheme| origin.strip_prefix(scheme) == Some(host));
        own || OWN_WINDOWS.contains(&origin) || self.allowed_origins.iter().any(|allowed| allowed == origin)
    }
}

/// A header that may stand once.
fn single(request: &Parts, name: http::HeaderName) -> Result<Option<&str>, &'static str> {
    let mut values = request.headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("a header twice");
    }
    value.to_str().map(Some).map_err(|_| "a header that is not ASCII")
}

/// The name of `name`, `name:port`, `[v6]` or `[v6]:port`.
fn host_name(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let fine = match port.strip_prefix(':') {
        Some(digits) => !digits.is_empty() && digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()),
        None => port.is_empty(),
    };
    (fine && !name.is_empty()).then_some(name)
}

fn carries_credential(query: &str) -> bool {
    query.split(['&', ';']).any(|member| {
        let name = member.split('=').next().unwrap_or_default();
        // A name may be written with %-escapes; nothing that needs them is a name of ours, so any counts.
        name.contains('%') || CREDENTIALS.contains(&name.to_ascii_lowercase().as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, headers: &[(&str, &str)]) -> Result<(), &'static str> {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let guard = Guard {
            allowed_origins: vec!["https://claw.example".into()],
            allowed_hosts: vec!["claw.example".into(), "192.168.1.5".into()],
        };
        guard.check(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn welcome() {
        for headers in [
            &[("host", "localhost:18789")][..],
            &[("host", "LOCALHOST")],
            &[("host", "127.0.0.1:9")],
            &[("host", "[::1]:18789")],
            &[("host", "[::1]")],
            &[("host", "claw.example")],
            &[("host", "192.168.1.5:18789")],
            &[("host", "localhost:18789"), ("origin", "http://localhost:18789")],
            &[("host", "localhost:18789"), ("origin", "https://localhost:18789")],
            &[("host", "localhost:1"), ("origin", "tauri://localhost"), ("sec-fetch-site", "cross-site")],
            &[("host", "localhost:1"), ("origin", "http://tauri.localhost")],
            &[("host", "localhost:1"), ("origin", "https://claw.example")],
        ] {
            assert_eq!(check("/", headers), Ok(()), "{headers:?}");
        }
        assert_eq!(check("/?page=2", &[("host", "localhost")]), Ok(()));
    }

    #[test]
    fn turned_away() {
        for headers in [
            &[][..],
            &[("host", "")],
            &[("host", "evil.example")],
            &[("host", "localhost.evil.example")],
            &[("host", "localhost:18789:1")],
            &[("host", "localhost:")],
            &[("host", "localhost:a")],
            &[("host", "127.0.0.1.evil.example")],
            &[("host", "[::1")],
            &[("host", "[::1]x")],
            &[("host", "user@localhost")],
            &[("host", "localhost"), ("host", "localhost")],
            &[("host", "localhost"), ("host", "evil.example")],
            &[("host", "localhost:18789"), ("origin", "null")],
            &[("host", "localhost:18789"), ("origin", "")],
            &[("host", "localhost:18789"), ("origin", "http://localhost")],
            &[("host", "localhost:18789"), ("origin", "http://localhost:3000")],
            &[("host", "localhost:18789"), ("origin", "http://127.0.0.1:18789")],
            &[("host", "localhost:18789"), ("origin", "http://localhost:18789/")],
            &[("host", "localhost:18789"), ("origin", "http://LOCALHOST:18789")],
            &[("host", "localhost:18789"), ("origin", "http://evil.example")],
            &[("host", "localhost:18789"), ("origin", "https://claw.example.evil")],
            &[("host", "localhost:18789"), ("origin", "http://localhost:18789"), ("origin", "http://evil.example")],
            &[("host", "localhost:18789"), ("origin", "tauri://localhost.evil")],
        ] {
            assert!(check("/", headers).is_err(), "{headers:?}");
        }
        for uri in ["/?token=x", "/ws?a=1&TOKEN=x", "/?auth", "/?%74oken=x", "/?a=1;token=x", "http://evil.example/"] {
            assert!(check(uri, &[("host", "localhost")]).is_err(), "{uri}");
        }
    }
}

//! The HTTP client of the providers: what it never does (follow a redirect, send a local
//! call through a proxy, read without a bound) and how an API key is kept.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Response, Url, redirect};

use super::error::{Origin, ProviderError};

/// Longest error body that is read; more of it cannot be shown anyway.
pub(super) const MAX_ERROR_BODY: usize = 64 * 1024;
const ERROR_BODY_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A provider's API key. Shows nothing of itself in `Debug`, and has no `Display`. Clones share it: whoever keeps
/// one to compare it with the next has no copy.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(Arc<str>);

impl ApiKey {
    /// The key, without the white space around it that copying leaves. An empty one counts as
    /// no key.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(Arc::from(key.as_ref().trim()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// A client for one server.
///
/// A redirect would carry the key to wherever it points, so it is an answer like any other.
/// A loopback address is never looked for behind a proxy.
///
/// # Errors
/// The system's certificates cannot be loaded.
pub(super) fn client(base: &Url) -> reqwest::Result<Client> {
    crate::install_tls();
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("simpleclaw/", env!("CARGO_PKG_VERSION")));
    if is_loopback(base) { builder.no_proxy() } else { builder }.build()
}

/// `base` with `path` after it, whether or not `base` ends in a slash; a query stays.
pub(super) fn join(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// The body, as long as it is no longer than `limit` bytes: `None` if it is.
pub(super) async fn read_bounded(mut response: Response, limit: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    }
}

/// The error that an answer other than success is, with what its body says. A body that cannot
/// be read counts as empty: the status matters more.
pub(super) async fn failure(origin: &Origin, response: Response) -> ProviderError {
    let (status, headers) = (response.status(), response.headers().clone());
    let read = read_bounded(response, MAX_ERROR_BODY);
    let body = match tokio::time::timeout(ERROR_BODY_TIMEOUT, read).await {
        Ok(Ok(Some(body))) => String::from_utf8_lossy(&body).into_owned(),
        _ => String::new(),
    };
    origin.status(status, &headers, &body)
}

//! Where this user's gateway is: its home, its address, its token. Nothing is written here.

use simpleclaw_client::Token;
use simpleclaw_gateway::Home;
use simpleclaw_protocol::DEFAULT_PORT;

use crate::args::Global;
use crate::failure::{AUTH, Failure};

/// The folder of state and token, as the gateway itself finds it.
pub fn home(global: &Global) -> Result<Home, Failure> {
    Home::resolve(global.profile.as_deref()).map_err(|error| Failure::usage(error.to_string()))
}

/// `--url`, else the running gateway's, else where it would be: a profile's never is the default address, which belongs
/// to another gateway.
pub fn url(global: &Global) -> Result<String, Failure> {
    if let Some(url) = &global.url {
        return Ok(url.clone());
    }
    let home = home(global)?;
    let port = match home.is_profile() {
        true => home.kept_port().unwrap_or(DEFAULT_PORT + 1),
        false => DEFAULT_PORT,
    };
    Ok(home.read_lock().map_or_else(|| format!("ws://127.0.0.1:{port}"), |lock| lock.url))
}

/// The token of `--token-file`, else of the home.
pub fn token(global: &Global) -> Result<Token, Failure> {
    let path = match &global.token_file {
        Some(path) => path.clone(),
        None => home(global)?.token_path(),
    };
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(AUTH, "UNAUTHENTICATED", format!("no token in {}: {error}", path.display()))
            .remedy("The gateway makes it at its first start; elsewhere, copy it and name it with --token-file.")
    })?;
    Ok(Token::new(text))
}

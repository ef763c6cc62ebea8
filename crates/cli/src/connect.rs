//! Opens this command's connection to the gateway.

use simpleclaw_client::{Client, Options, Token};

use crate::args::Global;
use crate::failure::Failure;
use crate::place;

/// Connects as an operator. Without a token file of its own the home's is used, and a home without one is tried
/// without: "not reachable" is the better answer where no gateway ever ran.
pub async fn open(global: &Global, reconnect: bool) -> Result<Client, Failure> {
    let token = match place::token(global) {
        Err(failure) if global.token_file.is_some() => return Err(failure),
        found => found.unwrap_or_else(|_| Token::default()),
    };
    let mut options = Options::new(place::url(global)?, token);
    options.client.id = "simpleclaw-cli".into();
    options.client.mode = "cli".into();
    options.reconnect = reconnect;
    Ok(Client::connect(options).await?)
}

//! `simpleclaw secrets move-from-config`: each secret that stands as text in the file of this home goes to the gateway,
//! then the file gets a reference in its place. In this order, so that a failure leaves both rather than neither.

use serde_json::{Value, json};
use simpleclaw_client::Client;
use simpleclaw_gateway::config::{self, Literal};
use simpleclaw_protocol::methods::Call as _;
use simpleclaw_protocol::methods::secrets::{SecretsList, SecretsListResult, SecretsSet};

use super::key;
use crate::args::Global;
use crate::failure::Failure;
use crate::input::Interrupts;
use crate::output::Output;
use crate::{client_runtime, connect, place, show};

pub fn run(global: &Global, output: Output) -> Result<(), Failure> {
    if global.url.is_some() {
        return Err(Failure::usage(
            "this reads the configuration file, so run it where the gateway runs, without --url",
        ));
    }
    client_runtime()?.block_on(async {
        let mut interrupts = Interrupts::new()?;
        let client = connect::open(global, false).await?;
        let moved = tokio::select! {
            moved = all(global, &client) => moved,
            () = interrupts.next() => Err(Failure::interrupted()),
        };
        client.close().await;
        let moved = moved?;
        output.payload(&json!({ "moved": moved }), words)
    })
}

/// What was moved: `{path, name}`.
async fn all(global: &Global, client: &Client) -> Result<Vec<Value>, Failure> {
    let list: SecretsListResult = show::read(&client.call_raw(SecretsList::NAME, json!({})).await?)?;
    let taken = list.secrets.into_iter().map(|row| row.name);
    let literals = config::literals(&place::home(global)?, taken).map_err(Failure::usage)?;
    // Nothing is moved where the file could not be changed afterwards.
    for literal in &literals {
        refer(client, literal, true).await?;
    }
    let mut moved = Vec::new();
    for literal in &literals {
        let params = json!({ "name": literal.name, "value": literal.secret.expose(), "idempotencyKey": key() });
        client.call_raw(SecretsSet::NAME, params).await?;
        refer(client, literal, false).await?;
        moved.push(json!({ "path": literal.path, "name": literal.name }));
    }
    Ok(moved)
}

/// The one place that changes the file.
async fn refer(client: &Client, literal: &Literal, dry_run: bool) -> Result<(), Failure> {
    let params = json!({ "path": literal.path, "value": { "secret": literal.name }, "dryRun": dry_run });
    client.call_raw("config.set", params).await?;
    Ok(())
}

fn words(result: &Value) -> Result<String, Failure> {
    let moved = result["moved"].as_array().map(Vec::as_slice).unwrap_or_default();
    if moved.is_empty() {
        return Ok("No secret stands as text in the configuration.".to_owned());
    }
    let text = |row: &Value, member: &str| row[member].as_str().unwrap_or_default().to_owned();
    let rows = moved.iter().map(|row| (text(row, "path"), format!("is {{secret: {}}} now", text(row, "name"))));
    let table = show::table(rows.collect());
    Ok(format!("{table}\nFormer versions of the file may still hold them: new secrets are wise."))
}

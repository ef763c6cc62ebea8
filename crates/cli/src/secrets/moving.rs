//! `simpleclaw secrets move-from-config`: each secret that stands as text in the file of this home goes to the gateway,
//! then the file gets a reference in its place. In this order, so that a failure leaves both rather than neither. The
//! gateway knows by the reference that the secret has moved, and takes it out of the former versions of the file.

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
        output.payload(&moved?, words)
    })
}

/// `moved` is what was: `{path, name}`. `stillIn` are files of the configuration, below the home, that hold secrets as
/// text: former versions with others than the file's, or a copy where nobody can move it.
async fn all(global: &Global, client: &Client) -> Result<Value, Failure> {
    let list: SecretsListResult = show::read(&client.call_raw(SecretsList::NAME, json!({})).await?)?;
    let taken = list.secrets.into_iter().map(|row| row.name);
    let home = place::home(global)?;
    let literals = config::literals(&home, taken).map_err(Failure::usage)?;
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
    Ok(json!({ "moved": moved, "stillIn": config::with_secrets(&home, &literals) }))
}

/// The one place that changes the file.
async fn refer(client: &Client, literal: &Literal, dry_run: bool) -> Result<(), Failure> {
    let params = json!({ "path": literal.path, "value": { "secret": literal.name }, "dryRun": dry_run });
    client.call_raw("config.set", params).await?;
    Ok(())
}

fn words(result: &Value) -> Result<String, Failure> {
    let moved = result["moved"].as_array().map(Vec::as_slice).unwrap_or_default();
    let still_in: Vec<&str> = result["stillIn"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let text = |row: &Value, member: &str| row[member].as_str().unwrap_or_default().to_owned();
    let rows = moved.iter().map(|row| (text(row, "path"), format!("is {{secret: {}}} now", text(row, "name"))));
    let mut lines = match moved.is_empty() {
        true => vec!["The configuration has no secret that can be moved.".to_owned()],
        false => vec![show::table(rows.collect())],
    };
    if !moved.is_empty() && still_in.is_empty() {
        lines.push("No former version of the file holds them any more.".to_owned());
    }
    if !moved.is_empty() {
        lines.push("A copy from before, such as a backup with secrets, may: new secrets are wise.".to_owned());
    }
    if !still_in.is_empty() {
        lines.push(format!(
            "Secrets still stand as text in {}. No backup without --secrets has them; remove the former versions that \
             you do not need.",
            still_in.join(", ")
        ));
    }
    Ok(lines.join("\n"))
}

//! Who could answer: each configured provider, asked for its models now, and the model servers on this machine.

use std::time::Duration;

use simpleclaw_adapters::provider::detect::{self, Candidate};

use super::{Finding, State};
use crate::catalog::Catalog;
use crate::config::Config;
use crate::home::Home;
use crate::secrets::Secrets;

/// How long all providers together may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub async fn examine(config: &Config, home: &Home) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !config.models.providers.is_empty() {
        let secrets = Secrets::open(home);
        let catalog = Catalog::new(config, &secrets);
        let list = async {
            catalog.configure(config, &secrets).await;
            catalog.list().await
        };
        match tokio::time::timeout(PATIENCE, list).await {
            Err(_) => {
                let words = format!("the configured providers did not answer within {} s", PATIENCE.as_secs());
                findings.push(Finding::new("provider", State::Error, words));
            }
            Ok(rows) => findings.extend(config.models.providers.keys().map(|id| {
                let of_provider: Vec<_> = rows.iter().filter(|row| row.provider == *id).collect();
                let count = of_provider.iter().filter(|row| row.available).count();
                match of_provider.iter().find_map(|row| row.reason.as_ref()) {
                    Some(reason) => Finding::new("provider", State::Error, format!("{id}: {reason}")),
                    None if count == 0 => Finding::new("provider", State::Warning, format!("{id}: it offers no model")),
                    None => Finding::new("provider", State::Ok, format!("{id}: {count} models")),
                }
            })),
        }
    }
    if config.models.detect {
        for server in detect::detect(&Candidate::defaults(), &[]).await {
            let words = format!("{} at {}: {} models", server.kind.id(), server.base_url, server.models.len());
            findings.push(Finding::new("model server", State::Ok, words));
        }
    }
    if findings.is_empty() {
        let words = "no provider is configured and no model server was found: the built-in guide answers";
        let remedy = "start Ollama, llama-server or LM Studio, or add a provider on the page Models";
        findings.push(Finding::new("provider", State::Note, words).remedy(remedy));
    }
    findings
}

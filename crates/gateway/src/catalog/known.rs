//! What is known of the big providers' models without asking: `data/models.json`. By the host that is called, not by
//! the id that a person gave the provider: the same name at another address may be another model at another price.
//!
//! Prices change. What the configuration says of a model goes before what stands there; a model that stands nowhere
//! has no price, rather than a wrong one.

use std::sync::LazyLock;

use serde::Deserialize;
use simpleclaw_adapters::provider::{Modality, Model};

use super::price::Price;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Vendor {
    hosts: Vec<String>,
    /// Where the figures are from, and of when; for whoever keeps the file.
    #[serde(rename = "source")]
    _source: String,
    models: Vec<Known>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Known {
    id: String,
    name: Option<String>,
    context_window: Option<u32>,
    images: Option<bool>,
    reasoning: Option<bool>,
    pub cost: Option<Price>,
}

static VENDORS: LazyLock<Vec<Vendor>> = LazyLock::new(|| {
    // A test reads it; in the field a catalogue that knows nothing is better than no gateway.
    read().unwrap_or_default()
});

fn read() -> serde_json::Result<Vec<Vendor>> {
    serde_json::from_str(include_str!("../../data/models.json"))
}

/// What is known of a model at a host.
pub fn find(host: &str, model: &str) -> Option<&'static Known> {
    let vendor = VENDORS.iter().find(|vendor| vendor.hosts.iter().any(|known| known == host))?;
    vendor.models.iter().find(|known| same(&known.id, model))
}

/// A model has names with a date too, which mean one state of it: `gpt-4o-2024-11-20`, `claude-opus-4-20250514`.
fn same(known: &str, model: &str) -> bool {
    let Some(rest) = model.strip_prefix(known) else { return false };
    let is_date = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits == 8 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    };
    match rest.strip_prefix('-') {
        None => rest.is_empty(),
        Some(rest) => rest == "latest" || is_date(rest),
    }
}

impl Known {
    /// Says what the server left open.
    pub fn complete(&self, model: &mut Model) {
        if let Some(name) = &self.name
            && model.name == model.id
        {
            model.name.clone_from(name);
        }
        model.context_window = model.context_window.or(self.context_window);
        model.reasoning = model.reasoning.or(self.reasoning);
        if model.input.is_none() {
            model.input = self.images.map(|images| match images {
                true => vec![Modality::Text, Modality::Image],
                false => vec![Modality::Text],
            });
        }
        // Every model of the file calls tools.
        model.tool_use = model.tool_use.or(Some(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_sound() {
        let vendors = read().expect("data/models.json is what the types say");
        for known in vendors.iter().flat_map(|vendor| &vendor.models) {
            let cost = known.cost.expect("a price");
            assert!(cost.input > 0.0 && cost.output > cost.input, "{}", known.id);
            assert!(cost.cache_read.is_none_or(|read| read < cost.input), "{}", known.id);
            assert!(cost.cache_write.is_none_or(|write| write > cost.input), "{}", known.id);
            let by_itself = vendors.iter().flat_map(|vendor| &vendor.models).filter(|other| other.id == known.id);
            assert_eq!(by_itself.count(), 1, "{}", known.id);
        }
    }

    #[test]
    fn names_with_dates_are_the_same_model_and_others_are_not() {
        for (model, id) in [
            ("gpt-4o", Some("gpt-4o")),
            ("gpt-4o-2024-11-20", Some("gpt-4o")),
            ("gpt-4o-mini", Some("gpt-4o-mini")),
            ("gpt-4o-audio-preview", None),
            ("gpt-4o-2024", None),
            ("gpt-9", None),
        ] {
            assert_eq!(find("api.openai.com", model).map(|known| known.id.as_str()), id, "{model}");
        }
        let opus = |model| find("api.anthropic.com", model).map(|known| known.id.as_str());
        assert_eq!(opus("claude-opus-4-20250514"), Some("claude-opus-4"));
        assert_eq!(opus("claude-opus-4-1-20250805"), Some("claude-opus-4-1"));
        assert_eq!(opus("claude-3-5-haiku-latest"), Some("claude-3-5-haiku"));
        assert!(find("llm.example", "gpt-4o").is_none(), "another address is another model");
    }

    #[test]
    fn what_the_server_says_goes_before() {
        let mut model = Model {
            id: "gpt-4o".to_owned(),
            name: "Mine".to_owned(),
            context_window: Some(7),
            input: None,
            reasoning: None,
            tool_use: Some(false),
        };
        find("api.openai.com", "gpt-4o").expect("known").complete(&mut model);
        let expected = Model {
            id: "gpt-4o".to_owned(),
            name: "Mine".to_owned(),
            context_window: Some(7),
            input: Some(vec![Modality::Text, Modality::Image]),
            reasoning: Some(false),
            tool_use: Some(false),
        };
        assert_eq!(model, expected);
    }
}

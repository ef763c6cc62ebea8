//! Whether a provider answers, tried live and in bounded time: its list of models, and one short answer where a model
//! is known to be asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use simpleclaw_adapters::provider::{
    ChatMessage, ChatPiece, ChatRequest, Model, Part, Provider, ProviderError, ProviderErrorKind, Usage,
};
use simpleclaw_protocol::methods::models::ModelRow;
use simpleclaw_protocol::methods::providers::ProviderCheck;
use tokio::time::{Instant, timeout};

use super::price::Price;
use super::source::{Source, no_provider};
use crate::usage::BYTES_PER_TOKEN;

/// For all of a test.
const TIME_LIMIT: Duration = Duration::from_secs(30);
const FIRST_BYTE: Duration = Duration::from_secs(20);
const IDLE: Duration = Duration::from_secs(10);
/// Enough for a word; some servers refuse less.
const MAX_TOKENS: u32 = 16;
/// Text past which an answer is proof enough, in bytes.
const ENOUGH: usize = 4 * 1024;

/// A provider about to be tested.
pub struct Probe {
    source: Source,
}

/// What a test came to.
pub struct Probed {
    /// Until the list or the first piece of the answer was there, or why neither came.
    pub outcome: Result<Duration, ProviderError>,
    /// Empty where the provider does not say.
    pub models: Vec<ModelRow>,
    /// Absent where nothing could be tried.
    pub checked: Option<ProviderCheck>,
    /// What asking a model used; absent where none was asked.
    pub used: Option<Used>,
}

/// What a model was asked for, also where it failed in the middle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    pub tokens: Usage,
    /// Nobody counted them.
    pub estimated: bool,
}

impl Probe {
    pub fn of(source: Source) -> Self {
        Self { source }
    }

    pub fn id(&self) -> &str {
        &self.source.id
    }

    /// The model that is asked where nobody names one: the first that the configuration lists.
    pub fn first_listed(&self) -> Option<String> {
        self.source.listed.first().map(|model| model.id.clone())
    }

    pub fn price(&self, model: &str) -> Option<Price> {
        self.source.price(model)
    }

    /// Asks for the list, and a model for an answer where one is named; both at once.
    pub async fn run(self, model: Option<&str>) -> Probed {
        let provider = match self.source.built(model.unwrap_or_default()) {
            Ok(provider) => provider,
            Err(error) => return Probed { outcome: Err(error), models: vec![], checked: None, used: None },
        };
        let began = Instant::now();
        let listing = async {
            let listed = self.in_time(model, provider.models()).await;
            (listed, began.elapsed())
        };
        let Some(model) = model else {
            let (listed, latency) = listing.await;
            let checked = Some(ProviderCheck::Models);
            return match listed {
                Ok(models) => Probed { outcome: Ok(latency), models: self.rows(models), checked, used: None },
                Err(error) => Probed { outcome: Err(error), models: vec![], checked, used: None },
            };
        };
        let mut used = Used::default();
        let answering = async {
            let asked = ask(&provider, model, &mut used);
            self.in_time(Some(model), asked).await
        };
        // A server may answer well and have no list.
        let ((listed, _), outcome) = futures_util::future::join(listing, answering).await;
        let models = listed.map(|models| self.rows(models)).unwrap_or_default();
        Probed { outcome, models, checked: Some(ProviderCheck::Answer), used: Some(used) }
    }

    async fn in_time<T>(
        &self,
        model: Option<&str>,
        work: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        timeout(TIME_LIMIT, work).await.unwrap_or_else(|_| {
            let words = format!("{}: no end of its answer within {} s. Try again.", self.id(), TIME_LIMIT.as_secs());
            let error = no_provider(self.id(), model.unwrap_or_default(), words);
            Err(ProviderError { kind: ProviderErrorKind::Timeout, ..error })
        })
    }

    fn rows(&self, models: Vec<Model>) -> Vec<ModelRow> {
        self.source.complete(models).iter().map(|model| self.source.row(model)).collect()
    }
}

/// Follows a short answer to its end, or as far as is needed; the time to its first piece.
async fn ask(provider: &Arc<dyn Provider>, model: &str, used: &mut Used) -> Result<Duration, ProviderError> {
    let question = "Reply with OK.";
    let request = ChatRequest {
        model: model.to_owned(),
        system: None,
        messages: vec![ChatMessage::User { parts: vec![Part::Text(question.to_owned())] }],
        tools: vec![],
        max_tokens: Some(MAX_TOKENS),
        thinking: None,
        first_byte_timeout: FIRST_BYTE,
        idle_timeout: IDLE,
    };
    let began = Instant::now();
    let mut pieces = provider.stream(request).await?;
    let (mut first, mut bytes) = (None, 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        let latency = *first.get_or_insert_with(|| began.elapsed());
        match piece {
            ChatPiece::Text(text) | ChatPiece::Thinking(text) => {
                bytes += text.len();
                // A guess, until the server counts.
                let tokens = |bytes: usize| bytes as u64 / BYTES_PER_TOKEN;
                let (input_tokens, output_tokens) = (tokens(question.len()), tokens(bytes));
                *used = Used { tokens: Usage { input_tokens, output_tokens, ..Usage::default() }, estimated: true };
                if bytes > ENOUGH {
                    return Ok(latency);
                }
            }
            ChatPiece::End(end) => {
                if let Some(tokens) = end.usage {
                    *used = Used { tokens, estimated: false };
                }
                return Ok(latency);
            }
        }
    }
    let words = format!("{}/{model}: the answer has no end marker. Try again, or choose another model.", provider.id());
    let error = no_provider(provider.id(), model, words);
    Err(ProviderError { kind: ProviderErrorKind::Cut, ..error })
}

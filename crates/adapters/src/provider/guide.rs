//! The built-in guide: answers with no model and no network, so that SimpleClaw does
//! something on the first start, and leads to a real model.
//!
//! It is a script and says so. It knows a few questions by their words, the same question
//! always gets the same answer, and what it does not know it does not pretend to. The one thing it calls tools for is in
//! `approval`.

mod approval;

use std::time::Duration;

use futures_util::future::{self, BoxFuture};
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::sleep;

use super::models::named;
use super::{
    ChatEnd, ChatMessage, ChatPiece, ChatRequest, ChatStream, Modality, Model, Part, Provider, ProviderError, Stop,
    ToolCall,
};

/// The provider's id.
const ID: &str = "builtin";
/// The only model's id.
const MODEL: &str = "guide";
/// A pace at which words can be followed, and an answer can be stopped.
const PER_WORD: Duration = Duration::from_millis(12);
/// The longest that the pauses of an answer take together; long answers go faster. Timers are
/// late by up to a millisecond each, which makes it about four seconds.
const LONGEST: Duration = Duration::from_millis(3500);

/// The scripted assistant, `builtin/guide`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Guide;

impl Guide {
    pub fn new() -> Self {
        Self
    }

    /// Its only model.
    pub fn model() -> Model {
        Model {
            name: "Built-in guide (a script, not a language model)".to_owned(),
            input: Some(vec![Modality::Text]),
            reasoning: Some(false),
            tool_use: Some(true),
            ..named(MODEL)
        }
    }
}

impl Provider for Guide {
    fn id(&self) -> &str {
        ID
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<Model>, ProviderError>> {
        future::ready(Ok(vec![Self::model()])).boxed()
    }

    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<ChatStream, ProviderError>> {
        future::ready(Ok(spoken(answer(&request)))).boxed()
    }
}

/// An answer: words, and at most one call.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    text: String,
    call: Option<ToolCall>,
}

impl Said {
    fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), call: None }
    }

    fn call(text: impl Into<String>, call: ToolCall) -> Self {
        Self { text: text.into(), call: Some(call) }
    }
}

/// The answer word by word, then its end.
fn spoken(Said { text, call }: Said) -> ChatStream {
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    let count = u32::try_from(words.len()).unwrap_or(u32::MAX).max(1);
    let pause = PER_WORD.min(LONGEST / count);
    let words = stream::iter(words).then(move |word| async move {
        sleep(pause).await;
        Ok(ChatPiece::Text(word))
    });
    let stop = if call.is_some() { Stop::ToolCalls } else { Stop::End };
    let end = ChatEnd { tool_calls: call.into_iter().collect(), usage: None, stop };
    words.chain(stream::iter([Ok(ChatPiece::End(end))])).boxed()
}

/// The first answer of a conversation says what is speaking.
fn answer(ChatRequest { messages, tools, .. }: &ChatRequest) -> Said {
    let first = !messages.iter().any(|message| matches!(message, ChatMessage::Assistant { .. }));
    let (question, attached) = last_question(messages);
    let topic = match Topic::of(&question) {
        Topic::Unknown if attached => Topic::Attached,
        topic => topic,
    };
    let said = match topic.text() {
        Some(text) => Said::text(text),
        None => approval::next(messages, tools),
    };
    if first { Said { text: format!("{LABEL}\n\n{}", said.text), ..said } } else { said }
}

/// The words of the last question in lower case, and whether something was attached. A file's own words are no question.
fn last_question(messages: &[ChatMessage]) -> (String, bool) {
    let parts = messages.iter().rev().find_map(|message| match message {
        ChatMessage::User { parts } => Some(parts),
        _ => None,
    });
    let mut attached = false;
    let mut texts = Vec::new();
    for part in parts.into_iter().flatten() {
        match part {
            Part::Text(text) => texts.push(text.as_str()),
            Part::Attached(_) | Part::Image { .. } => attached = true,
        }
    }
    (texts.join(" ").to_lowercase(), attached)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Topic {
    Long,
    Approval,
    Connect,
    Privacy,
    Tray,
    Abilities,
    Greeting,
    Attached,
    Unknown,
}

impl Topic {
    /// The first topic whose words the question, in lower case, has.
    fn of(question: &str) -> Self {
        let has = |terms: &[&str]| has_term(question, terms);
        // Earlier messages that got no answer stand before it, and notes of the system: no tool is called for those.
        let wishes = |terms: &[&str]| has_term(question.rsplit("\n\n").next().unwrap_or_default(), terms);
        if has(&["something long", "long answer", "long text", "streaming", "stream"]) {
            Self::Long
        } else if wishes(&["approval", "approvals", "approve", "permission", "permissions", "you ask me"]) {
            Self::Approval
        } else if has(CONNECT) {
            Self::Connect
        } else if has(&["privacy", "private", "safe", "safety", "secure", "security", "telemetry", "my data"]) {
            Self::Privacy
        } else if has(&["tray", "icon", "menu bar", "close the window", "quit"]) {
            Self::Tray
        } else if wishes(&["tool", "tools"]) {
            Self::Approval
        } else if has(&[
            "can you do",
            "what do you do",
            "who are you",
            "what are you",
            "what is simpleclaw",
            "features",
        ]) {
            Self::Abilities
        } else if has(&["hello", "hi", "hey", "help", "start", "good morning", "good evening", "thanks", "thank you"]) {
            Self::Greeting
        } else {
            Self::Unknown
        }
    }

    /// What is said of it; `None`: it is shown.
    fn text(self) -> Option<&'static str> {
        Some(match self {
            Self::Approval => return None,
            Self::Long => LONG_TEXT,
            Self::Connect => CONNECT_TEXT,
            Self::Privacy => PRIVACY_TEXT,
            Self::Tray => TRAY_TEXT,
            Self::Abilities => ABILITIES_TEXT,
            Self::Greeting => GREETING_TEXT,
            Self::Attached => ATTACHED_TEXT,
            Self::Unknown => UNKNOWN_TEXT,
        })
    }
}

/// Whether a question, in lower case, has one of these terms. A term of several words is looked for as it is; one word
/// only as a whole word, or `hi` would be in `this`.
fn has_term(question: &str, terms: &[&str]) -> bool {
    let words: Vec<&str> = question.split(|c: char| !c.is_alphanumeric()).collect();
    terms.iter().any(|term| if term.contains(' ') { question.contains(term) } else { words.contains(term) })
}

const CONNECT: &[&str] = &[
    "ollama",
    "lm studio",
    "lmstudio",
    "llama",
    "llama server",
    "openai",
    "anthropic",
    "claude",
    "gemini",
    "api key",
    "apikey",
    "real model",
    "a model",
    "local model",
    "language model",
    "connect",
    "configure",
    "config",
];

const LABEL: &str = "I am SimpleClaw's **built-in guide**: a script, not a language model.";

const GREETING_TEXT: &str = "\
Hello! No model is connected yet, so for now you get me. I work offline and can tell you about:

- **connecting a model**: \"How do I connect a model?\"
- **privacy and safety**: \"Is this private?\"
- **the tray icon**: \"What does the tray do?\"
- **tools and approvals**, with a real one: \"Show me an approval\"
- **streaming**: \"Tell me something long\"";

const ABILITIES_TEXT: &str = "\
SimpleClaw is a personal AI gateway: one program on your machine that keeps your conversations and connects them to the \
model you choose.

I am only here until there is one. I answer a few questions about SimpleClaw itself, always in the same words. I cannot \
reason, write or search. Tools I use only to show how an agent asks you before it does more than it may: \"Show me an \
approval\".

To go on with a real model, ask: \"How do I connect a model?\"";

const CONNECT_TEXT: &str = "\
### Without an account

Start one of these on this machine. SimpleClaw looks for them on their usual ports and uses what it finds:

- **Ollama**, port 11434. For example: `ollama pull llama3.2`
- **llama-server** (llama.cpp), port 8080. For example: `llama-server -m model.gguf`
- **LM Studio**, port 1234. Load a model and start its server.

### With an API key

Open the **Models** page and choose **Add a provider**. Paste the key; it is tested before it is saved. It goes into \
the secret store of this machine, and there is no file to edit. For any other server that speaks OpenAI's API, choose \
**Like OpenAI** and give its address.

### Without a window

The same in a terminal, while the gateway runs. The first command asks for the key:

```sh
simpleclaw secrets set anthropic
simpleclaw config set models.providers.anthropic '{api: anthropic, apiKey: {secret: anthropic}}'
```

`api` can also be `openai`, `gemini` or `ollama`; `baseUrl` beside it names another address. What the second command \
writes can be written by hand as well, into `~/.simpleclaw/config.yaml`:

```yaml
models:
  providers:
    anthropic: {api: anthropic, apiKey: {secret: anthropic}}
```

Agents use the first configured provider, else a local server, else me.";

const PRIVACY_TEXT: &str = "\
- **Your conversations** are kept on this machine, in `~/.simpleclaw`.
- **The gateway** listens on this machine only, unless you change `gateway.bind`. Programs need its token to connect.
- **What leaves the machine**: with a hosted model, your messages and attachments go to that provider. With a local \
model, or with me, they stay here.";

const TRAY_TEXT: &str = "\
The tray icon is there for as long as the desktop app runs. Its shape shows the state: ready, working, degraded, or \
paused.

Its menu opens the chat and your recent sessions, stops or pauses all agents, and **Quit** ends the app. Closing a \
window does not: the gateway goes on working.";

const ATTACHED_TEXT: &str = "\
What you attached has arrived and is kept with this conversation. I cannot look into it: I am the built-in guide, a \
script, and no language model is connected.

Once one is, just ask about it here: a model is given the files of earlier messages too, and pictures where it can see. \
Ask me \"How do I connect a model?\" for the steps.";

const UNKNOWN_TEXT: &str = "\
I cannot answer that. I am the built-in guide, a script, and no language model is connected.

To get a real answer, start **Ollama**, **llama-server** or **LM Studio** on this machine, or add a provider with its \
API key on the **Models** page. Ask me \"How do I connect a model?\" for the steps, then ask again.";

const LONG_TEXT: &str = "\
Here is something long, so that you can watch an answer arrive. A language model does not think of a whole answer and \
then send it. It makes one small piece after another, and each is passed on as soon as it is there. That is what you \
see now, although these pieces come from a script.

**What happens on the way.** Your message is stored first, so that nothing is lost if the power fails a second later. \
Then a run begins, and every piece of its answer is an event. All the windows you have open follow the same events: if \
you open this session in a second window, the same words appear there as well.

**What you can try meanwhile.** Press *Stop*, and the answer ends where it is; what has arrived stays in the session. \
Send a second message, and it waits in line until this one is done, because a session has one run at a time. Other \
sessions do not wait for it.

**Where the words go.** They are written down as they come, not only at the end, so a session can be read again later, \
searched, or opened on another day. If the connection between a window and the gateway breaks, the window asks for what \
it has missed and goes on.

**Why this matters.** A long answer from a large model can take a minute or more. Seeing it grow tells you early \
whether it goes where you wanted, and stopping it early saves time, and with a paid provider also money.

That is all there is to see. To see the same with a real model, ask me: \"How do I connect a model?\"";

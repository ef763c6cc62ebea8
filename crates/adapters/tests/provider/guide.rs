//! The built-in guide.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::{join, join_all};
use serde_json::json;
use simpleclaw_adapters::provider::guide::Guide;
use simpleclaw_adapters::provider::{ChatMessage, ChatPiece, ChatRequest, Part, Provider, Stop, ToolSpec};

use crate::fake::{ask, pieces, request, user};

const LABEL: &str = "I am SimpleClaw's **built-in guide**: a script, not a language model.";

async fn said(question: &str) -> String {
    let answer = ask(&Guide::new(), ChatRequest { messages: vec![user(question)], ..request() }).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.end.usage, &answer.end.stop), (None, &Stop::End));
    assert!(answer.end.tool_calls.is_empty());
    answer.text
}

#[tokio::test]
async fn it_is_one_model_under_its_name() {
    let guide = Guide::new();
    assert_eq!(guide.id(), "builtin");
    let models = guide.models().await.expect("models");
    assert_eq!(models.len(), 1);
    assert_eq!(models[0].id, "guide");
}

#[tokio::test]
async fn its_first_words_say_what_it_is() {
    for question in ["hello", "help", "What is the capital of France?", "", "🦀", "connect ollama"] {
        assert!(said(question).await.starts_with(LABEL), "{question}");
    }
}

#[tokio::test]
async fn it_labels_itself_once_in_a_conversation() {
    let earlier = ChatMessage::Assistant { text: "…".to_owned(), tool_calls: vec![] };
    let messages = vec![user("hello"), earlier, user("what does the tray do?")];
    let answer = ask(&Guide::new(), ChatRequest { messages, ..request() }).await.expect("an answer");
    assert!(answer.text.starts_with("The tray icon"), "{}", answer.text);
}

#[tokio::test]
async fn it_knows_its_questions_by_their_words() {
    let mut asked = Vec::new();
    for (question, answer) in [
        ("Hi!", "Hello!"),
        ("thanks", "Hello!"),
        ("What can you do?", "personal AI gateway"),
        ("How do I connect a model?", "**Add a provider**"),
        ("does it work with LM Studio", "port 1234"),
        ("where does my API key go", "into the secret store of this machine"),
        ("Is this private?", "this machine only"),
        ("What does the tray do?", "**Quit** ends the app"),
        ("Tell me something long", "Here is something long"),
        ("What is the capital of France?", "I cannot answer that"),
        ("What is the capital of Italy?", "on the **Models** page"),
        ("this is odd", "I cannot answer that"),
        // No tools are offered here.
        ("Show me an approval", "I cannot show one here"),
        ("What can you ask me?", "I cannot show one here"),
        ("Which tools do you have?", "I cannot show one here"),
        ("Are your tools safe?", "this machine only"),
    ] {
        asked.push(async move {
            let said = said(question).await;
            assert!(said.contains(answer), "{question}: {said}");
        });
    }
    // All at once: each takes as long as a person needs to read along.
    join_all(asked).await;
}

/// Files are said to have arrived and not to be looked at; their own words are no question, and a question beside them
/// is answered.
#[tokio::test]
async fn it_says_that_it_cannot_look_into_files() {
    let file = Part::Attached("--- file \"hello.txt\" ---\nhello, how do I connect a model?".to_owned());
    for (parts, answer) in [
        (vec![file.clone()], "I cannot look into it"),
        (vec![Part::Text("What is in here?".to_owned()), file.clone()], "I cannot look into it"),
        (vec![Part::Text("Is this private?".to_owned()), file], "this machine only"),
    ] {
        let messages = vec![ChatMessage::User { parts }];
        let said = ask(&Guide::new(), ChatRequest { messages, ..request() }).await.expect("an answer").text;
        assert!(said.starts_with(LABEL) && said.contains(answer), "{said}");
    }
}

/// Asked for it, it calls a tool as a model does; and only for the last words, not for what stands unanswered before.
#[tokio::test]
async fn it_calls_tools_where_it_is_asked_to() {
    let tools: Vec<_> = ["exec", "list"]
        .map(|name| ToolSpec { name: name.to_owned(), description: String::new(), schema: json!({}) })
        .into();
    for (question, call) in [
        ("Show me an approval", Some("list")),
        ("approval", Some("list")),
        ("tools", Some("list")),
        ("Show me an approval\n\nhello", None),
        ("[Note from the system, not from the user]\nan approval waits\n\nhello", None),
        ("hello", None),
    ] {
        let asked = ChatRequest { messages: vec![user(question)], tools: tools.clone(), ..request() };
        let answer = ask(&Guide::new(), asked).await.expect("an answer");
        assert!(answer.text.starts_with(LABEL), "{}", answer.text);
        let stop = if call.is_some() { Stop::ToolCalls } else { Stop::End };
        assert_eq!(answer.end.stop, stop, "{question}");
        let calls: Vec<_> = answer.end.tool_calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(calls, Vec::from_iter(call), "{question}");
    }
}

#[tokio::test]
async fn the_same_question_gets_the_same_words() {
    let (one, other) = join(said("tell me something long"), said("Tell me something LONG!")).await;
    assert_eq!(one, other);
}

#[tokio::test]
async fn it_speaks_word_by_word_and_never_for_long() {
    for (question, least) in [("hello", 20), ("tell me something long", 250)] {
        let started = Instant::now();
        let asked = ChatRequest { messages: vec![user(question)], ..request() };
        let (pieces, error) = pieces(&Guide::new(), asked).await;
        let took = started.elapsed();
        assert_eq!(error, None);
        assert!(pieces.len() > least, "{} pieces", pieces.len());
        // Its pauses add up to 3.5 s at most; a busy machine adds something to each of several hundred.
        assert!(took > Duration::from_millis(100) && took < Duration::from_secs(20), "{question}: {took:?}");
        let texts = pieces.iter().filter(|piece| matches!(piece, ChatPiece::Text(text) if !text.is_empty()));
        assert_eq!(texts.count(), pieces.len() - 1, "only text and the end");
    }
}

#[tokio::test]
async fn it_can_be_stopped() {
    let asked = ChatRequest { messages: vec![user("tell me something long")], ..request() };
    let mut stream = Guide::new().stream(asked).await.expect("a stream");
    let started = Instant::now();
    stream.next().await.expect("a piece").expect("text");
    drop(stream);
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// The page comes before the terminal, and the file last. That what is to be typed and written works is tested with the
/// command line.
#[tokio::test]
async fn it_leads_to_the_page_first() {
    let said = said("how do I connect a model?").await;
    let ways = ["**Add a provider**", "```sh\nsimpleclaw secrets set", "```yaml\nmodels:"];
    let places = ways.map(|way| said.find(way).unwrap_or_else(|| panic!("no {way:?} in {said}")));
    assert!(places.is_sorted(), "{said}");
}

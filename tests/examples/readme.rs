use simpleclaw_client::{Client, ClientEvent, Options, Token};
use simpleclaw_protocol::{
    events::ChatState,
    methods::chat::{ChatSend, ChatSendParams},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let home = std::env::home_dir().unwrap_or_default().join(".simpleclaw");
    let token = std::env::var("SIMPLECLAW_TOKEN").or_else(|_| std::fs::read_to_string(home.join("token")))?;
    let url = std::env::var("SIMPLECLAW_URL").unwrap_or("ws://localhost:18789".into());
    let client = Client::connect(Options::new(url, Token::new(token))).await?;
    let mut events = client.events();
    let run = uuid::Uuid::new_v4().to_string(); // the idempotency key, and so the run's id
    let message = ChatSendParams {
        session_key: "main".into(),
        message: "Hello!".into(),
        idempotency_key: run.clone(),
        options: Default::default(),
    };
    client.call::<ChatSend>(&message).await?;
    while let Some(event) = events.next().await {
        let ClientEvent::Event(frame) = event else { continue };
        let Some(chat) = frame.chat().filter(|chat| chat.run_id == run) else { continue };
        print!("{}", chat.delta.unwrap_or_default());
        match (chat.state, chat.message, chat.error) {
            (ChatState::Final, Some(message), _) => {
                println!("\n---\n{}", message.text());
                return Ok(());
            }
            (ChatState::Error | ChatState::Aborted, _, error) => return Err(format!("{error:?}").into()),
            _ => {}
        }
    }
    Err("the connection has ended".into())
}

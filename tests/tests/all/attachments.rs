//! Files in messages: taken in, kept, shown to models and clients, read back (protocol.md 4 and 8).

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use simpleclaw_tests::fakes::{Answer, Model};
use simpleclaw_tests::raw::encode;
use simpleclaw_tests::{DEADLINE, Encoding, Gateway, RawClient, within};
use tokio_tungstenite::tungstenite::Message;

use crate::chat::{history, send, text_of, with_model};

const MIB: usize = 1024 * 1024;

/// Bytes that begin as a PNG does.
pub fn png(rest: &[u8]) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n", rest].concat()
}

pub fn file(name: &str, mime_type: &str, bytes: &[u8]) -> Value {
    json!({ "name": name, "mimeType": mime_type, "content": STANDARD.encode(bytes) })
}

pub fn send_with(text: &str, run: &str, files: &[Value]) -> Value {
    let mut params = send("main", text, run);
    params["attachments"] = json!(files);
    params
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's bytes, part by part.
async fn read(client: &mut RawClient, id: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut params = json!({ "attachmentId": id });
    loop {
        let part = client.ok("attachments.get", params.clone()).await;
        assert_eq!((&part["attachmentId"], &part["offset"]), (id, &json!(bytes.len())));
        let more = STANDARD.decode(part["content"].as_str().expect("base64")).expect("base64");
        assert!(more.len() <= MIB, "{} bytes in one part", more.len());
        bytes.extend(more);
        if part["nextOffset"].is_null() {
            assert_eq!((&part["sizeBytes"], &part["sha256"]), (&json!(bytes.len()), &json!(sha256(&bytes))));
            return bytes;
        }
        params["offset"] = part["nextOffset"].clone();
    }
}

fn files_on_disk(gateway: &Gateway) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(gateway.home.path().join("state/attachments")).expect("the folder");
    folder.map(|entry| entry.expect("an entry").path()).collect()
}

/// The parts of the last message of a model call; a plain text is one part.
fn last_parts(call: &Value) -> Vec<Value> {
    let content = &call["messages"].as_array().and_then(|messages| messages.last()).expect("a message")["content"];
    content.as_array().cloned().unwrap_or_else(|| vec![json!({ "type": "text", "text": content })])
}

fn last_text(call: &Value) -> String {
    let parts = last_parts(call);
    parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
}

/// Two clients in both encodings: one sends a picture, the other sees its message and reads its bytes, the model gets
/// it as it was.
#[tokio::test]
async fn a_picture_goes_to_the_model_and_to_every_client() {
    let picture = png(&[0, 1, 2, 253, 254, 255]);
    for (encoding, other) in [(Encoding::Json, Encoding::Msgpack), (Encoding::Msgpack, Encoding::Json)] {
        let (model, gateway) = with_model("").await;
        let mut client = gateway.connect(encoding).await;
        let mut watcher = gateway.connect(other).await;
        let params = send_with("What is this?", "r", &[file("cat.png", "image/png", &picture)]);
        let sent = client.ok("chat.send", params).await;
        let told = watcher.event_named("session.message").await["payload"]["message"].clone();
        assert_eq!(told["id"], sent["messageId"]);
        let id = &told["content"][1]["attachmentId"];
        let block = json!({
            "type": "image", "attachmentId": id, "name": "cat.png", "mimeType": "image/png",
            "sizeBytes": picture.len(), "sha256": sha256(&picture),
        });
        assert_eq!(told["content"], json!([{ "type": "text", "text": "What is this?" }, block]));
        client.run_to_end("r").await;
        assert_eq!(history(&mut client, "main").await[0], told);
        for client in [&mut client, &mut watcher] {
            assert_eq!(read(client, id).await, picture);
        }
        let url = format!("data:image/png;base64,{}", STANDARD.encode(&picture));
        let expected = json!([
            { "type": "text", "text": "What is this?" },
            { "type": "text", "text": "[image cat.png]" },
            { "type": "image_url", "image_url": { "url": url } },
        ]);
        assert_eq!(json!(last_parts(&model.calls()[0])), expected);
        // The next turn still has it.
        client.ok("chat.send", send("main", "And its colour?", "r2")).await;
        client.run_to_end("r2").await;
        assert!(model.calls()[1]["messages"].to_string().contains(&url));
        assert_eq!(model.faults(), Vec::<String>::new());
    }
}

/// MessagePack may carry the bytes themselves.
#[tokio::test]
async fn bytes_may_come_as_bytes() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
    let stand_in = "XXXXXXXXXXXXXXXXXXXXXXXX";
    let mut params = send_with("", "r", &[file("a.bin", "application/octet-stream", b"")]);
    params["attachments"][0]["content"] = stand_in.into();
    let Message::Binary(frame) =
        encode(Encoding::Msgpack, &json!({ "type": "req", "id": "s", "method": "chat.send", "params": params }))
    else {
        panic!("MessagePack is binary");
    };
    // A text of 24 signs is `0xb8` and the signs; `0xc6` and four bytes of length begin binary data.
    let place = frame.windows(24).position(|window| window == stand_in.as_bytes()).expect("the stand-in");
    assert_eq!(frame[place - 1], 0xb8);
    let length = u32::try_from(bytes.len()).expect("small").to_be_bytes();
    let frame = [&frame[..place - 1], &[0xc6], &length, &bytes, &frame[place + 24..]].concat();
    client.send_message(Message::binary(frame)).await;
    assert_eq!(client.answer("s").await["ok"], true);
    let id = history(&mut client, "main").await[0]["content"][0]["attachmentId"].clone();
    assert!(read(&mut client, &id).await == bytes);
}

/// Everything that is wrong is named at its place, with what to do; nothing is stored of it.
#[tokio::test]
async fn what_is_no_attachment_is_refused_at_its_place() {
    let gateway = Gateway::start().await;
    let good = || file("a.txt", "text/plain", b"hi");
    let with = |member: &str, value: Value| {
        let mut file = good();
        file[member] = value;
        file
    };
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        for (broken, place, words) in [
            (with("content", json!("a?==")), "/attachments/1/content", "base64"),
            (with("content", json!("aGk")), "/attachments/1/content", "padding"),
            (with("content", json!("data:text/plain;base64,aGk=")), "/attachments/1/content", "`data:`"),
            (with("content", json!("")), "/attachments/1/content", "empty"),
            (with("content", json!(7)), "/attachments/1/content", "string"),
            (with("name", json!("../../etc/passwd")), "/attachments/1/name", "not a path"),
            (with("name", json!("a\\b")), "/attachments/1/name", "not a path"),
            (with("name", json!("a\u{0}b")), "/attachments/1/name", "take it out"),
            (with("name", json!("a\nb")), "/attachments/1/name", "take it out"),
            (with("name", json!("..")), "/attachments/1/name", "give the file a name"),
            (with("name", json!("")), "/attachments/1/name", "character"),
            (with("name", json!("x".repeat(256))), "/attachments/1/name", ""),
            (with("mimeType", json!("text")), "/attachments/1/mimeType", "image/png"),
            (with("mimeType", json!("text/pl ain")), "/attachments/1/mimeType", "image/png"),
            (with("size", json!(2)), "/attachments/1/size", "unknown member"),
        ] {
            let error = client.err("chat.send", send_with("hi", "k", &[good(), broken])).await;
            assert_eq!(error["code"], "INVALID_REQUEST", "{error}");
            let issue = &error["details"]["issues"][0];
            assert_eq!(issue["path"], place, "{error}");
            assert!(issue["message"].as_str().is_some_and(|text| text.contains(words)), "{error}");
        }
        let error = client.err("chat.send", send_with("hi", "k", &vec![good(); 33])).await;
        assert_eq!(error["details"]["issues"][0]["path"], "/attachments", "{error}");
        let error = client.err("chat.send", send_with(" ", "k", &[])).await;
        assert_eq!(error["details"]["issues"][0]["path"], "/message", "{error}");
        for (params, code, place) in [
            (json!({ "attachmentId": "nobody" }), "NOT_FOUND", Value::Null),
            (json!({ "attachmentId": "../gateway.db" }), "NOT_FOUND", Value::Null),
            (json!({}), "INVALID_REQUEST", json!("/attachmentId")),
        ] {
            let error = client.err("attachments.get", params).await;
            assert_eq!((&error["code"], &error["details"]["issues"][0]["path"]), (&json!(code), &place), "{error}");
        }
        assert_eq!(history(&mut client, "main").await, Vec::<Value>::new());
    }
    assert_eq!(files_on_disk(&gateway), Vec::<PathBuf>::new());
}

/// 16 MiB are taken and come back whole in parts; a byte more is TOO_LARGE, and `attachments.maxMb` can say less.
#[tokio::test]
async fn a_large_file_is_read_in_parts() {
    let bytes: Vec<u8> = (0..16 * MIB).map(|place| (place.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let gateway = Gateway::start().await;
    for encoding in Encoding::ALL {
        let mut client = gateway.connect(encoding).await;
        client.checks_events = false;
        let run = format!("r-{encoding:?}");
        let params = send_with("big", &run, &[file("big.bin", "application/octet-stream", &bytes)]);
        client.ok("chat.send", params).await;
        let messages = history(&mut client, "main").await;
        let message = messages.iter().find(|message| message["runId"] == run.as_str()).expect("the message");
        let id = &message["content"][1]["attachmentId"];
        assert!(read(&mut client, id).await == bytes);
        let end = client.ok("attachments.get", json!({ "attachmentId": id, "offset": 16 * MIB })).await;
        assert_eq!((&end["content"], &end["nextOffset"]), (&json!(""), &Value::Null));
        let error = client.err("attachments.get", json!({ "attachmentId": id, "offset": 16 * MIB + 1 })).await;
        assert_eq!(error["details"]["issues"][0]["path"], "/offset", "{error}");
        let more = [&bytes[..], b"x"].concat();
        let error = client.err("chat.send", send_with("", "k", &[file("big.bin", "a/b", &more)])).await;
        assert_eq!((&error["code"], &error["retryable"]), (&json!("TOO_LARGE"), &json!(false)), "{error}");
        assert_eq!(error["details"]["issues"][0]["path"], "/attachments/0/content", "{error}");
        assert!(error["message"].as_str().expect("words").contains("16 MB"), "{error}");
    }
    assert_eq!(files_on_disk(&gateway).len(), 1, "equal files are one");
    let gateway = Gateway::with_config("models: {detect: false}\nattachments: {maxMb: 1}\n").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let error = client.err("chat.send", send_with("", "k", &[file("a", "a/b", &bytes[..MIB + 1])])).await;
    assert_eq!(error["code"], "TOO_LARGE", "{error}");
    client.ok("chat.send", send_with("", "k", &[file("a", "a/b", &bytes[..MIB])])).await;
}

/// What was acknowledged is there after a kill, for the person and for the model; what nobody has is swept up; the
/// files are the user's alone.
#[tokio::test]
async fn an_acknowledged_attachment_survives_a_kill() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let (picture, notes) = (png(b"one"), b"remember the milk".to_vec());
    let files = [file("a.png", "image/png", &picture), file("n.txt", "text/plain", &notes)];
    // One more with the same bytes, to be one file.
    let again = [file("b.txt", "text/plain", &notes)];
    client.ok("gateway.pause", json!({})).await;
    let first = client.start("chat.send", send_with("look", "r", &files)).await;
    assert_eq!(client.answer(&first).await["ok"], true);
    let home = gateway.crash().await;

    let folder = home.path().join("state/attachments");
    std::fs::write(folder.join(sha256(b"orphan")), b"orphan").expect("a file");
    std::fs::write(folder.join("0123.tmp"), b"half").expect("a file");
    let gateway = Gateway::in_home(&home).await;
    let mut client = gateway.connect(Encoding::Json).await;
    let swept = async {
        while files_on_disk(&gateway).len() > 2 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    within(DEADLINE, "end of the sweep", swept).await;
    client.ok("chat.send", send_with("", "r2", &again)).await;
    let files = files_on_disk(&gateway);
    assert_eq!(files.len(), 2, "{files:?}");
    for path in &files {
        assert_eq!(std::fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let messages = history(&mut client, "main").await;
    assert_eq!(read(&mut client, &messages[0]["content"][1]["attachmentId"]).await, picture);
    assert_eq!(read(&mut client, &messages[0]["content"][2]["attachmentId"]).await, notes);
    assert_eq!(read(&mut client, &messages[1]["content"][0]["attachmentId"]).await, notes);
    client.ok("gateway.resume", json!({})).await;
    client.run_to_end("r").await;
    let asked = model.calls()[0]["messages"].to_string();
    assert!(asked.contains(&STANDARD.encode(&picture)) && asked.contains("remember the milk"), "{asked}");
}

/// A repeat of the key gives the first answer; with another file under the same name it is CONFLICT.
#[tokio::test]
async fn a_repeat_is_compared_by_the_files() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Json).await;
    let params = |bytes: &[u8], name: &str| send_with("look", "k", &[file(name, "text/plain", bytes)]);
    let first = client.ok("chat.send", params(b"one", "a")).await;
    client.run_to_end("k").await;
    let again = client.ok("chat.send", params(b"one", "a")).await;
    assert_eq!((&again["messageId"], &again["status"]), (&first["messageId"], &json!("ok")));
    for other in [params(b"two", "a"), params(b"one", "b"), send("main", "look", "k")] {
        assert_eq!(client.err("chat.send", other).await["code"], "CONFLICT");
    }
    assert_eq!(history(&mut client, "main").await.len(), 2);
    assert_eq!(model.calls().len(), 1);
}

/// Requests of one connection are stored in their order although one has a file to store first.
#[tokio::test]
async fn a_file_is_not_overtaken() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    client.ok("gateway.pause", json!({})).await;
    client.start("chat.send", send("main", "1", "r1")).await;
    client.start("chat.send", send_with("2", "r2", &[file("a", "a/b", &vec![7; 4 * MIB])])).await;
    client.start("chat.send", send("main", "3", "r3")).await;
    client.start("chat.inject", json!({ "sessionKey": "main", "message": "4" })).await;
    client.start("chat.send", send_with("5", "r5", &[file("a", "a/b", b"5")])).await;
    client.start("chat.send", send("main", "6", "r6")).await;
    for _ in 0..6 {
        assert_eq!(client.frame_of_any_answer().await["ok"], true);
    }
    let texts: Vec<_> =
        history(&mut client, "main").await.iter().map(|message| message["content"][0]["text"].clone()).collect();
    assert_eq!(json!(texts), json!(["1", "2", "3", "4", "5", "6"]));
}

/// Texts come as text between lines that name the file, cut where they are long; of the rest the model has the name.
#[tokio::test]
async fn a_model_reads_texts_and_is_told_of_the_rest() {
    let (model, gateway) = with_model("").await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let long = "0123456789".repeat(10_000);
    let files = [
        file("data.json", "application/json", b"{\"a\": 1}"),
        file("main.rs", "application/octet-stream", b"fn main() {}"),
        file("odd.txt", "text/plain", b"\xff\xfe\x00"),
        file("paper.pdf", "application/pdf", b"%PDF-1.7"),
        file("no.png", "image/png", b"this is no picture"),
    ];
    client.ok("chat.send", send_with("", "r1", &files)).await;
    client.run_to_end("r1").await;
    let content = history(&mut client, "main").await[0]["content"].clone();
    let id = |place: usize| content[place]["attachmentId"].as_str().expect("an id").to_owned();
    let (first, second) = (id(0), id(1));
    let expected = format!(
        "--- file data.json, application/json, id {first} ---\n{{\"a\": 1}}\n--- end of file data.json, id {first} ---\n\
         --- file main.rs, application/octet-stream, id {second} ---\nfn main() {{}}\n\
         --- end of file main.rs, id {second} ---\n\
         [file odd.txt, text/plain, 3 bytes: its content cannot be shown here]\n\
         [file paper.pdf, application/pdf, 8 bytes: its content cannot be shown here]\n\
         [file no.png, image/png, 18 bytes: its content cannot be shown here]"
    );
    assert_eq!(last_text(&model.calls()[0]), expected);
    assert_eq!(content[4]["type"], "file", "an image is what its bytes say");
    client.ok("chat.send", send_with("Read it", "r2", &[file("long.txt", "text/plain", long.as_bytes())])).await;
    client.run_to_end("r2").await;
    let text = last_text(&model.calls()[1]);
    assert!(text.starts_with("Read it\n--- file long.txt") && text.len() < 70_000, "{}", text.len());
    let cut = text.split_once("[cut here: the first ").expect("a cut").1;
    assert!(cut.contains("of 100000 bytes]\n--- end of file long.txt"), "{cut}");
    // Lost by hand: the model is told, and the conversation goes on.
    for path in files_on_disk(&gateway) {
        std::fs::remove_file(path).expect("a file");
    }
    client.ok("chat.send", send("main", "Still there?", "r3")).await;
    client.run_to_end("r3").await;
    assert!(model.calls()[2].to_string().contains("it cannot be read any more"));
    let error = client.err("attachments.get", json!({ "attachmentId": first })).await;
    assert!(error["code"] == "NOT_FOUND" && error["message"].as_str().expect("words").contains("is gone"), "{error}");
    assert_eq!(model.faults(), Vec::<String>::new());
}

/// A model that is known not to see is told what it does not see; one that turns out not to see is asked again so.
#[tokio::test]
async fn a_model_that_cannot_see_is_told_so() {
    let picture = file("cat.png", "image/png", &png(b"x"));
    let model = Model::start().await;
    let gateway = Gateway::with_config(&model.config_of("{id: scripted, input: [text]}", "")).await;
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send_with("Look!", "r", std::slice::from_ref(&picture))).await;
    assert_eq!(text_of(&client.run_to_end("r").await), "Hello.");
    let expected = "Look!\n[image cat.png not shown: model fake/scripted takes no images]";
    assert_eq!(last_text(&model.calls()[0]), expected);

    let (model, gateway) = with_model("").await;
    model.script([Answer::status(400, r#"{"error": {"message": "no image input, please"}}"#)]);
    let mut client = gateway.connect(Encoding::Json).await;
    client.ok("chat.send", send_with("Look!", "r", &[picture])).await;
    assert_eq!(text_of(&client.run_to_end("r").await), "Hello.");
    assert_eq!(last_parts(&model.calls()[0]).len(), 3);
    let expected = "Look!\n[image cat.png not shown: model fake/scripted refused the images]";
    assert_eq!(last_text(&model.calls()[1]), expected);
    let told = client.ok("diagnostics.list", json!({})).await.to_string();
    assert!(told.contains("images.refused") && told.contains("no image input, please"), "{told}");
}

/// A message of files alone has a preview and a title, and the guide says that it cannot look into them.
#[tokio::test]
async fn files_alone_are_a_message() {
    let gateway = Gateway::start().await;
    let mut client = gateway.connect(Encoding::Msgpack).await;
    let key = "agent:main:pictures";
    let mut params = send_with("", "r", &[file("cat_1.png", "image/png", &png(b"x")), file("a.pdf", "a/b", b"y")]);
    params["sessionKey"] = key.into();
    client.ok("gateway.pause", json!({})).await;
    client.ok("chat.send", params).await;
    let row = client.ok("sessions.get", json!({ "key": key })).await["session"].clone();
    assert_eq!(row["lastMessagePreview"], "Image: cat_1.png, File: a.pdf");
    assert_eq!(row["title"], "Image: cat_1.png, File: a.pdf");
    client.ok("gateway.resume", json!({})).await;
    let said = text_of(&client.run_to_end("r").await);
    assert!(said.contains("I cannot look into it"), "{said}");
}

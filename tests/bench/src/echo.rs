//! The yardstick: a bare tokio-tungstenite server on one thread that answers each message with one of fixed size.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

/// Serves until it is killed; the first line of standard output is the address.
pub fn serve(size: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("ws://{}", listener.local_addr()?);
        let answer = Bytes::from(vec![b'x'; size]);
        loop {
            let (stream, _) = listener.accept().await?;
            let answer = answer.clone();
            tokio::spawn(async move {
                stream.set_nodelay(true)?;
                let mut ws = tokio_tungstenite::accept_async(stream).await?;
                while let Some(Ok(Message::Text(_) | Message::Binary(_))) = ws.next().await {
                    ws.send(Message::Binary(answer.clone())).await?;
                }
                anyhow::Ok(())
            });
        }
    })
}

/// The echo server as a process of its own, ended when dropped.
pub struct Echo {
    child: Child,
    pub url: String,
}

impl Echo {
    pub fn start(size: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--echo").arg(size.to_string()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the echo server")?;
        let url = crate::target::first_line(&mut child)?;
        Ok(Self { child, url })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

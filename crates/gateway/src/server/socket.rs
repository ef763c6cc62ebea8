//! The byte stream below the WebSocket. It counts what the peer takes, and before authentication it holds the peer to
//! one message of bounded size: the WebSocket library cannot change its own limit once it runs.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Largest message before authentication, in bytes of payload over all its frames.
pub const MAX_BEFORE_AUTH: u64 = 64 * 1024;

/// What the connection sees of its socket.
#[derive(Debug, Default)]
pub struct Meter {
    written: AtomicU64,
    authenticated: AtomicBool,
    too_large: AtomicBool,
    reader: AtomicWaker,
}

impl Meter {
    /// Bytes that the kernel took from us.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lifts the limit and lets held bytes through.
    pub fn set_authenticated(&self) {
        self.authenticated.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Whether reading ended because of [`MAX_BEFORE_AUTH`].
    pub fn too_large(&self) -> bool {
        self.too_large.load(Ordering::Relaxed)
    }
}

/// A metered stream.
#[derive(Debug)]
pub struct Socket<S> {
    inner: S,
    meter: Arc<Meter>,
    gate: Gate,
}

impl<S> Socket<S> {
    pub fn new(inner: S) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (Self { inner, meter: Arc::clone(&meter), gate: Gate::default() }, meter)
    }
}

/// Follows the frame headers (RFC 6455, 5.2) of what the peer sends, until the first message is whole.
#[derive(Debug, Default)]
struct Gate {
    header: Vec<u8>,
    payload_left: u64,
    /// The frame being read ends the message.
    last_frame: bool,
    message_bytes: u64,
    message_done: bool,
}

impl Gate {
    /// How many bytes may be read without reading past the first message.
    fn allowance(&self) -> usize {
        match self.payload_left {
            0 => header_len(&self.header) - self.header.len(),
            left => usize::try_from(left).unwrap_or(usize::MAX),
        }
    }

    /// Takes note of bytes read, at most [`Self::allowance`]. `Err` where the message is too large.
    fn advance(&mut self, bytes: &[u8]) -> Result<(), ()> {
        if self.payload_left > 0 {
            self.payload_left = self.payload_left.saturating_sub(bytes.len() as u64);
        } else {
            self.header.extend_from_slice(bytes);
            if self.header.len() < header_len(&self.header) {
                return Ok(());
            }
            self.open_frame()?;
        }
        if self.payload_left == 0 && self.last_frame {
            self.message_done = true;
        }
        Ok(())
    }

    fn open_frame(&mut self) -> Result<(), ()> {
        let header = std::mem::take(&mut self.header);
        let (Some(first), Some(second)) = (header.first(), header.get(1)) else { return Ok(()) };
        let extended = |len: usize| {
            header.get(2..2 + len).unwrap_or_default().iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
        };
        self.payload_left = match second & 0x7f {
            126 => extended(2),
            127 => extended(8),
            short => u64::from(short),
        };
        let is_data = first & 0x0f < 8;
        self.last_frame = is_data && first & 0x80 != 0;
        if is_data {
            self.message_bytes = self.message_bytes.saturating_add(self.payload_left);
        }
        if self.message_bytes > MAX_BEFORE_AUTH { Err(()) } else { Ok(()) }
    }
}

/// How long a header is, as far as its first bytes say; at least the two that do.
fn header_len(header: &[u8]) -> usize {
    let Some(second) = header.get(1) else { return 2 };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + mask
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.meter.authenticated.load(Ordering::Acquire) {
            if this.gate.message_done {
                this.meter.reader.register(cx.waker());
                if !this.meter.authenticated.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
            } else {
                let mut limited = buf.take(this.gate.allowance());
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut limited))?;
                let read = limited.filled().len();
                // `take` shares the memory but not the mark of how far it is filled.
                #[expect(unsafe_code, reason = "the bytes were just filled by the inner reader")]
                unsafe {
                    buf.assume_init(read);
                }
                buf.advance(read);
                let filled = buf.filled();
                let new = filled.get(filled.len() - read..).unwrap_or_default();
                if this.gate.advance(new).is_err() {
                    this.meter.too_large.store(true, Ordering::Relaxed);
                    return Poll::Ready(Err(io::Error::other("a message over 64 KiB before authentication")));
                }
                return Poll::Ready(Ok(()));
            }
        }
        Pin::new(&mut this.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
        this.meter.written.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    fn frame(first: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match payload {
            0..126 => frame.push(0x80 | payload as u8),
            126..65536 => {
                frame.push(0x80 | 126);
                frame.extend((payload as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((payload as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.resize(frame.len() + payload, 7);
        frame
    }

    async fn read(sent: &[u8], authenticate_after: usize) -> (usize, bool) {
        let (mut peer, ours) = tokio::io::duplex(1 << 20);
        peer.write_all(sent).await.expect("room");
        let (mut socket, meter) = Socket::new(ours);
        let mut buffer = vec![0; 1 << 20];
        let mut got = 0;
        loop {
            if got >= authenticate_after {
                meter.set_authenticated();
            }
            let step = tokio::time::timeout(std::time::Duration::from_millis(50), socket.read(&mut buffer[got..]));
            match step.await {
                Ok(Ok(0)) | Err(_) => return (got, false),
                Ok(Ok(count)) => {
                    assert!(buffer[got..got + count] == sent[got..got + count], "the bytes come unchanged");
                    got += count;
                }
                Ok(Err(_)) => return (got, meter.too_large()),
            }
        }
    }

    #[tokio::test]
    async fn one_message_of_64_kib_passes_and_one_byte_more_does_not() {
        let whole = frame(0x82, 65_536);
        assert_eq!(read(&whole, usize::MAX).await, (whole.len(), false));
        assert!(read(&frame(0x82, 65_537), usize::MAX).await.1);
        let parts = [frame(0x02, 40_000), frame(0x89, 5), frame(0x80, 25_537)].concat();
        assert!(read(&parts, usize::MAX).await.1);
        assert!(read(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], usize::MAX).await.1);
    }

    #[tokio::test]
    async fn what_follows_the_first_message_waits_for_authentication() {
        let (first, second) = (frame(0x82, 300), frame(0x82, 200_000));
        let both = [first.clone(), second].concat();
        assert_eq!(read(&both, usize::MAX).await, (first.len(), false));
        assert_eq!(read(&both, first.len()).await, (both.len(), false));
    }
}

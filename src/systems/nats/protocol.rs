//! The protocol of NATS clients: lines of text, some of them followed by bytes.
//!
//! A request is a message with the subject on which its answer is expected. An answer without content has a status in its
//! headers, as of HTTP: 404 (there is none), 408 (there are no more), 503 (nobody listens to the subject).

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

/// The longest line that is read, bytes: a node introduces itself in one.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// The longest message that is read, bytes; what the bench writes is far shorter.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// What a node sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// How it introduces itself: JSON.
    Info(String),
    /// It wants to know whether the client is there.
    Ping,
    /// It has seen all that was sent before the client's own `PING`.
    Pong,
    /// A message.
    Message(Message),
    /// It did not understand, and closes the connection.
    Error(String),
}

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Where an answer to it is expected; empty if none is.
    pub reply: String,
    /// Its status; none for one with content.
    pub status: Option<u16>,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Reads what a node sends next.
///
/// # Errors
/// When the connection ends or carries something else; it cannot be used any more then.
pub(super) async fn read(stream: &mut BufStream<TcpStream>) -> io::Result<Frame> {
    let line = line(stream).await?;
    let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    match (verb, &words[..]) {
        ("INFO", _) => Ok(Frame::Info(rest.to_owned())),
        ("PING", _) => Ok(Frame::Ping),
        ("PONG", _) => Ok(Frame::Pong),
        ("-ERR", _) => Ok(Frame::Error(rest.to_owned())),
        ("MSG", [_, _, length]) => message(stream, "", "0", length).await,
        ("MSG", [_, _, reply, length]) => message(stream, reply, "0", length).await,
        ("HMSG", [_, _, headers, length]) => message(stream, "", headers, length).await,
        ("HMSG", [_, _, reply, headers, length]) => message(stream, reply, headers, length).await,
        _ => Err(strange(&line)),
    }
}

/// Writes a message to a subject; one with a reply subject asks for an answer.
pub(super) async fn publish(
    stream: &mut BufStream<TcpStream>,
    subject: &str,
    reply: &str,
    payload: &[u8],
) -> io::Result<()> {
    stream.write_all(format!("PUB {subject} {reply} {}\r\n", payload.len()).as_bytes()).await?;
    stream.write_all(payload).await?;
    stream.write_all(b"\r\n").await
}

async fn message(stream: &mut BufStream<TcpStream>, reply: &str, headers: &str, length: &str) -> io::Result<Frame> {
    let number = |word: &str| word.parse::<usize>().ok().filter(|bytes| *bytes <= MESSAGE_BYTES_MAX);
    let lengths = number(headers).zip(number(length)).filter(|(headers, length)| headers <= length);
    let (headers, length) = lengths.ok_or_else(|| strange(&format!("a message of {headers} and {length} bytes")))?;
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await?;
    if bytes.split_off(length) != b"\r\n" {
        return Err(strange("a message that is longer than it says"));
    }
    let payload = bytes.split_off(headers);
    Ok(Frame::Message(Message { reply: reply.to_owned(), status: status(&bytes), payload }))
}

/// The status in headers: `NATS/1.0 404 No Messages`.
fn status(headers: &[u8]) -> Option<u16> {
    let first = headers.split(|byte| *byte == b'\r').next()?;
    std::str::from_utf8(first).ok()?.strip_prefix("NATS/1.0 ")?.split(' ').next()?.parse().ok()
}

async fn line(stream: &mut BufStream<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    stream.take(LINE_BYTES_MAX).read_line(&mut line).await?;
    let whole = line.strip_suffix("\r\n").map(str::to_owned);
    whole.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"))
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not of NATS: {line:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn frames(bytes: &'static [u8], count: usize) -> Vec<io::Result<Frame>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(bytes).await.expect("it listens");
        };
        let client = async {
            let mut stream = BufStream::new(TcpStream::connect(address).await.expect("a server"));
            let mut frames = Vec::new();
            for _ in 0..count {
                frames.push(read(&mut stream).await);
            }
            frames
        };
        futures::join!(server, client).1
    }

    #[tokio::test]
    async fn frames_are_read_by_their_verbs() {
        let bytes = b"INFO {\"a\": 1} \r\nPING\r\nMSG in 1 2\r\n\r\n\r\nMSG q 1 $JS.ACK.q 2\r\n12\r\n\
            HMSG in 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG in 1 28 30\r\nNATS/1.0 404 No Messages\r\n\r\nab\r\n-ERR 'no'\r\n";
        let read: Vec<Frame> = frames(bytes, 7).await.into_iter().map(|frame| frame.expect("it is one")).collect();
        let message = |reply: &str, status, payload: &[u8]| {
            Frame::Message(Message { reply: reply.into(), status, payload: payload.to_vec() })
        };
        assert_eq!(read[0], Frame::Info("{\"a\": 1} ".into()));
        assert_eq!(read[1], Frame::Ping);
        assert_eq!(read[2], message("", None, b"\r\n"));
        assert_eq!(read[3], message("$JS.ACK.q", None, b"12"));
        assert_eq!(read[4], message("", Some(503), b""));
        assert_eq!(read[5], message("", Some(404), b"ab"));
        assert_eq!(read[6], Frame::Error("'no'".into()));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_an_error() {
        for bytes in [
            &b""[..],
            b"PING",
            b"WHAT\r\n",
            b"MSG in 1\r\n",
            b"MSG in 1 x\r\n",
            b"MSG in 1 99999999999\r\n",
            b"MSG in 1 1\r\nabc\r\n",
            b"HMSG in 1 3 2\r\nab\r\n",
        ] {
            let read = frames(bytes, 1).await;
            assert!(read[0].is_err(), "{:?}: {read:?}", String::from_utf8_lossy(bytes));
        }
    }
}

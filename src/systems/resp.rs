//! RESP2 (a protocol of key-value stores): a request is an array of strings, a reply begins with the letter of its type.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use workloads::store::StoreError;

/// The longest string that is read, bytes; what the bench writes is far shorter.
const STRING_BYTES_MAX: usize = 16 << 20;
/// The longest line of a reply, bytes.
const LINE_BYTES_MAX: u64 = 4 << 10;
/// The most replies in one, and how deep they are in each other; what the bench asks for has far fewer.
const ARRAY_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 4;

/// How long a connection may take, and an answer that nobody should have to wait for.
pub const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Status(String),
    /// `-ERR ...`: the command was not executed.
    Error(String),
    /// `:1`.
    Integer(i64),
    /// `$3 abc`; none for a value that is not there.
    Bulk(Option<Vec<u8>>),
    /// `*2 ...`: replies.
    Array(Vec<Reply>),
}

impl Reply {
    /// The reply, unless it is an error: then the command was not executed.
    ///
    /// # Errors
    /// For an error reply.
    pub fn or_refused(self) -> Result<Self, StoreError> {
        match self {
            Reply::Error(why) => Err(StoreError::Refused(why)),
            other => Ok(other),
        }
    }

    /// The error of a reply that the command does not have.
    pub fn makes_no_sense(&self) -> StoreError {
        StoreError::Unknown(format!("the reply makes no sense: {self:?}"))
    }
}

/// What was asked, if it is there within [`CONNECT_LIMIT`].
///
/// # Errors
/// When it fails, or is not there in time, in words.
pub async fn within<T>(asked: impl Future<Output = io::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(CONNECT_LIMIT, asked).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} ms", CONNECT_LIMIT.as_millis())),
    }
}

/// A connection to a node.
pub struct Connection {
    stream: BufStream<TcpStream>,
}

impl Connection {
    /// Connects to a node.
    ///
    /// # Errors
    /// When there is no connection within [`CONNECT_LIMIT`], in words: nothing was sent.
    pub async fn to(at: SocketAddr) -> Result<Self, String> {
        let stream = within(TcpStream::connect(at)).await?;
        // Without it a small request could wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        Ok(Self::over(stream))
    }

    /// Over this stream.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream: BufStream::new(stream) }
    }

    /// Sends a command and reads its reply.
    ///
    /// # Errors
    /// When the connection ends or carries something else; it cannot be used any more then.
    pub async fn ask(&mut self, words: &[&[u8]]) -> io::Result<Reply> {
        self.stream.write_all(&request(words)).await?;
        self.stream.flush().await?;
        self.reply(DEPTH_MAX).await
    }

    async fn reply(&mut self, depth: usize) -> io::Result<Reply> {
        let line = self.line().await?;
        let Some((kind, rest)) = line.split_at_checked(1) else { return Err(strange(&line)) };
        match kind {
            "+" => Ok(Reply::Status(rest.to_owned())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => rest.parse().map(Reply::Integer).map_err(|_| strange(&line)),
            "$" if rest == "-1" => Ok(Reply::Bulk(None)),
            "$" => match rest.parse::<usize>() {
                Ok(length) if length <= STRING_BYTES_MAX => self.bulk(length).await,
                _ => Err(strange(&line)),
            },
            "*" if depth > 0 => match rest.parse::<usize>() {
                Ok(length) if length <= ARRAY_MAX => self.array(length, depth - 1).await,
                _ => Err(strange(&line)),
            },
            _ => Err(strange(&line)),
        }
    }

    fn array(&mut self, length: usize, depth: usize) -> LocalBoxFuture<'_, io::Result<Reply>> {
        async move {
            let mut replies = Vec::new();
            while replies.len() < length {
                replies.push(self.reply(depth).await?);
            }
            Ok(Reply::Array(replies))
        }
        .boxed_local()
    }

    async fn bulk(&mut self, length: usize) -> io::Result<Reply> {
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes).await?;
        match bytes.split_off(length).as_slice() {
            b"\r\n" => Ok(Reply::Bulk(Some(bytes))),
            _ => Err(strange("a string that is longer than it says")),
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line).await?;
        let whole = line.strip_suffix("\r\n").map(str::to_owned);
        whole.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the connection was closed"))
    }
}

fn request(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

fn strange(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no reply of RESP2: {line:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_request_is_an_array_of_strings() {
        assert_eq!(request(&[b"GET", b"a\r\nb"]), b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n");
    }

    async fn replies(bytes: &'static [u8], count: usize) -> Vec<io::Result<Reply>> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let server = async {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(bytes).await.expect("it listens");
        };
        let client = async {
            let mut connection = Connection::over(TcpStream::connect(address).await.expect("a server"));
            let mut replies = Vec::new();
            for _ in 0..count {
                replies.push(connection.reply(DEPTH_MAX).await);
            }
            replies
        };
        futures::join!(server, client).1
    }

    #[tokio::test]
    async fn replies_are_read_by_their_letters() {
        let read = replies(b"+OK\r\n-ERR no\r\n:-7\r\n$-1\r\n$0\r\n\r\n$4\r\na\r\nb\r\n", 6).await;
        let read: Vec<Reply> = read.into_iter().map(|reply| reply.expect("it is one")).collect();
        let bulk = |bytes: &[u8]| Reply::Bulk(Some(bytes.to_vec()));
        let (ok, no) = (Reply::Status("OK".into()), Reply::Error("ERR no".into()));
        assert_eq!(read, [ok, no, Reply::Integer(-7), Reply::Bulk(None), bulk(b""), bulk(b"a\r\nb")]);
    }

    #[tokio::test]
    async fn replies_are_in_replies() {
        let read = replies(b"*3\r\n$1\r\na\r\n*0\r\n*1\r\n:1\r\n+OK\r\n", 2).await;
        let read: Vec<Reply> = read.into_iter().map(|reply| reply.expect("it is one")).collect();
        let inner = [Reply::Bulk(Some(b"a".to_vec())), Reply::Array(vec![]), Reply::Array(vec![Reply::Integer(1)])];
        assert_eq!(read, [Reply::Array(inner.to_vec()), Reply::Status("OK".into())]);
    }

    #[test]
    fn an_error_says_that_nothing_was_done() {
        assert_eq!(Reply::Error("ERR no".into()).or_refused(), Err(StoreError::Refused("ERR no".into())));
        assert_eq!(Reply::Integer(1).or_refused(), Ok(Reply::Integer(1)));
    }

    #[tokio::test]
    async fn what_is_no_reply_is_an_error() {
        let deep = b"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n";
        let strings =
            [&b""[..], b"+OK", b"?\r\n", b"\r\n", b"$x\r\n", b"$99999999999\r\n", b"$2\r\nabc\r\n", b":1x\r\n"];
        for bytes in strings.into_iter().chain([&b"*-1\r\n"[..], b"*99999999\r\n", b"*2\r\n:1\r\n", deep]) {
            let read = replies(bytes, 1).await;
            assert!(read[0].is_err(), "{:?}: {read:?}", String::from_utf8_lossy(bytes));
        }
    }
}

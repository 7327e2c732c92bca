//! Connections to nodes. One is used by one request at a time; one whose request was given up is closed, so that a late
//! answer is no other request's.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufStream};
use tokio::net::TcpStream;
use workloads::store::StoreError;

use super::protocol::{Frame, Message, publish, read};
use crate::arena::addresses::Addresses;

const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// With headers an answer can have a status, which nobody's answer is one of.
const CONNECT: &str =
    r#"CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"rust","version":"1"}"#;

/// Nobody listens to a subject: the request has reached no one.
const NOBODY: u16 = 503;

/// Connections to all nodes. Clones share them.
#[derive(Clone)]
pub(super) struct Connections {
    addresses: Addresses,
    /// Connections without a request, by node.
    idle: Rc<RefCell<BTreeMap<String, Vec<Connection>>>>,
    /// So that no two connections expect their answers on the same subject.
    opened: Rc<Cell<u64>>,
}

/// A connection to a node.
struct Connection {
    stream: BufStream<TcpStream>,
    /// The subject on which it expects answers.
    inbox: String,
}

impl Connections {
    /// To the nodes at these addresses.
    pub fn new(addresses: Addresses) -> Self {
        Self { addresses, idle: Rc::default(), opened: Rc::default() }
    }

    /// Sends a request to a subject through a node, and returns its answers: so many, or fewer if one of them has a status,
    /// which is the last then.
    ///
    /// # Errors
    /// `Refused` if it has certainly reached nobody, `Unknown` if that cannot be said.
    pub async fn ask(
        &self,
        node: &str,
        subject: &str,
        payload: &[u8],
        answers: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let messages = self.with(node, async |connection| connection.ask(subject, payload, answers).await).await?;
        match messages.last().and_then(|last| last.status) {
            Some(NOBODY) => Err(StoreError::Refused(format!("nobody answers to {subject}"))),
            _ => Ok(messages),
        }
    }

    /// Sends messages to which no answer is expected, and waits until the node has seen them.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn tell(&self, node: &str, subjects: &[String], payload: &[u8]) -> Result<(), StoreError> {
        self.with(node, async |connection| connection.tell(subjects, payload).await).await
    }

    /// A node that has died takes its connections along, so all of the node's idle ones are dropped where one breaks.
    async fn with<T>(
        &self,
        node: &str,
        exchange: impl AsyncFnOnce(&mut Connection) -> io::Result<T>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.borrow_mut().get_mut(node).and_then(Vec::pop);
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.connect(node).await?,
        };
        match exchange(&mut connection).await {
            Ok(done) => {
                self.idle.borrow_mut().entry(node.to_owned()).or_default().push(connection);
                Ok(done)
            }
            Err(error) => {
                self.idle.borrow_mut().remove(node);
                Err(StoreError::Unknown(error.to_string()))
            }
        }
    }

    /// Until it is connected nothing has been asked.
    async fn connect(&self, node: &str) -> Result<Connection, StoreError> {
        let address = self.addresses.of(node);
        let address = address.ok_or_else(|| StoreError::Refused(format!("{node} is not running")))?;
        self.opened.set(self.opened.get() + 1);
        let inbox = format!("_INBOX.{}.{}", std::process::id(), self.opened.get());
        let connected = async { Connection::over(TcpStream::connect(address).await?, inbox).await };
        match tokio::time::timeout(CONNECT_LIMIT, connected).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(StoreError::Refused(format!("no connection to {node}: {error}"))),
            Err(_) => Err(StoreError::Refused(format!("no connection to {node} in time"))),
        }
    }
}

impl Connection {
    /// Over this stream, when the node has introduced itself and knows where answers are expected.
    async fn over(stream: TcpStream, inbox: String) -> io::Result<Self> {
        // Without it a small request could wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let mut connection = Self { stream: BufStream::new(stream), inbox };
        match read(&mut connection.stream).await? {
            Frame::Info(_) => {}
            other => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("no introduction: {other:?}"))),
        }
        let greeting = format!("{CONNECT}\r\nSUB {} 1\r\n", connection.inbox);
        connection.stream.write_all(greeting.as_bytes()).await?;
        connection.flush().await?;
        Ok(connection)
    }

    async fn ask(&mut self, subject: &str, payload: &[u8], answers: usize) -> io::Result<Vec<Message>> {
        publish(&mut self.stream, subject, &self.inbox, payload).await?;
        self.stream.flush().await?;
        let mut messages: Vec<Message> = Vec::new();
        while messages.len() < answers && messages.last().is_none_or(|last| last.status.is_none()) {
            if let Frame::Message(message) = self.next().await? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    async fn tell(&mut self, subjects: &[String], payload: &[u8]) -> io::Result<()> {
        for subject in subjects {
            publish(&mut self.stream, subject, "", payload).await?;
        }
        self.flush().await
    }

    /// Returns when the node has seen all that was sent.
    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(b"PING\r\n").await?;
        self.stream.flush().await?;
        while self.next().await? != Frame::Pong {}
        Ok(())
    }

    /// What the node sends next; its pings are answered.
    async fn next(&mut self) -> io::Result<Frame> {
        let frame = read(&mut self.stream).await?;
        match &frame {
            Frame::Ping => {
                self.stream.write_all(b"PONG\r\n").await?;
                self.stream.flush().await?;
            }
            Frame::Error(why) => return Err(io::Error::other(format!("the node refuses: {why}"))),
            _ => {}
        }
        Ok(frame)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::future::Future;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A message with this content.
    pub fn message(payload: &str) -> String {
        format!("MSG in 1 {}\r\n{payload}\r\n", payload.len())
    }

    /// An element of a queue, to be acknowledged on this subject.
    pub fn handed_out(element: &str, reply: &str) -> String {
        format!("MSG in 1 {reply} {}\r\n{element}\r\n", element.len())
    }

    /// An answer without content.
    pub fn status(status: u16) -> String {
        let headers = format!("NATS/1.0 {status} so\r\n\r\n");
        format!("HMSG in 1 {0} {0}\r\n{headers}\r\n", headers.len())
    }

    /// Connections to a node `n1` that answers each request with the next of these texts, and then closes the connection.
    /// What it is told is sent back: subject and content.
    pub async fn answering(answers: Vec<String>) -> (Connections, Rc<RefCell<Vec<(String, String)>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addresses = Addresses::default();
        addresses.set("n1", listener.local_addr().ok());
        let told: Rc<RefCell<Vec<(String, String)>>> = Rc::default();
        let heard = Rc::clone(&told);
        tokio::task::spawn_local(async move {
            let (stream, _) = listener.accept().await.expect("a client");
            let _ = serve(BufStream::new(stream), answers, &heard).await;
        });
        (Connections::new(addresses), told)
    }

    async fn serve(
        mut stream: BufStream<TcpStream>,
        answers: Vec<String>,
        heard: &RefCell<Vec<(String, String)>>,
    ) -> io::Result<()> {
        let mut answers = answers.into_iter();
        stream.write_all(b"INFO {}\r\nPING\r\n").await?;
        loop {
            stream.flush().await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match &words[..] {
                ["PING"] => stream.write_all(b"PONG\r\n").await?,
                ["PUB", subject, rest @ .., length] => {
                    let mut payload = vec![0; length.parse::<usize>().expect("a length") + 2];
                    stream.read_exact(&mut payload).await?;
                    let payload = String::from_utf8_lossy(&payload).trim_end().to_owned();
                    if rest.is_empty() {
                        heard.borrow_mut().push(((*subject).to_owned(), payload));
                        continue;
                    }
                    let Some(answer) = answers.next() else { return Ok(()) };
                    stream.write_all(answer.as_bytes()).await?;
                }
                [] => return Ok(()),
                _ => {}
            }
        }
    }

    /// Runs a test whose node is a task of the same thread.
    pub async fn locally<T>(test: impl Future<Output = T>) -> T {
        tokio::task::LocalSet::new().run_until(test).await
    }

    #[tokio::test]
    async fn answers_end_with_their_number_or_with_a_status() {
        locally(async {
            let answers =
                vec![[message("1"), message("2")].concat(), [message("3"), status(408)].concat(), status(503)];
            let (connections, _) = answering(answers).await;
            let two = connections.ask("n1", "a", b"", 2).await.expect("answers");
            assert_eq!(two.iter().map(|message| &message.payload[..]).collect::<Vec<_>>(), [b"1", b"2"]);
            let fewer = connections.ask("n1", "a", b"", 5).await.expect("answers");
            assert_eq!(fewer.iter().map(|message| message.status).collect::<Vec<_>>(), [None, Some(408)]);
            assert!(matches!(connections.ask("n1", "a", b"", 1).await, Err(StoreError::Refused(_))), "nobody listens");
            assert!(matches!(connections.ask("n1", "a", b"", 1).await, Err(StoreError::Unknown(_))), "it is closed");
            assert!(matches!(connections.ask("n2", "a", b"", 1).await, Err(StoreError::Refused(_))), "it does not run");
        })
        .await;
    }
}

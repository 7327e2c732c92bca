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

//! The receiving end: connections are accepted, asked who they are, and read until they say something that is no message.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use cluster_core::api::NodeId;
use cluster_core::config::Config;
use cluster_core::envelope::Envelope;
use cluster_core::protocol::Protocol;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::frame::{self, FrameError, Framed, Hello};
use crate::log::Log;
use crate::metrics::{Counters, Open, Refused};

/// Connections that may be open before they have said who they are.
const STRANGERS_MAX: usize = 64;
/// Connections of one peer; a new one ends the oldest, which is most likely dead.
const CONNECTIONS_PER_PEER_MAX: usize = 4;
/// Within this a connection says who it is.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
const READ_BYTES: usize = 64 << 10;
/// After a failed accept (no descriptors left, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who may speak, and to whom.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// This node.
    pub(crate) id: NodeId,
    /// Names of all nodes.
    pub(crate) names: Vec<String>,
    /// The cluster's ring seed.
    pub(crate) cluster: u64,
    /// The version of the protocol that this node speaks.
    pub(crate) protocol: Protocol,
}

impl Identity {
    /// Of a node with these settings.
    pub(crate) fn of(config: &Config) -> Self {
        let Config { id, ring_seed, protocol, .. } = *config;
        Self { id, names: config.names.clone(), cluster: ring_seed, protocol }
    }

    /// What this node says first on a connection.
    pub(crate) fn hello(&self) -> Hello {
        let (version_min, version_max) = (self.protocol.oldest_spoken(), self.protocol.number());
        Hello { cluster: self.cluster, from: self.id, version_min, version_max }
    }

    fn check(&self, hello: &Hello) -> Result<(), Refusal> {
        if hello.cluster != self.cluster {
            return Err(Refusal::Cluster { theirs: hello.cluster, ours: self.cluster });
        }
        let (min, max) = (self.protocol.oldest_spoken(), self.protocol.number());
        if hello.version_max < min || hello.version_min > max {
            return Err(Refusal::Versions { theirs: (hello.version_min, hello.version_max), ours: (min, max) });
        }
        if hello.from == self.id || usize::from(hello.from.0) >= self.names.len() {
            return Err(Refusal::Sender(hello.from.0));
        }
        Ok(())
    }

    fn name_of(&self, peer: NodeId) -> &str {
        self.names.get(usize::from(peer.0)).map_or("?", String::as_str)
    }
}

/// Why this node ended a connection.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("it belongs to cluster {theirs}, and this is cluster {ours}")]
    Cluster { theirs: u64, ours: u64 },
    #[error("it speaks protocol versions {} to {}, and this node speaks {} to {}", theirs.0, theirs.1, ours.0, ours.1)]
    Versions { theirs: (u8, u8), ours: (u8, u8) },
    #[error("node {0} is no peer of this node")]
    Sender(u16),
    #[error("it did not say who it is within {HELLO_TIMEOUT:?}")]
    Silent,
    #[error("{STRANGERS_MAX} connections that have not said who they are were open already")]
    Crowded,
}

impl Refusal {
    fn reason(&self) -> Refused {
        match self {
            Refusal::Frame(FrameError::Version(_)) | Refusal::Versions { .. } => Refused::Version,
            Refusal::Frame(FrameError::Oversized(_)) => Refused::Oversized,
            Refusal::Frame(FrameError::Checksum) => Refused::Checksum,
            Refusal::Frame(FrameError::Payload(_)) => Refused::Payload,
            Refusal::Cluster { .. } => Refused::Cluster,
            Refusal::Sender(_) => Refused::Sender,
            Refusal::Silent => Refused::Silent,
            Refusal::Crowded => Refused::Crowded,
        }
    }
}

/// How a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the other end closed it")]
    Closed,
    #[error("the other end closed it within a frame")]
    Truncated,
    #[error("a newer connection took its place")]
    Replaced,
    #[error("the node stops")]
    Stopping,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
}

impl From<FrameError> for End {
    fn from(error: FrameError) -> Self {
        End::Refused(error.into())
    }
}

/// Accepts peers' connections.
pub(crate) struct Acceptor {
    /// Who may speak.
    pub(crate) identity: Identity,
    /// To the driver. A full queue holds the reader back, and so the sender.
    pub(crate) messages: mpsc::Sender<(NodeId, Envelope)>,
    /// Shared.
    pub(crate) counters: Arc<Counters>,
    /// Shared.
    pub(crate) log: Log,
}

impl Acceptor {
    /// Serves until it is dropped.
    pub(crate) async fn run(self, listener: TcpListener) {
        let acceptor = Arc::new(self);
        let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
        let places = Arc::new(Places::default());
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(stranger) = Arc::clone(&strangers).try_acquire_owned() else {
                acceptor.refuse("a stranger", &Refusal::Crowded);
                continue;
            };
            let (acceptor, places) = (Arc::clone(&acceptor), Arc::clone(&places));
            connections.spawn(async move {
                let own = acceptor.identity.protocol;
                let mut connection = Connection { stream, buffer: BytesMut::new(), own };
                let hello = acceptor.greet(&mut connection).await;
                drop(stranger);
                acceptor.serve(connection, hello, &places).await;
            });
        }
    }

    async fn greet(&self, connection: &mut Connection) -> Result<NodeId, End> {
        let framed = timeout(HELLO_TIMEOUT, connection.frame()).await.map_err(|_| Refusal::Silent)??;
        let hello: Hello = frame::decode(&framed.payload)?;
        self.identity.check(&hello)?;
        Ok(hello.from)
    }

    async fn serve(&self, mut connection: Connection, hello: Result<NodeId, End>, places: &Places) {
        let (name, end) = match hello {
            Ok(peer) => {
                let name = self.identity.name_of(peer);
                let _open = Open::new(&self.counters.inbound_open);
                self.log.limited(format_args!("peer {name} connected"));
                let (number, replaced) = places.take(peer);
                let end = tokio::select! {
                    _ = replaced => End::Replaced,
                    end = self.read(&mut connection, peer) => end,
                };
                places.leave(peer, number);
                (name, end)
            }
            Err(end) => ("a stranger", end),
        };
        match end {
            End::Refused(refusal) => self.refuse(name, &refusal),
            // A port that is only looked at, by a proxy that dials early or a health check, is no news.
            End::Closed if name == "a stranger" => {}
            end => self.log.limited(format_args!("connection from {name} ended: {end}")),
        }
    }

    async fn read(&self, connection: &mut Connection, peer: NodeId) -> End {
        loop {
            let envelope = match connection.message().await {
                Ok(envelope) => envelope,
                Err(end) => return end,
            };
            self.counters.frames_received.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if self.messages.send((peer, envelope)).await.is_err() {
                return End::Stopping;
            }
        }
    }

    fn refuse(&self, name: &str, refusal: &Refusal) {
        self.counters.refuse(refusal.reason());
        self.log.limited(format_args!("connection from {name} refused: {refusal}"));
    }
}

/// One accepted connection.
struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    /// This node's version.
    own: Protocol,
}

impl Connection {
    /// The next frame.
    async fn frame(&mut self) -> Result<Framed, End> {
        loop {
            if let Some(framed) = frame::take(&mut self.buffer, self.own)? {
                return Ok(framed);
            }
            // Memory follows the bytes that have come, not the length that was announced.
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(if self.buffer.is_empty() { End::Closed } else { End::Truncated });
            }
        }
    }

    async fn message(&mut self) -> Result<Envelope, End> {
        Ok(frame::decode_message(&self.frame().await?)?)
    }
}

/// Which connections each peer has: the newest few.
#[derive(Debug, Default)]
struct Places {
    by_peer: Mutex<PlacesByPeer>,
}

#[derive(Debug, Default)]
struct PlacesByPeer {
    next: u64,
    taken: BTreeMap<NodeId, VecDeque<(u64, oneshot::Sender<()>)>>,
}

impl Places {
    /// Takes a place. The receiver notices when a newer connection takes it over.
    fn take(&self, peer: NodeId) -> (u64, oneshot::Receiver<()>) {
        let (hold, replaced) = oneshot::channel();
        let mut places = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        places.next += 1;
        let number = places.next;
        let taken = places.taken.entry(peer).or_default();
        taken.push_back((number, hold));
        if taken.len() > CONNECTIONS_PER_PEER_MAX {
            taken.pop_front();
        }
        (number, replaced)
    }

    fn leave(&self, peer: NodeId, number: u64) {
        let mut places = self.by_peer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = places.taken.get_mut(&peer) {
            taken.retain(|(other, _)| *other != number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_connections_of_a_peer_win() {
        let places = Places::default();
        let mut held: Vec<_> = (0..CONNECTIONS_PER_PEER_MAX).map(|_| places.take(NodeId(1))).collect();
        let (_, mut other) = places.take(NodeId(2));
        assert!(held.iter_mut().all(|(_, replaced)| replaced.try_recv() == Err(oneshot::error::TryRecvError::Empty)));
        let _newest = places.take(NodeId(1));
        assert_eq!(held[0].1.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(held[1].1.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        assert_eq!(other.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        places.leave(NodeId(1), held[1].0);
        let _one_more = places.take(NodeId(1));
        assert_eq!(held[2].1.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    }
}

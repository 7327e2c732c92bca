//! Connections to the nodes, or to the master that a Sentinel names.
//!
//! With Sentinels a client of node n2 asks s2, which is beside it, who the master is, and works with that one for as
//! long as the connection lasts. It does what [Redis's
//! guidelines](https://redis.io/docs/latest/develop/reference/sentinel-clients/) demand: the Sentinel is asked for
//! each new connection, the node must say itself that it is a master, and where another one is named, connections to
//! the one before are closed. Sentinels close the connections of a node that they make a replica; one that says so
//! (`READONLY`) is not asked any further.
//!
//! A connection is used by one request at a time; one whose request was given up is closed, so that its late reply is
//! no other request's. Nothing is sent twice.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use workloads::store::StoreError;

use super::files::MASTER;
use crate::arena::addresses::Addresses;
use crate::systems::resp::{Connection, Reply, within};

/// How long a master waits until replicas have a write: less than what an operation has.
const WAIT_LIMIT_MS: u64 = 500;

/// Of whom clients ask a node's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The node itself.
    Node,
    /// The master, as the node's Sentinel names it.
    Master,
}

/// The name of the Sentinel beside a node.
pub(super) fn sentinel_of(node: &str) -> String {
    node.replacen('n', "s", 1)
}

/// Connections without a request, by the node whose clients they are. Errors are `Refused` if a request certainly has
/// no effect, else `Unknown`.
pub(super) struct Connections {
    addresses: Addresses,
    ask: Ask,
    /// So many replicas must have a write.
    wait: usize,
    idle: RefCell<BTreeMap<String, Idle>>,
}

/// Connections to one address.
struct Idle {
    at: SocketAddr,
    connections: Vec<Connection>,
}

/// A connection that is in use.
struct Used {
    at: SocketAddr,
    connection: Connection,
}

impl Connections {
    /// Connections to the nodes at these addresses. A write succeeds when so many replicas have it.
    pub fn new(addresses: Addresses, ask: Ask, wait: usize) -> Self {
        Self { addresses, ask, wait, idle: RefCell::default() }
    }

    /// Sends a command that changes nothing.
    pub async fn read(&self, node: &str, words: &[&[u8]]) -> Result<Reply, StoreError> {
        let mut used = self.connection(node).await?;
        let reply = self.request(node, &mut used, words).await;
        self.done(node, used, reply)
    }

    /// Sends a command that may change something, and waits until as many replicas have the change as is asked for.
    pub async fn write(&self, node: &str, words: &[&[u8]]) -> Result<Reply, StoreError> {
        let mut used = self.connection(node).await?;
        let mut reply = self.request(node, &mut used, words).await;
        if let Ok(changed) = &reply
            && self.wait > 0
            && has_changed(changed)
        {
            reply = self.replicated(node, &mut used).await.and(reply);
        }
        self.done(node, used, reply)
    }

    /// Asks the node itself, whoever the master is.
    pub async fn read_replica(&self, node: &str, words: &[&[u8]]) -> Result<Reply, StoreError> {
        let mut connection = self.connect(node).await?.connection;
        within(connection.ask(words)).await.map_err(StoreError::Unknown)?.or_refused()
    }

    /// One that is idle, or a new one.
    async fn connection(&self, node: &str) -> Result<Used, StoreError> {
        if let Some(idle) = self.idle.borrow_mut().get_mut(node)
            && let Some(connection) = idle.connections.pop()
        {
            return Ok(Used { at: idle.at, connection });
        }
        let used = match self.ask {
            Ask::Node => self.connect(node).await?,
            Ask::Master => self.connect_to_master(node).await?,
        };
        let mut all = self.idle.borrow_mut();
        let idle = all.entry(node.to_owned()).or_insert(Idle { at: used.at, connections: Vec::new() });
        if idle.at != used.at {
            *idle = Idle { at: used.at, connections: Vec::new() };
        }
        Ok(used)
    }

    /// A node that has died takes its connections along, so a command that finds a connection closed is of unknown
    /// outcome, and all idle ones are dropped.
    async fn request(&self, node: &str, used: &mut Used, words: &[&[u8]]) -> Result<Reply, StoreError> {
        used.connection.ask(words).await.map_err(|error| {
            self.idle.borrow_mut().remove(node);
            StoreError::Unknown(format!("{}: {error}", used.at))
        })
    }

    /// Waits until replicas have what this connection has written.
    async fn replicated(&self, node: &str, used: &mut Used) -> Result<(), StoreError> {
        let (wait, limit) = (self.wait.to_string(), WAIT_LIMIT_MS.to_string());
        match self.request(node, used, &[b"WAIT", wait.as_bytes(), limit.as_bytes()]).await? {
            Reply::Integer(have) if usize::try_from(have).is_ok_and(|have| have >= self.wait) => Ok(()),
            Reply::Integer(have) => {
                Err(StoreError::Unknown(format!("{have} of {wait} replicas had it after {limit} ms")))
            }
            other => Err(StoreError::Unknown(format!("it is not known which replicas have it: {other:?}"))),
        }
    }

    /// Keeps the connection for the next request, unless it failed or its node is no master any more.
    fn done(&self, node: &str, used: Used, reply: Result<Reply, StoreError>) -> Result<Reply, StoreError> {
        let reply = reply?;
        let mut all = self.idle.borrow_mut();
        if matches!(&reply, Reply::Error(why) if why.starts_with("READONLY")) {
            all.remove(node);
        } else if let Some(idle) = all.get_mut(node).filter(|idle| idle.at == used.at) {
            idle.connections.push(used.connection);
        }
        reply.or_refused()
    }

    async fn connect_to_master(&self, node: &str) -> Result<Used, StoreError> {
        let sentinel = sentinel_of(node);
        let refused = |why: String| StoreError::Refused(format!("{sentinel}: {why}"));
        let mut asked = self.connect(&sentinel).await?.connection;
        let named = within(asked.ask(&[b"SENTINEL", b"GET-MASTER-ADDR-BY-NAME", MASTER.as_bytes()])).await;
        let at = address(&named.map_err(refused)?).ok_or_else(|| refused("it names no master".into()))?;
        let mut used = connect(at, &at.to_string()).await?;
        let role = within(used.connection.ask(&[b"ROLE"])).await;
        let role = role.map_err(|why| StoreError::Refused(format!("{at}: {why}")))?;
        match &role {
            Reply::Array(parts) if parts.first() == Some(&Reply::Bulk(Some(b"master".to_vec()))) => Ok(used),
            _ => Err(StoreError::Refused(format!("{at}, which {sentinel} names, is no master"))),
        }
    }

    async fn connect(&self, node: &str) -> Result<Used, StoreError> {
        let address = self.addresses.of(node);
        let address = address.ok_or_else(|| StoreError::Refused(format!("{node} is not running")))?;
        connect(address, node).await
    }
}

async fn connect(at: SocketAddr, name: &str) -> Result<Used, StoreError> {
    let connection = Connection::to(at).await;
    let connection = connection.map_err(|why| StoreError::Refused(format!("no connection to {name}: {why}")))?;
    Ok(Used { at, connection })
}

/// Whether a command has changed anything: one that found nothing to change answers nil, or that it was 0.
fn has_changed(reply: &Reply) -> bool {
    !matches!(reply, Reply::Error(_) | Reply::Integer(0) | Reply::Bulk(None))
}

/// The address that a Sentinel names.
fn address(reply: &Reply) -> Option<SocketAddr> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Bulk(Some(host)), Reply::Bulk(Some(port))] = &parts[..] else { return None };
    let host: IpAddr = std::str::from_utf8(host).ok()?.parse().ok()?;
    Some(SocketAddr::new(host, std::str::from_utf8(port).ok()?.parse().ok()?))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io;
    use std::rc::Rc;

    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What a server was asked, a command a line.
    pub type Asked = Rc<RefCell<Vec<String>>>;

    /// A server that answers each command with the next of these texts, over one connection or many, and closes the
    /// connection when there is none left; returns its address and what it was asked.
    async fn server(answers: Vec<String>) -> (SocketAddr, Asked) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        let (asked, answers) = (Asked::default(), Rc::new(RefCell::new(answers.into_iter())));
        let heard = Rc::clone(&asked);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, heard) = (Rc::clone(&answers), Rc::clone(&heard));
                tokio::task::spawn_local(async move {
                    let mut stream = BufStream::new(stream);
                    while let Ok(words) = command(&mut stream).await {
                        heard.borrow_mut().push(words.join(" "));
                        let Some(answer) = answers.borrow_mut().next() else { return };
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.flush().await;
                    }
                });
            }
        });
        (at, asked)
    }

    async fn command(stream: &mut BufStream<TcpStream>) -> io::Result<Vec<String>> {
        let mut words = Vec::new();
        for _ in 0..number(stream).await? {
            let mut word = vec![0; number(stream).await? + 2];
            stream.read_exact(&mut word).await?;
            words.push(String::from_utf8_lossy(&word).trim_end().to_owned());
        }
        Ok(words)
    }

    async fn number(stream: &mut BufStream<TcpStream>) -> io::Result<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        line.get(1..).and_then(|digits| digits.trim_end().parse().ok()).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Connections to a node `n1` that gives these answers.
    pub async fn answering(wait: usize, answers: &[&str]) -> (Connections, Asked) {
        let (at, asked) = server(answers.iter().map(|answer| (*answer).to_owned()).collect()).await;
        let addresses = Addresses::default();
        addresses.set("n1", Some(at));
        (Connections::new(addresses, Ask::Node, wait), asked)
    }

    /// Runs a test whose servers are tasks of the same thread.
    pub async fn locally<T>(test: impl Future<Output = T>) -> T {
        tokio::task::LocalSet::new().run_until(test).await
    }

    fn named(at: SocketAddr) -> String {
        let (host, port) = (at.ip().to_string(), at.port().to_string());
        format!("*2\r\n${}\r\n{host}\r\n${}\r\n{port}\r\n", host.len(), port.len())
    }

    fn texts(answers: &[&str]) -> Vec<String> {
        answers.iter().map(|answer| (*answer).to_owned()).collect()
    }

    const IS_MASTER: &str = "*1\r\n$6\r\nmaster\r\n";
    const IS_REPLICA: &str = "*1\r\n$5\r\nslave\r\n";
    const READONLY: &str = "-READONLY You can't write against a read only replica.\r\n";

    async fn set(connections: &Connections) -> Result<Reply, StoreError> {
        connections.write("n2", &[b"SET", b"a", b"1"]).await
    }

    #[tokio::test]
    async fn the_sentinel_is_asked_once_for_a_connection_and_again_when_its_node_is_no_master() {
        locally(async {
            let (old, of_old) = server(texts(&[IS_MASTER, "+OK\r\n", "+OK\r\n", READONLY])).await;
            let (new, of_new) = server(texts(&[IS_MASTER, "+OK\r\n"])).await;
            let (sentinel, of_sentinel) = server(vec![named(old), named(new)]).await;
            let addresses = Addresses::default();
            addresses.set("s2", Some(sentinel));
            let connections = Connections::new(addresses, Ask::Master, 0);
            for _ in 0..2 {
                assert_eq!(set(&connections).await, Ok(Reply::Status("OK".into())));
            }
            assert!(matches!(set(&connections).await, Err(StoreError::Refused(why)) if why.contains("READONLY")));
            assert_eq!(set(&connections).await, Ok(Reply::Status("OK".into())));
            assert_eq!(*of_sentinel.borrow(), ["SENTINEL GET-MASTER-ADDR-BY-NAME dissensus"; 2]);
            assert_eq!(*of_old.borrow(), ["ROLE", "SET a 1", "SET a 1", "SET a 1"]);
            assert_eq!(*of_new.borrow(), ["ROLE", "SET a 1"]);
        })
        .await;
    }

    #[tokio::test]
    async fn connections_to_a_master_that_was_replaced_are_not_used_again() {
        locally(async {
            let (old, of_old) = server(texts(&[IS_MASTER, "+OK\r\n", "+OK\r\n"])).await;
            let (new, of_new) = server(texts(&[IS_MASTER, "+OK\r\n", "+OK\r\n"])).await;
            let (sentinel, _) = server(vec![named(old), named(new)]).await;
            let addresses = Addresses::default();
            addresses.set("s2", Some(sentinel));
            let connections = Connections::new(addresses, Ask::Master, 0);
            let [of_the_old, of_the_new] = [connections.connection("n2").await, connections.connection("n2").await];
            let ok = || Ok(Reply::Status("OK".into()));
            for used in [of_the_old, of_the_new] {
                assert_eq!(connections.done("n2", used.expect("a connection"), ok()), ok());
            }
            for _ in 0..2 {
                assert_eq!(set(&connections).await, ok());
            }
            assert_eq!((of_old.borrow().len(), of_new.borrow().len()), (1, 3), "{of_old:?} {of_new:?}");
        })
        .await;
    }

    #[tokio::test]
    async fn a_node_that_closes_one_connection_has_closed_all() {
        locally(async {
            let (connections, _) = answering(0, &[]).await;
            let two = [connections.connection("n1").await, connections.connection("n1").await];
            for used in two {
                let _ = connections.done("n1", used.expect("a connection"), Ok(Reply::Integer(1)));
            }
            connections.addresses.set("n1", None);
            let words: [&[u8]; 2] = [b"GET", b"a"];
            assert!(matches!(connections.read("n1", &words).await, Err(StoreError::Unknown(_))), "it was closed");
            assert!(matches!(connections.read("n1", &words).await, Err(StoreError::Refused(_))), "none is left");
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_is_sent_to_a_node_that_is_no_master() {
        locally(async {
            let (replica, asked) = server(texts(&[IS_REPLICA])).await;
            let (sentinel, _) = server(vec![named(replica), "*-1\r\n".into()]).await;
            let addresses = Addresses::default();
            addresses.set("s2", Some(sentinel));
            let connections = Connections::new(addresses.clone(), Ask::Master, 0);
            assert!(matches!(set(&connections).await, Err(StoreError::Refused(why)) if why.contains("no master")));
            assert_eq!(*asked.borrow(), ["ROLE"]);
            assert!(matches!(set(&connections).await, Err(StoreError::Refused(_))), "a Sentinel that names nobody");
            addresses.set("s2", None);
            assert!(matches!(set(&connections).await, Err(StoreError::Refused(_))), "a Sentinel that does not run");
        })
        .await;
    }

    #[tokio::test]
    async fn a_write_that_too_few_replicas_have_may_be_lost() {
        locally(async {
            let (connections, asked) = answering(
                2,
                &["+OK\r\n", ":2\r\n", "+OK\r\n", ":1\r\n", ":0\r\n", READONLY, "+OK\r\n", "-UNBLOCKED\r\n"],
            )
            .await;
            let words: [&[u8]; 3] = [b"SET", b"a", b"1"];
            assert_eq!(connections.write("n1", &words).await, Ok(Reply::Status("OK".into())));
            assert!(matches!(connections.write("n1", &words).await, Err(StoreError::Unknown(_))), "one has it");
            assert_eq!(connections.write("n1", &words).await, Ok(Reply::Integer(0)), "there is nothing to wait for");
            assert!(
                matches!(connections.write("n1", &words).await, Err(StoreError::Refused(_))),
                "nothing has happened"
            );
            assert!(matches!(connections.write("n1", &words).await, Err(StoreError::Unknown(_))), "it has happened");
            assert_eq!(asked.borrow().iter().filter(|words| *words == "WAIT 2 500").count(), 3);
        })
        .await;
    }

    #[tokio::test]
    async fn what_was_sent_and_not_answered_is_unknown() {
        locally(async {
            let (connections, _) = answering(0, &["+OK\r\n"]).await;
            let words: [&[u8]; 3] = [b"SET", b"a", b"1"];
            assert!(connections.write("n1", &words).await.is_ok());
            assert!(matches!(connections.write("n1", &words).await, Err(StoreError::Unknown(_))), "it was closed");
            assert!(matches!(connections.read("n2", &words).await, Err(StoreError::Refused(_))), "it does not run");
        })
        .await;
    }

    #[test]
    fn a_sentinel_has_the_number_of_its_node() {
        assert_eq!(["n1", "n12"].map(sentinel_of), ["s1", "s12"]);
    }
}

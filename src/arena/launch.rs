//! How a node is started, as data: what the arena tells a system of a node's place, and what the system answers.
//!
//! ```text
//!   arena: Place (name, address, peers, directory, clock) ─► system ─► Launch (program, arguments, files, ready when) ─► arena
//! ```

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;

/// A node must be ready within this time unless its [`Launch`] says otherwise.
const START_LIMIT: Duration = Duration::from_secs(20);

/// What a node is given by the arena when it starts.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its position among the nodes, from 0.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// The address of its own; on the loopback interface all nodes have the same.
    pub host: IpAddr,
    /// The ports on which it is to listen.
    pub ports: Ports,
    /// Where to dial every other node, by position.
    pub peers: BTreeMap<usize, Peer>,
    /// Where its files go. It is there.
    pub data_dir: PathBuf,
    /// Whether it is to start without the damaged rows of its disk, instead of refusing.
    pub drop_damaged: bool,
    /// The inherited descriptor of its clock file; none where the arena bends the clock without the node's help.
    pub clock_fd: Option<RawFd>,
    /// The process that starts it.
    pub parent_pid: i32,
    /// How often it was started before.
    pub starts: u64,
    /// How often it was upgraded before, each time to the next version.
    pub upgrades: u64,
    /// How often a new member has taken its place, each time with an empty disk.
    pub replacements: u64,
}

impl Place {
    /// The address of each peer, for a program whose nodes tell each other where all of them are: each is at one address
    /// for all others, where it has its default ports.
    ///
    /// # Errors
    /// When the nodes share an address, or peers are behind proxies.
    pub fn hosts_of_peers(&self) -> Result<BTreeMap<usize, IpAddr>, LaunchError> {
        let host = |(index, peer): (&usize, &Peer)| match peer {
            Peer::Host(host) if matches!(self.ports, Ports::Default) => Ok((*index, *host)),
            _ => Err(LaunchError(format!(
                "the nodes of this system tell each other where all of them are, so each needs an address of its own, and \
                 {} has none here: a single node can be run (--nodes 1)",
                self.name
            ))),
        };
        self.peers.iter().map(host).collect()
    }

    /// The address of every node, its own included, in the same way.
    ///
    /// # Errors
    /// When the nodes share an address, or peers are behind proxies.
    pub fn hosts(&self) -> Result<BTreeMap<usize, IpAddr>, LaunchError> {
        let mut hosts = self.hosts_of_peers()?;
        hosts.insert(self.index, self.host);
        Ok(hosts)
    }
}

#[cfg(test)]
impl Place {
    /// The address of a node on the network of these examples.
    pub fn example_host(index: usize) -> IpAddr {
        std::net::Ipv4Addr::new(10, 77, 0, index as u8 + 1).into()
    }

    /// That of a node among so many, each at an address of its own, which is started for the first time.
    pub fn example(nodes: usize, index: usize) -> Self {
        let others = (0..nodes).filter(|peer| *peer != index);
        Self {
            index,
            name: format!("n{}", index + 1),
            host: Self::example_host(index),
            ports: Ports::Default,
            peers: others.map(|peer| (peer, Peer::Host(Self::example_host(peer)))).collect(),
            data_dir: "data".into(),
            drop_damaged: false,
            clock_fd: None,
            parent_pid: 1,
            starts: 0,
            upgrades: 0,
            replacements: 0,
        }
    }
}

/// How a node reaches another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By a proxy, which stands for the one port on which the peer serves its peers.
    Proxy(SocketAddr),
    /// At an address of the peer's own, on any port.
    Host(IpAddr),
}

/// Ports of a node by their numbers in the program's documents.
#[derive(Clone, Debug)]
pub enum Ports {
    /// Its address is its own: it takes the default ports.
    Default,
    /// It shares its address with other programs: each default port has a free one in its place, the same at every
    /// start. Clones share the choice.
    Chosen(Rc<RefCell<BTreeMap<u16, u16>>>),
}

impl Ports {
    /// Free ports, none of which has been chosen yet.
    pub fn free() -> Self {
        Self::Chosen(Rc::default())
    }

    /// Whether the node has its ports to itself.
    pub fn are_default(&self) -> bool {
        matches!(self, Self::Default)
    }

    /// The port to listen on in place of this default port of the program.
    ///
    /// # Errors
    /// When the system has no free port.
    pub fn instead_of(&self, default: u16) -> Result<u16, LaunchError> {
        let Self::Chosen(chosen) = self else { return Ok(default) };
        if let Some(port) = chosen.borrow().get(&default) {
            return Ok(*port);
        }
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|bound| bound.local_addr());
        let port = free.map_err(|error| LaunchError(format!("there is no free port: {error}")))?.port();
        chosen.borrow_mut().insert(default, port);
        Ok(port)
    }
}

/// The program of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// The bench's own executable, which contains every bundled node.
    Own,
    /// A program that is installed on the machine.
    Installed {
        /// The name of its file.
        name: Cow<'static, str>,
        /// A directory in which it is looked for first, itself and its `bin`, `sbin`, `usr/bin` and `usr/sbin`; then
        /// come those of the PATH.
        binaries: Option<PathBuf>,
        /// Which package has it, for a person who has not installed it.
        package: Cow<'static, str>,
    },
}

/// A system cannot say how a node is started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LaunchError(pub String);

/// How a node is started, and how the arena knows that it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// What is run.
    pub program: Program,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables added to the bench's environment.
    pub environment: Vec<(String, String)>,
    /// Files that are written before it starts: their paths and contents.
    pub files: Vec<(PathBuf, String)>,
    /// What it reads from its standard input, a line; its standard input stays open as long as the bench lives.
    pub stdin_line: Option<String>,
    /// When it serves clients, and where.
    pub ready: Ready,
    /// It must be ready within this time.
    pub start_limit: Duration,
    /// What ends it when a run is over: SIGKILL, or a signal that it may take its time to obey.
    pub stop_signal: Signal,
}

impl Launch {
    /// A program without arguments, which is killed at the end of a run.
    pub fn new(program: Program, ready: Ready) -> Self {
        Self {
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            stdin_line: None,
            ready,
            start_limit: START_LIMIT,
            stop_signal: Signal::SIGKILL,
        }
    }
}

/// When a node serves clients, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// When it prints a line of JSON on its standard output: `{"client": ADDRESS, "peer": ADDRESS}`.
    JsonLineOnStdout,
    /// When the carrier of its messages has greeted it. It has no address.
    Carried,
    /// At addresses that are known before, when there is a sign.
    At {
        /// Where it serves clients.
        client: SocketAddr,
        /// Where it serves the peers that reach it by a proxy.
        peer: Option<SocketAddr>,
        /// The sign.
        sign: Sign,
    },
}

/// How it shows that a node serves clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A line in its log (standard output and standard error) has this text.
    LogLine(Cow<'static, str>),
    /// It accepts connections of clients.
    Port,
    /// A GET of this path at the clients' address is answered with success.
    Http(Cow<'static, str>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_once() {
        let ports = Ports::free();
        let [first, second] = [6379, 16379].map(|default| ports.instead_of(default).expect("a free port"));
        assert_ne!(first, second);
        assert_eq!(ports.clone().instead_of(6379).expect("it was chosen"), first, "the same at every start");
        assert_eq!(Ports::Default.instead_of(6379).expect("nothing is asked of the system"), 6379);
    }
}

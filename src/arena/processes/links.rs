//! The network between processes: where a node finds its peers, and what is done to each directed link.
//!
//! ```text
//!   n1 ──► proxy n1→n2 ──► n2        a link's proxy sits in the bench; a node dials its peers only through them
//!   n2 ──► proxy n2→n1 ──► n1
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

use nemesis::backend::proxy::LinkProxy;
use nemesis::surface::{LinkRule, LinkStatistics, SurfaceError};

use crate::arena::launch::{Peer, Ports};

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// A node, by its position.
    Node(usize),
    /// The clients, which are all in the bench.
    Clients,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Node(index) => write!(f, "node {}", index + 1),
            End::Clients => f.write_str("the clients"),
        }
    }
}

/// A network that the nodes share. Nodes are known by their positions.
pub trait Links {
    /// The node's own address.
    fn host(&self, node: usize) -> IpAddr;
    /// Ports for a node that has not been started yet.
    fn ports(&self, node: usize) -> Ports;
    /// How the node reaches each of the others.
    fn peers(&self, node: usize) -> BTreeMap<usize, Peer>;
    /// The network namespace that the node lives in; none where all nodes live in the bench's.
    ///
    /// # Errors
    /// When there are too many open files.
    fn namespace(&self, _node: usize) -> io::Result<Option<OwnedFd>> {
        Ok(None)
    }
    /// The node serves its peers there from now on; none = it is down, or serves them where they look for it anyway.
    fn moved(&self, node: usize, serves_peers: Option<SocketAddr>);
    /// Replaces the rule of a link.
    ///
    /// # Errors
    /// When there is no such link, or the rule cannot be carried out.
    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError>;
    /// Resets the connections that a link has now.
    ///
    /// # Errors
    /// When there is no such link, or connections cannot be reset there.
    fn reset(&self, from: End, to: End) -> Result<(), SurfaceError>;
    /// What the link has done so far.
    ///
    /// # Errors
    /// When there is no such link.
    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError>;
    /// Writes a note into what is recorded of the network, if anything is.
    fn note(&self, _text: &str) {}
}

/// There is no such link.
pub(super) fn no_link(from: End, to: End) -> SurfaceError {
    SurfaceError(format!("there is no link from {from} to {to}"))
}

/// All nodes on the loopback interface, and a proxy for each directed link.
pub struct Proxies {
    proxies: BTreeMap<(usize, usize), (LinkProxy, SocketAddr)>,
}

impl Proxies {
    /// Proxies between so many nodes, none of which serves yet.
    ///
    /// # Errors
    /// When the system has no port left.
    pub async fn bind(nodes: usize) -> io::Result<Self> {
        let mut proxies = BTreeMap::new();
        for from in 0..nodes {
            for to in (0..nodes).filter(|to| *to != from) {
                proxies.insert((from, to), LinkProxy::bind().await?);
            }
        }
        Ok(Self { proxies })
    }

    fn proxy(&self, from: End, to: End) -> Result<&LinkProxy, SurfaceError> {
        let found = match (from, to) {
            (End::Node(from), End::Node(to)) => self.proxies.get(&(from, to)),
            _ => None,
        };
        found.map(|(proxy, _)| proxy).ok_or_else(|| no_link(from, to))
    }
}

impl Links for Proxies {
    fn host(&self, _node: usize) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    fn ports(&self, _node: usize) -> Ports {
        Ports::free()
    }

    fn peers(&self, node: usize) -> BTreeMap<usize, Peer> {
        let from_it = self.proxies.iter().filter(|((from, _), _)| *from == node);
        from_it.map(|((_, to), (_, address))| (*to, Peer::Proxy(*address))).collect()
    }

    fn moved(&self, node: usize, serves_peers: Option<SocketAddr>) {
        for (_, (proxy, _)) in self.proxies.iter().filter(|((_, to), _)| *to == node) {
            proxy.set_target(serves_peers);
        }
    }

    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError> {
        self.proxy(from, to).map(|proxy| proxy.set_rule(rule))
    }

    fn reset(&self, from: End, to: End) -> Result<(), SurfaceError> {
        Err(SurfaceError(format!("a proxy cannot reset the connections from {from} to {to}")))
    }

    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError> {
        self.proxy(from, to).map(LinkProxy::statistics)
    }
}

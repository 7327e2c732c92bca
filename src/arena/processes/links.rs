//! The network between processes: where a node finds its peers, and what is done to each directed link.
//!
//! ```text
//!   n1 ──► proxy n1→n2 ──► n2        a link's proxy sits in the bench; a node dials its peers only through them
//!   n2 ──► proxy n2→n1 ──► n1
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nemesis::backend::proxy::LinkProxy;
use nemesis::surface::{LinkRule, LinkStatistics};

use crate::arena::launch::{Peer, Ports};

/// A network that the nodes share. Nodes are known by their positions.
pub trait Links {
    /// The node's own address.
    fn host(&self, node: usize) -> IpAddr;
    /// Ports for a node that has not been started yet.
    fn ports(&self, node: usize) -> Ports;
    /// How the node reaches each of the others.
    fn peers(&self, node: usize) -> BTreeMap<usize, Peer>;
    /// The node serves its peers there from now on; none = it is down, or serves them where they look for it anyway.
    fn moved(&self, node: usize, serves_peers: Option<SocketAddr>);
    /// Replaces the rule of a link. Returns whether there is such a link.
    fn set_rule(&self, from: usize, to: usize, rule: LinkRule) -> bool;
    /// What the link has done so far; none where there is no such link.
    fn statistics(&self, from: usize, to: usize) -> Option<LinkStatistics>;
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

    fn proxy(&self, from: usize, to: usize) -> Option<&LinkProxy> {
        self.proxies.get(&(from, to)).map(|(proxy, _)| proxy)
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

    fn set_rule(&self, from: usize, to: usize, rule: LinkRule) -> bool {
        self.proxy(from, to).map(|proxy| proxy.set_rule(rule)).is_some()
    }

    fn statistics(&self, from: usize, to: usize) -> Option<LinkStatistics> {
        self.proxy(from, to).map(LinkProxy::statistics)
    }
}

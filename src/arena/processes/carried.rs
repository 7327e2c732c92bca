//! Nodes that know no network: each reads messages from its standard input and writes messages to its standard output, and the
//! bench carries them from one to the other.
//!
//! ```text
//!   n1 ── standard output ──►  Carrier (of the system)  ── standard input ──► n2
//!                                ▲ rules, counters
//!                              Carried (the links of the arena)
//! ```
//! So a link is not a stream of bytes, whose transport would repair what a fault does to it, but a row of messages: one that is
//! lost is lost, and one that is repeated arrives twice.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, PipeWriter};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use nemesis::surface::{LinkRule, LinkStatistics, SurfaceError};
use nemesis::{Capabilities, Capability};
use reports::Messages;

use super::links::{End, Links};
use crate::arena::launch::{Peer, Ports};

/// What can be done to messages, and what cannot.
const OF_MESSAGES: [Capability; 7] = [
    Capability::Cut,
    Capability::Delay,
    Capability::DelayDistributions,
    Capability::Loss,
    Capability::Duplication,
    Capability::Reordering,
    Capability::ClientLinks,
];
const OF_BYTES: [Capability; 3] = [Capability::Corruption, Capability::RateLimit, Capability::Reset];

/// A node that was just started.
pub struct Spoken {
    /// To write what it reads.
    pub stdin: PipeWriter,
    /// To read what it writes.
    pub stdout: PipeReader,
    /// Its log, for what is to be said of it there.
    pub log: PathBuf,
}

/// Carries messages between the nodes of a system, and between them and its clients. Nodes are known by their positions.
pub trait Carrier {
    /// Greets a node that was just started, and carries its messages until it ends. Returns when it serves.
    fn attach(&self, node: usize, spoken: Spoken) -> LocalBoxFuture<'_, Result<(), String>>;
    /// Replaces the rule of a link. Nothing is carried or counted by the old one once this returns.
    ///
    /// # Errors
    /// When there is no such link.
    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError>;
    /// What a link has done so far. A chunk is a message.
    ///
    /// # Errors
    /// When there is no such link.
    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError>;
    /// The messages of the run, which has ended.
    fn messages(&self) -> Messages;
    /// Without these of what an arena can do, for this reason: what its nodes cannot be made to suffer.
    fn spared(&self) -> Option<(&'static [Capability], &'static str)>;
}

/// What can be done to nodes whose messages are carried, of all that their ground allows.
pub(super) fn capabilities(ground: Capabilities, carrier: &dyn Carrier) -> Capabilities {
    let whole = "its nodes exchange messages, which arrive whole: there are no bytes and no connections in between";
    let all = ground.with(OF_MESSAGES).without(OF_BYTES, whole);
    match carrier.spared() {
        Some((spared, why)) => all.without(spared.iter().copied(), why),
        None => all,
    }
}

/// Links whose messages are carried, over whatever network there is besides.
pub(super) struct Carried {
    beneath: Box<dyn Links>,
    carrier: Rc<dyn Carrier>,
}

impl Carried {
    /// Links of this carrier, of nodes that live in such a network.
    pub fn over(beneath: Box<dyn Links>, carrier: Rc<dyn Carrier>) -> Self {
        Self { beneath, carrier }
    }
}

impl Links for Carried {
    fn host(&self, node: usize) -> IpAddr {
        self.beneath.host(node)
    }

    fn ports(&self, node: usize) -> Ports {
        self.beneath.ports(node)
    }

    fn peers(&self, node: usize) -> BTreeMap<usize, Peer> {
        self.beneath.peers(node)
    }

    fn namespace(&self, node: usize) -> io::Result<Option<OwnedFd>> {
        self.beneath.namespace(node)
    }

    fn moved(&self, node: usize, serves_peers: Option<SocketAddr>) {
        self.beneath.moved(node, serves_peers);
    }

    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError> {
        self.carrier.set_rule(from, to, rule)
    }

    fn reset(&self, from: End, to: End) -> Result<(), SurfaceError> {
        Err(SurfaceError(format!("there is no connection from {from} to {to}")))
    }

    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError> {
        self.carrier.statistics(from, to)
    }

    fn note(&self, text: &str) {
        self.beneath.note(text);
    }
}

//! What the client knows of the membership: downloaded from a random node every ten seconds, and at once when a node
//! says that it is of another view (6.4).
//!
//! Every fetch and store names the view in which its replicas were chosen. A node of another view does nothing and
//! answers with its history; the client takes over what is news, and the request begins anew. So no quorum is ever
//! assembled from nodes of different views. While the client does not know where keys live, because a change moves them
//! and they have owners of before and of after it, a node coordinates: the nodes alone see both.

use std::time::Duration;

use rand::seq::IteratorRandom;

use super::state::{Alarm, Client, Purpose};
use crate::api::Request;
use crate::ids::NodeId;
use crate::membership::History;

/// Between two downloads (6.4).
const DOWNLOAD_INTERVAL: Duration = Duration::from_secs(10);

impl Client {
    /// A node has said what it knows; returns whether keys live elsewhere than the client thought.
    pub(super) fn learn(&mut self, history: &History) -> bool {
        let news = self.known.learn(history, &self.config);
        self.counters.views += u64::from(news);
        news
    }

    /// Asks a random node, one that seems to be up if there is one.
    pub(super) fn download(&mut self) {
        self.set_timer(DOWNLOAD_INTERVAL, Alarm::Download);
        if let Some(node) = self.any_node(&[]) {
            self.call(node, Purpose::Unawaited, Request::Members);
        }
    }

    /// A random node, but none of those; one that seems to be up if there is one.
    pub(super) fn any_node(&mut self, but: &[NodeId]) -> Option<NodeId> {
        let nodes = (0..self.config.names.len() as u16).map(NodeId).filter(|node| !but.contains(node));
        let healthy: Vec<NodeId> = nodes.clone().filter(|node| self.is_healthy(*node)).collect();
        match healthy.is_empty() {
            true => nodes.choose(&mut self.rng),
            false => healthy.into_iter().choose(&mut self.rng),
        }
    }
}

//! Admission control (6.5): background work gets what foreground work leaves over.
//!
//! ```text
//!   reads of own rows ─► how long each waited ─► the last 60 s in buckets of a second ─► 99th percentile
//!                                                                                          │ once a second
//!   hints, anti-entropy, transfers ◄─ so many rows an interval ◄─ slice: doubled below the threshold, halved above it
//! ```
//! A *slice* is how many rows a kind of background work may move in one of its intervals. It never falls to nothing:
//! a cluster that is always busy must converge all the same. Rows that a peer sends burden this node's disk and not
//! the sender's, so a node whose slice has shrunk reports its room to the peers that send it rows (`Message::Room`).

use super::state::{Node, ROOM_HOLDS_NS};
use crate::ids::NodeId;
use crate::message::Message;

impl Node {
    /// A peer has sent a row: from time to time it gets a message if there is little room for more.
    pub(super) fn report_room(&mut self, peer: NodeId) {
        let now_ns = self.now.monotonic_ns;
        self.admission.adjust(now_ns);
        let admission = &mut self.admission;
        if admission.slice >= admission.slice_max.min(self.config.limits.transfers_max) {
            return;
        }
        let reported = admission.reported_ns.get(&peer);
        if reported.is_none_or(|reported| *reported + ROOM_HOLDS_NS / 2 <= now_ns) {
            admission.reported_ns.insert(peer, now_ns);
            let rows = admission.slice as u32;
            self.send(peer, Message::Room { rows });
        }
    }

    /// A foreground read of own rows has waited for the disk since then.
    pub(super) fn storage_read(&mut self, asked_ns: u64) {
        let now_ns = self.now.monotonic_ns;
        let waited_ns = now_ns.saturating_sub(asked_ns);
        self.latencies.storage_read.observe(waited_ns / 1000);
        self.admission.observe_read(now_ns, waited_ns);
    }

    pub(super) fn peer_room(&mut self, from: NodeId, rows: u32) {
        self.admission.rooms.insert(from, (rows as usize, self.now.monotonic_ns));
    }
}

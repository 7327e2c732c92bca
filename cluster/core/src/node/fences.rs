//! Numbers for messages that grow over all lives of a node, and fences that keep out those that come too late.
//!
//! The number of a message is its tag. Each life begins behind what earlier ones have reserved on disk, and a disk
//! that has no reservation yet (a new one, or a wiped one) at the wall clock's nanoseconds, which no node's messages
//! outrun. So of two messages of one node the later sent has the greater tag, whatever the network makes of their
//! order.
//!
//! A fence names, for each node, the last of its messages that is of the past: a [`Message::Store`] up to it is dropped
//! as if the network had lost it, which it may do anyway. Fences only move forward, and are durable. They are what
//! makes the reaping of tombstones safe (`reaping.rs`).

use super::state::{FENCES_KEY, Node};
use crate::ids::NodeId;
use crate::message::{Message, Tag};

/// Tags reserved at once: so many nanoseconds are a second, and no node starts once a second.
const TAGS_RESERVED: u64 = 1_000_000_000;

impl Node {
    pub(super) fn new_tag(&mut self) -> Tag {
        self.tag_next = self.tag_next.saturating_add(1);
        if self.fences.tags_from.saturating_sub(self.tag_next) < TAGS_RESERVED / 2 {
            self.reserve_tags();
        }
        assert!(self.tag_next <= self.fences.tags_from, "tag {} is used and not reserved on disk", self.tag_next);
        Tag(self.tag_next)
    }

    /// The last tag given out.
    pub(super) fn last_tag(&self) -> Tag {
        Tag(self.tag_next)
    }

    /// Ahead of need, so that the reservation is durable long before it is used up.
    pub(super) fn reserve_tags(&mut self) {
        let tags_from = self.tag_next.saturating_add(TAGS_RESERVED);
        assert!(
            tags_from >= self.fences.tags_from,
            "a reservation of tags never shrinks: a later life would reuse some"
        );
        self.fences.tags_from = tags_from;
        self.persist_fences();
    }

    /// Whether a message of that number is to be dropped; its sender hears of it if it still numbers so low (its disk
    /// was wiped and its clock set back), because nothing of it would ever be taken.
    pub(super) fn is_fenced(&mut self, from: NodeId, tag: Tag) -> bool {
        let Some(&last) = self.fences.last_dropped.get(&from).filter(|last| tag <= **last) else {
            return false;
        };
        self.counters.stores_fenced += 1;
        self.send(from, Message::TagFenced { last });
        true
    }

    /// A peer drops this node's messages up to that number. Most often it speaks of an old one.
    pub(super) fn peer_tag_fenced(&mut self, last: Tag) {
        if self.tag_next <= last.0 {
            self.tag_next = last.0;
            self.reserve_tags();
        }
    }

    /// Drops whatever of these nodes' stores was sent up to these, from now on.
    pub(super) fn move_fences(&mut self, last: &[(NodeId, Tag)], timestamp_max_us: Option<i64>) {
        for &(node, tag) in last.iter().filter(|(node, _)| usize::from(node.0) < self.config.names.len()) {
            let own = self.fences.last_dropped.entry(node).or_insert(tag);
            *own = tag.max(*own);
            assert!(*own >= tag, "a fence only moves forward");
        }
        self.fences.timestamp_max_us = self.fences.timestamp_max_us.max(timestamp_max_us);
        assert!(self.fences.timestamp_max_us >= timestamp_max_us, "the fence of timestamps only moves forward");
        self.persist_fences();
    }

    fn persist_fences(&mut self) {
        self.persistence.write(Some(FENCES_KEY), self.fences.row());
    }
}

//! In which version of the protocol this node speaks to each peer, and what it takes from them.
//!
//! From version 2 on, what one step acknowledges to a peer goes out as one message: a disk completes many writes at
//! once, and each message costs both ends more than the few bytes of a tag.

use std::collections::BTreeMap;

use super::state::Node;
use crate::api::Effect;
use crate::envelope::Envelope;
use crate::ids::NodeId;
use crate::message::{Message, Tag};
use crate::protocol::Protocol;

/// From this number on acknowledgements are gathered.
const GATHERED_ACKS: u8 = 2;

impl Node {
    /// The envelope in which a message goes to a peer.
    pub fn seal(&self, to: NodeId, message: Message) -> Envelope {
        let own = self.config.protocol;
        // A peer that has said less since the message was made refuses it: it is lost, as any message may be.
        let version = self.agreed_version(to).max(message.since().number());
        Envelope { version, newest: own.number(), message }
    }

    /// The newest version that both speak; the oldest that this node speaks if it has heard nothing of the peer.
    pub(super) fn agreed_version(&self, peer: NodeId) -> u8 {
        let own = self.config.protocol;
        let theirs = self.speakers.newest.get(&peer).copied();
        theirs.map_or(own.oldest_spoken(), |theirs| theirs.clamp(own.oldest_spoken(), own.number()))
    }

    /// The message, if this node speaks its version. One that it does not speak is refused, and counted.
    pub(super) fn open(&mut self, from: NodeId, envelope: Envelope) -> Option<Message> {
        let newest = envelope.newest;
        match envelope.open(self.config.protocol) {
            Ok(message) => {
                self.speakers.newest.insert(from, newest);
                Some(message)
            }
            Err(why) => {
                self.counters.versions_refused += 1;
                self.speakers.last_refusal = Some(format!("from {}: {why}", self.name(from)));
                None
            }
        }
    }

    /// Makes one message of the acknowledgements to each peer that understands it.
    pub(super) fn gather_acks(&mut self) {
        let is_ack = |effect: &Effect| matches!(effect, Effect::Send { message: Message::Stored { .. }, .. });
        if self.config.protocol.number() < GATHERED_ACKS || !self.out.iter().any(is_ack) {
            return;
        }
        let mut effects = std::mem::take(&mut self.gathered);
        effects.append(&mut self.out);
        let mut places: BTreeMap<NodeId, usize> = BTreeMap::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Send { to, message: Message::Stored { tag } } if self.agreed_version(to) >= GATHERED_ACKS => {
                    let place = *places.entry(to).or_insert(self.out.len());
                    gather(&mut self.out, place, to, tag);
                }
                other => self.out.push(other),
            }
        }
        self.gathered = effects;
    }

    /// The version of the protocol that this node speaks.
    pub fn protocol(&self) -> Protocol {
        self.config.protocol
    }
}

/// Adds a tag to the message at `place`, or makes it.
fn gather(out: &mut Vec<Effect>, place: usize, to: NodeId, tag: Tag) {
    match out.get_mut(place) {
        Some(Effect::Send { message: Message::StoredAll { tags }, .. }) => tags.push(tag),
        _ => out.push(Effect::Send { to, message: Message::StoredAll { tags: vec![tag] } }),
    }
}

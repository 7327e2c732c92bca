//! What is recorded of messages: how many there were, and the first ones one by one, for the report's diagram.

use std::time::Instant;

use reports::{Message as Recorded, Messages};

use super::party::Party;
use crate::systems::maelstrom::message::Message;

/// So many messages are recorded one by one.
const RECORDED_MAX: usize = 100_000;
/// How much of a body is recorded, characters.
const BODY_CHARS_MAX: usize = 160;

/// What is recorded.
pub(super) struct Journal {
    /// The beginning of the run; none before.
    begun: Option<Instant>,
    messages: Messages,
}

/// The place of a message in the journal.
pub(super) type Entry = Option<usize>;

impl Journal {
    /// Nothing is recorded yet.
    pub fn new() -> Self {
        Self { begun: None, messages: Messages::default() }
    }

    /// The run begins: times count from now, and messages from before are forgotten.
    pub fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.messages = Messages::default();
    }

    /// A message is sent. Those of the bench itself are not counted.
    pub fn sent(&mut self, message: &Message, from: Party, to: Party) -> Entry {
        let now = self.now_ns()?;
        let counts = &mut self.messages.counts;
        match (from, to) {
            (Party::Bench, _) | (_, Party::Bench) => return None,
            (Party::Client, _) => {
                (counts.with_clients, counts.requests) = (counts.with_clients + 1, counts.requests + 1)
            }
            (_, Party::Client) => counts.with_clients += 1,
            (Party::Service, _) | (_, Party::Service) => counts.with_services += 1,
            (Party::Node(_), Party::Node(_)) => counts.between_nodes += 1,
        }
        let recorded = &mut self.messages.recorded;
        (recorded.len() < RECORDED_MAX).then(|| {
            let body = message.body.get().chars().take(BODY_CHARS_MAX).collect();
            let (src, dest) = (message.src.clone(), message.dest.clone());
            recorded.push(Recorded { src, dest, body, sent_ns: now, arrived_ns: Vec::new() });
            recorded.len() - 1
        })
    }

    /// A copy of it arrives.
    pub fn arrived(&mut self, entry: Entry) {
        let Some(now) = self.now_ns() else { return };
        if let Some(recorded) = entry.and_then(|entry| self.messages.recorded.get_mut(entry)) {
            recorded.arrived_ns.push(now);
        }
    }

    /// What was recorded; nothing more is.
    pub fn finish(&mut self) -> Messages {
        self.begun = None;
        std::mem::take(&mut self.messages)
    }

    fn now_ns(&self) -> Option<u64> {
        self.begun.map(|begun| begun.elapsed().as_nanos() as u64)
    }
}

#[cfg(test)]
mod tests {
    use reports::MessageCounts;
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_counted_by_who_exchanges_them() {
        let mut journal = Journal::new();
        let message = Message::of("n1", "n2", &json!({"type": "hello"}));
        let node = Party::Node(0);
        assert_eq!(journal.sent(&message, node, node), None, "before the run nothing is recorded");
        journal.begin();
        for (from, to) in [
            (Party::Client, node),
            (node, Party::Client),
            (node, Party::Node(1)),
            (node, Party::Service),
            (Party::Service, node),
            (Party::Bench, node),
        ] {
            let entry = journal.sent(&message, from, to);
            journal.arrived(entry);
        }
        let messages = journal.finish();
        let expected = MessageCounts { between_nodes: 1, with_services: 2, with_clients: 2, requests: 1 };
        assert_eq!((messages.counts, messages.recorded.len()), (expected, 5));
        assert!(messages.recorded.iter().all(|recorded| recorded.arrived_ns.len() == 1));
        assert_eq!(journal.sent(&message, node, node), None, "it is over");
    }
}

//! The messages of a run whose nodes exchange them through the bench: how many there were, and some of them one by one.

use serde::{Deserialize, Serialize};

use crate::format::count;

/// The messages of a run, as the bench recorded them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Messages {
    /// How many there were.
    pub counts: MessageCounts,
    /// Those that were recorded one by one, in the order in which they were sent: the first ones, up to a bound.
    pub recorded: Vec<Message>,
}

/// How many messages were sent, by whom they are exchanged. One that a fault repeats counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageCounts {
    /// Between two nodes.
    pub between_nodes: u64,
    /// Between a node and a service, both directions.
    pub with_services: u64,
    /// Between a client and a node, both directions.
    pub with_clients: u64,
    /// Requests of clients among these.
    pub requests: u64,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who sent it.
    pub src: String,
    /// To whom.
    pub dest: String,
    /// Its body, or the beginning of it.
    pub body: String,
    /// When it was sent, ns since the run began.
    pub sent_ns: u64,
    /// When each copy of it arrived, ns since the run began; empty: it was lost.
    pub arrived_ns: Vec<u64>,
}

impl MessageCounts {
    /// Messages that are no client's, for each request of a client; none without requests.
    pub fn for_each_request(&self) -> Option<f64> {
        let messages = self.between_nodes + self.with_services;
        (self.requests > 0).then(|| messages as f64 / self.requests as f64)
    }

    /// All of that in a sentence.
    pub(crate) fn sentence(&self) -> String {
        let each = self
            .for_each_request()
            .map_or_else(String::new, |each| format!(": {each:.2} for each request of a client"));
        format!(
            "{} messages between nodes and {} with services{each} ({} requests)",
            count(self.between_nodes),
            count(self.with_services),
            count(self.requests)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_for_each_request() {
        let counts = MessageCounts { between_nodes: 2_400, with_services: 100, with_clients: 2_000, requests: 1_000 };
        assert_eq!(
            counts.sentence(),
            "2,400 messages between nodes and 100 with services: 2.50 for each request of a client (1,000 requests)"
        );
        assert_eq!(MessageCounts::default().for_each_request(), None);
    }
}

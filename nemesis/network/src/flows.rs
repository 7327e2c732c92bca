//! The TCP connections that have passed the switch, to reset them on demand.
//!
//! A kernel believes an RST only if its sequence number is the very next one it expects (RFC 5961, section 3.2). Two
//! things tell that number: the end of what was last delivered to it, and what it has acknowledged itself. They differ
//! while packets are lost or acknowledgements late, so an RST is made for each; one that does not fit is answered and
//! does no harm.
//!
//! ```text
//!  a ── segments ──► delivered_end  ┐
//!                                   ├─► RST from a to b
//!  a ◄── acknowledged of b's flow ──┘
//! ```

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use crate::packet::{FIN, RST, SYN, Segment};

/// One direction of a connection: the places of its ends in the tables of ports, and its TCP ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FlowKey {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) is_ipv6: bool,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

impl FlowKey {
    fn of(from: u8, to: u8, segment: &Segment) -> Self {
        let Segment { is_ipv6, source_port, destination_port, .. } = *segment;
        Self { from, to, is_ipv6, source_port, destination_port }
    }

    fn reversed(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..self
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    /// The sequence number after the last byte that was delivered.
    delivered_end: Option<u32>,
    /// What its sender has acknowledged of the other direction.
    acknowledged: u32,
    /// It was reset already.
    is_reset: bool,
    /// When it was last used, in segments since the start.
    used: u64,
}

/// The table: bounded, allocated once. When it is full, the quarter that was unused for longest is forgotten.
#[derive(Debug)]
pub(crate) struct Flows {
    flows: FxHashMap<FlowKey, Flow>,
    flows_max: usize,
    /// Room to find the quarter in.
    ages: Vec<u64>,
    segments: u64,
    forgotten: u64,
}

/// What resets one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowReset {
    pub(crate) key: FlowKey,
    /// The sequence numbers that the receiver may expect; equal when there is no doubt.
    pub(crate) sequences: [u32; 2],
    pub(crate) acknowledged: u32,
}

impl Flows {
    pub(crate) fn new(flows_max: usize) -> Self {
        let flows_max = flows_max.max(4);
        Self {
            // A table of which at most half is used cleans itself up in place; a fuller one would grow.
            flows: FxHashMap::with_capacity_and_hasher(2 * flows_max, Default::default()),
            flows_max,
            ages: Vec::with_capacity(flows_max),
            segments: 0,
            forgotten: 0,
        }
    }

    /// Directions of connections that were forgotten for want of room.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// A segment has come from its sender.
    pub(crate) fn sent(&mut self, from: u8, to: u8, segment: &Segment) {
        self.segments += 1;
        let key = FlowKey::of(from, to, segment);
        if self.flows.len() >= self.flows_max && !self.flows.contains_key(&key) {
            self.forget_quarter();
        }
        let opens = segment.flags & SYN != 0 || segment.data_bytes > 0;
        let fresh =
            Flow { delivered_end: None, acknowledged: segment.acknowledged, is_reset: false, used: self.segments };
        match self.flows.entry(key) {
            Entry::Occupied(mut flow) if segment.flags & SYN != 0 => *flow.get_mut() = fresh,
            Entry::Occupied(mut flow) => {
                flow.get_mut().acknowledged = segment.acknowledged;
                flow.get_mut().used = self.segments;
            }
            Entry::Vacant(vacant) if opens => {
                vacant.insert(fresh);
            }
            Entry::Vacant(_) => {}
        }
    }

    /// A segment has been taken by its receiver.
    pub(crate) fn delivered(&mut self, from: u8, to: u8, segment: &Segment) {
        let key = FlowKey::of(from, to, segment);
        if segment.flags & RST != 0 {
            self.flows.remove(&key);
            self.flows.remove(&key.reversed());
        }
        if let Some(flow) = self.flows.get_mut(&key) {
            let end = segment.sequence_end();
            let is_later = flow.delivered_end.is_none_or(|known| (end.wrapping_sub(known) as i32) >= 0);
            if is_later {
                flow.delivered_end = Some(end);
            }
            if segment.flags & FIN != 0 {
                self.flows.remove(&key);
            }
        }
    }

    /// What resets every connection from one port to another, in order; each connection once.
    pub(crate) fn reset(&mut self, from: u8, to: u8) -> Vec<FlowReset> {
        let keys = self.flows.keys().filter(|key| (key.from, key.to) == (from, to));
        let mut keys: Vec<FlowKey> = keys.copied().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.reset_flow(key)).collect()
    }

    fn reset_flow(&mut self, key: FlowKey) -> Option<FlowReset> {
        let reverse = self.flows.get(&key.reversed()).copied();
        let confirmed = reverse.map(|flow| flow.acknowledged).filter(|number| *number != 0);
        let flow = self.flows.get_mut(&key).filter(|flow| !flow.is_reset)?;
        let first = flow.delivered_end.or(confirmed)?;
        let reset = FlowReset { key, sequences: [first, confirmed.unwrap_or(first)], acknowledged: flow.acknowledged };
        flow.is_reset = true;
        if reverse.is_some_and(|flow| flow.is_reset) {
            // Both ends know of it, so the connection is no more.
            self.flows.remove(&key);
            self.flows.remove(&key.reversed());
        }
        Some(reset)
    }

    fn forget_quarter(&mut self) {
        self.ages.clear();
        self.ages.extend(self.flows.values().map(|flow| flow.used));
        let (_, newest_forgotten, _) = self.ages.select_nth_unstable(self.flows_max / 4 - 1);
        let newest_forgotten = *newest_forgotten;
        let before = self.flows.len();
        self.flows.retain(|_, flow| flow.used > newest_forgotten);
        self.forgotten += (before - self.flows.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::ACK;

    fn segment(source_port: u16, sequence: u32, acknowledged: u32, flags: u8, data_bytes: u32) -> Segment {
        Segment { is_ipv6: false, source_port, destination_port: 80, sequence, acknowledged, flags, data_bytes }
    }

    fn back(segment: Segment) -> Segment {
        Segment { source_port: segment.destination_port, destination_port: segment.source_port, ..segment }
    }

    fn pass(flows: &mut Flows, from: u8, to: u8, segment: Segment) {
        flows.sent(from, to, &segment);
        flows.delivered(from, to, &segment);
    }

    /// Client 0 at port 1000 and server 1: handshake, and ten bytes that are acknowledged.
    fn connected(flows: &mut Flows) {
        pass(flows, 0, 1, segment(1000, 100, 0, SYN, 0));
        pass(flows, 1, 0, back(segment(1000, 500, 101, SYN | ACK, 0)));
        pass(flows, 0, 1, segment(1000, 101, 501, ACK, 0));
        pass(flows, 0, 1, segment(1000, 101, 501, ACK, 10));
        pass(flows, 1, 0, back(segment(1000, 501, 111, ACK, 0)));
    }

    #[test]
    fn a_reset_has_the_number_that_the_receiver_expects() {
        let mut flows = Flows::new(8);
        connected(&mut flows);
        let to_server = flows.reset(0, 1);
        assert_eq!((to_server.len(), to_server[0].sequences, to_server[0].acknowledged), (1, [111, 111], 501));
        assert_eq!(flows.reset(0, 1), [], "a connection is reset once");
        let to_client = flows.reset(1, 0);
        assert_eq!((to_client.len(), to_client[0].sequences, to_client[0].acknowledged), (1, [501, 501], 111));
        assert!(flows.flows.is_empty(), "both ends know of it");
    }

    #[test]
    fn both_numbers_are_tried_while_a_segment_is_lost() {
        let mut flows = Flows::new(8);
        connected(&mut flows);
        flows.sent(0, 1, &segment(1000, 111, 501, ACK, 10)); // Lost.
        pass(&mut flows, 0, 1, segment(1000, 121, 501, ACK, 10));
        assert_eq!(flows.reset(0, 1)[0].sequences, [131, 111]);
    }

    #[test]
    fn a_segment_that_is_sent_again_does_not_move_the_end_back() {
        let mut flows = Flows::new(8);
        pass(&mut flows, 0, 1, segment(1000, u32::MAX - 4, 1, ACK, 10));
        pass(&mut flows, 0, 1, segment(1000, u32::MAX - 4, 1, ACK, 5));
        assert_eq!(flows.reset(0, 1)[0].sequences, [5, 5], "the numbers wrap around");
    }

    #[test]
    fn closed_connections_are_not_reset() {
        let mut flows = Flows::new(8);
        connected(&mut flows);
        pass(&mut flows, 0, 1, segment(1000, 111, 501, FIN | ACK, 0));
        assert!(flows.reset(0, 1).is_empty());
        assert_eq!(flows.reset(1, 0).len(), 1, "the other half is still open");
        pass(&mut flows, 1, 0, back(segment(1000, 501, 112, FIN | ACK, 0)));
        pass(&mut flows, 0, 1, segment(1000, 112, 502, ACK, 0));
        assert!(flows.flows.is_empty(), "the last acknowledgement opens nothing");

        connected(&mut flows);
        pass(&mut flows, 1, 0, back(segment(1000, 501, 0, RST, 0)));
        assert!(flows.flows.is_empty());
    }

    #[test]
    fn a_full_table_forgets_what_was_unused_for_longest() {
        let mut flows = Flows::new(8);
        let capacity = flows.flows.capacity();
        for port in 0..100 {
            pass(&mut flows, 0, 1, segment(port, 1, 1, ACK, 1));
            pass(&mut flows, 0, 1, segment(0, 1, 1, ACK, 1));
        }
        assert!(flows.flows.len() <= 8 && flows.flows.capacity() == capacity);
        assert_eq!(flows.forgotten() as usize + flows.flows.len(), 100);
        let kept: Vec<u16> = flows.reset(0, 1).iter().map(|reset| reset.key.source_port).collect();
        assert!(kept.contains(&0) && kept.contains(&99) && !kept.contains(&50), "{kept:?}");
    }
}

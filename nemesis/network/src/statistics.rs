//! What has happened on a directed link, counted. A fault without such evidence does not count as one.
//!
//! Nothing vanishes: what came in or was made by the switch has been delivered, has been lost in a way that has a
//! counter, or is still held. The switch asserts this balance whenever the counters are read.

use std::time::Duration;

/// Counters of one directed link since the lab was started. They never decrease, `held` apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStatistics {
    /// Packets that came from the sender.
    pub arrived: u64,
    /// Their bytes, without any header below IP.
    pub arrived_bytes: u64,
    /// Packets that the receiver's kernel took.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets dropped because the link was cut, those included that were under way then.
    pub cut: u64,
    /// Bytes of the packets that came while it was cut.
    pub cut_bytes: u64,
    /// Packets dropped by chance.
    pub lost: u64,
    /// Packets in which a bit was flipped.
    pub corrupted: u64,
    /// Packets that were made a second time.
    pub duplicated: u64,
    /// Packets held back so that others overtake them.
    pub held_back: u64,
    /// Packets delivered after one that had arrived later (RFC 4737, section 3), whatever the reason.
    pub reordered: u64,
    /// Packets delivered late on purpose.
    pub delayed: u64,
    /// Their bytes.
    pub delayed_bytes: u64,
    /// The sum of their delays, as they turned out.
    pub delay_total: Duration,
    /// Segments with RST that the switch made: one or two for each connection that it was to reset.
    pub resets: u64,
    /// Packets dropped because as many bytes waited for the link's rate as may.
    pub rate_queue_overflows: u64,
    /// Packets dropped because the switch holds as many as it can.
    pub hold_overflows: u64,
    /// Packets that the receiver's kernel did not take: its interface is down, it has no memory, or it calls them
    /// malformed.
    pub refused: u64,
    /// Packets that wait for their time now.
    pub held: u64,
}

impl LinkStatistics {
    /// Whether every packet is accounted for.
    pub(crate) fn is_balanced(&self) -> bool {
        let made = self.arrived + self.duplicated + self.resets;
        let dropped = self.cut + self.lost + self.rate_queue_overflows + self.hold_overflows + self.refused;
        made == self.delivered + dropped + self.held
    }
}

/// Counters of the switch as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchStatistics {
    /// Packets for no port of the switch: multicast, broadcast, foreign addresses. They go nowhere.
    pub strays: u64,
    /// TCP connections that were forgotten because too many were known; they can no longer be reset.
    pub flows_forgotten: u64,
}

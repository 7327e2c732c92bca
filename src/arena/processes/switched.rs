//! Nodes with network namespaces of their own, joined by a switch in the bench: the crate `network`, as [`Links`].
//!
//! Every node has an address and all ports of its own; the bench's clients are one more port of the switch, so their links
//! can be hurt like any other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nemesis::surface::{Checksum, Distribution, LinkRule, LinkStatistics, SurfaceError};
use network::{Lab, LabOptions, Port, TraceLimits};

use super::links::{End, Links, no_link};
use crate::arena::launch::{Peer, Ports};

/// What waits for a link with a rate at most: what it passes in so many ms, as in the buffer of a router.
const RATE_QUEUE_MS: u64 = 500;
/// And at least so many bytes: a few packets.
const RATE_QUEUE_BYTES_MIN: u64 = 16 << 10;

/// A switch between the namespaces of the nodes.
pub struct Switched {
    lab: Lab,
    nodes: usize,
    /// Connections reset so far, by link.
    resets: RefCell<BTreeMap<(End, End), u64>>,
}

impl Switched {
    /// Namespaces for so many nodes. The bench must be in a user namespace of its own.
    ///
    /// # Errors
    /// What this machine does not allow, and why.
    pub fn start(nodes: usize, seed: u64) -> Result<Self, network::Refused> {
        let lab = Lab::start(nodes, &LabOptions { seed, ..LabOptions::default() })?;
        Ok(Self { lab, nodes, resets: RefCell::default() })
    }

    /// Records every packet in this file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn trace(&self, path: &Path) -> Result<(), network::LabError> {
        self.lab.trace(path, TraceLimits::default())
    }

    fn ends(&self, from: End, to: End) -> Result<(Port, Port), SurfaceError> {
        match (self.port(from), self.port(to)) {
            (Some(one), Some(other)) if one != other => Ok((one, other)),
            _ => Err(no_link(from, to)),
        }
    }

    fn port(&self, end: End) -> Option<Port> {
        match end {
            End::Clients => Some(Port::Bench),
            End::Node(index) if index < self.nodes => Some(port_of(index)),
            End::Node(_) => None,
        }
    }
}

/// Ports count nodes from 1.
fn port_of(index: usize) -> Port {
    Port::Node(index as u8 + 1)
}

impl Links for Switched {
    fn host(&self, node: usize) -> IpAddr {
        port_of(node).ipv4().into()
    }

    fn ports(&self, _node: usize) -> Ports {
        Ports::Default
    }

    fn peers(&self, node: usize) -> BTreeMap<usize, Peer> {
        let others = (0..self.nodes).filter(|other| *other != node);
        others.map(|other| (other, Peer::Host(self.host(other)))).collect()
    }

    fn namespace(&self, node: usize) -> io::Result<Option<OwnedFd>> {
        let namespace = self.lab.namespace(port_of(node)).map_err(io::Error::other)?;
        namespace.try_clone_to_owned().map(Some)
    }

    /// Peers know each other's addresses.
    fn moved(&self, _node: usize, _serves_peers: Option<SocketAddr>) {}

    fn set_rule(&self, from: End, to: End, rule: LinkRule) -> Result<(), SurfaceError> {
        let (one, other) = self.ends(from, to)?;
        self.lab.set_link(one, other, switched(rule)).map_err(surface)
    }

    fn reset(&self, from: End, to: End) -> Result<(), SurfaceError> {
        let (one, other) = self.ends(from, to)?;
        let connections = self.lab.reset(one, other).map_err(surface)?;
        *self.resets.borrow_mut().entry((from, to)).or_default() += connections as u64;
        Ok(())
    }

    fn statistics(&self, from: End, to: End) -> Result<LinkStatistics, SurfaceError> {
        let (one, other) = self.ends(from, to)?;
        let counted = self.lab.statistics(one, other).map_err(surface)?;
        let reset_connections = self.resets.borrow().get(&(from, to)).copied().unwrap_or(0);
        Ok(LinkStatistics { reset_connections, ..of_packets(&counted) })
    }

    /// Without a trace, or once the switch has ended, there is nowhere to write it: the next rule says so.
    fn note(&self, text: &str) {
        let _ = self.lab.note(text);
    }
}

fn surface(error: network::LabError) -> SurfaceError {
    SurfaceError(error.to_string())
}

/// The nemesis's rule as the switch's.
fn switched(rule: LinkRule) -> network::LinkRule {
    let share = |percent: u32| (percent > 0).then(|| f64::from(percent));
    let checksum = match rule.checksum {
        Checksum::Left => network::Checksum::Left,
        Checksum::Repaired => network::Checksum::Repaired,
    };
    network::LinkRule {
        cut: rule.blocked,
        delay: delay(&rule),
        overtaking: false,
        loss_percent: f64::from(rule.loss_percent),
        duplicate_percent: f64::from(rule.duplicate_percent),
        reorder: share(rule.reorder_percent)
            .map(|percent| network::Reorder { percent, hold: Duration::from_millis(rule.reorder_hold_ms) }),
        corrupt: share(rule.corrupt_percent).map(|percent| network::Corrupt { percent, checksum }),
        rate: rule.rate_kbit_s.map(|kbit_per_s| network::Rate {
            kbit_per_s,
            queue_bytes_max: (kbit_per_s.saturating_mul(RATE_QUEUE_MS) / 8)
                .clamp(RATE_QUEUE_BYTES_MIN, network::RATE_QUEUE_BYTES_MAX),
        }),
    }
}

fn delay(rule: &LinkRule) -> network::Delay {
    let ms = Duration::from_millis;
    let (least, jitter_ms) = (ms(rule.delay_ms), rule.jitter_ms);
    match rule.distribution {
        _ if jitter_ms == 0 && rule.delay_ms == 0 => network::Delay::None,
        _ if jitter_ms == 0 => network::Delay::Constant(least),
        Distribution::Uniform => network::Delay::Uniform { low: least, high: least + ms(jitter_ms) },
        Distribution::Normal => {
            network::Delay::Normal { mean: least + ms(jitter_ms) / 2, deviation: ms(jitter_ms) / 6 }
        }
        // A least delay of nothing would have no tail.
        Distribution::Pareto => network::Delay::Pareto {
            least: least.max(ms(1)),
            shape: 1.0 + 2.0 * rule.delay_ms.max(1) as f64 / jitter_ms as f64,
        },
    }
}

/// What was counted of packets, as the nemesis counts chunks.
fn of_packets(counted: &network::LinkStatistics) -> LinkStatistics {
    LinkStatistics {
        forwarded_bytes: counted.delivered_bytes,
        blocked_bytes: counted.cut_bytes,
        blocked_connections: 0,
        delayed_bytes: counted.delayed_bytes,
        delay_total_ms: counted.delay_total.as_millis() as u64,
        delayed_chunks: counted.delayed,
        lossy_chunks: counted.arrived,
        lost_chunks: counted.lost,
        chunks: counted.arrived,
        duplicated_chunks: counted.duplicated,
        reordered_chunks: counted.reordered,
        corrupted_chunks: counted.corrupted,
        throttled_chunks: counted.delayed + counted.rate_queue_overflows,
        reset_connections: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_fault_is_one_of_the_switch() {
        assert_eq!(switched(LinkRule::default()), network::LinkRule::default());
    }

    #[test]
    fn every_part_of_a_rule_is_carried_out() {
        let rule = LinkRule {
            delay_ms: 10,
            jitter_ms: 20,
            distribution: Distribution::Pareto,
            loss_percent: 5,
            duplicate_percent: 6,
            reorder_percent: 7,
            reorder_hold_ms: 8,
            corrupt_percent: 9,
            checksum: Checksum::Repaired,
            rate_kbit_s: Some(1000),
            blocked: true,
        };
        let switched = switched(rule);
        assert!(switched.validate().is_ok() && switched.cut);
        assert_eq!(switched.delay, network::Delay::Pareto { least: Duration::from_millis(10), shape: 2.0 });
        assert_eq!((switched.loss_percent, switched.duplicate_percent), (5.0, 6.0));
        assert_eq!(switched.reorder.map(|it| (it.percent, it.hold.as_millis())), Some((7.0, 8)));
        assert_eq!(switched.corrupt.map(|it| (it.percent, it.checksum)), Some((9.0, network::Checksum::Repaired)));
        assert_eq!(switched.rate.map(|it| (it.kbit_per_s, it.queue_bytes_max)), Some((1000, 62_500)));
    }

    #[test]
    fn the_mean_of_a_delay_is_that_of_the_rule() {
        let rule = |distribution| LinkRule { delay_ms: 10, jitter_ms: 20, distribution, ..LinkRule::default() };
        let ms = Duration::from_millis;
        let of = |distribution| delay(&rule(distribution));
        assert_eq!(of(Distribution::Uniform), network::Delay::Uniform { low: ms(10), high: ms(30) });
        assert!(matches!(of(Distribution::Normal), network::Delay::Normal { mean, .. } if mean == ms(20)));
        // Pareto's mean is least * shape / (shape - 1).
        assert!(matches!(of(Distribution::Pareto), network::Delay::Pareto { least, shape }
            if (least.as_secs_f64() * shape / (shape - 1.0) - 0.020).abs() < 1e-9));
    }
}

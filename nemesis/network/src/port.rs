//! Where a packet comes from or goes to: the switch has a port for each node, and one for the bench itself.
//!
//! Addresses follow from the number alone, so that the switch reads a packet's port off its last byte: node N is
//! 10.77.0.N and fd77::N, the bench is 254.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The most nodes that a lab has; 254 is the bench, and 255 the broadcast address.
pub const NODES_MAX: usize = 253;

/// The last byte of the bench's addresses.
const BENCH_HOST: u8 = 254;

/// The prefix of all IPv4 addresses, 24 bits of it.
pub(crate) const IPV4_PREFIX: [u8; 3] = [10, 77, 0];

/// The prefix of all IPv6 addresses, in bytes.
pub(crate) const IPV6_PREFIX: [u8; 15] = [0xfd, 0x77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// A node, numbered from 1.
    Node(u8),
    /// The process that holds the lab, with its clients.
    Bench,
}

impl Port {
    /// 10.77.0.N, in a network of 24 bits.
    pub fn ipv4(self) -> Ipv4Addr {
        let [a, b, c] = IPV4_PREFIX;
        Ipv4Addr::new(a, b, c, self.host())
    }

    /// fd77::N, in a network of 64 bits.
    pub fn ipv6(self) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets[..15].copy_from_slice(&IPV6_PREFIX);
        octets[15] = self.host();
        Ipv6Addr::from(octets)
    }

    fn host(self) -> u8 {
        match self {
            Self::Node(number) => number,
            Self::Bench => BENCH_HOST,
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Node(number) => write!(out, "n{number}"),
            Self::Bench => out.write_str("bench"),
        }
    }
}

/// The ports of a lab, by their place in tables: nodes first, the bench last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    nodes: u8,
}

impl Ports {
    /// `None` if there are none or too many.
    pub(crate) fn new(nodes: usize) -> Option<Self> {
        (1..=NODES_MAX).contains(&nodes).then_some(Self { nodes: nodes as u8 })
    }

    pub(crate) fn count(self) -> usize {
        usize::from(self.nodes) + 1
    }

    pub(crate) fn all(self) -> impl Iterator<Item = Port> {
        (1..=self.nodes).map(Port::Node).chain([Port::Bench])
    }

    /// The place of a port, if the lab has it.
    pub(crate) fn index(self, port: Port) -> Option<usize> {
        self.index_of_host(port.host())
    }

    /// The place of the port with this last byte of its address.
    pub(crate) fn index_of_host(self, host: u8) -> Option<usize> {
        match host {
            BENCH_HOST => Some(usize::from(self.nodes)),
            1.. if host <= self.nodes => Some(usize::from(host) - 1),
            _ => None,
        }
    }

    /// The port at a place.
    pub(crate) fn at(self, index: usize) -> Port {
        assert!(index < self.count(), "a lab of {} nodes has no port at {index}", self.nodes);
        if index == usize::from(self.nodes) { Port::Bench } else { Port::Node(index as u8 + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_addresses_agree() {
        for nodes in [1, 3, NODES_MAX] {
            let ports = Ports::new(nodes).expect("the number is allowed");
            for (index, port) in ports.all().enumerate() {
                assert_eq!((ports.index(port), ports.at(index)), (Some(index), port));
                assert_eq!(ports.index_of_host(port.ipv4().octets()[3]), Some(index));
                assert_eq!(ports.index_of_host(port.ipv6().octets()[15]), Some(index));
            }
            assert_eq!(ports.all().count(), ports.count());
        }
    }

    #[test]
    fn what_no_lab_has_is_refused() {
        let ports = Ports::new(3).expect("three are allowed");
        for host in [0, 4, 253, 255] {
            assert_eq!(ports.index_of_host(host), None, "{host}");
        }
        assert!(Ports::new(0).is_none() && Ports::new(NODES_MAX + 1).is_none());
        assert_eq!(Port::Node(7).ipv6().to_string(), "fd77::7");
        assert_eq!(Port::Bench.ipv4().to_string(), "10.77.0.254");
    }
}

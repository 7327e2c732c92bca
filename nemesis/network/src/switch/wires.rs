//! What a delivery needs, apart from what is held: the ports, the links between them, the connections that are known,
//! and the trace.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::write;

use crate::flows::Flows;
use crate::link::Link;
use crate::packet::{self, FRAME_HEADER_BYTES};
use crate::port::Ports;
use crate::trace::{Trace, pcapng::Direction};

#[derive(Debug)]
pub(super) struct Wires {
    pub(super) ports: Ports,
    /// One for each port, in the order of [`Ports`].
    pub(super) tuns: Arc<[OwnedFd]>,
    /// From each port to each port, row by row.
    pub(super) links: Vec<Link>,
    pub(super) flows: Flows,
    pub(super) trace: Option<Trace>,
}

/// What is counted and recorded of a frame that goes to its receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    /// Its number among those that came by its link.
    pub(super) number: u64,
    /// How long it was held on purpose.
    pub(super) late: Option<Duration>,
    pub(super) comment: &'static str,
}

impl Wires {
    /// The place of a link in the table.
    pub(super) fn link_at(&self, from: usize, to: usize) -> usize {
        from * self.ports.count() + to
    }

    /// The ports at the ends of a link.
    pub(super) fn ends_of(&self, link: usize) -> (usize, usize) {
        (link / self.ports.count(), link % self.ports.count())
    }

    /// Gives a frame that a sender has made to its receiver's kernel.
    pub(super) fn deliver(&mut self, link: usize, frame: &[u8], delivery: Delivery) {
        let (from, to) = self.ends_of(link);
        if self.hand_over(link, frame, delivery)
            && let Some(segment) = packet::segment(&frame[FRAME_HEADER_BYTES..])
        {
            self.flows.delivered(from as u8, to as u8, &segment);
        }
    }

    /// Gives a frame to a kernel that may have been made by the switch. Returns whether it was taken.
    pub(super) fn hand_over(&mut self, link: usize, frame: &[u8], delivery: Delivery) -> bool {
        let to = self.ends_of(link).1;
        let is_taken = write(self.tuns[to].as_fd(), frame).is_ok();
        if is_taken {
            self.links[link].delivered(delivery.number, frame.len() - FRAME_HEADER_BYTES, delivery.late);
        } else {
            self.links[link].statistics.refused += 1;
        }
        self.record(to, Direction::Inbound, frame, if is_taken { delivery.comment } else { "refused" });
        is_taken
    }

    pub(super) fn record(&mut self, port: usize, direction: Direction, frame: &[u8], comment: &'static str) {
        if let Some(trace) = &mut self.trace {
            trace.packet(port, direction, &frame[FRAME_HEADER_BYTES..], comment);
        }
    }
}

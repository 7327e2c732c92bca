//! The way of a frame through the switch.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::unistd::read;

use super::wires::Delivery;
use super::{BATCH_FRAMES_MAX, Switch, SwitchError};
use crate::held::Label;
use crate::link::{Decision, Schedule};
use crate::packet::{self, FRAME_HEADER_BYTES};
use crate::rule::Checksum;
use crate::trace::pcapng::Direction;

impl Switch {
    /// Takes frames from a port until there are none, or others have to have their turn.
    pub(super) fn forward_batch(&mut self, from: usize, buffer: &mut [u8]) -> Result<(), SwitchError> {
        for _ in 0..BATCH_FRAMES_MAX {
            match read(self.wires.tuns[from].as_fd(), buffer) {
                Ok(bytes) if bytes > FRAME_HEADER_BYTES => self.forward(from, &mut buffer[..bytes]),
                Ok(_) => self.strays += 1,
                Err(Errno::EAGAIN) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    return Err(SwitchError {
                        what: format!("read from the port of {}", self.wires.ports.at(from)),
                        errno,
                    });
                }
            }
        }
        Ok(())
    }

    fn forward(&mut self, from: usize, frame: &mut [u8]) {
        let packet = &frame[FRAME_HEADER_BYTES..];
        let to = packet::destination_host(packet).and_then(|host| self.wires.ports.index_of_host(host));
        let Some(to) = to.filter(|to| *to != from) else {
            self.strays += 1;
            return;
        };
        let link = self.wires.link_at(from, to);
        let number = self.wires.links[link].arrive(packet.len());
        if let Some(segment) = packet::segment(packet) {
            self.wires.flows.sent(from as u8, to as u8, &segment);
        }
        if self.wires.links[link].is_transparent() {
            self.wires.record(from, Direction::Outbound, frame, "");
            self.wires.deliver(link, frame, Delivery { number, late: None, comment: "" });
        } else {
            self.deliver_due();
            self.follow_rule(link, number, frame);
        }
    }

    fn follow_rule(&mut self, link: usize, number: u64, frame: &mut [u8]) {
        let from = self.wires.ends_of(link).0;
        match self.wires.links[link].decide() {
            Decision::Drop(reason) => self.wires.record(from, Direction::Outbound, frame, reason),
            Decision::Pass { corrupt, copies } => {
                self.wires.record(from, Direction::Outbound, frame, "");
                let is_corrupted = corrupt && self.corrupt(link, frame);
                for copy in 0..copies {
                    let comment = match (is_corrupted, copy) {
                        (true, _) => "corrupted",
                        (false, 0) => "",
                        (false, _) => "duplicate",
                    };
                    self.schedule(link, number, frame, comment);
                }
            }
        }
    }

    /// Flips a bit of the frame, if it has one that can be flipped as the rule says.
    fn corrupt(&mut self, link: usize, frame: &mut [u8]) -> bool {
        let rule = self.wires.links[link].rule().corrupt.expect("only links that corrupt come here");
        if packet::is_several(frame) {
            // It was queued before the device was told to finish packets; its checksum is made by the receiver.
            return false;
        }
        packet::finish_checksum(frame);
        let packet = &mut frame[FRAME_HEADER_BYTES..];
        let Some(target) = packet::target(packet) else { return false };
        let bytes = match rule.checksum {
            Checksum::Repaired => target.hidden_bytes(),
            Checksum::Left => target.noticed_bytes(),
        };
        if bytes.is_empty() {
            return false;
        }
        let (place, bit) = self.wires.links[link].draw_bit(bytes.len());
        match rule.checksum {
            Checksum::Repaired => target.flip_hidden(packet, bytes.start + place, bit),
            Checksum::Left => packet[bytes.start + place] ^= 1 << bit,
        }
        self.wires.links[link].statistics.corrupted += 1;
        true
    }

    fn schedule(&mut self, link: usize, number: u64, frame: &[u8], comment: &'static str) {
        let now_ns = self.now_ns();
        match self.wires.links[link].schedule(frame.len() - FRAME_HEADER_BYTES, now_ns) {
            Schedule::Now => self.wires.deliver(link, frame, Delivery { number, late: None, comment }),
            Schedule::Overflow => {}
            Schedule::At(due_ns) => {
                let is_held = self.held.hold(Label { link, number, arrived_ns: now_ns, due_ns, comment }, frame);
                let statistics = &mut self.wires.links[link].statistics;
                *(if is_held { &mut statistics.held } else { &mut statistics.hold_overflows }) += 1;
            }
        }
    }

    /// Delivers every frame whose time has come.
    pub(super) fn deliver_due(&mut self) {
        if self.held.next_due_ns().is_none() {
            return;
        }
        let now_ns = self.now_ns();
        while let Some(frame) = self.held.pop_due(now_ns) {
            self.deliver_held(frame);
        }
    }
}

//! The switch: one thread that owns every port, every link and everything that is held, and so needs no locks.
//!
//! ```text
//!            commands ──► eventfd ─┐
//!                                  ▼
//!  TUN of n1 ─┐              ┌─ wait ◄───────────────────────────┐
//!  TUN of n2 ─┼── frames ──► │  what is due ─► what has come ─► commands
//!  bench's ───┘              └───────────────┬─────────────┘
//!                                            ▼
//!                                   link by rule: drop, hold, write to the other TUN
//! ```
//! A frame that meets no fault is read into one buffer and written from it: no allocation, no copy, two system calls.
//! A command is a closure that runs between two frames; when its answer is there, all later frames meet its effect.

mod forward;
mod wires;

use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;

use crate::draw::Draw;
use crate::flows::Flows;
use crate::held::{Held, HeldFrame};
use crate::link::Link;
use crate::packet::{FRAME_HEADER_BYTES, PACKET_BYTES_MAX, RESET_BYTES_MAX, Reset};
use crate::port::Ports;
use crate::rule::LinkRule;
use crate::statistics::{LinkStatistics, SwitchStatistics};
use crate::sys;
use crate::trace::Trace;
use wires::{Delivery, Wires};

/// Frames that are taken from one port before the others have their turn.
const BATCH_FRAMES_MAX: usize = 32;

/// Timers are as exact as the kernel can make them; by default they may be 50 µs late.
const TIMER_SLACK_NS: u64 = 1;

/// What is run between two frames.
pub(crate) type Command = Box<dyn FnOnce(&mut Switch) + Send>;

/// The switch ended by itself: a port could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the switch cannot {what}: {errno}")]
pub(crate) struct SwitchError {
    what: String,
    errno: Errno,
}

/// How large the tables are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwitchOptions {
    pub(crate) seed: u64,
    pub(crate) offload: bool,
    pub(crate) mtu_bytes: u16,
    pub(crate) held_packets_max: usize,
    pub(crate) held_large_packets_max: usize,
    pub(crate) flows_max: usize,
}

/// Everything that the thread owns.
#[derive(Debug)]
pub(crate) struct Switch {
    wires: Wires,
    /// Whether each port may hand over frames that are no packets of the wire, and whether it does.
    may_offload: bool,
    offloads: Vec<bool>,
    held: Held,
    strays: u64,
    started: Instant,
    is_stopped: bool,
}

impl Switch {
    pub(crate) fn new(ports: Ports, tuns: Vec<OwnedFd>, options: SwitchOptions) -> Self {
        assert_eq!(tuns.len(), ports.count(), "each port has a device");
        let small_bytes = FRAME_HEADER_BYTES + usize::from(options.mtu_bytes);
        let large_bytes = FRAME_HEADER_BYTES + PACKET_BYTES_MAX;
        let links = (0..ports.count() * ports.count()).map(|link| Link::new(Draw::new(options.seed, link as u64)));
        let (links, flows) = (links.collect(), Flows::new(options.flows_max));
        Self {
            wires: Wires { ports, tuns: tuns.into(), links, flows, trace: None },
            may_offload: options.offload,
            offloads: vec![options.offload; ports.count()],
            held: Held::new((options.held_packets_max, small_bytes), (options.held_large_packets_max, large_bytes)),
            strays: 0,
            started: Instant::now(),
            is_stopped: false,
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self, commands: &Receiver<Command>, wake: &EventFd) -> Result<(), SwitchError> {
        set_timerslack(TIMER_SLACK_NS).map_err(|errno| SwitchError { what: "set its timers".into(), errno })?;
        let tuns = Arc::clone(&self.wires.tuns);
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut waited: Vec<PollFd> = tuns.iter().map(|tun| readable(tun.as_fd())).collect();
        waited.push(readable(wake.as_fd()));
        let mut frame = vec![0; FRAME_HEADER_BYTES + PACKET_BYTES_MAX];
        while !self.is_stopped {
            self.wait(&mut waited)?;
            self.deliver_due();
            for (port, ready) in waited[..tuns.len()].iter().enumerate() {
                if ready.any() == Some(true) {
                    self.forward_batch(port, &mut frame)?;
                    self.carry_out(commands);
                }
            }
            if waited[tuns.len()].any() == Some(true) {
                // Only the number of wakes is in it; that it is already empty is no error.
                let _ = wake.read();
                self.carry_out(commands);
            }
        }
        Ok(())
    }

    /// Until a port or a command has something, or a frame is due.
    fn wait(&self, waited: &mut [PollFd]) -> Result<(), SwitchError> {
        let remaining = self.held.next_due_ns().map(|due_ns| due_ns.saturating_sub(self.now_ns()));
        let timeout = remaining.map(|ns| TimeSpec::from_duration(Duration::from_nanos(ns)));
        match ppoll(waited, timeout, None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(SwitchError { what: "wait for its ports".into(), errno }),
        }
    }

    fn carry_out(&mut self, commands: &Receiver<Command>) {
        while !self.is_stopped {
            match commands.try_recv() {
                Ok(command) => command(self),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.is_stopped = true,
            }
        }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).expect("a run is shorter than centuries")
    }
}

/// Commands.
impl Switch {
    /// Ends the thread after this command.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
    }

    /// Replaces the rule of a link. What is held by the old one is delivered now, or dropped by a cut.
    pub(crate) fn set_rule(&mut self, from: usize, to: usize, rule: LinkRule) -> Result<(), Errno> {
        let link = self.wires.link_at(from, to);
        if *self.wires.links[link].rule() == rule {
            return Ok(());
        }
        self.release(link, rule.cut);
        // First the device: no frame of 64 KiB may meet a rule for single packets. Back in the other order.
        let others = (0..self.wires.ports.count()).filter(|other| *other != to);
        let others_need = others.map(|other| self.wires.link_at(from, other)).any(|link| self.needs_wire_packets(link));
        self.set_offload(from, self.may_offload && !rule.needs_wire_packets() && !others_need)?;
        self.wires.links[link].set_rule(rule);
        Ok(())
    }

    fn needs_wire_packets(&self, link: usize) -> bool {
        self.wires.links[link].rule().needs_wire_packets()
    }

    fn set_offload(&mut self, port: usize, on: bool) -> Result<(), Errno> {
        if self.offloads[port] != on {
            sys::tun_set_offload(self.wires.tuns[port].as_fd(), on)?;
            self.offloads[port] = on;
        }
        Ok(())
    }

    fn release(&mut self, link: usize, is_cut: bool) {
        let mut frames = Vec::new();
        self.held.take_link(link, &mut frames);
        for frame in frames {
            if is_cut {
                self.wires.links[link].statistics.held -= 1;
                self.wires.links[link].statistics.cut += 1;
                self.held.free(frame);
            } else {
                self.deliver_held(frame);
            }
        }
        assert_eq!(self.wires.links[link].statistics.held, 0, "nothing of the link is held any more");
    }

    pub(crate) fn rule(&self, from: usize, to: usize) -> LinkRule {
        *self.wires.links[self.wires.link_at(from, to)].rule()
    }

    /// The counters of a link, in balance.
    pub(crate) fn link_statistics(&self, from: usize, to: usize) -> LinkStatistics {
        let statistics = self.wires.links[self.wires.link_at(from, to)].statistics;
        assert!(statistics.is_balanced(), "every packet is accounted for: {statistics:?}");
        statistics
    }

    pub(crate) fn statistics(&self) -> SwitchStatistics {
        SwitchStatistics { strays: self.strays, flows_forgotten: self.wires.flows.forgotten() }
    }

    /// Makes an RST for each connection of the link, as if its sender had sent it. A cut link passes none.
    pub(crate) fn reset(&mut self, from: usize, to: usize) -> usize {
        let link = self.wires.link_at(from, to);
        if self.wires.links[link].rule().cut {
            return 0;
        }
        let resets = self.wires.flows.reset(from as u8, to as u8);
        for reset in &resets {
            let [first, second] = reset.sequences;
            self.send_reset(link, &self.reset_of(reset, first));
            if second != first {
                self.send_reset(link, &self.reset_of(reset, second));
            }
        }
        resets.len()
    }

    fn reset_of(&self, reset: &crate::flows::FlowReset, sequence: u32) -> Reset {
        let key = reset.key;
        let address = |port: u8| {
            let port = self.wires.ports.at(usize::from(port));
            if key.is_ipv6 { port.ipv6().into() } else { port.ipv4().into() }
        };
        Reset {
            source: (address(key.from), key.source_port),
            destination: (address(key.to), key.destination_port),
            sequence,
            acknowledged: reset.acknowledged,
        }
    }

    fn send_reset(&mut self, link: usize, reset: &Reset) {
        let mut packet = [0; RESET_BYTES_MAX];
        let bytes = reset.write(&mut packet);
        let mut frame = [0; FRAME_HEADER_BYTES + RESET_BYTES_MAX];
        frame[FRAME_HEADER_BYTES..].copy_from_slice(&packet);
        let number = self.wires.links[link].statistics.arrived;
        self.wires.links[link].statistics.resets += 1;
        let delivery = Delivery { number: number.saturating_sub(1), late: None, comment: "reset" };
        self.wires.hand_over(link, &frame[..FRAME_HEADER_BYTES + bytes], delivery);
    }

    /// Starts a trace, or ends it; what was there before is returned.
    pub(crate) fn set_trace(&mut self, trace: Option<Trace>) -> Option<Trace> {
        mem::replace(&mut self.wires.trace, trace)
    }

    /// Whether there is a trace.
    pub(crate) fn is_traced(&self) -> bool {
        self.wires.trace.is_some()
    }

    pub(crate) fn note(&mut self, text: &str) {
        if let Some(trace) = &mut self.wires.trace {
            trace.note(text);
        }
    }

    fn deliver_held(&mut self, frame: HeldFrame) {
        let held_for = Duration::from_nanos(self.now_ns().saturating_sub(frame.label.arrived_ns));
        self.wires.links[frame.label.link].statistics.held -= 1;
        let delivery = Delivery { number: frame.label.number, late: Some(held_for), comment: frame.label.comment };
        self.wires.deliver(frame.label.link, self.held.bytes(&frame), delivery);
        self.held.free(frame);
    }
}

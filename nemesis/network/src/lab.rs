//! The lab: namespaces, the switch that joins them, and what a bench does with them. Calls wait for the switch to
//! finish the packets in its hands, far below a millisecond when the machine is not overloaded, so they may be made
//! from asynchronous code.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::port::{Port, Ports};
use crate::refused::Refused;
use crate::rule::{InvalidRule, LinkRule};
use crate::statistics::{LinkStatistics, SwitchStatistics};
use crate::switch::{self, Switch, SwitchOptions};
use crate::sys;
use crate::trace::{Trace, TraceLimits, TraceSummary};
use crate::tun::{self, Made, PortOptions};

/// Callers that wait for the switch at a time; one more waits for its turn to wait.
const COMMANDS_MAX: usize = 64;

/// IPv6 needs this much (RFC 8200, section 5).
const MTU_BYTES_MIN: u16 = 1280;

/// A packet may be as long as IPv4 has it, with 14 bytes that the kernel keeps free.
const MTU_BYTES_MAX: u16 = 65_521;

/// How a lab is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabOptions {
    /// Chance comes from it: which packets are lost, how long others take.
    pub seed: u64,
    /// The longest packet on a link, bytes.
    pub mtu_bytes: u16,
    /// Whether a node's kernel may leave cutting and checksums to the receiver, which is several times as fast. While a
    /// link singles out packets, its sender does both itself.
    pub offload: bool,
    /// Packets of up to the MTU that are held for delays at most; one more is dropped, and counted.
    pub held_packets_max: usize,
    /// The same for packets of up to 64 KiB, which offload makes.
    pub held_large_packets_max: usize,
    /// TCP connections whose state is known, so that they can be reset; each counts twice, once for each direction.
    pub flows_max: usize,
    /// The device from which interfaces are made.
    pub device: PathBuf,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            mtu_bytes: 1500,
            offload: true,
            held_packets_max: 16_384,
            held_large_packets_max: 1024,
            flows_max: 8192,
            device: "/dev/net/tun".into(),
        }
    }
}

/// What a running lab could not do.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// There is no such link.
    #[error("the lab has no link from {from} to {to}")]
    NoSuchLink {
        /// Its sender.
        from: Port,
        /// Its receiver.
        to: Port,
    },
    /// There is no such node.
    #[error("the lab has no port {0}")]
    NoSuchPort(Port),
    /// The rule cannot be carried out.
    #[error(transparent)]
    InvalidRule(#[from] InvalidRule),
    /// The sender's device did not change how it hands over packets.
    #[error("the interface of {port} did not change its offload: {errno}")]
    Offload {
        /// The sender.
        port: Port,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A namespace could not be joined.
    #[error("the network namespace of {port} could not be joined: {errno}")]
    Join {
        /// Whose.
        port: Port,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The switch has ended, and no packet passes any more.
    #[error("the switch has ended, and no packet passes any more: {0}")]
    Stopped(String),
    /// There is a trace already.
    #[error("there is a trace already; end it before another one")]
    Traced,
    /// A file or a thread.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A network of namespaces. Dropping it stops the switch; its namespaces vanish with the last process in them.
#[derive(Debug)]
pub struct Lab {
    ports: Ports,
    /// Of each port, in the order of [`Ports`].
    namespaces: Vec<OwnedFd>,
    devices: Vec<File>,
    ipv6: Result<(), Errno>,
    commands: SyncSender<switch::Command>,
    wake: Arc<EventFd>,
    /// Why the switch ended by itself.
    failure: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Lab {
    /// Makes a namespace for each node, and the interface of the bench in the namespace of the calling thread, which
    /// must be in a user namespace of its own ([`crate::enter_user_namespace`]).
    ///
    /// # Errors
    /// [`Refused`], with what this machine does not allow and why.
    pub fn start(nodes: usize, options: &LabOptions) -> Result<Self, Refused> {
        let ports = Ports::new(nodes).ok_or(Refused::Nodes(nodes))?;
        let LabOptions { mtu_bytes, offload, .. } = *options;
        if !(MTU_BYTES_MIN..=MTU_BYTES_MAX).contains(&mtu_bytes) {
            return Err(Refused::Mtu(mtu_bytes));
        }
        let port_options = PortOptions { device: &options.device, mtu_bytes, offload };
        let made = ports.all().map(|port| tun::make_port(port, port_options)).collect::<Result<Vec<Made>, _>>()?;
        Self::join_by_switch(ports, made, options)
    }

    fn join_by_switch(ports: Ports, made: Vec<Made>, options: &LabOptions) -> Result<Self, Refused> {
        let (mut tuns, mut namespaces, mut devices, mut ipv6) = (vec![], vec![], vec![], Ok(()));
        for made in made {
            tuns.push(made.tun);
            namespaces.push(made.namespace);
            devices.push(made.devices);
            ipv6 = ipv6.and(made.ipv6);
        }
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let wake = Arc::new(wake.map_err(|errno| Refused::Thread(errno.into()))?);
        let (commands, received) = mpsc::sync_channel(COMMANDS_MAX);
        let failure = Arc::new(OnceLock::new());
        let switch = Switch::new(ports, tuns, switch_options(options));
        let thread = thread::Builder::new().name("switch".into()).spawn({
            let (wake, failure) = (Arc::clone(&wake), Arc::clone(&failure));
            move || {
                if let Err(error) = switch.run(&received, &wake) {
                    failure.get_or_init(|| error.to_string());
                }
            }
        });
        let thread = Some(thread.map_err(Refused::Thread)?);
        Ok(Self { ports, namespaces, devices, ipv6, commands, wake, failure, thread })
    }

    /// All ports, nodes first.
    pub fn ports(&self) -> impl Iterator<Item = Port> {
        self.ports.all()
    }

    /// Whether every port has its IPv6 address.
    ///
    /// # Errors
    /// The kernel's answer where IPv6 is switched off.
    pub fn ipv6(&self) -> Result<(), Errno> {
        self.ipv6
    }

    /// The network namespace of a port, to join with `setns`.
    ///
    /// # Errors
    /// If the lab has no such port.
    pub fn namespace(&self, port: Port) -> Result<BorrowedFd<'_>, LabError> {
        Ok(self.namespaces[self.index(port)?].as_fd())
    }

    /// Runs the program of `command` (tokio's has `as_std_mut`) in the namespace of a port. Other steps before its
    /// start come in the order in which they are added; this one needs capabilities, which [`crate::drop_capabilities`]
    /// takes away.
    ///
    /// # Errors
    /// If the lab has no such port, or there are too many open files.
    pub fn join(&self, port: Port, command: &mut Command) -> Result<(), LabError> {
        let namespace = self.namespace(port)?.try_clone_to_owned()?;
        sys::join_before_exec(command, namespace);
        Ok(())
    }

    /// Runs `act` in a thread that is in the namespace of a port, and waits for it. Sockets that it makes stay in that
    /// namespace, whichever thread uses them later.
    ///
    /// # Errors
    /// If the namespace cannot be joined.
    ///
    /// # Panics
    /// If `act` does.
    pub fn within<T: Send>(&self, port: Port, act: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let namespace = self.namespace(port)?;
        let act = move || {
            setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|errno| LabError::Join { port, errno })?;
            Ok(act())
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, act)?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Replaces the rule of a directed link. Once this returns, nothing passes by the old one; what it held was
    /// delivered, or dropped if the new one cuts the link.
    ///
    /// # Errors
    /// If there is no such link, if the rule cannot be carried out, or if the sender's device does not follow.
    pub fn set_link(&self, from: Port, to: Port, rule: LinkRule) -> Result<(), LabError> {
        rule.validate()?;
        let link = self.link(from, to)?;
        let set = self.ask(move |switch| switch.set_rule(link.0, link.1, rule))?;
        set.map_err(|errno| LabError::Offload { port: from, errno })
    }

    /// The rule of a directed link.
    ///
    /// # Errors
    /// If there is no such link, or the switch has ended.
    pub fn rule(&self, from: Port, to: Port) -> Result<LinkRule, LabError> {
        let link = self.link(from, to)?;
        self.ask(move |switch| switch.rule(link.0, link.1))
    }

    /// What has happened on a directed link since the lab was started.
    ///
    /// # Errors
    /// If there is no such link, or the switch has ended.
    pub fn statistics(&self, from: Port, to: Port) -> Result<LinkStatistics, LabError> {
        let link = self.link(from, to)?;
        self.ask(move |switch| switch.link_statistics(link.0, link.1))
    }

    /// What has happened in the switch as a whole.
    ///
    /// # Errors
    /// If the switch has ended.
    pub fn switch_statistics(&self) -> Result<SwitchStatistics, LabError> {
        self.ask(|switch| switch.statistics())
    }

    /// Packets that a port's kernel dropped before the switch saw them, because too many waited for it.
    ///
    /// # Errors
    /// If there is no such port, or its table of interfaces cannot be read.
    pub fn dropped_before_switch(&self, port: Port) -> Result<u64, LabError> {
        Ok(tun::dropped_before_switch(&self.devices[self.index(port)?])?)
    }

    /// Resets every TCP connection between the two, as `to` sees it: an RST reaches it as if `from` had sent one.
    /// `from` learns of it when it sends next, or by a reset of the other link. Returns how many connections those are;
    /// none if the link is cut.
    ///
    /// # Errors
    /// If there is no such link, or the switch has ended.
    pub fn reset(&self, from: Port, to: Port) -> Result<usize, LabError> {
        let link = self.link(from, to)?;
        self.ask(move |switch| switch.reset(link.0, link.1))
    }

    /// Begins to write every packet into a file in the format pcapng.
    ///
    /// # Errors
    /// If the file cannot be made, if there is a trace already, or if the switch has ended.
    pub fn trace(&self, path: &Path, limits: TraceLimits) -> Result<(), LabError> {
        if self.ask(|switch| switch.is_traced())? {
            return Err(LabError::Traced);
        }
        let trace = Trace::create(path, limits, self.ports)?;
        match self.ask(move |switch| switch.set_trace(Some(trace)))? {
            None => Ok(()),
            // Another thread was between the two questions.
            Some(other) => other.finish().map_err(LabError::Io).and(Err(LabError::Traced)),
        }
    }

    /// Writes a note into the trace, if there is one: that a fault begins, or ends.
    ///
    /// # Errors
    /// If the switch has ended.
    pub fn note(&self, text: &str) -> Result<(), LabError> {
        let text = text.to_owned();
        self.ask(move |switch| switch.note(&text))
    }

    /// Ends the trace, and waits until it is written; `None` if there is none.
    ///
    /// # Errors
    /// If it could not be written, or if the switch has ended.
    pub fn end_trace(&self) -> Result<Option<TraceSummary>, LabError> {
        let trace = self.ask(|switch| switch.set_trace(None))?;
        Ok(trace.map(Trace::finish).transpose()?)
    }

    /// Asks the switch between two of its packets.
    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut Switch) -> T + Send + 'static) -> Result<T, LabError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let command: switch::Command = Box::new(move |switch| {
            // Whoever asked waits for the answer, so it is received.
            let _ = answer.send(question(switch));
        });
        self.commands.send(command).map_err(|_| self.stopped())?;
        self.wake.write(1).map_err(|errno| LabError::Io(errno.into()))?;
        answered.recv().map_err(|_| self.stopped())
    }

    fn stopped(&self) -> LabError {
        LabError::Stopped(self.failure.get().cloned().unwrap_or_else(|| "its thread has panicked".into()))
    }

    fn index(&self, port: Port) -> Result<usize, LabError> {
        self.ports.index(port).ok_or(LabError::NoSuchPort(port))
    }

    fn link(&self, from: Port, to: Port) -> Result<(usize, usize), LabError> {
        let ends = self.ports.index(from).zip(self.ports.index(to));
        ends.filter(|(from, to)| from != to).ok_or(LabError::NoSuchLink { from, to })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.ask(Switch::stop);
        if let Some(thread) = self.thread.take() {
            // If it has panicked, that was said on the standard error output.
            let _ = thread.join();
        }
    }
}

fn switch_options(options: &LabOptions) -> SwitchOptions {
    SwitchOptions {
        seed: options.seed,
        offload: options.offload,
        mtu_bytes: options.mtu_bytes,
        held_packets_max: options.held_packets_max,
        held_large_packets_max: options.held_large_packets_max,
        flows_max: options.flows_max,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_nobody_can_have_is_refused_before_anything_is_made() {
        let refused = |nodes, mtu_bytes| {
            Lab::start(nodes, &LabOptions { mtu_bytes, ..LabOptions::default() }).expect_err("it is impossible")
        };
        assert!(matches!(refused(0, 1500), Refused::Nodes(0)));
        assert!(matches!(refused(254, 1500), Refused::Nodes(254)));
        assert!(matches!(refused(3, 576), Refused::Mtu(576)));
    }

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let options = LabOptions { device: "/nowhere/tun".into(), ..LabOptions::default() };
        // Only the bench's own port needs no namespace; the first node's comes earlier, and may be refused for its own
        // reason.
        let text = Lab::start(1, &options).expect_err("there is no such device").to_string();
        assert!(text.contains("/nowhere/tun") || text.contains("network namespace"), "{text}");
    }
}

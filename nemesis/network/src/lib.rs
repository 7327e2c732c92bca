//! A network of namespaces joined by a switch in this process, with faults on each directed link, without privileges.
//!
//! Programs run unmodified, each in a network namespace of its own, on their default ports, as on machines of their
//! own. Every packet between them passes the switch, and so do those of the bench's own clients:
//!
//! ```text
//!  one user namespace (enter_user_namespace)
//!  ┌──────────────────────────────────────────────────────────────────────────────────┐
//!  │  n1's namespace          n2's namespace          the bench's namespace           │
//!  │  10.77.0.1, fd77::1      10.77.0.2, fd77::2      10.77.0.254, fd77::254          │
//!  │  net0 ▲                  net0 ▲                  net0 ▲                          │
//!  │       │ TUN                   │ TUN                   │ TUN                      │
//!  │       └──────────────┬────────┴───────────────────────┘                          │
//!  │               switch: a thread of the bench, a rule and counters for each        │
//!  │               directed link, trace.pcapng                                        │
//!  └──────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! ```no_run
//! use network::{Delay, Lab, LabOptions, LinkRule, Port, enter_user_namespace};
//! use std::process::Command;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! enter_user_namespace()?; // First of all, while there is one thread.
//! let lab = Lab::start(3, &LabOptions::default())?;
//! let mut etcd = Command::new("etcd");
//! lab.join(Port::Node(1), &mut etcd)?;
//! network::drop_capabilities(&mut etcd);
//! let slow = LinkRule { delay: Delay::Constant(Duration::from_millis(50)), ..LinkRule::default() };
//! lab.set_link(Port::Node(1), Port::Node(2), slow)?;
//! # Ok(())
//! # }
//! ```
//!
//! **What needs what.** User, network and mount namespaces, and an openable `/dev/net/tun`; each refusal says why and
//! what to do ([`Refused`]). No root, no netlink, no iptables. Nothing is left behind: namespaces, interfaces and
//! mounts vanish with the last process and the last descriptor.
//!
//! **Architecture Invariant:** all that waits is bounded and allocated at the start; what is dropped at a bound has a
//! counter, and for each link the counters add up ([`LinkStatistics`]).

#[cfg(not(target_os = "linux"))]
compile_error!("network namespaces and TUN devices of this kind are Linux's: build this crate for Linux");

mod checksum;
mod draw;
mod entry;
mod flows;
mod held;
mod lab;
mod link;
mod packet;
mod port;
mod refused;
mod rule;
mod statistics;
mod switch;
mod sys;
mod trace;
mod tun;

pub use entry::{Entered, enter_user_namespace};
pub use lab::{Lab, LabError, LabOptions};
pub use port::{NODES_MAX, Port};
pub use refused::Refused;
pub use rule::{Checksum, Corrupt, DELAY_MAX, Delay, InvalidRule, LinkRule, RATE_QUEUE_BYTES_MAX, Rate, Reorder};
pub use statistics::{LinkStatistics, SwitchStatistics};
pub use sys::drop_capabilities_before_exec as drop_capabilities;
pub use trace::{NOTE_BYTES_MAX, TraceLimits, TraceSummary};
pub use tun::INTERFACE;

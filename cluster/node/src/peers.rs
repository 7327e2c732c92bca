//! Links to and from the other nodes: one TCP connection for each direction of each pair.
//!
//! ```text
//!   driver ──► bounded queue ──► dialler ═══ TCP, perhaps through a proxy ═══► acceptor ──► bounded queue ──► driver
//!              full: drop        reconnects                                    refuses what is no frame of a peer
//! ```
//!
//! I only send on what I dialled, and only read from what I accepted. The protocol assumes a network that loses,
//! delays and repeats; so a full queue drops, a broken connection forgets what was queued on it, and nothing is ever
//! sent twice on purpose.

mod inbound;
mod outbound;

pub(crate) use self::inbound::{Acceptor, Identity};
pub(crate) use self::outbound::Outbound;

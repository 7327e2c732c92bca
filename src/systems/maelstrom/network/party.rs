//! Who exchanges messages, and between whom there are links.

use crate::arena::processes::links::End;

/// From where a message comes, or where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// A node, by its position.
    Node(usize),
    /// Some client.
    Client,
    /// The bench itself.
    Bench,
    /// Some service.
    Service,
}

/// The ends of the link that a message goes over; none if that has no rules.
pub(super) fn ends(from: Party, to: Party) -> Option<(End, End)> {
    let end = |party| match party {
        Party::Node(node) => Some(End::Node(node)),
        Party::Client => Some(End::Clients),
        Party::Bench | Party::Service => None,
    };
    Some((end(from)?, end(to)?))
}

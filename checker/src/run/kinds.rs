//! Which kinds of fault end or stop the processes of the nodes that they name, by the names that a nemesis records.

/// Faults that a node does not survive: it starts anew, with what its disk has.
const CRASHES: [&str; 11] = [
    "kill",
    "upgrade",
    "wipe",
    "replace",
    "power",
    "sync-fail",
    "rot",
    "torn",
    "bit-flip",
    "restart",
    "crash-in-start",
];

/// Faults whose nodes do not run from their start to their end.
const STOPS: [&str; 9] = ["kill", "pause", "power", "torn", "wipe", "replace", "rot", "bit-flip", "upgrade"];

/// Whether nodes do not survive a fault of this kind.
pub fn is_crash(kind: &str) -> bool {
    CRASHES.contains(&kind)
}

/// Whether nodes do not run from the start of a fault of this kind to its end.
pub fn is_stop(kind: &str) -> bool {
    STOPS.contains(&kind)
}

//! Session order and real-time order as edges, in linear space.
//!
//! Real time has up to n^2 pairs. Here they go through *moments*, hidden nodes in a chain: a transaction leads to the
//! moment of its completion, each moment to the next, and the latest moment before an invocation to the transaction
//! invoked. There is a path between two transactions exactly if the first had completed when the second was invoked.

use super::graph::{Edges, Kind};
use super::input::NEVER;

/// A transaction as the orders see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// Its node.
    pub node: u32,
    /// Its client process.
    pub process: u32,
    /// Event index of the invocation.
    pub call: u32,
    /// Event index of the completion, or [`NEVER`].
    pub ret: u32,
}

/// Adds real-time order; `spans` ascend by `call`.
pub(crate) fn real_time(edges: &mut Edges, spans: &[Span]) {
    let mut completions: Vec<(u32, u32)> =
        spans.iter().filter(|span| span.ret != NEVER).map(|span| (span.ret, span.node)).collect();
    completions.sort_unstable();
    let mut waiting = completions.into_iter().peekable();
    // The latest moment, and whether an invocation has already looked at it: then it may take no more completions.
    let mut moment: Option<(u32, bool)> = None;
    for span in spans {
        while let Some((_, done)) = waiting.next_if(|(ret, _)| *ret < span.call) {
            let (current, _) = match moment {
                Some((current, false)) => (current, false),
                earlier => {
                    let next = edges.hidden();
                    if let Some((earlier, _)) = earlier {
                        edges.add(earlier, next, Kind::RealTime);
                    }
                    (next, false)
                }
            };
            moment = Some((current, false));
            edges.add(done, current, Kind::RealTime);
        }
        if let Some((current, seen)) = &mut moment {
            edges.add(*current, span.node, Kind::RealTime);
            *seen = true;
        }
    }
}

/// Adds an edge between successive transactions of each process; `spans` ascend by `call`.
pub(crate) fn sessions(edges: &mut Edges, spans: &[Span]) {
    let mut last: rustc_hash::FxHashMap<u32, u32> = rustc_hash::FxHashMap::default();
    for span in spans {
        if let Some(before) = last.insert(span.process, span.node) {
            edges.add(before, span.node, Kind::Process);
        }
    }
}

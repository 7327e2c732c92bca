//! The fast path of registers whose values are unique: first the values by themselves, then what failed.

use super::failed_cas;
use super::register::{Clusters, RegisterOp, Zones};

/// Judges the operations of one register, given in the order of invocation, that begins with `initial`.
pub(crate) fn zones(operations: &[RegisterOp], initial: u32) -> Zones {
    zones_within(operations, initial, &|| false)
}

/// The same, unless the time is over; that is asked between one walk over the operations and the next.
pub(crate) fn zones_within(operations: &[RegisterOp], initial: u32, out_of_time: &dyn Fn() -> bool) -> Zones {
    let Some(mut clusters) = Clusters::new(operations, initial) else { return Zones::NotUnique };
    match clusters.judge(out_of_time) {
        Err(Some(proof)) => Zones::Violation(proof),
        Err(None) => Zones::OutOfTime,
        Ok(blocks) => failed_cas::judge(&clusters, &blocks),
    }
}

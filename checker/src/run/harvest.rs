//! Harvest: the share of the existing data that a read shows.
//!
//! Fox and Brewer, "Harvest, yield, and scalable tolerant systems" (HotOS 1999): yield is the share of requests that
//! are answered, harvest the share of the data that an answer reflects. A store that answers from the replicas that it
//! can reach trades harvest for yield. A read is *expected* to show what was acknowledged before it was invoked:
//!
//! - for a set, list, cart or counter, the elements (or changes) added by then, except those that some operation tried
//!   to remove; its harvest is the share of them that it shows;
//! - for a register, the write or delete acknowledged last; its harvest is 1 if it shows that one or one that may be
//!   newer, else 0. A write may be newer if it had not completed when that one was invoked. An empty read may show a
//!   delete.
//!
//! A read that is expected to show nothing has no harvest. Harvest is only measured: the properties define which reads
//! may lack what.
//! Time: O(n log n) in the writes, reads and elements shown.

use crate::history::{EventType, Operation, Phase};
use crate::visibility::{KeyFacts, Read, WorkloadFacts, Write};

/// The reads of the main phase that are expected to show something, each with its harvest, 0 to 1. Keys about which nothing can be
/// decided are skipped.
pub(crate) fn harvests<'a, 'h>(workload: &'a WorkloadFacts<'h>) -> impl Iterator<Item = (&'a Operation<'h>, f64)> {
    let is_register = workload.model.is_register();
    let keys = workload.keys.iter().filter(|key| key.flaws.is_empty());
    keys.flat_map(move |key| {
        let mut acknowledged: Vec<(u64, usize)> =
            (0..).zip(&key.writes).filter_map(|(at, write)| expected(write, at)).collect();
        acknowledged.sort_unstable();
        let deletes = if is_register { Deletes::new(key) } else { Deletes::default() };
        key.reads.iter().filter(|read| read.operation.phase() == Phase::Main).filter_map(move |read| {
            let before = acknowledged.partition_point(|(acknowledged, _)| *acknowledged < read.invoked());
            let (_, last) = *acknowledged.get(before.checked_sub(1)?)?;
            let harvest = match is_register {
                true => f64::from(u8::from(is_fresh(key, read, last, &deletes))),
                false => shown(key, read) as f64 / before as f64,
            };
            debug_assert!((0.0..=1.0).contains(&harvest), "a read shows a share of what is expected");
            Some((&read.operation, harvest))
        })
    })
}

/// When a write that reads are expected to show was acknowledged, and its position.
fn expected(write: &Write<'_>, at: usize) -> Option<(u64, usize)> {
    write.must_stay().map(|acknowledged| (acknowledged, at))
}

/// How many of the writes that a read is expected to show it shows.
fn shown(key: &KeyFacts<'_>, read: &Read<'_>) -> usize {
    let is_expected = |write: &&u32| {
        key.writes[**write as usize].must_stay().is_some_and(|acknowledged| acknowledged < read.invoked())
    };
    read.listed.iter().filter(is_expected).count()
}

/// Whether a read of a register shows the write acknowledged last before it, or one that may be newer.
fn is_fresh(key: &KeyFacts<'_>, read: &Read<'_>, last: usize, deletes: &Deletes) -> bool {
    let invoked = key.writes[last].operation.invoked();
    let may_be_newer = |at: usize| at == last || ended(&key.writes[at]) > invoked;
    let nothing_is_newest =
        || deletes.ended_last_of_those_before(read.completed()).is_some_and(|ended| ended > invoked);
    read.listed.iter().any(|at| may_be_newer(*at as usize)) || (read.listed.is_empty() && nothing_is_newest())
}

/// When a write was certainly over; one of unknown outcome never is.
fn ended(write: &Write<'_>) -> u64 {
    write.acknowledged().unwrap_or(u64::MAX)
}

/// The deletes of a key that may have happened.
#[derive(Default)]
struct Deletes {
    /// In the order of invocation: the invocation of each, and the last completion among it and those before it.
    ended_last: Vec<(u64, u64)>,
}

impl Deletes {
    fn new(key: &KeyFacts<'_>) -> Self {
        let (mut ended_last, mut last) = (Vec::new(), 0);
        let happened = |write: &&Write<'_>| write.is_delete() && write.operation.outcome() != EventType::Fail;
        for delete in key.writes.iter().filter(happened) {
            last = ended(delete).max(last);
            ended_last.push((delete.operation.invoked(), last));
        }
        debug_assert!(
            ended_last.is_sorted(),
            "deletes are in the order of invocation, and the last completion only grows"
        );
        Self { ended_last }
    }

    /// The last completion of the deletes that were invoked before an event.
    fn ended_last_of_those_before(&self, index: u64) -> Option<u64> {
        let count = self.ended_last.partition_point(|(invoked, _)| *invoked < index);
        self.ended_last.get(count.checked_sub(1)?).map(|(_, ended)| *ended)
    }
}

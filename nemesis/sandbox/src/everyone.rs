//! Settings that children inherit from their parents, given to every process or thread of a node.
//!
//! While one goes through them, one that has not had its turn may fork a child that escapes. So the list is read again
//! until every one on it has what was asked for.

use procfs::process::Process;

use crate::keeper::Kept;
use crate::node_error::NodeError;
use crate::processes::members;

/// How often the list is gone through. A program that forks faster than that is reported.
const ROUNDS_MAX: usize = 100;

/// What was done to one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Set {
    /// It has ended meanwhile.
    Gone,
    /// It was so already.
    WasSo,
    /// It is so from now on.
    Changed,
}

/// Sets something for all that are listed, until all have it; returns how many have.
pub(crate) fn until_all_have<T>(
    what: &str,
    list: impl Fn() -> Result<Vec<T>, NodeError>,
    mut set: impl FnMut(&T) -> Result<Set, NodeError>,
) -> Result<usize, NodeError> {
    for _ in 0..ROUNDS_MAX {
        let (mut have, mut changed) = (0, false);
        for one in list()? {
            let set = set(&one)?;
            have += usize::from(set != Set::Gone);
            changed |= set == Set::Changed;
        }
        if !changed {
            return Ok(have);
        }
    }
    Err(NodeError::Value(format!(
        "{what} was set {ROUNDS_MAX} times, and some still have another: the program forks too fast"
    )))
}

/// Every process of a node but init.
pub(crate) fn processes(kept: &Kept) -> Result<Vec<Process>, NodeError> {
    let mut all = members(kept.namespace).map_err(NodeError::proc)?;
    all.retain(|process| process.pid() != kept.init_pid);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_was_forked_meanwhile_gets_it_too() {
        let limited = [const { Cell::new(false) }; 5];
        let born = Cell::new(1);
        let list = || Ok((0..born.get()).collect());
        let set = |one: &usize| {
            born.set((born.get() + 1).min(5));
            Ok(if limited[*one].replace(true) { Set::WasSo } else { Set::Changed })
        };
        assert_eq!(until_all_have("it", list, set).expect("in the end"), 5);
        assert!(limited.iter().all(Cell::get));
    }

    #[test]
    fn what_never_ends_is_reported() {
        let refused = until_all_have("it", || Ok(vec![()]), |()| Ok(Set::Changed));
        assert!(matches!(refused, Err(NodeError::Value(text)) if text.contains("100 times")));
    }

    #[test]
    fn those_that_have_ended_do_not_count() {
        let set = |one: &u32| Ok(if *one == 1 { Set::Gone } else { Set::WasSo });
        assert_eq!(until_all_have("it", || Ok(vec![1, 2, 3]), set).expect("fine"), 2);
    }
}

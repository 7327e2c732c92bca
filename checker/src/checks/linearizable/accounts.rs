//! A bank as one object: transfers move money at one moment, and a read shows all balances at one moment.
//!
//! Stricter than the check `bank`, which only compares totals. What the accounts hold at first is not in the history:
//! the first read fixes it, together with the transfers before it. The general search decides it.

use super::machine::{Bonds, Machine};
use super::not_of_model::NotOfModel;
use crate::history::{Datum, History, Identities, Kind, Op, ValueId};

/// Balances, or changes of them, by account, ascending; changes of nothing are left out.
pub(crate) type Amounts = Box<[(u32, i128)]>;

/// What was done with the accounts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum AccountsAction {
    /// Money went from one to another.
    Transfer {
        /// From this account.
        from: u32,
        /// To this one.
        to: u32,
        /// So much.
        amount: i64,
    },
    /// The balances of all accounts.
    Read(Amounts),
}

/// The accounts of a bank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts;

/// What is known of the accounts at some moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    /// How they changed since the beginning.
    Changed(Amounts),
    /// What they hold.
    Balances(Amounts),
}

/// Amounts with one more added to an account.
fn plus(amounts: &Amounts, account: u32, amount: i128) -> Amounts {
    let mut sum = amounts.to_vec();
    match sum.binary_search_by_key(&account, |(account, _)| *account) {
        Ok(at) => sum[at].1 += amount,
        Err(at) => sum.insert(at, (account, amount)),
    }
    sum.into()
}

impl Machine for Accounts {
    type State = Held;
    type Action = AccountsAction;

    fn initial(&self) -> Held {
        Held::Changed(Amounts::default())
    }

    fn step(&self, held: &Held, action: &AccountsAction) -> impl IntoIterator<Item = Held> {
        match (held, action) {
            (_, AccountsAction::Transfer { from, to, amount }) => {
                let moved =
                    |amounts: &Amounts| plus(&plus(amounts, *from, -i128::from(*amount)), *to, i128::from(*amount));
                Some(match held {
                    Held::Changed(changes) => Held::Changed(moved(changes)),
                    Held::Balances(balances) => Held::Balances(moved(balances)),
                })
            }
            // Whatever the accounts held at first, they hold this now. Every account is in a read.
            (Held::Changed(changes), AccountsAction::Read(seen)) => {
                let listed =
                    |(account, _): &(u32, i128)| seen.binary_search_by_key(account, |(account, _)| *account).is_ok();
                changes.iter().all(listed).then(|| Held::Balances(seen.clone()))
            }
            (Held::Balances(balances), AccountsAction::Read(seen)) => (balances == seen).then(|| held.clone()),
        }
    }

    /// What is read depends on every change.
    fn bonds(&self, action: &AccountsAction) -> Option<Bonds> {
        Some(Bonds::of_whole(matches!(action, AccountsAction::Read(_))))
    }

    fn state_bytes(&self, held: &Held) -> usize {
        let (Held::Changed(amounts) | Held::Balances(amounts)) = held;
        size_of::<Held>() + size_of_val::<[(u32, i128)]>(amounts)
    }
}

/// An operation as an action; none if it did nothing.
///
/// # Errors
/// When the function or the value is none of a bank.
pub(super) fn action(
    history: &History,
    same: &mut Identities<'_>,
    op: &Op,
    f: &str,
) -> Result<Option<AccountsAction>, NotOfModel> {
    let wrong = |value: ValueId| NotOfModel::Value(op.f, value);
    Ok(match (f, op.kind) {
        ("transfer" | "read", Kind::Fail) | ("read", Kind::Info) => None,
        ("transfer", _) => Some(transfer(history, same, op.argument).ok_or_else(|| wrong(op.argument))?),
        ("read", Kind::Ok) if op.result.is_nil() => return Err(NotOfModel::Unread(op.f)),
        ("read", Kind::Ok) => {
            Some(AccountsAction::Read(balances(history, same, op.result).ok_or_else(|| wrong(op.result))?))
        }
        _ => return Err(NotOfModel::Function(op.f)),
    })
}

/// `{:from a :to b :amount n}`.
fn transfer(history: &History, same: &mut Identities<'_>, value: ValueId) -> Option<AccountsAction> {
    let Datum::Map(fields) = history.datum(value) else { return None };
    let field = |name: &str| {
        let is_it = |entry: &&[ValueId; 2]| matches!(history.datum(entry[0]), Datum::Text(text) if text == name);
        fields.iter().find(is_it).map(|[_, value]| *value)
    };
    match history.datum(field("amount")?) {
        Datum::Int(amount) => Some(AccountsAction::Transfer {
            from: same.of_name(field("from")?).0,
            to: same.of_name(field("to")?).0,
            amount,
        }),
        _ => None,
    }
}

/// `{account balance ...}`.
pub(super) fn balances(history: &History, same: &mut Identities<'_>, value: ValueId) -> Option<Amounts> {
    let Datum::Map(entries) = history.datum(value) else { return None };
    let mut balance = |[account, balance]: &[ValueId; 2]| match history.datum(*balance) {
        Datum::Int(balance) => Some((same.of_name(*account).0, i128::from(balance))),
        _ => None,
    };
    let mut balances = entries.iter().map(&mut balance).collect::<Option<Vec<_>>>()?;
    balances.sort_unstable();
    Some(balances.into())
}

#[cfg(test)]
mod tests {
    use super::super::machine::Timed;
    use super::super::search::{Answer, Bounds, search};
    use super::AccountsAction::{Read, Transfer};
    use super::{Accounts, AccountsAction};

    fn holds(actions: Vec<(u32, u32, AccountsAction)>) -> bool {
        let timed = |(call, ret, action)| Timed { process: call, call, ret, action };
        let history: Vec<_> = actions.into_iter().map(timed).collect();
        matches!(search(&Accounts, &history, &Bounds::default()), Answer::Linearizable)
    }

    fn read(a: i128, b: i128) -> AccountsAction {
        Read([(1, a), (2, b)].into())
    }

    #[test]
    fn a_read_shows_one_moment_and_totals_are_not_enough() {
        let moved = |amount| Transfer { from: 1, to: 2, amount };
        assert!(holds(vec![(0, 1, read(10, 0)), (2, 3, moved(4)), (4, 5, read(6, 4))]));
        // The total is right, but the transfer had ended.
        assert!(!holds(vec![(0, 1, read(10, 0)), (2, 3, moved(4)), (4, 5, read(10, 0))]));
        assert!(!holds(vec![(0, 1, read(10, 0)), (2, 3, moved(4)), (4, 5, read(6, 10))]));
        // Concurrent with it, a read may come before or after.
        assert!(holds(vec![(0, 1, read(10, 0)), (2, 5, moved(4)), (3, 4, read(10, 0)), (6, 7, read(6, 4))]));
    }

    #[test]
    fn what_was_there_at_first_is_fixed_by_the_first_read() {
        let moved = |amount| Transfer { from: 1, to: 2, amount };
        assert!(holds(vec![(0, 1, moved(3)), (2, 3, read(7, 3)), (4, 5, moved(1)), (6, 7, read(6, 4))]));
        assert!(!holds(vec![(0, 1, moved(3)), (2, 3, read(7, 3)), (4, 5, read(8, 2))]));
    }
}

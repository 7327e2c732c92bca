//! A string that is read, replaced and appended to: the key-value store of MIT's distributed systems course, which
//! Porcupine's tests record (`get`, `put v`, `append v`).
//!
//! The general search decides it; its states are whole strings.

use super::machine::{Bonds, Machine};
use super::not_of_model::NotOfModel;
use crate::history::{Datum, History, Kind, Op, ValueId};

/// What was done with the string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum TextAction {
    /// It was this.
    Get(Box<str>),
    /// It is this from here on.
    Put(Box<str>),
    /// This was added at its end.
    Append(Box<str>),
}

/// A string, with what it is at first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(
    /// The initial string.
    pub Box<str>,
);

impl Machine for Text {
    type State = Box<str>;
    type Action = TextAction;

    fn initial(&self) -> Box<str> {
        self.0.clone()
    }

    fn step(&self, held: &Box<str>, action: &TextAction) -> impl IntoIterator<Item = Box<str>> {
        match action {
            TextAction::Get(seen) => (seen == held).then(|| held.clone()),
            TextAction::Put(text) => Some(text.clone()),
            TextAction::Append(more) => Some([&**held, more].concat().into()),
        }
    }

    fn only_reads(&self, action: &TextAction) -> bool {
        matches!(action, TextAction::Get(_))
    }

    /// What is read depends on every change.
    fn bonds(&self, action: &TextAction) -> Option<Bonds> {
        Some(Bonds::of_whole(matches!(action, TextAction::Get(_))))
    }

    fn state_bytes(&self, held: &Box<str>) -> usize {
        size_of::<Box<str>>() + held.len()
    }
}

/// An operation as an action; none if it did nothing. Nothing there is the empty string.
///
/// # Errors
/// When the function or the value is none of a string.
pub(super) fn action(history: &History, op: &Op, f: &str) -> Result<Option<TextAction>, NotOfModel> {
    let text = |value: ValueId| text(history, value).map(Box::from).ok_or(NotOfModel::Value(op.f, value));
    Ok(match (f, op.kind) {
        ("get" | "read" | "put" | "write" | "append", Kind::Fail) | ("get" | "read", Kind::Info) => None,
        ("get" | "read", Kind::Ok) => Some(TextAction::Get(text(op.result)?)),
        ("put" | "write", _) => Some(TextAction::Put(text(op.argument)?)),
        ("append", _) => Some(TextAction::Append(text(op.argument)?)),
        _ => return Err(NotOfModel::Function(op.f)),
    })
}

/// A value as the string that it is; nil is the empty one.
pub(super) fn text(history: &History, value: ValueId) -> Option<&str> {
    match history.datum(value) {
        Datum::Text(text) => Some(text),
        Datum::Nil => Some(""),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Timed;
    use super::super::search::{Answer, Bounds, search};
    use super::TextAction::{Append, Get, Put};
    use super::{Text, TextAction};

    fn holds(actions: Vec<(u32, u32, TextAction)>) -> bool {
        let timed = |(call, ret, action)| Timed { process: call, call, ret, action };
        let history: Vec<_> = actions.into_iter().map(timed).collect();
        matches!(search(&Text::default(), &history, &Bounds::default()), Answer::Linearizable)
    }

    #[test]
    fn what_is_appended_stands_at_the_end_in_some_order() {
        let both = |seen: &str| vec![(0, 3, Append("x".into())), (1, 2, Append("y".into())), (4, 5, Get(seen.into()))];
        assert!(holds(both("xy")) && holds(both("yx")));
        assert!(!holds(both("x")) && !holds(both("")) && !holds(both("xyx")));
        assert!(holds(vec![
            (0, 1, Put("a".into())),
            (2, 3, Append("b".into())),
            (4, 5, Put("c".into())),
            (6, 7, Get("c".into()))
        ]));
        assert!(!holds(vec![(0, 1, Put("a".into())), (2, 3, Append("b".into())), (4, 5, Get("ba".into()))]));
    }
}

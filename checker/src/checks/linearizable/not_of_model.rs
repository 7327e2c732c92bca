//! Why an operation of a history is none of a model.

use crate::history::{Sym, ValueId};

/// Why an operation of the history is not one of the model.
pub(super) enum NotOfModel {
    /// It has no such function.
    Function(Sym),
    /// The function does not take, or does not return, this value.
    Value(Sym, ValueId),
    /// It succeeded without a value, and what it showed is not recorded.
    Unread(Sym),
    /// It took or showed nil, which may be an element, or nothing.
    Unclear(Sym),
    /// It cannot begin with this value.
    Initial(ValueId),
}

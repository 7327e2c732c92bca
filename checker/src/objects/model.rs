//! What the operations of a workload mean, by name, and what a value is.

use std::fmt;
use std::str::FromStr;

use crate::history::{Datum, History, ValueId};

/// What a workload's operations mean. The names are those of the workloads and of `check --model`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Model {
    /// Elements are added, never removed.
    Set,
    /// Values are written, each replacing those that its writer had read.
    Register,
    /// Items are added and removed.
    Cart,
    /// Numbers are added and subtracted; what processes did is merged.
    Counter,
    /// Transactions of one append to a list, or one read of it.
    ListAppend,
    /// Transactions of one write or one read of a register.
    RwRegister,
}

impl Model {
    /// Every model.
    pub const ALL: [Model; 6] =
        [Model::Set, Model::Register, Model::Cart, Model::Counter, Model::ListAppend, Model::RwRegister];

    /// The name used at the command line, and by the workload.
    pub fn name(self) -> &'static str {
        match self {
            Model::Set => "set",
            Model::Register => "register",
            Model::Cart => "cart",
            Model::Counter => "counter",
            Model::ListAppend => "list-append",
            Model::RwRegister => "rw-register",
        }
    }

    /// What it is, in a line.
    pub fn about(self) -> &'static str {
        match self {
            Model::Set => "add an element, read all elements: each added element stays",
            Model::Register => {
                "write or delete, read all siblings: each value stays until a write or delete that saw it replaces it"
            }
            Model::Cart => "add and remove items, read all items: an added item stays until it is removed",
            Model::Counter => {
                "inc n and dec n (grow-counter: inc n alone), read the sum and its parts: each change stays"
            }
            Model::ListAppend => "txn of one append or one read of a list: each element stays, and lists only grow",
            Model::RwRegister => "txn of one write or one read of a register: as register, in Jepsen's form",
        }
    }

    /// Whether a read shows values that stand for those which they have replaced.
    pub(crate) fn is_register(self) -> bool {
        matches!(self, Model::Register | Model::RwRegister)
    }

    /// Whether its operations are transactions, whose isolation is judged.
    pub fn is_transactional(self) -> bool {
        matches!(self, Model::ListAppend | Model::RwRegister)
    }
}

/// A workload whose model has another name.
const GROW_COUNTER: &str = "grow-counter";

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name given is no model's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown model '{0}': known are set, register, cart, counter, list-append, rw-register")]
pub struct UnknownModel(pub String);

impl FromStr for Model {
    type Err = UnknownModel;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == GROW_COUNTER {
            return Ok(Model::Counter);
        }
        Model::ALL.into_iter().find(|model| model.name() == text).ok_or_else(|| UnknownModel(text.to_owned()))
    }
}

/// A written value, cheap to compare.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Element {
    Integer(i64),
    /// The JSON text of anything else.
    Other(String),
}

impl Element {
    /// A value of a history.
    pub fn new(history: &History, value: ValueId) -> Self {
        match history.datum(value) {
            Datum::Int(value) => Element::Integer(value),
            _ => Element::Other(history.json(value).to_string()),
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Integer(value) => write!(f, "{value}"),
            Element::Other(text) => f.write_str(text),
        }
    }
}

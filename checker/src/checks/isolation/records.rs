//! From records to transactions.
//!
//! A transaction is an operation whose value is a list of micro-operations `[f key value]`: `append`, `w` (a write of a
//! register) and `r` (a read, of a list or of a register). Its function has no meaning. What an operation that failed
//! or whose outcome is unknown wrote stands in its invocation. For the checks of registers an operation `write` or
//! `read` with a key, or without one and with a single value, is a transaction of one micro-operation.

use rustc_hash::FxHashMap;

use super::findings::{KeyName, Ops};
use super::input::{Outcome, Transactions};
use crate::history::{Datum, History, Kind, Op, ValueId};

/// What micro-operations are expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Appends, and reads of lists.
    Lists,
    /// Writes and reads of registers.
    Registers,
}

/// An operation is not a transaction of the form expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation invoked at index {index} is no transaction of {form}: {what}")]
pub(crate) struct NoTransaction {
    /// The history's index of its invocation.
    pub index: u64,
    /// What was expected.
    pub form: &'static str,
    /// What is wrong.
    pub what: String,
}

/// Reads all operations as transactions.
///
/// # Errors
/// When an operation that may have happened has another form.
pub(crate) fn read(records: &History, form: Form) -> Result<(Transactions, Ops<'_>), NoTransaction> {
    let mut reader = Reader {
        records,
        form,
        transactions: with_room(records, form),
        numbers: FxHashMap::default(),
        keys: Vec::new(),
        names: Names::new(records),
    };
    let mut positions = Vec::with_capacity(records.ops.len());
    for (op, position) in records.ops.iter().zip(0..) {
        let begun = reader.transaction(op).map_err(|what| NoTransaction {
            index: records.event_index(op.call),
            form: match form {
                Form::Lists => "lists",
                Form::Registers => "registers",
            },
            what,
        })?;
        if begun {
            positions.push(position);
        }
    }
    Ok((reader.transactions, Ops { records, positions, keys: reader.keys }))
}

/// How many operations are examined to estimate the memory that all of them need.
const OPERATIONS_SOUGHT: usize = 1000;

/// Room for all transactions, from what some of them have: growing by doubling touches three times the memory. Room
/// that is not used takes none, and where it is too little it grows.
fn with_room(records: &History, form: Form) -> Transactions {
    let rows = records.ops.len();
    let step = rows / OPERATIONS_SOUGHT + 1;
    let (mut sought, mut micros, mut elements) = (0, 0, 0);
    for op in records.ops.iter().step_by(step) {
        let of_op = list(records, if op.kind == Kind::Ok { op.result } else { op.argument });
        sought += 1;
        micros += of_op.len().max(1);
        if form == Form::Lists {
            let read = of_op.iter().filter_map(|micro| list(records, *micro).last());
            elements += read.map(|value| list(records, *value).len()).sum::<usize>();
        }
    }
    let of_all = |count: usize| (count as f64 / sought.max(1) as f64 * rows as f64 * 1.1) as usize;
    Transactions::with_capacity(rows, of_all(micros), of_all(elements))
}

/// The names of functions, found once.
struct Names {
    append: Option<ValueId>,
    read: Option<ValueId>,
    write: Option<ValueId>,
}

impl Names {
    fn new(records: &History) -> Self {
        let mut names = Self { append: None, read: None, write: None };
        for op in records.ops.iter().take(NAMES_SOUGHT) {
            for micro in list(records, op.argument) {
                if let [f, ..] = list(records, *micro) {
                    names.learn(records, *f);
                }
            }
        }
        names
    }

    fn learn(&mut self, records: &History, f: ValueId) {
        match records.datum(f) {
            Datum::Text("append") => self.append = Some(f),
            Datum::Text("r") => self.read = Some(f),
            Datum::Text("w") => self.write = Some(f),
            _ => {}
        }
    }
}

/// Operations in which the names of functions are sought beforehand; those that occur only later are learnt then.
const NAMES_SOUGHT: usize = 100;

struct Reader<'r> {
    records: &'r History,
    form: Form,
    transactions: Transactions,
    numbers: FxHashMap<KeyName, u32>,
    keys: Vec<KeyName>,
    names: Names,
}

impl<'r> Reader<'r> {
    /// Whether the operation is one: an operation that certainly did nothing and has no list is passed over.
    fn transaction(&mut self, op: &Op) -> Result<bool, String> {
        let outcome = match op.kind {
            Kind::Ok => Outcome::Ok,
            Kind::Info => Outcome::Info,
            Kind::Fail => Outcome::Fail,
        };
        let value = if op.kind == Kind::Ok { op.result } else { op.argument };
        let with_key = op.key.is_some() && !self.is_transaction(op);
        if self.form == Form::Registers && (with_key || self.is_plain(op, value)) {
            return self.single(op, outcome, value);
        }
        match self.records.datum(value) {
            Datum::List(micros) => {
                self.transactions.begin(op.process, outcome, op.call, op.ret);
                micros.iter().try_for_each(|micro| self.micro(*micro))?;
                Ok(true)
            }
            _ if op.kind == Kind::Fail => Ok(false),
            _ => Err(format!("its value {} is not a list of micro-operations", self.records.show(value))),
        }
    }

    /// Whether it writes or reads the one register that there is: it names no key, and its value is no list.
    fn is_plain(&self, op: &Op, value: ValueId) -> bool {
        matches!(self.records.text(op.f), "read" | "write") && ![op.argument, value].iter().any(|value| value.is_list())
    }

    /// Whether it has micro-operations, whether or not its event has a key, too.
    fn is_transaction(&self, op: &Op) -> bool {
        list(self.records, op.argument).first().is_some_and(|micro| list(self.records, *micro).len() == 3)
    }

    /// A write or a read by itself.
    fn single(&mut self, op: &Op, outcome: Outcome, value: ValueId) -> Result<bool, String> {
        let f = self.records.text(op.f);
        if !matches!(f, "write" | "read" | "w" | "r") {
            return Err(format!("the function `{f}` is neither read nor write"));
        }
        let key = self.number(KeyName::Sym(op.key));
        self.transactions.begin(op.process, outcome, op.call, op.ret);
        if f.starts_with('w') {
            self.transactions.write(key, op.argument.0);
        } else if op.kind == Kind::Ok {
            self.read(key, value);
        }
        Ok(true)
    }

    /// A read shows a scalar, or a list of siblings.
    fn read(&mut self, key: u32, value: ValueId) {
        match self.records.datum(value) {
            Datum::List([]) => self.transactions.read(key, super::input::NIL),
            Datum::List([one]) => self.transactions.read(key, one.0),
            Datum::List(several) => {
                let several = several.iter().map(|value| value.0).collect();
                self.transactions.read_siblings(key, several);
            }
            _ => self.transactions.read(key, value.0),
        }
    }

    fn micro(&mut self, micro: ValueId) -> Result<(), String> {
        let [f, key, value] = *list(self.records, micro) else {
            return Err(format!("the micro-operation {} is not [f key value]", self.records.show(micro)));
        };
        self.names.learn(self.records, f);
        let key = self.number(KeyName::Value(key));
        match (Some(f), self.form) {
            (f, Form::Lists) if f == self.names.append => self.transactions.append(key, value.0),
            (f, Form::Lists) if f == self.names.read => match self.records.datum(value) {
                Datum::Nil => self.transactions.read_list(key, []),
                Datum::List(elements) => self.transactions.read_list(key, elements.iter().map(|element| element.0)),
                _ => return Err(format!("the read of a list shows {}", self.records.show(value))),
            },
            (f, Form::Registers) if f == self.names.write => self.transactions.write(key, value.0),
            (f, Form::Registers) if f == self.names.read => {
                self.read(key, value);
            }
            _ => return Err(format!("the micro-operation {} is of another kind", self.records.show(micro))),
        }
        Ok(())
    }

    fn number(&mut self, key: KeyName) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            self.keys.push(key);
            self.keys.len() as u32 - 1
        })
    }
}

fn list(records: &History, value: ValueId) -> &[ValueId] {
    match records.datum(value) {
        Datum::List(elements) => elements,
        _ => &[],
    }
}

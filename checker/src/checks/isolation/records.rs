//! From records to transactions.
//!
//! A transaction is an operation whose value is a list of micro-operations `[f key value]`: `append`, `w` (a write of a
//! register) and `r` (a read, of a list or of a register). Its function has no meaning. What an operation that failed
//! or whose outcome is unknown wrote stands in its invocation. For the checks of registers an operation `write` or
//! `read` with a key, or without one and with a single value, is a transaction of one micro-operation.
//!
//! A transaction that is `ok` with an acknowledgement instead of a list wrote what was asked for; what it read is unknown. If a
//! register begins with a value, that value is [`NIL`], and nil is one that nobody wrote.

use rustc_hash::FxHashMap;

use super::findings::{KeyName, Misread, Ops};
use super::input::{NIL, Outcome, Transactions};
use crate::history::{Datum, History, Identities, Kind, Op, ValueId};
use crate::objects::completion::written;
use crate::objects::siblings::{has_micros, lists_are_values};

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
        initials: Vec::new(),
        misreads: Vec::new(),
        names: Names::new(records),
        same: Identities::new(records),
        lists_are_values: None,
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
    let Reader { transactions, keys, initials, misreads, .. } = reader;
    Ok((transactions, Ops { records, positions, keys, initials, misreads }))
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

/// How many operations are searched for names of functions beforehand; those that occur only later are added then.
const NAMES_SOUGHT: usize = 100;

struct Reader<'r> {
    records: &'r History,
    form: Form,
    transactions: Transactions,
    numbers: FxHashMap<KeyName, u32>,
    keys: Vec<KeyName>,
    /// What each key begins with.
    initials: Vec<ValueId>,
    misreads: Vec<Misread>,
    names: Names,
    /// Of keys and values, which may be any data.
    same: Identities<'r>,
    /// Whether a register that shows a list shows a value, or siblings; found out when one does.
    lists_are_values: Option<bool>,
}

impl<'r> Reader<'r> {
    /// The completion of an operation; where no invocation is recorded, none comes before any other.
    fn ret(&self, op: &Op) -> u32 {
        if self.records.unsaid.invocations { super::input::NEVER } else { op.ret }
    }

    /// Whether the operation is one: an operation that certainly did nothing and has no list is passed over.
    fn transaction(&mut self, op: &Op) -> Result<bool, String> {
        let outcome = match op.kind {
            Kind::Ok => Outcome::Ok,
            Kind::Info => Outcome::Info,
            Kind::Fail => Outcome::Fail,
        };
        let is_acknowledged = op.is_ok() && op.argument.is_list() && !op.result.is_list();
        let value = match op.kind {
            Kind::Ok if is_acknowledged && self.form_has_lists(op) => self.written(op)?,
            Kind::Ok => op.result,
            Kind::Info | Kind::Fail => op.argument,
        };
        let with_key = op.key.is_some() && !self.is_transaction(op);
        if self.form == Form::Registers && (with_key || self.is_plain(op)) {
            return self.single(op, outcome, value);
        }
        match self.records.datum(value) {
            // A list without micro-operations does not show that it is a transaction.
            Datum::List([]) if !matches!(self.records.text(op.f), "txn" | "") => {
                Err(format!("its function is `{}`, and its value [] has no micro-operation", self.records.text(op.f)))
            }
            Datum::List(micros) => {
                self.transactions.begin(op.process, outcome, op.call, self.ret(op));
                micros.iter().try_for_each(|micro| self.micro(*micro, !is_acknowledged))?;
                Ok(true)
            }
            _ if op.kind == Kind::Fail => Ok(false),
            _ => {
                let (f, value) = (self.records.text(op.f), self.records.show(value));
                Err(format!("its function is `{f}`, and its value {value} is not a list of micro-operations"))
            }
        }
    }

    /// Whether it writes or reads the one register that there is: it has neither a key nor micro-operations.
    fn is_plain(&self, op: &Op) -> bool {
        matches!(self.records.text(op.f), "read" | "write") && !self.is_transaction(op)
    }

    /// Whether it has micro-operations, whether or not its event has a key, too.
    fn is_transaction(&self, op: &Op) -> bool {
        has_micros(self.records, self.records.datum(op.argument))
    }

    /// A write or a read by itself.
    fn single(&mut self, op: &Op, outcome: Outcome, value: ValueId) -> Result<bool, String> {
        let f = self.records.text(op.f);
        if !matches!(f, "write" | "read" | "w" | "r") {
            return Err(format!("the function `{f}` is neither read nor write"));
        }
        let key = self.number(KeyName::Sym(op.key));
        self.transactions.begin(op.process, outcome, op.call, self.ret(op));
        if f.starts_with('w') {
            let value = self.written(op)?;
            self.write(key, value);
        } else if op.kind == Kind::Ok {
            self.read(key, value);
        }
        Ok(true)
    }

    /// Whether it is a transaction, and no write of a list to a register of its own.
    fn form_has_lists(&self, op: &Op) -> bool {
        self.form == Form::Lists || self.is_transaction(op)
    }

    /// The value with which an operation wrote.
    fn written(&self, op: &Op) -> Result<ValueId, String> {
        written(self.records, op).map_err(|denial| {
            let (f, denial) = (self.records.text(op.f), self.records.show(denial));
            format!("`{f}` is `ok` with {denial}: one that did nothing must be `fail`")
        })
    }

    /// A value of a register as transactions have it.
    fn of_register(&mut self, key: u32, value: ValueId) -> u32 {
        let (initial, value) = (self.initials[key as usize], self.same.of(value));
        match value {
            _ if initial.is_nil() => value.0,
            _ if value == initial => NIL,
            ValueId::NIL => self.records.unwritten_nil().0,
            _ => value.0,
        }
    }

    fn write(&mut self, key: u32, value: ValueId) {
        let value = self.of_register(key, value);
        self.transactions.write(key, value);
    }

    /// A read of a list shows first what the list begins with.
    fn read_list(&mut self, key: u32, shown: ValueId, elements: &[ValueId]) {
        let initial = self.initials[key as usize];
        let same = &mut self.same;
        let first = list(self.records, initial);
        let begins = |elements: &[ValueId]| {
            elements.len() >= first.len() && first.iter().zip(elements).all(|(a, b)| self.records.is_equal(*a, *b))
        };
        if begins(elements) {
            self.transactions.read_list(key, elements.iter().map(|element| same.of(*element).0));
        } else if self.transactions.rows().last().is_some_and(|row| row.outcome == Outcome::Ok) {
            let transaction = self.transactions.len() as u32 - 1;
            self.misreads.push(Misread { transaction, key, shown, initial });
        }
    }

    /// A read shows a value, or a list of siblings; an empty list is no value, unless it was written.
    fn read(&mut self, key: u32, value: ValueId) {
        let Some(shown) = self.records.datum(value).elements().filter(|_| !self.is_value(value)) else {
            let value = self.of_register(key, value);
            return self.transactions.read(key, value);
        };
        match *shown {
            [] => {
                let nil = self.of_register(key, ValueId::NIL);
                self.transactions.read(key, nil);
            }
            [one] => {
                let one = self.of_register(key, one);
                self.transactions.read(key, one);
            }
            ref several => {
                let several = several.iter().map(|value| self.of_register(key, *value)).collect();
                self.transactions.read_siblings(key, several);
            }
        }
    }

    /// Whether a list that was read is one value.
    fn is_value(&mut self, list: ValueId) -> bool {
        let records = self.records;
        let is_empty = records.datum(list).elements().is_some_and(<[ValueId]>::is_empty);
        *self.lists_are_values.get_or_insert_with(|| lists_are_values(records))
            && (!is_empty || self.same.known(list).is_some())
    }

    /// `is_shown`: whether it says what was read.
    fn micro(&mut self, micro: ValueId, is_shown: bool) -> Result<(), String> {
        let [f, key, value] = *list(self.records, micro) else {
            return Err(format!("the micro-operation {} is not [f key value]", self.records.show(micro)));
        };
        self.names.learn(self.records, f);
        let key = KeyName::Value(self.same.of(key));
        let key = self.number(key);
        if self.form == Form::Lists
            && !matches!(self.records.datum(self.initials[key as usize]), Datum::Nil | Datum::List(_))
        {
            return Err(format!("a list cannot begin with {}", self.records.show(self.initials[key as usize])));
        }
        match (Some(f), self.form) {
            (f, Form::Lists) if f == self.names.append => self.transactions.append(key, self.same.of(value).0),
            (f, _) if f == self.names.read && !is_shown => {}
            (f, Form::Lists) if f == self.names.read => match self.records.datum(value) {
                Datum::Nil => self.read_list(key, value, &[]),
                Datum::List(elements) => self.read_list(key, value, elements),
                _ => return Err(format!("the read of a list shows {}", self.records.show(value))),
            },
            (f, Form::Registers) if f == self.names.write => self.write(key, value),
            (f, Form::Registers) if f == self.names.read => {
                self.read(key, value);
            }
            _ => return Err(format!("the micro-operation {} is of another kind", self.records.show(micro))),
        }
        Ok(())
    }

    fn number(&mut self, key: KeyName) -> u32 {
        *self.numbers.entry(key).or_insert_with(|| {
            let initial = match key {
                KeyName::Value(key) => self.records.initial_of_value(key),
                KeyName::Sym(key) => self.records.initial(key),
            };
            let initial = self.same.of(initial);
            if self.form == Form::Lists && initial.is_list() {
                let same = &mut self.same;
                let elements = list(self.records, initial).iter().map(|element| same.of(*element).0);
                self.transactions.begin_list(self.keys.len() as u32, elements.collect());
            }
            self.initials.push(initial);
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

//! Histories of transactions on lists or registers: a store that executes them one at a time, each at a moment within
//! its span, for several concurrent processes. The same arguments give the same history.

use std::collections::HashMap;
use std::io::Write;

use super::error::AnyError;
use super::random::Random;

/// Processes at a time.
const PROCESSES: usize = 10;
/// Keys in use at a time; one that was written so often is replaced by a new one, as Elle's generator does.
const KEYS: usize = 10;
const WRITES_PER_KEY: u32 = 32;
const MICROS_MAX: u64 = 4;
const SEED: u64 = 7;

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    Nothing,
    /// One read, in the middle of the history, shows a state that its key had before.
    OneOldRead,
    /// One transaction in so many reads such states.
    OldReads(u64),
    /// One transaction in so many fails, and what it wrote stays.
    FailedWrites(u64),
    /// One read of a list in so many shows its first element again at the end, or of a register what nobody wrote.
    WrongReads(u64),
}

/// Writes a history of `count` transactions.
pub fn generate(lists: bool, count: usize, fault: Fault, out: &mut impl Write) -> Result<(), AnyError> {
    Store::new(lists, fault, SEED).run(count, out)
}

/// A store that executes one transaction after the other.
struct Store {
    lists: bool,
    fault: Fault,
    /// Whether the transaction at hand is one that goes wrong.
    is_wrong: bool,
    /// Whether the half of the history is over, and the one old read is still to come.
    is_due: bool,
    has_read_old: bool,
    random: Random,
    /// Keys in use, and how often each was written.
    keys: Vec<(u32, u32)>,
    next_key: u32,
    values: HashMap<u32, Vec<u32>>,
    index: usize,
}

/// A micro-operation: the key, and what it writes unless it reads.
type Micro = (u32, Option<u32>);

/// What a process is doing.
#[derive(Clone)]
enum At {
    Rest,
    Invoked(Vec<Micro>),
    /// What it answers, and how it ends.
    Executed(String, &'static str),
}

impl Store {
    fn new(lists: bool, fault: Fault, seed: u64) -> Self {
        let (is_wrong, is_due, has_read_old) = (false, false, false);
        let keys = (0..KEYS as u32).map(|key| (key, 0)).collect();
        let (next_key, values, index) = (KEYS as u32, HashMap::new(), 0);
        Self { lists, fault, is_wrong, is_due, has_read_old, random: Random(seed), keys, next_key, values, index }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    /// Runs the processes step by step, in a random order.
    fn run(&mut self, size: usize, out: &mut impl Write) -> Result<(), AnyError> {
        let mut processes = vec![At::Rest; PROCESSES];
        let (mut begun, mut done) = (0, 0);
        while done < size {
            let process = self.below(PROCESSES as u64) as usize;
            processes[process] = match std::mem::replace(&mut processes[process], At::Rest) {
                At::Rest if begun < size => {
                    begun += 1;
                    let plan = self.plan();
                    let asked: Vec<String> = plan.iter().map(|micro| self.asked(*micro)).collect();
                    self.line(out, process, "invoke", &asked.join(","))?;
                    At::Invoked(plan)
                }
                At::Rest => At::Rest,
                At::Invoked(plan) => {
                    self.is_due = self.fault == Fault::OneOldRead && done >= size / 2 && !self.has_read_old;
                    self.is_wrong = match self.fault {
                        Fault::Nothing | Fault::OneOldRead => false,
                        Fault::OldReads(one_in) | Fault::FailedWrites(one_in) | Fault::WrongReads(one_in) => {
                            self.below(one_in) == 0
                        }
                    };
                    let fails = self.is_wrong && matches!(self.fault, Fault::FailedWrites(_));
                    let answers: Vec<String> = plan.into_iter().map(|micro| self.execute(micro)).collect();
                    At::Executed(answers.join(","), if fails { "fail" } else { "ok" })
                }
                At::Executed(answer, kind) => {
                    self.line(out, process, kind, &answer)?;
                    done += 1;
                    At::Rest
                }
            };
        }
        Ok(())
    }

    fn line(&mut self, out: &mut impl Write, process: usize, kind: &str, value: &str) -> Result<(), AnyError> {
        let index = self.index;
        self.index += 1;
        let time = index * 1000;
        writeln!(
            out,
            r#"{{"index":{index},"time":{time},"process":{process},"type":"{kind}","f":"txn","value":[{value}]}}"#
        )?;
        Ok(())
    }

    fn plan(&mut self) -> Vec<Micro> {
        (0..=self.below(MICROS_MAX))
            .map(|_| {
                let (at, writes) = (self.below(KEYS as u64) as usize, self.below(2) == 0);
                let (key, written) = &mut self.keys[at];
                let key = *key;
                if !writes {
                    return (key, None);
                }
                *written += 1;
                let value = *written;
                if value == WRITES_PER_KEY {
                    self.keys[at] = (self.next_key, 0);
                    self.next_key += 1;
                }
                (key, Some(value))
            })
            .collect()
    }

    fn asked(&self, (key, value): Micro) -> String {
        match (value, self.lists) {
            (Some(value), true) => format!(r#"["append",{key},{value}]"#),
            (Some(value), false) => format!(r#"["w",{key},{value}]"#),
            (None, _) => format!(r#"["r",{key},null]"#),
        }
    }

    fn execute(&mut self, micro: Micro) -> String {
        let (lists, asked) = (self.lists, self.asked(micro));
        let mut values = self.values.remove(&micro.0).unwrap_or_default();
        let answer = match micro.1 {
            Some(value) => {
                values.push(value);
                asked
            }
            None => {
                let shown = self.shown(&values);
                match (lists, shown.last()) {
                    (true, _) => format!(r#"["r",{},{shown:?}]"#, micro.0),
                    (false, Some(value)) => format!(r#"["r",{},{value}]"#, micro.0),
                    (false, None) => asked,
                }
            }
        };
        self.values.insert(micro.0, values);
        answer
    }

    /// What a read shows of these values.
    fn shown(&mut self, values: &[u32]) -> Vec<u32> {
        // The states before the last few are older than every transaction that is open.
        let is_due = self.is_due && !self.has_read_old && values.len() > 2 * PROCESSES;
        let is_wrong = self.is_wrong && values.len() > 1;
        let mut shown = values.to_vec();
        match self.fault {
            Fault::OneOldRead if is_due => shown.truncate(1),
            Fault::OldReads(_) if is_wrong => shown.truncate(self.below(values.len() as u64) as usize),
            Fault::WrongReads(_) if is_wrong => shown.push(if self.lists { values[0] } else { WRITES_PER_KEY + 1 }),
            _ => {}
        }
        self.has_read_old |= is_due;
        shown
    }
}

//! A client of a perfect store that does one operation at a time, in memory: registers, sets, counters, lists, queues,
//! logs, locks and watches. On request its answers get lost, or it has one flaw.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use workloads::bank::Bank;
use workloads::client::{Attempt, Client, Completion, Operation};
use workloads::clock::Clock;
use workloads::log::SEEK_TO_BEGINNING;
use workloads::registry::NAMES;

use super::{VirtualClock, ms};

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Every tenth change is acknowledged and not made.
    Lose,
    /// Half of all reads show what was there up to half a second ago.
    Stale,
    /// Every tenth change is made twice, or what was given to one is given to another, too.
    Double,
}

/// One in so many operations is refused, not answered, or answered after its time-out, each.
const TROUBLE: u32 = 30;
/// One in so many changes shows the flaw.
const FLAWED: u64 = 10;
/// How old what stale reads show may be.
const STALE: Duration = Duration::from_millis(500);

/// The client; see the module.
pub struct Reference {
    clock: VirtualClock,
    flaw: Option<Flaw>,
    /// Until then some operations are refused, or not answered.
    trouble_until: Duration,
    rng: RefCell<ChaCha8Rng>,
    state: RefCell<State>,
    /// The state a while ago, with the time.
    old: RefCell<(Duration, State)>,
    changes: Cell<u64>,
}

/// All that is stored.
#[derive(Clone, Default)]
struct State {
    /// Registers, and the keys of watches.
    values: BTreeMap<String, Value>,
    /// Sets, lists, and logs.
    lists: BTreeMap<String, Vec<Value>>,
    counters: BTreeMap<String, i64>,
    queues: BTreeMap<String, VecDeque<Value>>,
    /// The next offset of each log that was assigned to a process.
    positions: BTreeMap<u64, BTreeMap<String, usize>>,
    holders: BTreeMap<String, u64>,
    token: u64,
    /// What was changed, in the order of revisions: the n-th has revision n + 1.
    changes: Vec<Value>,
}

/// What comes of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Refused,
    /// It may be done, but there is no answer in time.
    Unanswered(bool),
}

impl Reference {
    pub fn new(clock: &VirtualClock, seed: u64, flaw: Option<Flaw>, trouble_until: Duration) -> Self {
        let (state, old, changes) = Default::default();
        let rng = ChaCha8Rng::seed_from_u64(seed).into();
        Self { clock: clock.clone(), flaw, trouble_until, rng, state, old, changes }
    }

    fn fate(&self) -> Fate {
        let mut rng = self.rng.borrow_mut();
        if self.clock.now() >= self.trouble_until {
            return Fate::Done;
        }
        match rng.random_range(0..TROUBLE) {
            0 => Fate::Refused,
            1 => Fate::Unanswered(true),
            2 => Fate::Unanswered(false),
            _ => Fate::Done,
        }
    }

    async fn wait(&self) {
        let wait = ms(self.rng.borrow_mut().random_range(1..15));
        self.clock.sleep_until(self.clock.now() + wait).await;
    }

    async fn perform(&self, operation: &Operation) -> Completion {
        self.wait().await;
        let fate = self.fate();
        let result = match fate {
            Fate::Refused => Err("refused".to_owned()),
            Fate::Unanswered(false) => Ok(Value::Null),
            Fate::Done | Fate::Unanswered(true) => self.apply(operation),
        };
        self.wait().await;
        match (fate, result) {
            (Fate::Unanswered(_), _) => std::future::pending().await,
            (_, Ok(value)) => operation.ok(value),
            (_, Err(why)) => operation.fail(why),
        }
    }

    fn apply(&self, operation: &Operation) -> Result<Value, String> {
        let now = self.clock.now();
        if self.old.borrow().0 + STALE <= now {
            *self.old.borrow_mut() = (now, self.state.borrow().clone());
        }
        let is_change = !operation.only_reads() && operation.f != "poll" && operation.f != "assign";
        if !is_change {
            let stale = self.flaw == Some(Flaw::Stale) && self.rng.borrow_mut().random_bool(0.5);
            let double = self.flaw == Some(Flaw::Double);
            return match stale {
                true => self.old.borrow_mut().1.apply(operation, double),
                false => self.state.borrow_mut().apply(operation, double),
            };
        }
        self.changes.set(self.changes.get() + 1);
        let flaw = self.flaw.filter(|_| self.changes.get().is_multiple_of(FLAWED));
        let mut state = self.state.borrow_mut();
        match flaw {
            Some(Flaw::Lose) => state.clone().apply(operation, false),
            flaw => state.apply(operation, flaw == Some(Flaw::Double)),
        }
    }
}

impl State {
    /// Does an operation, and returns its result, or why it was not done. `double` does it twice, as far as that has a
    /// meaning.
    fn apply(&mut self, operation: &Operation, double: bool) -> Result<Value, String> {
        let (key, value, process) = (operation.key.clone().unwrap_or_default(), &operation.value, operation.process);
        match (operation.workload, operation.f) {
            ("cas-register" | "lin-kv", "read") => Ok(self.values.get(&key).cloned().unwrap_or_default()),
            ("cas-register" | "lin-kv", "write") => self.write(key, value),
            ("cas-register" | "lin-kv", "cas") if self.values.get(&key) != Some(&value[0]) => {
                Err("another value".to_owned())
            }
            ("cas-register" | "lin-kv", "cas") => self.write(key, &value[1]).map(|_| value.clone()),
            ("kv-set" | "g-set" | "broadcast", "read") => Ok(self.lists.get(&key).cloned().unwrap_or_default().into()),
            ("kv-set" | "g-set", "add") | ("broadcast", "broadcast") => {
                self.append(key, value, double).map(|_| value.clone())
            }
            ("kv-counter" | "g-counter" | "pn-counter", "read") => {
                Ok(self.counters.get(&key).copied().unwrap_or_default().into())
            }
            ("kv-counter" | "g-counter" | "pn-counter", "add") => self.count(key, value, double),
            ("append" | "txn-list-append" | "txn-rw-register", "txn") => self.transact(value),
            ("echo", "echo") => Ok(value.clone()),
            ("unique-ids", "generate") => {
                let next = self.counters.entry(key).or_default();
                *next += 1;
                Ok((*next).into())
            }
            ("queue", "enqueue") => {
                self.queues.entry(key).or_default().push_back(value.clone());
                Ok(value.clone())
            }
            ("queue", "dequeue") => Ok(self.queues.entry(key).or_default().pop_front().unwrap_or_default()),
            ("queue", "drain") => Ok(std::mem::take(self.queues.entry(key).or_default()).into_iter().collect()),
            ("log" | "kafka", "send") => self.send(value, double),
            ("log" | "kafka", "assign") => Ok(self.assign(process, value)),
            ("log" | "kafka", "poll") => Ok(self.poll(process)),
            ("lock" | "fenced-lock", "acquire") => self.acquire(operation, key, double),
            ("lock" | "fenced-lock", "release") => self.release(key, process),
            ("bank", "transfer") => self.transfer(&key, value, double),
            ("bank", "read") => Ok(Bank::accounts().map(|account| self.balance(&key, account)).collect()),
            ("watch", "put") => Ok(self.put(value)),
            ("watch", "delete") => Ok(self.delete(value)),
            ("watch", "watch") => Ok(self.changes_from(value, double)),
            (workload, f) => panic!("{workload} has no {f}"),
        }
    }

    fn write(&mut self, key: String, value: &Value) -> Result<Value, String> {
        self.values.insert(key, value.clone());
        Ok(value.clone())
    }

    /// Appends to a list, and returns its length before.
    fn append(&mut self, key: String, value: &Value, double: bool) -> Result<usize, String> {
        let list = self.lists.entry(key).or_default();
        let before = list.len();
        list.extend(std::iter::repeat_n(value.clone(), if double { 2 } else { 1 }));
        Ok(before)
    }

    fn count(&mut self, key: String, value: &Value, double: bool) -> Result<Value, String> {
        let by = value.as_i64().expect("numbers are added");
        *self.counters.entry(key).or_default() += if double { 2 * by } else { by };
        Ok(value.clone())
    }

    fn transact(&mut self, micros: &Value) -> Result<Value, String> {
        let micros = micros.as_array().expect("a transaction is a list");
        let results = micros.iter().map(|micro| {
            let key = micro[1].as_str().expect("a list has a name").to_owned();
            if micro[0] == "w" {
                return self.write(key, &micro[2]).map(|_| micro.clone());
            }
            if micro[0] == "r" && key.starts_with("register-") {
                return Ok(json!(["r", key, self.values.get(&key)]));
            }
            if micro[0] == "r" {
                return Ok(json!(["r", key, self.lists.get(&key).cloned().unwrap_or_default()]));
            }
            self.append(key, &micro[2], false).map(|_| micro.clone())
        });
        results.collect()
    }

    /// An account of a bank with its balance.
    fn balance(&self, bank: &str, account: String) -> (String, Value) {
        let stored = self.values.get(&format!("{bank}/{account}")).cloned();
        (account, stored.unwrap_or(Bank::BALANCE.into()))
    }

    /// What is moved twice arrives twice.
    fn transfer(&mut self, bank: &str, value: &Value, double: bool) -> Result<Value, String> {
        let amount = value["amount"].as_i64().expect("a transfer is of an amount");
        let arrives = if double { 2 * amount } else { amount };
        for (end, by) in [("from", -amount), ("to", arrives)] {
            let account = value[end].as_str().expect("an account has a name").to_owned();
            let (account, balance) = self.balance(bank, account);
            let balance = balance.as_i64().expect("a balance is a number") + by;
            if balance < 0 {
                return Err("it has not so much".to_owned());
            }
            self.values.insert(format!("{bank}/{account}"), balance.into());
        }
        Ok(value.clone())
    }

    fn send(&mut self, value: &Value, double: bool) -> Result<Value, String> {
        let (key, record) = (value[0][1].as_str().expect("a log has a name"), &value[0][2]);
        let offset = self.append(key.to_owned(), record, double)?;
        Ok(json!([["send", key, [offset, record]]]))
    }

    fn assign(&mut self, process: u64, logs: &Value) -> Value {
        let logs = logs.get(SEEK_TO_BEGINNING).unwrap_or(logs).as_array().expect("logs are a list").iter();
        let from_the_beginning = logs.map(|log| (log.as_str().expect("a log has a name").to_owned(), 0));
        self.positions.insert(process, from_the_beginning.collect());
        self.positions[&process].keys().cloned().collect()
    }

    fn poll(&mut self, process: u64) -> Value {
        const BATCH: usize = 7;
        let mut polled = serde_json::Map::new();
        for (log, position) in self.positions.entry(process).or_default() {
            let records = self.lists.get(log).map(Vec::as_slice).unwrap_or_default();
            let next: Vec<Value> = (*position..records.len()).take(BATCH).map(|at| json!([at, records[at]])).collect();
            *position += next.len();
            if !next.is_empty() {
                polled.insert(log.clone(), next.into());
            }
        }
        json!([["poll", polled]])
    }

    fn acquire(&mut self, operation: &Operation, key: String, double: bool) -> Result<Value, String> {
        if self.holders.contains_key(&key) && !double {
            return Err("it is held".to_owned());
        }
        self.holders.insert(key, operation.process);
        self.token += 1;
        Ok(if operation.workload == "fenced-lock" { self.token.into() } else { Value::Null })
    }

    fn release(&mut self, key: String, process: u64) -> Result<Value, String> {
        if self.holders.get(&key) != Some(&process) {
            return Err("another holds it".to_owned());
        }
        self.holders.remove(&key);
        Ok(Value::Null)
    }

    fn put(&mut self, pair: &Value) -> Value {
        let key = pair[0].as_str().expect("a key is text");
        self.values.insert(key.to_owned(), pair[1].clone());
        self.changed(json!(["put", key, pair[1]]))
    }

    fn delete(&mut self, key: &Value) -> Value {
        let existed = self.values.remove(key.as_str().expect("a key is text")).is_some();
        if existed { self.changed(json!(["delete", key])) } else { Value::Null }
    }

    /// Keeps a change, and returns its revision.
    fn changed(&mut self, change: Value) -> Value {
        let revision = self.changes.len() + 1;
        let with_revision = [revision.into()].into_iter().chain(change.as_array().expect("a list").clone());
        self.changes.push(with_revision.collect());
        revision.into()
    }

    fn changes_from(&self, revision: &Value, double: bool) -> Value {
        let from = revision.as_u64().expect("a revision is a number").max(1) as usize - 1;
        let watched = |change: &&Value| change[2].as_str().is_some_and(|key| key.starts_with("watch-"));
        let changes = self.changes.get(from..).unwrap_or_default().iter().filter(watched);
        let mut responses: Vec<Value> = changes.map(|change| json!([change])).collect();
        if double {
            responses.extend(responses.first().cloned());
        }
        responses.into()
    }
}

impl Client for Reference {
    fn nodes(&self) -> Vec<String> {
        ["n1", "n2", "n3"].map(str::to_owned).to_vec()
    }

    fn can(&self, workload: &str, _f: &str) -> bool {
        NAMES.contains(&workload)
    }

    fn invoke<'a>(
        &'a self,
        _node: &'a str,
        operation: &'a Operation,
        _attempt: &'a Attempt,
    ) -> LocalBoxFuture<'a, Completion> {
        self.perform(operation).boxed_local()
    }
}

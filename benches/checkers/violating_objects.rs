//! Histories of each model in which one thing is wrong, at the very end: whatever comes before has to be looked at, too.
//!
//! Simulated clients work by turns, and each operation takes effect at a moment within its span, as in `objects`. Then
//! all of them rest, and a few more operations are a violation. The same input gives the same history.

use std::collections::{BTreeSet, VecDeque};
use std::io::{Result, Write};

use super::random::Random;

/// Clients at a time.
const CLIENTS: u64 = 10;
/// Reads of a whole set in a history: more would make the input grow with the square of the operations.
const WHOLE_READS: u64 = 40;
const KEYS: u64 = 5;
/// Writes of a key until another takes its place, where keys are many.
const WRITES_PER_KEY: u64 = 32;
const ACCOUNTS: usize = 5;

/// What a history is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Violating {
    pub object: Object,
    pub operations: u64,
    /// Operations that never complete.
    pub unknown: u64,
}

/// What is simulated, and what goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Object {
    /// Reads, writes and compare-and-sets of unique values; a stale read.
    Register,
    /// The same with values 1 to 5; more flips between two values than operations of unknown outcome explain.
    Small,
    /// Transactions that read or write two of several registers; a stale read.
    MultiRegister,
    /// Two processes hold it.
    Mutex,
    /// Additions, removals and look-ups; an element is not found.
    Set,
    /// Additions and reads of the whole; a read lacks an element.
    WholeSet,
    /// Additions and removals of ten elements and reads of the whole; a read lacks an element.
    SmallSet,
    /// A sum beyond what was added.
    Counter,
    /// A sum within bounds that no order explains.
    CounterWithin,
    Queue,
    Stack,
    PriorityQueue,
    /// Registers of several keys; each of two processes misses what the other wrote before.
    Sequential,
    /// Registers of many keys; one process reads backwards.
    Sessions,
    /// The same as transactions.
    Transactions,
    /// An element is there and then gone.
    SetFull,
    /// An element that was acknowledged does not come out.
    TotalQueue,
    UniqueIds,
    Monotonic,
    /// A read with another total.
    Bank,
    /// Two reads disagree on which of two writes was first.
    LongFork,
    /// A read shows what a failed write wrote.
    DirtyReads,
    /// A value that nobody wrote.
    Staleness,
}

/// A row of the table: what is checked, how, and on what; `unknown` operations of it never complete.
pub struct Row {
    pub name: &'static str,
    pub options: &'static str,
    pub object: Object,
    pub unknown: u64,
}

const fn row(name: &'static str, options: &'static str, object: Object) -> Row {
    Row { name, options, object, unknown: 0 }
}

const fn unknown(name: &'static str, row: Row) -> Row {
    Row { name, unknown: 8, ..row }
}

const CAS: &str = "--model cas-register --timeout 60s";
const MULTI: &str = "--model multi-register --timeout 60s";

pub const ROWS: [Row; 27] = [
    row("`cas-register`, unique values", CAS, Object::Register),
    row("values 1 to 5", CAS, Object::Small),
    unknown("values 1 to 5, eight unknown", row("", CAS, Object::Small)),
    row("`multi-register`", MULTI, Object::MultiRegister),
    unknown("`multi-register`, eight unknown", row("", MULTI, Object::MultiRegister)),
    row("`mutex`", "--model mutex --timeout 60s", Object::Mutex),
    row("`set`, elements again and again", "--model set --timeout 60s", Object::Set),
    row("`set`, 40 reads of the whole", "--model set --timeout 60s", Object::WholeSet),
    row("`set`, ten elements, many reads of the whole", "--model set --timeout 60s", Object::SmallSet),
    row("`counter`, beyond its bounds", "--model counter --timeout 60s", Object::Counter),
    row("`counter`, within its bounds", "--model counter --timeout 60s", Object::CounterWithin),
    row("`queue`", "--model queue --timeout 60s", Object::Queue),
    row("`stack`", "--model stack --timeout 60s", Object::Stack),
    row("`priority-queue`", "--model priority-queue --timeout 60s", Object::PriorityQueue),
    row("`sequential`, unique values", "--model sequential --timeout 60s", Object::Sequential),
    row("`session`", "--model session --timeout 60s", Object::Sessions),
    row("`pram`", "--model pram --timeout 60s", Object::Sessions),
    row("`causal`", "--model causal --timeout 60s", Object::Transactions),
    row("`causal-memory`", "--model causal-memory --timeout 60s", Object::Transactions),
    row("`set-full`, 40 reads", "--model set-full --timeout 60s", Object::SetFull),
    row("`total-queue`", "--model total-queue --timeout 60s", Object::TotalQueue),
    row("`unique-ids`", "--model unique-ids --timeout 60s", Object::UniqueIds),
    row("`monotonic`", "--model monotonic --timeout 60s", Object::Monotonic),
    row("`bank`", "--model bank --timeout 60s", Object::Bank),
    row("`long-fork`", "--model long-fork --timeout 60s", Object::LongFork),
    row("`dirty-reads`", "--model dirty-reads --timeout 60s", Object::DirtyReads),
    row("`staleness`", "--model staleness --timeout 60s", Object::Staleness),
];

/// An event of the end: which of two processes, its type, function and value.
type Last = (u64, &'static str, &'static str, String);

struct Client {
    process: u64,
    state: State,
}

enum State {
    Rests,
    Invoked(Asked),
    Acted(Asked, &'static str, String),
}

#[derive(Clone)]
struct Asked {
    f: &'static str,
    key: Option<u64>,
    argument: String,
    numbers: Vec<u64>,
}

impl Asked {
    fn new(f: &'static str, argument: String, numbers: &[u64]) -> Self {
        Self { f, key: None, argument, numbers: numbers.to_vec() }
    }

    fn of_number(f: &'static str, number: u64) -> Self {
        Self::new(f, number.to_string(), &[number])
    }

    fn read(f: &'static str) -> Self {
        Self::new(f, "null".into(), &[])
    }
}

/// Writes the history.
pub fn generate(input: &Violating, out: &mut impl Write) -> Result<()> {
    let mut world = World::new(input);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|process| Client { process, state: State::Rests }).collect();
    let (mut invoked, mut open, mut lost, mut processes) = (0, 0u64, 0, CLIENTS);
    let lose_every = input.operations / (input.unknown + 1);
    let mut events = Events { out, at: 0 };
    while invoked < input.operations || open > 0 {
        let at = world.below(CLIENTS) as usize;
        let client = &mut clients[at];
        client.state = match std::mem::replace(&mut client.state, State::Rests) {
            State::Rests if invoked < input.operations || world.holder == Some(client.process) => {
                let asked = world.invoke(client.process);
                events.event(client.process, "invoke", asked.f, asked.key, &asked.argument)?;
                (invoked, open) = (invoked + 1, open + 1);
                State::Invoked(asked)
            }
            State::Rests => State::Rests,
            State::Invoked(asked) => match world.act(client.process, &asked) {
                Some((kind, result)) => State::Acted(asked, kind, result),
                None => State::Invoked(asked),
            },
            State::Acted(asked, kind, result) => {
                let loses = lost < input.unknown && invoked >= lose_every * (lost + 1) && world.may_be_lost(&asked);
                match loses {
                    true => events.event(client.process, "info", asked.f, asked.key, &asked.argument)?,
                    false => events.event(client.process, kind, asked.f, asked.key, &result)?,
                }
                open -= 1;
                if loses {
                    client.process = processes;
                    (lost, processes) = (lost + 1, processes + 1);
                }
                State::Rests
            }
        };
    }
    let key = world.key_at_the_end();
    for (process, kind, f, value) in world.wrong() {
        events.event(processes + process, kind, f, key, &value)?;
    }
    Ok(())
}

struct Events<'w, W: Write> {
    out: &'w mut W,
    at: u64,
}

impl<W: Write> Events<'_, W> {
    fn event(&mut self, process: u64, kind: &str, f: &str, key: Option<u64>, value: &str) -> Result<()> {
        let key = key.map_or_else(String::new, |key| format!("\"key\":\"k{key}\","));
        let (index, time) = (self.at, (self.at + 1) * 1000);
        self.at += 1;
        writeln!(
            self.out,
            "{{\"index\":{index},\"time\":{time},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",{key}\"value\":{value}}}"
        )
    }
}

/// Objects of every kind.
struct World {
    object: Object,
    unknown: u64,
    random: Random,
    next: u64,
    /// An operation in so many reads a whole set.
    read_every: u64,
    registers: Vec<u64>,
    inside: VecDeque<u64>,
    least: BTreeSet<u64>,
    members: BTreeSet<u64>,
    sum: u64,
    holder: Option<u64>,
    accounts: [i64; ACCOUNTS],
    rows: u64,
}

/// Two reads that disagree on which of two keys was written first.
fn forked(x: u64) -> Vec<Last> {
    let (y, null) = (x + 1, || "null".to_owned());
    let write = |key: u64| one(0, "txn", format!("[[\"w\",{key},1]]"), format!("[[\"w\",{key},1]]"));
    let read = |process, of_x: &str, of_y: &str| {
        let asked = reads(&[(x, null()), (y, null())]);
        one(process, "txn", asked, reads(&[(x, of_x.into()), (y, of_y.into())]))
    };
    [write(x), write(y), read(0, "1", "null"), read(1, "null", "1")].concat()
}

impl World {
    fn new(input: &Violating) -> Self {
        Self {
            object: input.object,
            unknown: input.unknown,
            random: Random(1),
            next: 0,
            read_every: (input.operations / WHOLE_READS).max(1),
            registers: vec![0; KEYS as usize],
            inside: VecDeque::new(),
            least: BTreeSet::new(),
            members: BTreeSet::new(),
            sum: 0,
            holder: None,
            accounts: [100; ACCOUNTS],
            rows: 0,
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random.below(limit)
    }

    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn may_be_lost(&self, asked: &Asked) -> bool {
        matches!(asked.f, "write" | "cas" | "add" | "enqueue" | "push" | "insert")
            || asked.argument.starts_with("[[\"w\"")
    }

    fn invoke(&mut self, process: u64) -> Asked {
        let choice = self.below(4);
        match self.object {
            Object::Register | Object::Small => self.register(choice),
            Object::MultiRegister => self.multi_register(choice),
            Object::Mutex => Asked::read(if self.holder == Some(process) { "release" } else { "acquire" }),
            Object::Set => match choice {
                0 | 1 => self.one_more("add"),
                2 => Asked::of_number("remove", self.below(self.next + 1)),
                _ => Asked::of_number("contains", self.below(self.next + 1)),
            },
            Object::WholeSet | Object::SetFull => match self.below(self.read_every) {
                0 => Asked::read("read"),
                _ => self.one_more("add"),
            },
            Object::SmallSet => match choice {
                0 => Asked::of_number("add", self.below(10)),
                1 => Asked::of_number("remove", self.below(10)),
                _ => Asked::read("read"),
            },
            Object::Counter | Object::CounterWithin => match choice {
                0 | 1 => Asked::of_number("add", 1 + self.below(4)),
                _ => Asked::read("read"),
            },
            Object::Queue | Object::TotalQueue if choice < 2 => self.one_more("enqueue"),
            Object::Queue | Object::TotalQueue => Asked::read("dequeue"),
            Object::Stack if choice < 2 => self.one_more("push"),
            Object::Stack => Asked::read("pop"),
            Object::PriorityQueue if choice < 2 => {
                let number = self.fresh() + (self.below(1 << 20) << 32);
                Asked::of_number("insert", number)
            }
            Object::PriorityQueue => Asked::read("extract-min"),
            Object::Sequential | Object::Sessions | Object::Staleness => self.keyed(choice),
            Object::Transactions => {
                let asked = self.keyed(choice);
                let (w, key) = (if asked.f == "read" { "r" } else { "w" }, asked.numbers[0]);
                Asked::new("txn", format!("[[\"{w}\",{key},{}]]", asked.argument), &asked.numbers)
            }
            Object::UniqueIds => Asked::read("generate"),
            Object::Monotonic if choice < 2 => Asked::read("inc"),
            Object::Monotonic => Asked::read("read"),
            Object::Bank if choice < 2 => {
                let (from, to, amount) = (self.below(5), self.below(5), 1 + self.below(5));
                let argument = format!("{{\"from\":{from},\"to\":{to},\"amount\":{amount}}}");
                Asked::new("transfer", argument, &[from, to, amount])
            }
            Object::Bank => Asked::read("read"),
            Object::LongFork => self.long_fork(choice),
            Object::DirtyReads if choice < 2 => self.one_more("write"),
            Object::DirtyReads => Asked::read("read"),
        }
    }

    fn one_more(&mut self, f: &'static str) -> Asked {
        let number = self.fresh();
        Asked::of_number(f, number)
    }

    fn register(&mut self, choice: u64) -> Asked {
        let to = if self.object == Object::Small { 1 + self.below(5) } else { self.fresh() };
        match choice {
            0 | 1 => Asked::read("read"),
            2 => Asked::of_number("write", to),
            _ => {
                let from = self.registers[0];
                Asked::new("cas", format!("[{},{to}]", value(from)), &[from, to])
            }
        }
    }

    fn multi_register(&mut self, choice: u64) -> Asked {
        let keys = [self.below(KEYS), self.below(KEYS)];
        if choice < 2 {
            return Asked::new("txn", reads(&keys.map(|key| (key, "null".to_owned()))), &keys);
        }
        let values = [self.fresh(), self.fresh()];
        let argument = format!("[[\"w\",{},{}],[\"w\",{},{}]]", keys[0], values[0], keys[1], values[1]);
        Asked::new("txn", argument, &[keys[0], keys[1], values[0], values[1]])
    }

    /// A read or a write of one of the keys in use; where keys are many, others follow.
    fn keyed(&mut self, choice: u64) -> Asked {
        let mut key = self.below(KEYS);
        if self.object != Object::Sequential {
            key += self.next / (KEYS * WRITES_PER_KEY) * KEYS;
            self.registers.resize(self.registers.len().max(key as usize + 1), 0);
        }
        let mut asked = match choice {
            0 | 1 => Asked::new("read", "null".into(), &[key]),
            _ => {
                let number = self.fresh();
                Asked::new("write", number.to_string(), &[key, number])
            }
        };
        asked.key = (self.object != Object::Transactions).then_some(key);
        asked
    }

    /// Pairs of keys, each of which is written once.
    fn long_fork(&mut self, choice: u64) -> Asked {
        if choice < 1 {
            let key = self.fresh();
            return Asked::new("txn", format!("[[\"w\",{key},1]]"), &[key]);
        }
        let pair = self.next / 2 * 2;
        Asked::new("txn", reads(&[pair, pair + 1].map(|key| (key, "null".to_owned()))), &[pair, pair + 1])
    }

    /// The type and value of the completion; nothing if it has to wait.
    fn act(&mut self, process: u64, asked: &Asked) -> Option<(&'static str, String)> {
        let ok = |result: String| Some(("ok", result));
        let done = ok(asked.argument.clone());
        match (self.object, asked.f) {
            (Object::Register | Object::Small, _) => self.act_on_register(asked),
            (Object::MultiRegister | Object::Transactions | Object::LongFork, _) => ok(self.transact(asked)),
            (_, "acquire") if self.holder.is_some() => None,
            (_, "acquire") => {
                self.holder = Some(process);
                done
            }
            (_, "release") => {
                self.holder = None;
                done
            }
            (Object::Counter | Object::CounterWithin, "add") => {
                self.sum += asked.numbers[0];
                done
            }
            (Object::Counter | Object::CounterWithin, _) => ok(self.sum.to_string()),
            (_, "add") => {
                self.members.insert(asked.numbers[0]);
                done
            }
            (_, "remove") => {
                self.members.remove(&asked.numbers[0]);
                done
            }
            (_, "contains") => ok(self.members.contains(&asked.numbers[0]).to_string()),
            (Object::WholeSet | Object::SmallSet | Object::SetFull, _) => ok(list(self.members.iter())),
            (_, "enqueue" | "push") => {
                self.inside.push_back(asked.numbers[0]);
                done
            }
            (_, "insert") => {
                self.least.insert(asked.numbers[0]);
                done
            }
            (Object::TotalQueue, "dequeue") => {
                Some(self.inside.pop_front().map_or(("fail", "null".into()), |element| ("ok", element.to_string())))
            }
            (_, "dequeue") => ok(self.inside.pop_front().map_or("null".into(), |element| element.to_string())),
            (_, "pop") => ok(self.inside.pop_back().map_or("null".into(), |element| element.to_string())),
            (_, "extract-min") => ok(self.least.pop_first().map_or("null".into(), |element| element.to_string())),
            (_, "generate") => ok(self.fresh().to_string()),
            (Object::Monotonic, f) => {
                self.sum += u64::from(f == "inc");
                ok(self.sum.to_string())
            }
            (Object::Bank, "transfer") => Some((self.transfer(&asked.numbers), asked.argument.clone())),
            (Object::Bank, _) => ok(self.balances()),
            (Object::DirtyReads, "write") => {
                self.rows = asked.numbers[0];
                done
            }
            (Object::DirtyReads, _) => ok(list([self.rows; 4].iter())),
            (_, "write") => {
                self.registers[asked.numbers[0] as usize] = asked.numbers[1];
                done
            }
            _ => ok(value(self.registers[asked.numbers[0] as usize])),
        }
    }

    /// Moves money if there is enough.
    fn transfer(&mut self, numbers: &[u64]) -> &'static str {
        let [from, to, amount] = numbers[..] else { return "ok" };
        if self.accounts[from as usize] < amount as i64 {
            return "fail";
        }
        self.accounts[from as usize] -= amount as i64;
        self.accounts[to as usize] += amount as i64;
        "ok"
    }

    fn act_on_register(&mut self, asked: &Asked) -> Option<(&'static str, String)> {
        let held = &mut self.registers[0];
        match asked.numbers[..] {
            [to] => *held = to,
            [from, to] if *held == from => *held = to,
            [_, _] => return Some(("fail", asked.argument.clone())),
            _ => return Some(("ok", value(*held))),
        }
        Some(("ok", asked.argument.clone()))
    }

    fn transact(&mut self, asked: &Asked) -> String {
        let numbers = &asked.numbers;
        if asked.argument.starts_with("[[\"r\"") {
            let seen = |key: &u64| (*key, value(self.registers.get(*key as usize).copied().unwrap_or(0)));
            return reads(&numbers.iter().map(seen).collect::<Vec<_>>());
        }
        let (keys, values) = numbers.split_at(numbers.len().div_ceil(2));
        for (at, key) in keys.iter().enumerate() {
            self.registers.resize(self.registers.len().max(*key as usize + 1), 0);
            self.registers[*key as usize] = values.get(at).copied().unwrap_or(1);
        }
        asked.argument.clone()
    }

    fn balances(&self) -> String {
        let each = self.accounts.iter().enumerate().map(|(account, balance)| format!("\"{account}\":{balance}"));
        format!("{{{}}}", each.collect::<Vec<_>>().join(","))
    }

    fn key_at_the_end(&self) -> Option<u64> {
        matches!(self.object, Object::Sequential | Object::Sessions | Object::Staleness).then_some(0)
    }

    /// What is wrong: a few events after all others.
    fn wrong(&mut self) -> Vec<Last> {
        let null = || "null".to_owned();
        let (a, b) = (self.fresh() + (1 << 60), self.fresh() + (1 << 60));
        let txn = |micro: &str, value: u64| format!("[[\"{micro}\",0,{value}]]");
        let after = |f, argument: String, result: String| one(0, f, argument, result);
        match self.object {
            Object::Register => [wrote(0, a), wrote(0, b), after("read", null(), a.to_string())].concat(),
            Object::Small => {
                let mut all: Vec<Last> = [wrote(0, 1), wrote(0, 2)].concat();
                for flip in 0..3 + 2 * self.unknown {
                    all.extend(after("read", null(), (1 + flip % 2).to_string()));
                }
                all
            }
            Object::MultiRegister => {
                let all = [after("txn", txn("w", a), txn("w", a)), after("txn", txn("w", b), txn("w", b))].concat();
                [all, after("txn", "[[\"r\",0,null]]".into(), txn("r", a))].concat()
            }
            Object::Mutex => [one(0, "acquire", null(), null()), one(1, "acquire", null(), null())].concat(),
            Object::Set => {
                let element = a.to_string();
                [after("add", element.clone(), element.clone()), after("contains", element, "false".into())].concat()
            }
            Object::WholeSet | Object::SetFull => {
                let all = list(self.members.iter());
                let first = self.members.pop_first();
                let rest = list(self.members.iter());
                assert!(first.is_some(), "something was added");
                [after("read", null(), all), after("read", null(), rest)].concat()
            }
            Object::SmallSet => [after("add", "3".into(), "3".into()), after("read", null(), "[]".into())].concat(),
            Object::Counter => after("read", null(), (self.sum + 1_000_000).to_string()),
            Object::CounterWithin => {
                let add = |kind| (0, kind, "add", "3".to_owned());
                let read = one(1, "read", null(), (self.sum + 1).to_string());
                [vec![add("invoke")], read, vec![add("ok")]].concat()
            }
            Object::Queue => self.swapped("enqueue", "dequeue", [a, b], b),
            Object::Stack => self.swapped("push", "pop", [a, b], a),
            Object::PriorityQueue => self.swapped("insert", "extract-min", [a, b], b),
            Object::TotalQueue => {
                let mut all = after("enqueue", a.to_string(), a.to_string());
                let inside = list(self.inside.iter());
                all.extend(after("drain", null(), inside));
                all
            }
            Object::Sequential | Object::Sessions => {
                let read = |seen: u64| one(1, "read", null(), seen.to_string());
                [wrote(0, a), wrote(0, b), read(b), read(a)].concat()
            }
            Object::Transactions => {
                let read = |seen: u64| one(1, "txn", "[[\"r\",0,null]]".into(), txn("r", seen));
                let write = |number: u64| one(0, "txn", txn("w", number), txn("w", number));
                [write(a), write(b), read(b), read(a)].concat()
            }
            Object::UniqueIds => after("generate", null(), "7".into()),
            Object::Monotonic => after("read", null(), "0".into()),
            Object::Bank => {
                self.accounts[0] += 1;
                after("read", null(), self.balances())
            }
            Object::LongFork => forked(self.next + self.next % 2),
            Object::DirtyReads => {
                let failed = vec![(0, "invoke", "write", a.to_string()), (0, "fail", "write", a.to_string())];
                [failed, after("read", null(), list([a; 4].iter()))].concat()
            }
            Object::Staleness => after("read", null(), a.to_string()),
        }
    }

    fn swapped(&self, put: &'static str, take: &'static str, two: [u64; 2], taken: u64) -> Vec<Last> {
        let puts = two.map(|element| one(0, put, element.to_string(), element.to_string()));
        [puts.concat(), one(0, take, "null".into(), taken.to_string())].concat()
    }
}

/// A number as a register's value: 0 is nil.
fn value(number: u64) -> String {
    if number == 0 { "null".into() } else { number.to_string() }
}

fn list<'a>(elements: impl Iterator<Item = &'a u64>) -> String {
    let elements: Vec<String> = elements.map(u64::to_string).collect();
    format!("[{}]", elements.join(","))
}

fn reads(seen: &[(u64, String)]) -> String {
    let micros: Vec<String> = seen.iter().map(|(key, value)| format!("[\"r\",{key},{value}]")).collect();
    format!("[{}]", micros.join(","))
}

fn one(process: u64, f: &'static str, argument: String, result: String) -> Vec<Last> {
    vec![(process, "invoke", f, argument), (process, "ok", f, result)]
}

fn wrote(process: u64, number: u64) -> Vec<Last> {
    one(process, "write", number.to_string(), number.to_string())
}

//! Histories of registers, queues, stacks and sets: simulated clients, drawn by turns, whose operations take effect at
//! a moment within their span. The same seed gives the same history.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::error::AnyError;

/// What a history is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Input {
    pub object: Object,
    pub keys: u64,
    /// Of each key.
    pub operations: u64,
    pub clients: u64,
}

/// What is simulated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Object {
    /// Half reads, a quarter writes, a quarter compare-and-sets, of unique values.
    Cas,
    /// The same with values 0 to 4, eight operations that never complete, and one stale read at the end.
    Small,
    Queue,
    Stack,
    Set,
}

/// A client of the simulated objects.
struct Client {
    process: u64,
    state: ClientState,
    /// What it read last.
    known: Option<u64>,
}

/// What a client is doing.
enum ClientState {
    Idle,
    Invoked { key: u64, f: &'static str, argument: String, first: u64, second: u64 },
    Acted { key: u64, f: &'static str, kind: &'static str, result: String },
}

/// Objects by key, whatever they are.
struct World {
    object: Object,
    next: u64,
    registers: Vec<Option<u64>>,
    inside: VecDeque<u64>,
    members: BTreeSet<u64>,
    added: Vec<u64>,
}

/// Writes a history of simulated clients: each in turn, drawn at random, invokes, acts or returns.
pub fn generate(input: &Input, to: &mut impl Write, seed: u64) -> Result<(), AnyError> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let idle = |process| Client { process, state: ClientState::Idle, known: None };
    let mut clients: Vec<Client> = (0..input.clients).map(idle).collect();
    let mut world = World {
        object: input.object,
        next: 0,
        registers: vec![None; input.keys as usize],
        inside: VecDeque::new(),
        members: BTreeSet::new(),
        added: Vec::new(),
    };
    let total = input.keys * input.operations;
    let (mut invoked, mut event, mut lost, mut processes) = (0, 0u64, 0, input.clients);
    let mut open = 0;
    while invoked < total || open > 0 {
        let at = random.random_range(0..clients.len());
        let client = &mut clients[at];
        let mut line = |kind: &str, key: u64, f: &str, value: &str, process: u64| {
            let key = if input.keys > 1 { format!("\"key\":\"k{key}\",") } else { String::new() };
            event += 1;
            writeln!(
                to,
                "{{\"index\":{},\"time\":{},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",{key}\"value\":{value}}}",
                event - 1,
                event * 1000
            )
        };
        client.state = match std::mem::replace(&mut client.state, ClientState::Idle) {
            ClientState::Idle if invoked < total => {
                // All clients work on one key, then on the next.
                let key = invoked / input.operations;
                let (f, argument, first, second) = world.invoke(&mut random, client.known);
                line("invoke", key, f, &argument, client.process)?;
                invoked += 1;
                open += 1;
                ClientState::Invoked { key, f, argument, first, second }
            }
            ClientState::Idle => ClientState::Idle,
            ClientState::Invoked { key, f, argument, first, second } => {
                let (kind, result) = world.act(key, f, &argument, first, second, &mut client.known);
                ClientState::Acted { key, f, kind, result }
            }
            ClientState::Acted { key, f, kind, result } => {
                let loses = input.object == Object::Small && lost < 8 && f != "read" && random.random_range(0..40) == 0;
                let kind = if loses { "info" } else { kind };
                line(kind, key, f, &result, client.process)?;
                open -= 1;
                if loses {
                    lost += 1;
                    client.process = processes;
                    processes += 1;
                }
                ClientState::Idle
            }
        };
    }
    if input.object == Object::Small {
        stale_read(to, event, processes)?;
    }
    Ok(())
}

/// Two writes and a read of the first, one after the other.
fn stale_read(to: &mut impl Write, event: u64, process: u64) -> Result<(), AnyError> {
    let steps = [("write", "1", "1"), ("write", "2", "2"), ("read", "null", "1")];
    for (at, (f, argument, result)) in steps.into_iter().enumerate() {
        for (index, kind, value) in
            [(event + 2 * at as u64, "invoke", argument), (event + 2 * at as u64 + 1, "ok", result)]
        {
            writeln!(
                to,
                "{{\"index\":{index},\"time\":{},\"process\":{process},\"type\":\"{kind}\",\"f\":\"{f}\",\"value\":{value}}}",
                (index + 1) * 1000
            )?;
        }
    }
    Ok(())
}

impl World {
    fn fresh(&mut self, random: &mut ChaCha8Rng) -> u64 {
        self.next += 1;
        if self.object == Object::Small { random.random_range(0..5) } else { self.next }
    }

    fn invoke(&mut self, random: &mut ChaCha8Rng, known: Option<u64>) -> (&'static str, String, u64, u64) {
        match (self.object, random.random_range(0..4)) {
            (Object::Cas | Object::Small, 0 | 1) => ("read", "null".into(), 0, 0),
            (Object::Cas | Object::Small, 2) => {
                let value = self.fresh(random);
                ("write", value.to_string(), value, 0)
            }
            (Object::Cas | Object::Small, _) => {
                let (from, to) = (known.unwrap_or(0), self.fresh(random));
                ("cas", format!("[{from},{to}]"), from, to)
            }
            (Object::Queue, 0 | 1) => self.put("enqueue"),
            (Object::Queue, _) => ("dequeue", "null".into(), 0, 0),
            (Object::Stack, 0 | 1) => self.put("push"),
            (Object::Stack, _) => ("pop", "null".into(), 0, 0),
            (Object::Set, 0 | 1) => {
                let added = self.put("add");
                self.added.push(added.2);
                added
            }
            (Object::Set, 2) if !self.added.is_empty() => {
                let at = random.random_range(0..self.added.len());
                let element = self.added.swap_remove(at);
                ("remove", element.to_string(), element, 0)
            }
            (Object::Set, _) => {
                let element = random.random_range(0..self.next + 1);
                ("contains", element.to_string(), element, 0)
            }
        }
    }

    fn put(&mut self, f: &'static str) -> (&'static str, String, u64, u64) {
        self.next += 1;
        (f, self.next.to_string(), self.next, 0)
    }

    fn act(
        &mut self,
        key: u64,
        f: &str,
        argument: &str,
        first: u64,
        second: u64,
        known: &mut Option<u64>,
    ) -> (&'static str, String) {
        let held = &mut self.registers[key as usize];
        let text = |value: Option<u64>| value.map_or_else(|| "null".into(), |value| value.to_string());
        let done = ("ok", argument.to_owned());
        match f {
            "read" => {
                *known = *held;
                ("ok", text(*held))
            }
            "write" => {
                *held = Some(first);
                done
            }
            "cas" if *held != Some(first) => ("fail", done.1),
            "cas" => {
                *held = Some(second);
                done
            }
            "enqueue" | "push" => {
                self.inside.push_back(first);
                done
            }
            "dequeue" => ("ok", text(self.inside.pop_front())),
            "pop" => ("ok", text(self.inside.pop_back())),
            "add" => {
                self.members.insert(first);
                done
            }
            "remove" => {
                self.members.remove(&first);
                done
            }
            _ => ("ok", self.members.contains(&first).to_string()),
        }
    }
}

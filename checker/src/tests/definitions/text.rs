//! `text`: some order that real time allows explains what each `get` returns: the string put last, and what was appended since.

use super::draw::{Call, Done, call, history, shape};
use super::orders::has_order;
use super::term::Term::{self, Nil, Text};
use super::{Case, Says, agree};
use crate::history::EventType::{Fail, Ok};
use crate::tests::random::Random;

fn strings(random: &mut Random) -> Case {
    let (mut shape, again, mut next) = (shape(random, 9), random.one_in(3), 0u64);
    shape.stale_one_in = [1000, 3, 2][random.below(3) as usize];
    let said = random.one_in(3);
    let first = if said { "at first" } else { "" };
    let ask = |random: &mut Random, _| {
        next = if again { 1 + random.below(2) } else { next + 1 };
        let f = ["get", "get", "append", "append", "put"][random.below(5) as usize];
        let argument = if f == "get" { Nil } else { Text(format!(" x{next} ")) };
        Call { key: Some(random.below(2)), ..call(f, argument) }
    };
    let worlds = [first.to_owned(), first.to_owned()];
    let done = history(random, &shape, worlds, ask, |random, worlds: &mut [String; 2], done| {
        let world = &mut worlds[done.key.unwrap_or(0) as usize];
        match (done.f, &done.argument) {
            ("get", _) if world.is_empty() && random.one_in(2) => return (Ok, Nil),
            ("get", _) => return (Ok, Text(world.clone())),
            _ if random.one_in(12) => return (Fail, Nil),
            ("put", Text(text)) => *world = text.clone(),
            (_, Text(text)) => *world += text,
            _ => {}
        }
        let result =
            [done.argument.clone(), Nil, Term::Bool(true), Text("OK".into())][random.below(4) as usize].clone();
        (Ok, result)
    });
    Case { initial: if said { vec![(None, Text(first.into()))] } else { Vec::new() }, ..Case::of(done) }
}

fn text_of(term: &Term) -> &str {
    if let Text(text) = term { text } else { "" }
}

fn step(held: &String, done: &Done) -> Vec<String> {
    match done.f {
        "put" => vec![text_of(&done.argument).to_owned()],
        "append" => vec![format!("{held}{}", text_of(&done.argument))],
        _ if done.is_ok() && text_of(&done.result) != held => Vec::new(),
        _ => vec![held.clone()],
    }
}

fn strings_are_explained(case: &Case) -> Says {
    Says::violated_if(
        case.by_key().iter().any(|(key, of_key)| {
            !has_order(of_key, case.initial(*key).map(text_of).unwrap_or_default().to_owned(), &step)
        }),
    )
}

#[test]
fn text() {
    agree("text", 200, strings, strings_are_explained);
}

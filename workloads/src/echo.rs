//! `echo`: clients say something, and are answered the same.
//!
//! Maelstrom's workload of this name: the first exercise, and a test of clients and networks.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::workload::{Invocation, Visit, Workload};

/// `echo`, and nothing else.
#[derive(Debug, Default)]
pub struct Echo;

/// The one key that clients ask with.
const KEY: &str = "echo-0";
/// So many different things are said.
const SAYINGS: u32 = 128;

fn echo(number: u64) -> Invocation {
    Invocation::of("echo", KEY, format!("please echo {number}"))
}

impl Workload for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn functions(&self) -> &'static [&'static str] {
        &["echo"]
    }

    fn keys(&self) -> Vec<String> {
        vec![KEY.to_owned()]
    }

    fn next(&mut self, rng: &mut ChaCha8Rng, _process: u64) -> Invocation {
        echo(rng.random_range(0..SAYINGS).into())
    }

    /// Nothing is kept that could be read.
    fn final_visits(&self) -> Vec<Visit> {
        Vec::new()
    }

    fn probe(&self, _node: &str, number: u64) -> Option<Visit> {
        Some(Visit::once(echo(number)))
    }
}

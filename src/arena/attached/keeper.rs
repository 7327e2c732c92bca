//! The keeper: a process beside the bench that runs the user's commands, and ends what they have begun when the bench is gone,
//! however it went.
//!
//! ```text
//!   bench ── orders, a line of JSON each ──► keeper ── runs one command after the other
//!         ◄── how each ended ──────────────     │
//!   end of its input (the bench has ended, or was killed) ─► runs the ends that are owed, the last one first
//! ```
//! An end is owed before its fault is begun, and until a command that ends it has succeeded. The keeper has a session of its
//! own, so what ends the bench at a terminal does not reach it.

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::run::{Ended, run};
use crate::arena::command::CommandLine;

/// The hidden command of the bench's executable.
pub const KEEPER_COMMAND: &str = "__keeper";

/// A command to be run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// By which its reply is known.
    pub id: u64,
    /// What it is, for the name of the file that it prints into: `begin-cut-off-n1`.
    pub label: String,
    /// The command.
    pub line: CommandLine,
    /// What it does to the ends that are owed.
    pub debt: Debt,
}

/// What a command does to the ends that are owed, each by a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Debt {
    /// Nothing.
    Nothing,
    /// From now on this end is owed.
    Owed(String, CommandLine),
    /// If it succeeds, the end is owed no more.
    Paid(String),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Of which order.
    pub id: u64,
    /// How.
    pub ended: Ended,
}

/// The ends that are owed, and where commands print.
struct Keeper {
    directory: PathBuf,
    owed: Vec<(String, CommandLine)>,
    ran: u64,
}

/// Runs orders until there are no more, then the ends that are owed. Those that fail are printed, with what to do. `directory` has
/// what commands print.
pub fn keep(orders: impl BufRead, mut replies: impl Write, directory: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(directory)?;
    let mut keeper = Keeper { directory: directory.to_owned(), owed: Vec::new(), ran: 0 };
    // A line that cannot be read is the last one: its bench is being killed.
    for line in orders.lines().map_while(Result::ok) {
        let Ok(order) = serde_json::from_str::<Order>(&line) else { break };
        let reply = Reply { id: order.id, ended: keeper.obey(order) };
        // A bench that is gone reads no replies; the end of its orders is next.
        let _ = writeln!(replies, "{}", serde_json::to_string(&reply)?).and_then(|()| replies.flush());
    }
    for problem in keeper.pay_all() {
        eprintln!("dissensus: {problem}");
    }
    Ok(())
}

impl Keeper {
    fn obey(&mut self, order: Order) -> Ended {
        if let Debt::Owed(name, end) = &order.debt {
            self.owed.retain(|(owed, _)| owed != name);
            self.owed.push((name.clone(), end.clone()));
        }
        let ended = self.run(&order.label, &order.line);
        if let Debt::Paid(name) = &order.debt
            && ended.is_success()
        {
            self.owed.retain(|(owed, _)| owed != name);
        }
        ended
    }

    /// Runs the ends that are owed; what could not be ended, a sentence each.
    fn pay_all(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, end) in std::mem::take(&mut self.owed).into_iter().rev() {
            let ended = self.run("owed-end", &end);
            if !ended.is_success() {
                problems.push(format!("{name} is still in force: its end {ended}; run it by hand: {end}"));
            }
        }
        problems
    }

    fn run(&mut self, label: &str, line: &CommandLine) -> Ended {
        self.ran += 1;
        run(line, &self.directory.join(format!("{:03}-{label}.log", self.ran)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(directory: &Path, script: &str) -> CommandLine {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        CommandLine { words, directory: directory.to_owned(), limit: Duration::from_secs(60) }
    }

    /// What the keeper replies to these orders, and what its commands have noted in the file `did`.
    fn kept(orders: impl Fn(&Path) -> Vec<(CommandLine, Debt)>) -> (Vec<Reply>, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |(id, (line, debt))| Order { id, label: format!("order-{id}"), line, debt };
        let orders = (1..).zip(orders(directory.path())).map(write);
        let text: String = orders.map(|order| serde_json::to_string(&order).expect("it is data") + "\n").collect();
        let mut replies = Vec::new();
        keep(text.as_bytes(), &mut replies, &directory.path().join("commands")).expect("it can write there");
        let reply = |line: &str| serde_json::from_str(line).expect("a reply");
        let replies = String::from_utf8(replies).expect("text").lines().map(reply).collect();
        (replies, std::fs::read_to_string(directory.path().join("did")).unwrap_or_default())
    }

    #[test]
    fn what_is_owed_when_orders_end_is_paid_the_last_one_first() {
        let (replies, did) = kept(|dir| {
            let owed = |name: &str| Debt::Owed(name.into(), line(dir, &format!("echo end {name} >> did")));
            let begin = |name: &str| (line(dir, &format!("echo begin {name} >> did")), owed(name));
            let fails = (line(dir, "exit 1"), owed("d"));
            let paid = (line(dir, "echo end b >> did"), Debt::Paid("b".into()));
            let unpaid = (line(dir, "exit 3"), Debt::Paid("a".into()));
            vec![begin("a"), begin("b"), begin("c"), paid, unpaid, fails]
        });
        let words: Vec<&str> = did.lines().collect();
        let wanted = ["begin a", "begin b", "begin c", "end b", "end d", "end c", "end a"];
        assert_eq!(words, wanted, "an end that failed is still owed, and so is that of what did not begin");
        assert_eq!(replies.iter().map(|reply| reply.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(replies[4].ended.to_string(), "ended with exit code 3");
    }

    #[test]
    fn an_end_that_fails_for_good_is_said_with_the_command() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut keeper = Keeper { directory: directory.path().to_owned(), owed: Vec::new(), ran: 0 };
        keeper.owed.push(("cut-off n1".into(), line(directory.path(), "echo no route; exit 1")));
        let problems = keeper.pay_all();
        let by_hand = format!("run it by hand: cd {} && sh -c 'echo no route; exit 1'", directory.path().display());
        assert_eq!(
            problems,
            [format!("cut-off n1 is still in force: its end ended with exit code 1: no route; {by_hand}")]
        );
    }
}

//! `dissensus driver-test CMD`: whether a driver keeps the protocol, before a run depends on it.
//!
//! Without a store it is asked of a node that is not there, which must never be `ok`. With `--address` it is asked of a store
//! that runs, and what it reads must be what it wrote.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgMatches, Args, FromArgMatches};
use futures::future::join_all;
use serde_json::{Value, json};

use super::driver::{Driver, DriverOutcome, DriverReply, DriverRequest};
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::systems::row::OwnCommand;

/// The command.
pub(super) const COMMAND: OwnCommand = OwnCommand { command, run };

/// How long a driver may take for a reply, and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Operations that are asked at a time, and how often: a defect of every twentieth shows.
const AT_A_TIME: usize = 10;
const ROUNDS: usize = 10;
/// A key of the test's own.
const KEY: &str = "driver-test ü";

#[derive(Args)]
struct DriverTestArgs {
    /// A store that runs, HOST:PORT: then reads are compared with writes
    #[arg(long, value_name = "ADDRESS")]
    address: Option<SocketAddr>,
    /// Which workload's operations are tried: cas-register, kv-set, kv-counter, queue
    #[arg(long, value_name = "NAME", default_value = "cas-register", value_parser = names())]
    workload: String,
    /// The driver and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    driver: Vec<String>,
}

fn names() -> Vec<&'static str> {
    SCRIPTS.iter().map(|script| script.workload).collect()
}

/// Function, argument (JSON), outcome, result (JSON; none: not looked at).
type Step = (&'static str, &'static str, DriverOutcome, Option<&'static str>);

/// Operations one after the other, on a fresh key, and what has to come of each.
struct Script {
    workload: &'static str,
    steps: &'static [Step],
}

use DriverOutcome::{Fail, Ok as Happened};

const SCRIPTS: [Script; 4] = [
    Script {
        workload: "cas-register",
        steps: &[
            ("read", "null", Happened, Some("null")),
            ("write", "1", Happened, None),
            ("read", "null", Happened, Some("1")),
            ("cas", "[1, 2]", Happened, None),
            ("cas", "[1, 3]", Fail, None),
            ("read", "null", Happened, Some("2")),
        ],
    },
    Script {
        workload: "kv-set",
        steps: &[
            ("read", "null", Happened, Some("[]")),
            ("add", "1", Happened, None),
            ("add", "2", Happened, None),
            ("read", "null", Happened, Some("[1, 2]")),
        ],
    },
    Script {
        workload: "kv-counter",
        steps: &[
            ("read", "null", Happened, Some("0")),
            ("add", "2", Happened, None),
            ("add", "3", Happened, None),
            ("read", "null", Happened, Some("5")),
        ],
    },
    Script {
        workload: "queue",
        steps: &[
            ("enqueue", "1", Happened, None),
            ("enqueue", "2", Happened, None),
            ("dequeue", "null", Happened, Some("1")),
            ("drain", "null", Happened, Some("[2]")),
        ],
    },
];

fn command() -> clap::Command {
    DriverTestArgs::augment_args(
        clap::Command::new("driver-test").about("Test whether a driver of --system custom keeps the protocol"),
    )
}

fn run(matches: &ArgMatches) -> Result<ExitCode, Problem> {
    let args = DriverTestArgs::from_arg_matches(matches).map_err(Problem::arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Problem::bench)?;
    let failed = runtime.block_on(test(&args))?;
    if failed == 0 {
        say!("the driver keeps the protocol");
        return Ok(Exit::Valid.into());
    }
    say!("{failed} of the above failed: docs/custom.md has the protocol");
    Ok(Exit::Invalid.into())
}

/// Runs all tests, prints each, and returns how many failed.
async fn test(args: &DriverTestArgs) -> Result<usize, Problem> {
    let driver = Driver::start(&args.driver, Path::new(""), None).map_err(Problem::arguments)?;
    let nowhere = nobody_listens()?;
    let tester = Tester { driver, workload: &args.workload, nowhere };
    let mut failed = 0;
    let mut told = |what: &str, found: Result<(), String>| match found {
        Ok(()) => say!("✓ {what}"),
        Err(why) => {
            failed += 1;
            say!("✗ {what}: {why}");
        }
    };
    told("an operation on a node that is not there is not ok", tester.on_no_node().await);
    told("a function that it does not know fails, with the reason", tester.of_unknown_function().await);
    let all = AT_A_TIME * ROUNDS;
    told(&format!("{all} operations, {AT_A_TIME} at a time, are each answered once"), tester.at_a_time().await);
    told("what was sent to a node that never answers is not called failed", tester.on_silent_node().await);
    if let Some(address) = args.address {
        told(&format!("what it reads of {address} is what it wrote"), tester.script(address).await);
    }
    told("it says nothing that nobody asked for", tester.strays());
    told("it ends when its input ends", tester.driver.end(PATIENCE).await.map_err(|error| error.to_string()));
    Ok(failed)
}

/// An address at which nobody listens.
fn nobody_listens() -> Result<SocketAddr, Problem> {
    TcpListener::bind("127.0.0.1:0").and_then(|bound| bound.local_addr()).map_err(Problem::bench)
}

/// A key for each of the operations at a time.
fn keys() -> Vec<String> {
    (0..AT_A_TIME).map(|number| format!("{KEY} {number}")).collect()
}

struct Tester<'a> {
    driver: Driver,
    workload: &'a str,
    nowhere: SocketAddr,
}

impl Tester<'_> {
    async fn ask(&self, address: SocketAddr, f: &str, key: &str, value: &Value) -> Result<DriverReply, String> {
        let (workload, address) = (self.workload, address.to_string());
        let request = |id| DriverRequest { id, node: "n1", address, workload, f, key: Some(key), value, process: 0 };
        let asked = tokio::time::timeout(PATIENCE, self.driver.ask(request)).await;
        let reply =
            asked.map_err(|_| format!("no reply to {f} within {} s (is its output flushed?)", PATIENCE.as_secs()))?;
        reply.map_err(|error| error.to_string())
    }

    fn steps(&self) -> &'static [Step] {
        SCRIPTS.iter().find(|script| script.workload == self.workload).map_or(&[], |script| script.steps)
    }

    async fn on_no_node(&self) -> Result<(), String> {
        for (f, value, ..) in self.steps() {
            let reply = self.ask(self.nowhere, f, KEY, &parsed(value)).await?;
            if reply.outcome == DriverOutcome::Ok {
                return Err(format!("{f} was ok, and nobody listens at {}", self.nowhere));
            }
        }
        Ok(())
    }

    async fn of_unknown_function(&self) -> Result<(), String> {
        let reply = self.ask(self.nowhere, "no-such-function", KEY, &Value::Null).await?;
        match (reply.outcome, reply.error) {
            (DriverOutcome::Fail, Some(_)) => Ok(()),
            (DriverOutcome::Fail, None) => Err("it gave no error".into()),
            (outcome, _) => Err(format!("it was {outcome:?}")),
        }
    }

    async fn at_a_time(&self) -> Result<(), String> {
        let keys = keys();
        let value = json!({"nested": ["\n", "\u{1f980}", 9_007_199_254_740_993_u64]});
        for _ in 0..ROUNDS {
            let asked = keys.iter().map(|key| self.ask(self.nowhere, self.steps()[0].0, key, &value));
            join_all(asked).await.into_iter().try_for_each(|reply| reply.map(drop))?;
        }
        Ok(())
    }

    /// Changes that a node may have received; meanwhile another node is asked, which nobody has to wait for.
    async fn on_silent_node(&self) -> Result<(), String> {
        let silent = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let at = silent.local_addr().map_err(|error| error.to_string())?;
        let change = self.steps().iter().find(|(f, ..)| *f != "read");
        let (f, value) = change.map(|(f, value, ..)| (*f, parsed(value))).ok_or("the workload changes nothing")?;
        let keys = keys();
        let asked = join_all(keys.iter().map(|key| self.ask(at, f, key, &value)));
        let beside = self.ask(self.nowhere, f, KEY, &value);
        let (replies, beside) = futures::join!(asked, beside);
        beside.map_err(|why| format!("{why}, sent to another node meanwhile: operations wait for each other"))?;
        for reply in replies.into_iter().flatten() {
            if reply.outcome != DriverOutcome::Info {
                let error = reply.error.unwrap_or_default();
                return Err(format!("{f} was {:?} ({error}), and may have happened: say info", reply.outcome));
            }
        }
        Ok(())
    }

    async fn script(&self, address: SocketAddr) -> Result<(), String> {
        let key = format!("driver-test-{}", rand::random::<u32>());
        for (f, value, outcome, result) in self.steps() {
            let reply = self.ask(address, f, &key, &parsed(value)).await?;
            let said = format!("{f} {value} was {:?}, {}", reply.outcome, reply.value.clone().unwrap_or_default());
            if reply.outcome != *outcome {
                let error = reply.error.unwrap_or_default();
                return Err(format!("{said} {error}; it should be {outcome:?}"));
            }
            if let Some(result) = result.map(parsed)
                && sorted(reply.value.clone().unwrap_or_default()) != result
            {
                return Err(format!("{said}; it should be {result}"));
            }
        }
        Ok(())
    }

    fn strays(&self) -> Result<(), String> {
        match self.driver.strays() {
            0 => Ok(()),
            count => Err(format!("{count} replies to nothing that was asked, or to one thing twice")),
        }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the script is JSON")
}

/// A set has no order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut elements) => {
            elements.sort_by_key(ToString::to_string);
            Value::Array(elements)
        }
        other => other,
    }
}

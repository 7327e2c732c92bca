//! Runs a program as a node for a while, and shows what was done to it: `node redis-server --port 7000`.
//!
//! Without a program: what this machine allows.

use std::env;
use std::error::Error;
use std::thread::sleep;
use std::time::Duration;

use sandbox::{CpuTime, Limit, Namespaces, NodeCommand, Signal, Tree};

/// How long each state is kept.
const A_WHILE: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    sandbox::serve_hidden_commands()?;
    let mut arguments = env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        for finding in sandbox::doctor() {
            println!("{:5} {:22} {} {}", finding.allowed, finding.name, finding.reason, finding.remedy);
        }
        return Ok(());
    };
    println!("{:?}", sandbox::enter(Namespaces::default())?);
    let mut command = NodeCommand::new(program);
    command.args(arguments).tmpfs("/dev/shm", 64 << 20);
    hurt(&command.spawn_blocking()?)
}

fn hurt(tree: &Tree) -> Result<(), Box<dyn Error>> {
    let started = tree.cpu_time()?;
    sleep(A_WHILE);
    for process in tree.processes()? {
        println!("{process:?}");
    }
    println!("used since its start: {:?}", tree.cpu_time()?.share_since(&started));
    println!("{:?}, {:?}", tree.pause()?, over_a_while(tree)?);
    tree.resume()?;
    tree.throttle(20, sandbox::PERIOD)?;
    println!("throttled to 20 %: {:?}, {} pulses", over_a_while(tree)?, tree.pulses()?);
    tree.throttle(100, sandbox::PERIOD)?;
    println!("{:?}", tree.limit(Limit::FileDescriptors, Some(64))?);
    tree.signal_program(Signal::SIGTERM)?;
    match tree.wait(A_WHILE) {
        Some(end) => println!("asked to end: {end:?}"),
        None => println!("asked to end, and did not: {:?}", tree.kill()?),
    }
    Ok(())
}

/// Processor time over a while, as a share of one processor.
fn over_a_while(tree: &Tree) -> Result<Option<f64>, Box<dyn Error>> {
    let before: CpuTime = tree.cpu_time()?;
    sleep(A_WHILE);
    Ok(tree.cpu_time()?.share_since(&before))
}

//! Runs a program under a wall clock that is wrong: `under_clock [--raw] [--waits] OFFSET_MS DRIFT_PPM PROGRAM ARGS..`.
//! Says at the end what the supervisor has done.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::time::Duration;

use program_clock::{Clock, Reach, Supervisor};

const USAGE: &str = "usage: under_clock [--raw] [--waits] OFFSET_MS DRIFT_PPM PROGRAM ARGS..";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let mut given = |flag: &str| arguments.next_if(|argument| argument == flag).is_some();
    let reach = Reach { raw_calls: given("--raw"), absolute_waits: given("--waits") };
    let clock = Clock::create()?;
    let offset_ms = arguments.next().ok_or(USAGE)?.parse()?;
    clock.set(offset_ms, arguments.next().ok_or(USAGE)?.parse()?)?;
    let mut command = Command::new(arguments.next().ok_or(USAGE)?);
    command.args(arguments);

    let supervisor = Supervisor::start()?;
    let installation = supervisor.prepare(&mut command, &clock, reach)?;
    let mut child = command.spawn()?;
    installation.settled(Duration::from_secs(60))?;
    let status = program_clock::wait(&mut child)?;
    eprintln!("{status}; {:?}", supervisor.statistics());
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

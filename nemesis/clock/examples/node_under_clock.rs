//! Runs a program as a node of the sandbox under a wall clock that is wrong, for some seconds at most:
//! `node_under_clock OFFSET_MS DRIFT_PPM SECONDS PROGRAM ARGS..`. Says at the end what the supervisor has done.

use std::error::Error;
use std::time::Duration;

use program_clock::{Clock, Reach, Supervisor};

const USAGE: &str = "usage: node_under_clock OFFSET_MS DRIFT_PPM SECONDS PROGRAM ARGS..";
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> Result<(), Box<dyn Error>> {
    sandbox::serve_hidden_commands()?;
    // Before the supervisor, since it has threads.
    sandbox::enter(sandbox::Namespaces::default())?;
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let clock = Clock::create()?;
    clock.set(next()?.parse()?, next()?.parse()?)?;
    let at_most = Duration::from_secs(next()?.parse()?);
    let mut node = sandbox::NodeCommand::new(next()?);
    node.args(arguments).stdout(std::io::stdout()).stderr(std::io::stderr());

    let supervisor = Supervisor::start()?;
    let (installer, installation) = supervisor.installer(&clock, Reach::default())?;
    node.before_exec(move |command| installer.prepare(command));
    let tree = node.spawn_blocking()?;
    // Of init, then of the program.
    installation.programs_settled(2, PATIENCE)?;
    match tree.wait(at_most) {
        Some(end) => eprintln!("{end:?}"),
        None => eprintln!("{:?}", tree.kill()?),
    }
    eprintln!("{:?}", supervisor.statistics());
    Ok(())
}

//! What a listener costs the calls to a disk: µs a call without it, when the call is reported and there is no rule, and
//! when there is one and the file has to be looked up; in turns, so that a machine whose speed drifts cannot lie. The
//! median of all rounds is printed. Files are in `/dev/shm`: it is the call that is measured, not a disk.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use program_clock::{CallRule, DiskCalls, DiskReach, DiskRules, Supervisor, Under};

const ROUNDS: usize = 7;
const CALLS: u32 = 5_000;

/// A rule that strikes nothing in practice, so that every call is looked up and then carried out.
const HARDLY: CallRule = CallRule { error_share: 1e-15, latency: Duration::ZERO };

const WAYS: [(&str, Option<DiskRules>); 3] = [
    ("not reported", None),
    ("reported, no rule", Some(DiskRules { reads: NO_RULE, writes: NO_RULE, syncs: NO_RULE })),
    ("reported, a rule", Some(DiskRules { reads: HARDLY, writes: HARDLY, syncs: HARDLY })),
];
const NO_RULE: CallRule = CallRule { error_share: 0.0, latency: Duration::ZERO };

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(file) = std::env::args().nth(1) {
        return measure(Path::new(&file));
    }
    let supervisor = Supervisor::start()?;
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let mut measured: Vec<Vec<Vec<f64>>> = vec![Vec::new(); WAYS.len()];
    for _ in 0..ROUNDS {
        for (way, (_, rules)) in measured.iter_mut().zip(&WAYS) {
            way.push(run(&supervisor, directory.path(), *rules)?);
        }
    }
    println!("µs a call: fdatasync, pwrite, write to a socket");
    for (mut rounds, (name, _)) in measured.into_iter().zip(&WAYS) {
        let medians = (0..3).map(|call| {
            rounds.sort_by(|a, b| a[call].total_cmp(&b[call]));
            format!("{:8.2}", rounds[ROUNDS / 2][call])
        });
        println!("{name:20} {}", medians.collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// Has a process of its own measure.
fn run(supervisor: &Supervisor, directory: &Path, rules: Option<DiskRules>) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut command = Command::new("/proc/self/exe");
    command.arg(directory.join("file")).stdin(Stdio::null()).stdout(Stdio::piped());
    if let Some(rules) = rules {
        let calls = DiskCalls::below(directory, 1)?;
        calls.set_rules(rules)?;
        let under = Under { clock: None, disk: Some((&calls, DiskReach::ALL)) };
        supervisor.installer_under(under)?.0.prepare(&mut command);
        return numbers(command, Some(calls));
    }
    numbers(command, None)
}

/// What it prints; its disk lives as long as it does.
fn numbers(mut command: Command, disk: Option<DiskCalls>) -> Result<Vec<f64>, Box<dyn Error>> {
    let output = command.output()?;
    drop(disk);
    Ok(String::from_utf8(output.stdout)?.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

fn measure(path: &Path) -> Result<(), Box<dyn Error>> {
    let file = File::create(path)?;
    let (here, there) = UnixDatagram::pair()?;
    let sync = timed(|| file.sync_data())?;
    let write = timed(|| file.write_all_at(b"x", 0))?;
    let mut byte = [0];
    let socket = timed(|| {
        let sent = nix::unistd::write(&here, b"x")?;
        there.recv(&mut byte).map(|received| assert_eq!(received, sent))
    })?;
    println!("{sync} {write} {socket}");
    Ok(())
}

/// µs a call.
fn timed(mut call: impl FnMut() -> std::io::Result<()>) -> std::io::Result<f64> {
    let begin = Instant::now();
    (0..CALLS).try_for_each(|_| call())?;
    Ok(begin.elapsed().as_secs_f64() * 1e6 / f64::from(CALLS))
}

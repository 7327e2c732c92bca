//! What a bent clock costs: ns a call in C, Java and Go (as far as they are there), without and with a stand-in, in
//! turns, so that a machine whose speed drifts cannot lie. The least of all rounds is printed. `clock_cost execs` measures
//! only what starting programs costs; `clock_cost load` starts a thousand while every processor is busy, and counts those
//! that ran with the machine's clock.

use std::error::Error;
use std::io::Read;
use std::num::NonZero;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use program_clock::{Clock, Reach, Supervisor};

const ROUNDS: usize = 5;
const EXECS: u32 = 100;
const EXECS_UNDER_LOAD: u32 = 1000;
/// So many programs start at a time.
const AT_A_TIME: usize = 8;

/// A way to run a program.
struct Way {
    name: &'static str,
    drift_ppm: Option<i64>,
    reach: Reach,
}

const PLAIN: Reach = Reach { raw_calls: false, absolute_waits: false };
const FULL: Reach = Reach { raw_calls: true, absolute_waits: true };
const WAYS: [Way; 4] = [
    Way { name: "real vDSO", drift_ppm: None, reach: PLAIN },
    Way { name: "stand-in", drift_ppm: Some(0), reach: PLAIN },
    Way { name: "stand-in, drifting", drift_ppm: Some(500_000), reach: PLAIN },
    Way { name: "stand-in, full reach", drift_ppm: Some(0), reach: FULL },
];

fn main() -> Result<(), Box<dyn Error>> {
    let supervisor = Supervisor::start()?;
    match std::env::args().nth(1).as_deref() {
        Some("execs") => return execs(&supervisor),
        Some("load") => return under_load(&supervisor),
        _ => {}
    }
    let directory = tempfile::tempdir()?;
    let programs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs"));
    let (c, go) = (directory.path().join("cost-c"), directory.path().join("cost-go"));
    if succeeds(Command::new("cc").args(["-O2", "-o"]).arg(&c).arg(programs.join("cost.c"))) {
        let columns = "clock_gettime(REALTIME), (MONOTONIC), gettimeofday, time, getppid";
        compare(&supervisor, &format!("C: {columns}"), || Command::new(&c))?;
    }
    if succeeds(Command::new("go").arg("build").arg("-o").arg(&go).arg(programs.join("cost.go"))) {
        compare(&supervisor, "Go: time.Now, time.Since", || Command::new(&go))?;
    }
    let classes = directory.path();
    if succeeds(Command::new("javac").arg("-d").arg(classes).arg(programs.join("Cost.java"))) {
        let java = || with(Command::new("java"), &["-cp", &classes.to_string_lossy(), "Cost"]);
        compare(&supervisor, "Java: currentTimeMillis, nanoTime, Instant.now", java)?;
    } else {
        let java = || with(Command::new("java"), &[&programs.join("Cost.java").to_string_lossy()]);
        compare(&supervisor, "Java: currentTimeMillis, nanoTime, Instant.now", java)?;
    }
    execs(&supervisor)
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

fn succeeds(command: &mut Command) -> bool {
    command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a program in every way, in turns, and prints the least of each column.
fn compare(supervisor: &Supervisor, title: &str, program: impl Fn() -> Command) -> Result<(), Box<dyn Error>> {
    let mut least: Vec<Vec<f64>> = vec![Vec::new(); WAYS.len()];
    for _ in 0..ROUNDS {
        for (way, least) in WAYS.iter().zip(&mut least) {
            let measured = numbers(supervisor, program(), way)?;
            if least.is_empty() {
                least.clone_from(&measured);
            }
            least.iter_mut().zip(measured).for_each(|(least, measured)| *least = least.min(measured));
        }
    }
    println!("{title} (ns a call)");
    for (way, least) in WAYS.iter().zip(&least) {
        println!("  {:22} {}", way.name, least.iter().map(|ns| format!("{ns:8.1}")).collect::<String>());
    }
    Ok(())
}

fn numbers(supervisor: &Supervisor, command: Command, way: &Way) -> Result<Vec<f64>, Box<dyn Error>> {
    let output = run(supervisor, command, way)?;
    Ok(output.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

fn run(supervisor: &Supervisor, mut command: Command, way: &Way) -> Result<String, Box<dyn Error>> {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let clock = Clock::create()?;
    clock.set(-3_600_000, way.drift_ppm.unwrap_or(0))?;
    let prepared = way.drift_ppm.is_some();
    let installation = prepared.then(|| supervisor.prepare(&mut command, &clock, way.reach)).transpose()?;
    let mut child = command.spawn()?;
    installation.map(|installation| installation.settled(Duration::from_secs(60))).transpose()?;
    let mut output = String::new();
    child.stdout.take().ok_or("it is piped")?.read_to_string(&mut output)?;
    program_clock::wait(&mut child)?;
    Ok(output)
}

/// What starting a program costs: one at a time without and with a clock.
fn execs(supervisor: &Supervisor) -> Result<(), Box<dyn Error>> {
    let mut spent = [Duration::ZERO; 2];
    for _ in 0..EXECS {
        for (way, spent) in WAYS.iter().zip(&mut spent) {
            let begin = Instant::now();
            run(supervisor, Command::new("/bin/true"), way)?;
            *spent += begin.elapsed();
        }
    }
    println!("to start and end /bin/true (µs, mean of {EXECS})");
    for (way, spent) in WAYS.iter().zip(spent) {
        println!("  {:22} {:8}", way.name, (spent / EXECS).as_micros());
    }
    Ok(())
}

/// Starts programs, some at a time, while every processor is busy. Each says what time it is, which must be that of its clock.
fn under_load(supervisor: &Supervisor) -> Result<(), Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let begin = Instant::now();
    let wrong = thread::scope(|scope| {
        let busy = || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        (0..processors).for_each(|_| drop(scope.spawn(busy)));
        let starters: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(|| wrong_clocks(supervisor))).collect();
        let wrong: Result<u32, String> = starters.into_iter().map(|starter| starter.join().expect("no panic")).sum();
        stop.store(true, Ordering::Relaxed);
        wrong
    })?;
    let statistics = supervisor.statistics();
    println!(
        "{EXECS_UNDER_LOAD} programs, {AT_A_TIME} at a time beside {processors} busy threads, in {:.1} s: {} patched, {} \
         unpatched; {wrong} showed another time than their clock's",
        begin.elapsed().as_secs_f64(),
        statistics.patched,
        statistics.unpatched_count(),
    );
    Ok(())
}

/// How many of one starter's programs do not see the clock that is an hour behind.
fn wrong_clocks(supervisor: &Supervisor) -> Result<u32, String> {
    let mut wrong = 0;
    for _ in 0..EXECS_UNDER_LOAD / AT_A_TIME as u32 {
        let date = with(Command::new("date"), &["+%s"]);
        let shown = run(supervisor, date, &WAYS[1]).map_err(|error| error.to_string())?;
        let shown: u64 = shown.trim().parse().map_err(|_| format!("date printed {shown:?}"))?;
        let real = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
        // An hour, but for the time that the machine took to let the program end.
        wrong += u32::from(!(3_500..3_700).contains(&(real - shown)));
    }
    Ok(wrong)
}

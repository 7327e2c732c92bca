//! Starts a program a thousand times (`many_execs [TIMES [THREADS]]`) from several threads while every processor is
//! busy, and asks each whether it shows its clock. None may run unpatched.

use std::error::Error;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use program_clock::{Clock, Reach, Reading, Supervisor};

/// A reading that the program takes is compared with the setting this exactly, ns: what the machine's own clock may be
/// slewed by meanwhile.
const TOLERANCE_NS: i64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("read") {
        println!("{}", Reading::take()?);
        return Ok(());
    }
    let times = first.map_or(Ok(1000), |times| times.parse())?;
    let threads = arguments.next().map_or(Ok(8), |threads| threads.parse())?;
    many(times, threads)
}

fn many(times: usize, threads: usize) -> Result<(), Box<dyn Error>> {
    let supervisor = Supervisor::start()?;
    let clock = Clock::create()?;
    clock.set(-3_600_000, 1_000)?;
    let (left, wrong, done) = (AtomicUsize::new(times), AtomicUsize::new(0), AtomicBool::new(false));
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let starting = (0..threads).map(|_| {
            scope.spawn(|| {
                while take() {
                    let error_ns = read(&supervisor, &clock).inspect_err(|error| eprintln!("{error}"));
                    let right = error_ns.is_ok_and(|error_ns| error_ns.abs() < TOLERANCE_NS);
                    wrong.fetch_add(usize::from(!right), Ordering::Relaxed);
                }
            })
        });
        let starting: Vec<_> = starting.collect();
        let ended = starting.into_iter().map(|thread| thread.join()).filter(Result::is_err).count();
        done.store(true, Ordering::Relaxed);
        wrong.fetch_add(ended, Ordering::Relaxed);
    });
    println!("{times} programs by {threads} threads in {:?}: {wrong:?} do not show their clock", begin.elapsed());
    println!("{:?}", supervisor.statistics());
    if wrong.into_inner() > 0 { Err("programs ran with another clock than their own".into()) } else { Ok(()) }
}

/// How wrong a program's clock is, ns.
fn read(supervisor: &Supervisor, clock: &Clock) -> Result<i64, Box<dyn Error>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("read").stdout(Stdio::piped());
    let installation = supervisor.prepare(&mut command, clock, Reach::default())?;
    let mut child = command.spawn()?;
    let settled = installation.settled(Duration::from_secs(60));
    let mut said = String::new();
    child.stdout.take().ok_or("it is piped")?.read_to_string(&mut said)?;
    program_clock::wait(&mut child)?;
    settled?;
    Ok(said.parse::<Reading>()?.error_ns(&Reading::take()?, &clock.setting()))
}

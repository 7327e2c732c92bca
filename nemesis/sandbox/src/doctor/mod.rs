//! What this machine allows, found out by trying.
//!
//! A setting that says yes is no proof: containers, AppArmor and filters refuse in spite of it. So each probe does the
//! thing itself, in a process of its own that has a time limit: a probe changes nothing in the bench, and one that
//! hangs is killed and reported.
//!
//! How it is shown is left to the caller: a probe's result is data.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::process::{self, Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::executable;
use crate::why::Why;

mod probe;
mod probes;

use probe::{Answer, Probe};
use probes::PROBES;

/// The argument by which the bench's executable knows that it is a probe.
pub(crate) const COMMAND: &str = "__probe";

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a probe is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Bytes of an answer; a longer one is cut.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Between the parts of an answer: no text has it.
const SEPARATOR: char = '\u{1f}';

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The probe's name: `user-namespace`.
    pub name: &'static str,
    /// What needs it.
    pub purpose: &'static str,
    /// Whether this machine allows it.
    pub allowed: bool,
    /// What was seen: a version or a number, or why it is refused.
    pub reason: String,
    /// What a person can do; empty if it is allowed.
    pub remedy: String,
}

/// Tries everything; takes well under a second, and at most ten seconds for each probe. Blocks its thread. To be
/// asked before the bench enters namespaces, as it is about the user who runs it.
///
/// Without [`crate::serve_hidden_commands`] in main, every probe is refused for that reason.
pub fn doctor() -> Vec<Finding> {
    PROBES.iter().map(|probe| finding(probe, ask(probe.name))).collect()
}

fn finding(probe: &Probe, answer: Answer) -> Finding {
    let (name, purpose) = (probe.name, probe.purpose);
    match answer {
        Ok(reason) => Finding { name, purpose, allowed: true, reason, remedy: String::new() },
        Err(Why { reason, remedy }) => Finding { name, purpose, allowed: false, reason, remedy },
    }
}

/// Has a process of its own try it.
fn ask(name: &str) -> Answer {
    let failed = |reason: String| Why::new(reason, "this is a defect of the bench, or the machine is overloaded");
    let executable = executable::path().ok_or_else(|| failed("main does not serve hidden commands".to_owned()))?;
    let mut command = Command::new(executable);
    command.args([COMMAND, name]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| failed(format!("no probe could be started: {error}")))?;
    if !ends_in_time(&mut child) {
        // It has not ended, and its status says nothing.
        let _ = child.kill().and_then(|()| child.wait());
        return Err(failed(format!("the probe did not answer within {PROBE_TIMEOUT:?}")));
    }
    let mut text = String::new();
    let output = child.stdout.take().map(|output| output.take(ANSWER_BYTES_MAX).read_to_string(&mut text));
    match output {
        Some(Ok(_)) => {
            parse(&text).unwrap_or_else(|| Err(failed(format!("the probe ended without an answer: {text:?}"))))
        }
        _ => Err(failed("the answer of the probe cannot be read".to_owned())),
    }
}

/// An answer fits into a pipe, so that a probe never waits for its reader.
fn ends_in_time(child: &mut Child) -> bool {
    let deadline = Instant::now() + PROBE_TIMEOUT;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) => sleep(POLL_INTERVAL),
            Err(_) => return false,
        }
    }
    false
}

/// Is the probe, in the process started for it, and exits.
pub(crate) fn answer(mut arguments: impl Iterator<Item = OsString>) -> ! {
    let name = arguments.next();
    let probe = PROBES.iter().find(|probe| name.as_deref() == Some(OsStr::new(probe.name)));
    let Some(probe) = probe else { process::exit(64) };
    print!("{}", format_answer(&(probe.attempt)()));
    process::exit(0)
}

fn format_answer(answer: &Answer) -> String {
    match answer {
        Ok(seen) => format!("yes{SEPARATOR}{seen}"),
        Err(why) => format!("no{SEPARATOR}{}{SEPARATOR}{}", why.reason, why.remedy),
    }
}

fn parse(text: &str) -> Option<Answer> {
    let (verdict, rest) = text.split_once(SEPARATOR)?;
    match verdict {
        "yes" => Some(Ok(rest.to_owned())),
        "no" => rest.split_once(SEPARATOR).map(|(reason, remedy)| Err(Why::new(reason, remedy))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        for answer in [Ok("Linux 6.18".to_owned()), Err(Why::new("a = 0; refused", "sysctl -w a=1"))] {
            assert_eq!(parse(&format_answer(&answer)), Some(answer));
        }
        assert_eq!((parse(""), parse("maybe\u{1f}x"), parse("no\u{1f}x")), (None, None, None));
    }

    #[test]
    fn probes_have_names_of_their_own() {
        let names: std::collections::BTreeSet<&str> = PROBES.iter().map(|probe| probe.name).collect();
        assert_eq!(names.len(), PROBES.len());
    }

    /// The main of this harness serves no hidden commands.
    #[test]
    fn a_bench_that_cannot_probe_says_so() {
        assert!(doctor().iter().all(|finding| !finding.allowed && finding.reason.contains("hidden commands")));
    }
}

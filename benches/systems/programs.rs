//! Where the programs of a scenario are: the same file may be there in several versions.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use dissensus::arena::processes::programs;

use crate::scenarios::{Program, Scenario};

/// The arguments of `dissensus run` that name the directories of a scenario's programs.
///
/// # Errors
/// When one is nowhere, with the package that has it.
pub fn arguments(scenario: &Scenario, dirs: &[PathBuf]) -> Result<Vec<String>, String> {
    let first = named("--binaries", &scenario.program, dirs)?;
    let next = scenario.next.as_ref().map(|next| named("--binaries-next", next, dirs)).transpose()?;
    Ok(first.into_iter().chain(next.into_iter().flatten()).collect())
}

fn named(argument: &str, program: &Program, dirs: &[PathBuf]) -> Result<Vec<String>, String> {
    let in_dirs = dirs.iter().find(|dir| has(dir, program));
    if let Some(dir) = in_dirs {
        let dir = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        return Ok(vec![argument.to_owned(), dir.display().to_string()]);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    match programs::find(program.file, None, &path, program.package) {
        Ok(found) if is_of_version(&found, None, program.version) => Ok(Vec::new()),
        _ => Err(format!("{} {} is not here: it comes with {}", program.file, program.version, program.package)),
    }
}

fn has(dir: &Path, program: &Program) -> bool {
    let found = programs::find(program.file, Some(dir), OsStr::new(""), program.package);
    found.is_ok_and(|found| is_of_version(&found, Some(dir), program.version))
}

/// Whether the first number with dots that `--version` prints begins like this.
fn is_of_version(program: &Path, dir: Option<&Path>, version: &str) -> bool {
    let mut command = Command::new(program);
    let libraries = dir.and_then(programs::library_path);
    let Ok(output) = command.arg("--version").envs(libraries).output() else { return false };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut words = text.split(|character: char| !character.is_ascii_digit() && character != '.');
    words.find(|word| word.contains('.') && !word.starts_with('.')).is_some_and(|word| word.starts_with(version))
}

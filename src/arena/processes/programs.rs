//! Where a program is on this machine: in a directory that the user names, else on the PATH.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Below a directory of unpacked packages, where their programs are.
const BELOW: [&str; 5] = ["", "bin", "sbin", "usr/bin", "usr/sbin"];

/// Where the loader looks for shared libraries first.
const LIBRARY_PATH: &str = "LD_LIBRARY_PATH";

/// The program is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} is not {}on the PATH{}: it comes with {package}", nor_in(.binaries.as_deref()), but_there(.not_executable.as_deref()))]
pub struct NotInstalled {
    /// The name of its file.
    pub name: String,
    /// Where it was looked for first.
    pub binaries: Option<PathBuf>,
    /// Which package has it.
    pub package: String,
    /// A file of its name that nobody may execute.
    pub not_executable: Option<PathBuf>,
}

fn but_there(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| format!(" ({} is there, and is not executable: chmod +x)", file.display()))
}

fn nor_in(binaries: Option<&Path>) -> String {
    binaries.map_or_else(String::new, |dir| format!("in {} nor ", dir.display()))
}

/// The path of a program, looked for in `binaries` and the usual directories below it, then in those of `path` (the
/// value of `PATH`).
///
/// # Errors
/// When it is in none of them.
pub fn find(name: &str, binaries: Option<&Path>, path: &OsStr, package: &str) -> Result<PathBuf, NotInstalled> {
    let named = binaries.into_iter().flat_map(|dir| BELOW.map(|below| dir.join(below)));
    let candidates: Vec<PathBuf> = named.chain(std::env::split_paths(path)).map(|dir| dir.join(name)).collect();
    candidates.iter().find(|candidate| is_program(candidate)).cloned().ok_or_else(|| NotInstalled {
        name: name.to_owned(),
        binaries: binaries.map(Path::to_owned),
        package: package.to_owned(),
        not_executable: candidates.into_iter().find(|candidate| candidate.is_file()),
    })
}

/// The variable that shows the loader the shared libraries below a directory of unpacked packages, before those of the
/// bench's environment; none if there are none, or if a path with a colon in it cannot be in the variable.
pub fn library_path(binaries: &Path) -> Option<(&'static str, OsString)> {
    let multiarch = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let below = ["lib", "usr/lib", &multiarch].map(|below| binaries.join(below));
    let mut dirs: Vec<PathBuf> = below.into_iter().filter(|dir| dir.is_dir()).collect();
    if dirs.is_empty() {
        return None;
    }
    dirs.extend(std::env::var_os(LIBRARY_PATH).iter().flat_map(std::env::split_paths));
    std::env::join_paths(dirs).ok().map(|joined| (LIBRARY_PATH, joined))
}

/// A variable as a launch has it; none if it is no text.
pub fn variable((name, value): (&str, OsString)) -> Option<(String, String)> {
    Some((name.to_owned(), value.into_string().ok()?))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKAGE: &str = "Debian's package store-server";

    fn install(dir: &Path, mode: u32) -> PathBuf {
        std::fs::create_dir_all(dir).expect("a directory");
        let program = dir.join("store-server");
        std::fs::write(&program, "#!/bin/sh\n").expect("a program");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(mode)).expect("its mode");
        program
    }

    #[test]
    fn the_directory_that_the_user_names_goes_before_the_path() {
        let dir = tempfile::tempdir().expect("a directory");
        let (binaries, on_path) = (dir.path().join("unpacked"), dir.path().join("path"));
        let found = || find("store-server", Some(&binaries), on_path.as_os_str(), PACKAGE);
        let missing = found().expect_err("it is nowhere").to_string();
        assert!(missing.contains("unpacked nor on the PATH") && missing.contains(PACKAGE), "{missing}");
        let installed = install(&on_path, 0o755);
        assert_eq!(found(), Ok(installed));
        install(&binaries.join("bin"), 0o644);
        assert_eq!(found().expect("it is on the PATH").parent(), Some(&*on_path), "what cannot be run is no program");
        let unpacked = install(&binaries.join("usr/sbin"), 0o755);
        assert_eq!(found(), Ok(unpacked));
    }

    #[test]
    fn without_a_directory_only_the_path_is_named() {
        let missing = find("store-server", None, "/nonexistent".as_ref(), PACKAGE).expect_err("it is nowhere");
        assert_eq!(missing.to_string(), format!("store-server is not on the PATH: it comes with {PACKAGE}"));
    }
}

//! Which file a reported call is to.
//!
//! The filter sees a descriptor as a number and memory as an address; the kernel's `/proc` says what they stand for. Paths
//! are those of the caller's mount namespace.

use std::fs;
use std::io;
use std::path::Path;

use libc::pid_t;

/// What a call names instead of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An open file.
    Descriptor(i32),
    /// Mapped files.
    Memory { from: u64, bytes: u64 },
}

/// Whether a thread's call is to a file below a directory. It is to be asked afterwards whether the thread still waits:
/// else its number may have been given to another.
///
/// # Errors
/// When that cannot be known: the supervisor does not see the thread, or may not look at what it has open.
pub(crate) fn is_below(tid: pid_t, target: Target, directory: &Path) -> io::Result<bool> {
    if tid == 0 {
        return Err(io::Error::other("it is in a PID namespace that the supervisor cannot see"));
    }
    match target {
        Target::Descriptor(descriptor) => match fs::read_link(format!("/proc/{tid}/fd/{descriptor}")) {
            Ok(path) => Ok(path.starts_with(directory)),
            // The kernel itself will say EBADF.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        },
        Target::Memory { from, bytes } => {
            let maps = fs::read(format!("/proc/{tid}/maps"))?;
            let maps = String::from_utf8_lossy(&maps);
            let to = from.saturating_add(bytes);
            let mut shared = maps.lines().filter_map(Mapping::parse);
            Ok(shared.any(|mapping| mapping.from < to && from < mapping.to && mapping.file.starts_with(directory)))
        }
    }
}

/// A shared mapping of a file.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    from: u64,
    to: u64,
    file: &'a Path,
}

impl<'a> Mapping<'a> {
    /// From a line as in proc_pid_maps(5); none if it is no shared mapping of a file.
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.splitn(6, ' ');
        let (from, to) = fields.next()?.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        let is_shared = fields.next()?.ends_with('s');
        let file = fields.nth(3)?.trim_start();
        (is_shared && file.starts_with('/')).then_some(Self {
            from: address(from)?,
            to: address(to)?,
            file: Path::new(file),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;

    fn own() -> pid_t {
        nix::unistd::getpid().as_raw()
    }

    #[test]
    fn descriptors_are_told_by_the_paths_of_their_files() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().canonicalize().expect("it is there");
        let file = File::create(path.join("a")).expect("a file");
        let of = |directory: &Path| is_below(own(), Target::Descriptor(file.as_raw_fd()), directory);
        assert!(of(&path).expect("it is ours") && !of(&path.join("b")).expect("it is ours"));
        let beside = path.with_file_name(format!("{}-not", path.file_name().expect("a name").display()));
        assert!(!of(&beside).expect("it is ours"), "a name that begins alike is another");
        fs::remove_file(path.join("a")).expect("it is ours");
        assert!(of(&path).expect("it is ours"), "a removed file is still written to");
        assert!(!is_below(own(), Target::Descriptor(-1), &path).expect("it is ours"), "no descriptor is no file");
        assert!(is_below(0, Target::Descriptor(0), &path).is_err(), "nobody has no files");
    }

    #[test]
    fn shared_mappings_of_files_are_read_and_nothing_else() {
        let line = "7f00-7fa0 rw-s 00001000 08:01 1234                       /data/a b";
        let mapping = Mapping { from: 0x7f00, to: 0x7fa0, file: Path::new("/data/a b") };
        assert_eq!(Mapping::parse(line), Some(mapping));
        assert_eq!(Mapping::parse(&line.replace("rw-s", "rw-p")), None, "private");
        for line in ["7f00-7fa0 rw-s 00000000 00:00 0 ", "7f00-7fa0 rw-s 00000000 00:00 0    [stack]", "", "nonsense"] {
            assert_eq!(Mapping::parse(line), None);
        }
    }
}

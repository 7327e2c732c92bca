//! Why the kernel refused: an error number alone helps nobody, so the settings that are known to cause it are read.
//!
//! Namespaces may be refused by a limit (`/proc/sys/user`), by a switch of the distribution, by AppArmor, by the
//! seccomp filter of a container, or inside a chroot. Each has its own remedy.

use std::fmt;
use std::fs;

use rustix::io::Errno;

/// What refused, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The reason, as far as it can be known.
    pub reason: String,
    /// What a person can do.
    pub remedy: String,
}

impl Why {
    pub(crate) fn new(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: reason.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}; {}", self.reason, self.remedy)
    }
}

/// A setting of the kernel that can refuse namespaces: its file, the value that refuses, and how to change it.
const SWITCHES: [(&str, &str, &str); 2] = [
    ("kernel.unprivileged_userns_clone", "0", "1"),
    // Namespaces can be made, but give no capabilities: every mount in them is refused.
    ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
];

/// Why a namespace of this kind (`user`, `pid`, `mnt`, `net`, ...) was refused with this error.
pub(crate) fn namespace(kind: &str, errno: Errno) -> Why {
    let found = match errno {
        Errno::NOSPC | Errno::USERS => limit(kind),
        Errno::PERM | Errno::ACCESS => switch().or_else(confined),
        Errno::INVAL => Some(Why::new(
            format!("the kernel has no {kind} namespaces"),
            "use a kernel with CONFIG_NAMESPACES, CONFIG_USER_NS and CONFIG_PID_NS",
        )),
        _ => None,
    };
    found.unwrap_or_else(|| {
        Why::new(
            format!("the kernel refused a {kind} namespace: {errno}"),
            "try `unshare -Ur true` as this user; it should succeed",
        )
    })
}

/// The limit on the number of namespaces of a kind, which may be zero.
fn limit(kind: &str) -> Option<Why> {
    let name = format!("user.max_{kind}_namespaces");
    let value = sysctl(&name)?;
    Some(Why::new(
        format!("the limit {name} = {value} is reached"),
        format!("as root: sysctl -w {name}=10000, or end what holds the namespaces"),
    ))
}

/// The switch of a distribution that is set against unprivileged user namespaces.
pub(crate) fn switch() -> Option<Why> {
    let (name, value, wanted) =
        SWITCHES.into_iter().find(|(name, refuses, _)| sysctl(name).as_deref() == Some(*refuses))?;
    Some(Why::new(
        format!("{name} = {value} refuses unprivileged users"),
        format!("as root: sysctl -w {name}={wanted}"),
    ))
}

/// A container: its seccomp filter usually refuses namespaces.
fn confined() -> Option<Why> {
    let filtered = status_field("Seccomp").is_some_and(|mode| mode == "2");
    filtered.then(|| {
        Why::new(
            "a seccomp filter is in force, as in a container",
            "start the container with --security-opt seccomp=unconfined",
        )
    })
}

/// The value of a kernel setting, by its dotted name.
pub(crate) fn sysctl(name: &str) -> Option<String> {
    let value = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(value.trim().to_owned())
}

/// A field of `/proc/self/status`.
pub(crate) fn status_field(name: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_named_with_its_value() {
        let why = namespace("user", Errno::NOSPC);
        let value = sysctl("user.max_user_namespaces").expect("every kernel with user namespaces has the limit");
        assert!(why.reason.contains(&format!("user.max_user_namespaces = {value}")), "{why}");
        assert!(why.remedy.contains("sysctl -w user.max_user_namespaces="), "{why}");
    }

    #[test]
    fn what_is_not_known_keeps_the_error() {
        let why = namespace("net", Errno::IO);
        assert!(why.reason.contains("net namespace") && why.reason.contains("Input/output"), "{why}");
    }

    #[test]
    fn fields_of_the_status_are_read_by_their_whole_name() {
        assert_eq!(status_field("Threa"), None);
        assert!(status_field("Threads").is_some_and(|count| count.parse::<u32>().is_ok()));
    }
}

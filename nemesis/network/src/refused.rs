//! What a machine does not allow, and why: each refusal names the step, the kernel's answer, and what can be done.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::port::NODES_MAX;

/// The lab cannot be had on this machine, or not in this way.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Only a process of one thread may enter a user namespace.
    #[error("a user namespace is entered at the start of the program, before it has threads: there are {threads}")]
    Threads {
        /// Threads of the process.
        threads: usize,
    },
    /// The kernel gives no user namespace.
    #[error("this machine gives no user namespace ({errno}): {reason}")]
    UserNamespace {
        /// The kernel's answer.
        errno: Errno,
        /// The setting that explains it.
        reason: String,
    },
    /// Inside the user namespace, one more namespace was refused.
    #[error("the user namespace was given, but no {kind} namespace inside it ({errno}): {reason}")]
    Namespace {
        /// Of the network, or of mounts.
        kind: &'static str,
        /// The kernel's answer.
        errno: Errno,
        /// The setting that explains it.
        reason: String,
    },
    /// A file of the kernel could not be read or written.
    #[error("{}: {source}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The device from which network interfaces are made cannot be opened.
    #[error("{} cannot be opened ({errno}): {}", path.display(), device_advice(*errno))]
    Device {
        /// The device.
        path: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// A step of setting up a port failed.
    #[error("{port}: {step}: {errno}{}", port_advice(*errno))]
    Port {
        /// Which port of the switch.
        port: String,
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The number of nodes is none that a lab can have.
    #[error("a lab has 1 to {NODES_MAX} nodes, not {0}")]
    Nodes(usize),
    /// The MTU does not carry IPv6, or is more than a TUN device has.
    #[error("an MTU of {0} bytes: it is at least 1280, as IPv6 needs (RFC 8200), and at most 65521")]
    Mtu(u16),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

fn device_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO => {
            "the kernel has no TUN devices here; `modprobe tun` brings them, a container has to be given the device"
        }
        Errno::EACCES => "most distributions let everybody open it; `chmod 666` on it does the same here",
        Errno::EPERM => "a container's rules for devices forbid it; start it with this device allowed",
        _ => "the kernel gives no further reason",
    }
}

fn port_advice(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM => "; only a process in a user namespace of its own may do it",
        Errno::EBUSY => "; this process has a lab already",
        Errno::ENOSPC => "; the limit of network namespaces is reached, see `sysctl user.max_net_namespaces`",
        _ => "",
    }
}

/// What the kernel says of namespaces. A file that is missing leaves its setting out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `kernel.unprivileged_userns_clone` of Debian's kernels.
    userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` of Ubuntu's kernels.
    apparmor_restricts: Option<u64>,
    /// `user.max_user_namespaces`, `user.max_net_namespaces`, `user.max_mnt_namespaces`.
    namespaces_max: [Option<u64>; 3],
    /// The mode of seccomp of this process; 2 is a filter.
    seccomp: Option<u64>,
}

impl Settings {
    pub(crate) fn read() -> Self {
        let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse().ok();
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Self {
            userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            namespaces_max: ["user", "net", "mnt"].map(|kind| number(&format!("/proc/sys/user/max_{kind}_namespaces"))),
            seccomp: seccomp.and_then(|mode| mode.trim().parse().ok()),
        }
    }

    /// The most likely reason for a refusal.
    pub(crate) fn explain(&self, errno: Errno) -> String {
        if self.userns_clone == Some(0) {
            return "`sysctl -w kernel.unprivileged_userns_clone=1` allows them".into();
        }
        if let Some(kind) = ["user", "net", "mnt"].iter().zip(self.namespaces_max).find(|(_, max)| *max == Some(0)) {
            return format!("`sysctl -w user.max_{}_namespaces=1000` allows them", kind.0);
        }
        if matches!(errno, Errno::EPERM | Errno::EACCES) && self.apparmor_restricts == Some(1) {
            return "AppArmor restricts them; `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows them, \
                    or a profile with `userns,` for this program"
                .into();
        }
        self.explain_errno(errno).into()
    }

    fn explain_errno(&self, errno: Errno) -> &'static str {
        match errno {
            Errno::EPERM if self.seccomp == Some(2) => {
                "a seccomp filter forbids it, as containers have by default; Docker's is left out by \
                 `--security-opt seccomp=unconfined`"
            }
            Errno::EPERM => "a security module forbids it, or the process is in a chroot",
            Errno::ENOSPC | Errno::EUSERS => "the limit of namespaces (`sysctl user`), or 32 nested ones, is reached",
            Errno::EINVAL | Errno::ENOSYS => "the kernel is built without them",
            _ => "the kernel gives no further reason",
        }
    }
}

/// A step of setting up a port; its error becomes a [`Refused`] that names the port.
pub(crate) struct Step<'a> {
    pub(crate) port: &'a dyn fmt::Display,
    pub(crate) step: &'static str,
}

impl Step<'_> {
    pub(crate) fn refused(&self, errno: Errno) -> Refused {
        Refused::Port { port: self.port.to_string(), step: self.step, errno }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(settings: Settings, errno: Errno) -> String {
        settings.explain(errno)
    }

    #[test]
    fn a_refusal_names_the_setting_behind_it() {
        let debian = Settings { userns_clone: Some(0), seccomp: Some(2), ..Settings::default() };
        assert!(explained(debian, Errno::EPERM).contains("unprivileged_userns_clone=1"));
        let limit = Settings { namespaces_max: [Some(9), Some(0), Some(9)], ..Settings::default() };
        assert!(explained(limit, Errno::ENOSPC).contains("max_net_namespaces"));
        let ubuntu = Settings { apparmor_restricts: Some(1), ..Settings::default() };
        assert!(explained(ubuntu.clone(), Errno::EPERM).contains("AppArmor"));
        assert!(!explained(ubuntu, Errno::ENOSPC).contains("AppArmor"));
        let docker = Settings { seccomp: Some(2), ..Settings::default() };
        assert!(explained(docker, Errno::EPERM).contains("seccomp"));
        assert!(explained(Settings::default(), Errno::ENOSPC).contains("limit"));
        assert!(explained(Settings::default(), Errno::EINVAL).contains("built without"));
    }

    #[test]
    fn a_refusal_says_what_where_and_what_to_do() {
        let device = Refused::Device { path: "/dev/net/tun".into(), errno: Errno::EACCES };
        let text = device.to_string();
        assert!(text.contains("/dev/net/tun") && text.contains("EACCES") && text.contains("chmod 666"), "{text}");
    }
}

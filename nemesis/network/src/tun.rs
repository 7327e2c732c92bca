//! A port of the switch: a network namespace with one interface, whose other end is a file descriptor here.
//!
//! A TUN device carries IP packets, so there are no hardware addresses and nothing to resolve. Old ioctls configure it;
//! the thread that makes it is in the namespace, and the descriptors stay valid everywhere.

use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::port::Port;
use crate::refused::{Refused, Step};
use crate::sys::{self, Interface};

/// What the interface is called, in every namespace.
pub const INTERFACE: &str = "net0";

const NETMASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const IPV6_PREFIX_BITS: u32 = 64;

/// The most that is read of a table of interfaces: a header, and a line for each of a handful.
const DEVICES_BYTES_MAX: usize = 4096;

/// How a port is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PortOptions<'a> {
    pub(crate) device: &'a Path,
    pub(crate) mtu_bytes: u16,
    pub(crate) offload: bool,
}

/// A port that is up.
#[derive(Debug)]
pub(crate) struct Made {
    /// Non-blocking; each read and each write is one frame.
    pub(crate) tun: OwnedFd,
    pub(crate) namespace: OwnedFd,
    /// The namespace's table of interfaces, with what they have dropped.
    pub(crate) devices: File,
    /// Why there are no IPv6 addresses, if so.
    pub(crate) ipv6: Result<(), Errno>,
}

/// Makes a namespace with its interface. The bench's port is in the namespace of the caller.
pub(crate) fn make_port(port: Port, options: PortOptions) -> Result<Made, Refused> {
    if port == Port::Bench {
        return make_here(port, options);
    }
    thread::scope(|scope| {
        let make = move || {
            let step = Step { port: &port, step: "a network namespace" };
            unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| step.refused(errno))?;
            make_here(port, options)
        };
        let thread = thread::Builder::new().spawn_scoped(scope, make).map_err(Refused::Thread)?;
        thread.join().expect("making a port does not panic")
    })
}

fn make_here(port: Port, options: PortOptions) -> Result<Made, Refused> {
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let tun = open(options.device, flags, Mode::empty())
        .map_err(|errno| Refused::Device { path: options.device.into(), errno })?;
    let at = |step| move |errno| Step { port: &port, step }.refused(errno);
    sys::tun_attach(tun.as_fd(), INTERFACE).map_err(at("making a TUN interface"))?;
    sys::tun_set_offload(tun.as_fd(), options.offload).map_err(at("setting what is left to the switch"))?;
    let loopback = Interface::new("lo").map_err(at("opening a socket"))?;
    loopback.up().map_err(at("starting the loopback interface"))?;
    let interface = Interface::new(INTERFACE).map_err(at("opening a socket"))?;
    interface.set_mtu(options.mtu_bytes).map_err(at("setting the MTU"))?;
    interface.set_ipv4(port.ipv4(), NETMASK).map_err(at("setting the IPv4 address"))?;
    interface.up().map_err(at("starting the interface"))?;
    // The device has no neighbours to ask whether the address is taken, so it can be used at once.
    let ipv6 = interface.set_ipv6(port.ipv6(), IPV6_PREFIX_BITS);
    Ok(Made { tun, namespace: own_namespace()?, devices: own_devices()?, ipv6 })
}

fn own_namespace() -> Result<OwnedFd, Refused> {
    let path = Path::new("/proc/thread-self/ns/net");
    File::open(path).map(OwnedFd::from).map_err(|source| Refused::Kernel { path: path.into(), source })
}

/// The file belongs to the namespace in which it was opened.
fn own_devices() -> Result<File, Refused> {
    let path = Path::new("/proc/thread-self/net/dev");
    File::open(path).map_err(|source| Refused::Kernel { path: path.into(), source })
}

/// Packets that the interface could not queue for the switch, since it was made.
pub(crate) fn dropped_before_switch(devices: &File) -> io::Result<u64> {
    let mut text = [0; DEVICES_BYTES_MAX];
    let bytes = devices.read_at(&mut text, 0)?;
    transmit_drops(&String::from_utf8_lossy(&text[..bytes]))
        .ok_or_else(|| io::Error::other(format!("the table of interfaces has no {INTERFACE}")))
}

/// The twelfth number behind the name: eight for what was received; bytes, packets, errors, drops for what was sent.
fn transmit_drops(devices: &str) -> Option<u64> {
    let row = devices.lines().find_map(|line| line.trim_start().strip_prefix(INTERFACE)?.strip_prefix(':'))?;
    row.split_whitespace().nth(11)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_are_found_in_the_table_of_interfaces() {
        let table = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  net0:    5000      50    0    1    0     0          0         0     6000      60    2    7    0     0       0          0
";
        assert_eq!(transmit_drops(table), Some(7));
        assert_eq!(transmit_drops("    lo: 1 2 3\n"), None);
    }
}

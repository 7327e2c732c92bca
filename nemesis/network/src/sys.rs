//! The few system calls that have no safe wrapper: ioctls on sockets and on TUN devices, and steps between fork and
//! exec. All `unsafe` of the crate is in this file.
//!
//! An interface is configured by the old ioctls of netdevice(7), so that netlink is not needed.

#![allow(unsafe_code)]

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use rustix::thread::{CapabilitySet, CapabilitySets};

nix::ioctl_write_ptr_bad!(tun_set_interface, libc::TUNSETIFF, libc::ifreq);
nix::ioctl_write_int_bad!(tun_set_offload_flags, libc::TUNSETOFFLOAD);
nix::ioctl_read_bad!(get_flags, libc::SIOCGIFFLAGS, libc::ifreq);
nix::ioctl_read_bad!(get_index, libc::SIOCGIFINDEX, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_mtu, libc::SIOCSIFMTU, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_address, libc::SIOCSIFADDR, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_netmask, libc::SIOCSIFNETMASK, libc::ifreq);
nix::ioctl_write_ptr_bad!(set_address_v6, libc::SIOCSIFADDR, libc::in6_ifreq);

/// What the kernel may leave to the reader of a TUN device: checksums, and cutting into segments (`TUN_F_CSUM`,
/// `TUN_F_TSO4`, `TUN_F_TSO6`, `TUN_F_TSO_ECN`).
const OFFLOAD_FLAGS: libc::c_int =
    (libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN) as libc::c_int;

/// Capabilities have numbers below this one in every kernel.
const CAPABILITIES_MAX: u32 = 64;

/// Makes `device`, an open `/dev/net/tun`, the other end of a new interface of the calling thread's network namespace:
/// layer 3, each packet preceded by a `virtio_net_hdr`.
pub(crate) fn tun_attach(device: BorrowedFd, name: &str) -> nix::Result<()> {
    let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
    let request = request(name, libc::__c_anonymous_ifr_ifru { ifru_flags: flags as libc::c_short });
    // SAFETY: the descriptor is open, and the kernel only reads and writes the one `ifreq`, whose name ends with a
    // zero.
    unsafe { tun_set_interface(device.as_raw_fd(), &request) }.map(drop)
}

/// Whether the kernel may hand over packets of up to 64 KiB with partial checksums, or only finished ones that fit the
/// MTU. Can be changed at any time; packets that already wait in the device stay as they are.
pub(crate) fn tun_set_offload(device: BorrowedFd, on: bool) -> nix::Result<()> {
    let flags = if on { OFFLOAD_FLAGS } else { 0 };
    // SAFETY: the descriptor is open, and the argument is a number.
    unsafe { tun_set_offload_flags(device.as_raw_fd(), flags) }.map(drop)
}

/// An interface of the network namespace in which this was made.
pub(crate) struct Interface {
    name: &'static str,
    socket: OwnedFd,
}

impl Interface {
    pub(crate) fn new(name: &'static str) -> nix::Result<Self> {
        Ok(Self { name, socket: datagram_socket(AddressFamily::Inet)? })
    }

    pub(crate) fn up(&self) -> nix::Result<()> {
        let mut request = self.request(libc::__c_anonymous_ifr_ifru { ifru_flags: 0 });
        // SAFETY: the socket is open, the request is valid; the kernel fills in the flags, the field read below.
        let flags = unsafe {
            get_flags(self.socket.as_raw_fd(), &mut request)?;
            request.ifr_ifru.ifru_flags
        };
        request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as libc::c_short;
        // SAFETY: the socket is open, the request is valid and only read.
        unsafe { set_flags(self.socket.as_raw_fd(), &request) }.map(drop)
    }

    pub(crate) fn set_mtu(&self, bytes: u16) -> nix::Result<()> {
        let request = self.request(libc::__c_anonymous_ifr_ifru { ifru_mtu: libc::c_int::from(bytes) });
        // SAFETY: the socket is open, the request is valid and only read.
        unsafe { set_mtu(self.socket.as_raw_fd(), &request) }.map(drop)
    }

    pub(crate) fn set_ipv4(&self, address: Ipv4Addr, netmask: Ipv4Addr) -> nix::Result<()> {
        let address = self.request(libc::__c_anonymous_ifr_ifru { ifru_addr: socket_address(address) });
        let netmask = self.request(libc::__c_anonymous_ifr_ifru { ifru_netmask: socket_address(netmask) });
        // SAFETY: the socket is open, the requests are valid and only read.
        unsafe {
            set_address(self.socket.as_raw_fd(), &address)?;
            set_netmask(self.socket.as_raw_fd(), &netmask).map(drop)
        }
    }

    pub(crate) fn set_ipv6(&self, address: Ipv6Addr, prefix_bits: u32) -> nix::Result<()> {
        let socket = datagram_socket(AddressFamily::Inet6)?;
        let request = libc::in6_ifreq {
            ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
            ifr6_prefixlen: prefix_bits,
            ifr6_ifindex: self.index()?,
        };
        // SAFETY: the socket is open, the request is valid and only read.
        unsafe { set_address_v6(socket.as_raw_fd(), &request) }.map(drop)
    }

    fn index(&self) -> nix::Result<libc::c_int> {
        let mut request = self.request(libc::__c_anonymous_ifr_ifru { ifru_ifindex: 0 });
        // SAFETY: the socket is open, the request is valid; the kernel fills in the index, the field read.
        unsafe {
            get_index(self.socket.as_raw_fd(), &mut request)?;
            Ok(request.ifr_ifru.ifru_ifindex)
        }
    }

    fn request(&self, value: libc::__c_anonymous_ifr_ifru) -> libc::ifreq {
        request(self.name, value)
    }
}

fn request(name: &str, value: libc::__c_anonymous_ifr_ifru) -> libc::ifreq {
    assert!(name.len() < libc::IFNAMSIZ, "an interface's name ends with a zero byte");
    let mut ifr_name = [0; libc::IFNAMSIZ];
    for (slot, byte) in ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte as libc::c_char;
    }
    libc::ifreq { ifr_name, ifr_ifru: value }
}

/// `sockaddr_in` in the bytes of a `sockaddr`: family, port 0, address.
fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let mut sa_data = [0; 14];
    for (slot, byte) in sa_data[2..6].iter_mut().zip(address.octets()) {
        *slot = byte as libc::c_char;
    }
    libc::sockaddr { sa_family: libc::AF_INET as libc::sa_family_t, sa_data }
}

fn datagram_socket(family: AddressFamily) -> nix::Result<OwnedFd> {
    socket(family, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
}

/// The child joins the network namespace before its program starts.
pub(crate) fn join_before_exec(command: &mut Command, namespace: OwnedFd) {
    let join = move || setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
    // SAFETY: `setns` is a single system call; nothing is allocated and no lock is taken between fork and exec.
    unsafe { command.pre_exec(join) };
}

/// The child gives up all capabilities before its program starts, those included that a program could regain.
pub fn drop_capabilities_before_exec(command: &mut Command) {
    // SAFETY: only system calls; nothing is allocated and no lock is taken between fork and exec.
    unsafe { command.pre_exec(drop_capabilities) };
}

/// Empties the bounding, ambient, inheritable, permitted and effective sets of the calling thread, in the order in
/// which the earlier steps still have the capability that they need.
fn drop_capabilities() -> io::Result<()> {
    for number in 0..CAPABILITIES_MAX {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            // Beyond the last capability that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            result => result?,
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    Ok(())
}

/// The number of an error, as errors of I/O keep it.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw)
}

//! Sockets inside the namespaces of a lab, and what the tests read there.

pub mod allocations;

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use network::{Lab, Port};
use nix::sys::socket::{setsockopt, sockopt::Linger};
use pcap_parser::{Block, PcapNGOption, parse_pcapng};

pub const N1: Port = Port::Node(1);
pub const N2: Port = Port::Node(2);
pub const N3: Port = Port::Node(3);

/// Only what hangs reaches it.
pub const HANG_LIMIT: Duration = Duration::from_secs(60);

/// The argument with which this program says what it is allowed, instead of testing.
pub const REPORT_YOURSELF: &str = "report-yourself";

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The addresses of two ports, in both families.
pub fn families(from: Port, to: Port) -> [(IpAddr, IpAddr); 2] {
    [(from.ipv4().into(), to.ipv4().into()), (from.ipv6().into(), to.ipv6().into())]
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < HANG_LIMIT, "{what}: not after {HANG_LIMIT:?}");
        std::thread::sleep(ms(1));
    }
}

/// What this process may do, and which addresses of the lab are its own.
pub fn report_yourself() {
    let status = fs::read_to_string("/proc/self/status").expect("the process is there");
    status
        .lines()
        .filter(|line| line.starts_with("Cap") || line.starts_with("Uid"))
        .for_each(|line| println!("{line}"));
    for port in [N1, N2, N3, Port::Bench] {
        for address in [IpAddr::from(port.ipv4()), IpAddr::from(port.ipv6())] {
            let is_bound = UdpSocket::bind((address, 0)).is_ok();
            println!("{address} {}", if is_bound { "bound" } else { "not bound" });
        }
    }
}

fn port_of(lab: &Lab, address: IpAddr) -> Option<Port> {
    lab.ports().find(|port| [IpAddr::from(port.ipv4()), IpAddr::from(port.ipv6())].contains(&address))
}

fn bound(lab: &Lab, address: IpAddr) -> UdpSocket {
    let port = port_of(lab, address).expect("the address is one of the lab's");
    let socket = lab.within(port, || UdpSocket::bind((address, 0)).expect("the address is there"));
    let socket = socket.expect("the namespace is there");
    socket.set_read_timeout(Some(HANG_LIMIT)).expect("it has a time limit");
    socket
}

/// Two sockets for datagrams, in the namespaces of two ports.
pub struct Pair {
    sender: UdpSocket,
    receiver: UdpSocket,
    link: (Port, Option<Port>),
}

impl Pair {
    /// The second address may be nobody's.
    pub fn new(lab: &Lab, from: IpAddr, to: IpAddr) -> Self {
        let sender = bound(lab, from);
        let link = (port_of(lab, from).expect("the sender is in the lab"), port_of(lab, to));
        let receiver = if link.1.is_some() { bound(lab, to) } else { bound(lab, from) };
        let port = receiver.local_addr().expect("it is bound").port();
        sender.connect((to, port)).expect("there is a route");
        receiver.connect(sender.local_addr().expect("it is bound")).expect("there is a route");
        Self { sender, receiver, link }
    }

    pub fn send(&self, data: &[u8]) {
        self.sender.send(data).expect("it can be sent");
    }

    /// Waits for a datagram, and returns its length.
    pub fn receive(&self) -> usize {
        self.receiver.recv(&mut [0; 2048]).expect("a datagram comes")
    }

    /// Sends numbers, and waits until the switch has them all: at most as many as a device queues.
    pub fn send_all(&self, lab: &Lab, numbers: Range<u32>) {
        let (from, to) = (self.link.0, self.link.1.expect("the receiver is in the lab"));
        let arrived = || lab.statistics(from, to).expect("the switch runs").arrived;
        let expected = arrived() + numbers.len() as u64;
        numbers.for_each(|number| self.send(&number.to_be_bytes()));
        wait_until("all have come to the switch", || arrived() >= expected);
        assert_eq!(arrived(), expected, "nobody else uses the link");
    }

    /// The numbers that are there now. What the switch has delivered is there.
    pub fn received(&self) -> Vec<u32> {
        self.receiver.set_nonblocking(true).expect("it can be asked");
        let mut numbers = Vec::new();
        let mut number = [0; 4];
        loop {
            match self.receiver.recv(&mut number) {
                Ok(4) => numbers.push(u32::from_be_bytes(number)),
                Ok(bytes) => panic!("a datagram of {bytes} bytes"),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        self.receiver.set_nonblocking(false).expect("it can wait again");
        numbers
    }

    /// The shortest of so many round trips.
    pub fn least_round_trip(&self, times: usize) -> Duration {
        let round_trip = || {
            let began = Instant::now();
            self.sender.send(b"ping").expect("it can be sent");
            self.receive();
            self.receiver.send(b"pong").expect("it can be sent");
            self.sender.recv(&mut [0; 4]).expect("it comes back");
            began.elapsed()
        };
        (0..times).map(|_| round_trip()).min().expect("at least one is made")
    }
}

/// Whoever closes the connection sends one packet, which is not answered: no test meets packets of an earlier one.
pub fn end_by_reset(stream: &TcpStream) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(stream, Linger, &linger).expect("it can be set");
}

/// Waits until what is on its way on any link has arrived: a datagram that is sent later comes later.
pub fn settle(lab: &Lab) {
    for from in lab.ports() {
        for to in lab.ports().filter(|to| *to != from) {
            let pair = Pair::new(lab, from.ipv4().into(), to.ipv4().into());
            pair.send(b"the last one");
            pair.receive();
        }
    }
}

/// The two ends of a connection over which a byte went each way.
pub fn connected(lab: &Lab, from: IpAddr, to: IpAddr) -> (TcpStream, TcpStream) {
    let (client_port, server_port) = (port_of(lab, from), port_of(lab, to));
    let within = |port: Option<Port>| port.expect("the address is one of the lab's");
    let listener = lab.within(within(server_port), || TcpListener::bind((to, 0)).expect("the address is there"));
    let listener = listener.expect("the namespace is there");
    let address = listener.local_addr().expect("it is bound");
    let client = lab.within(within(client_port), || TcpStream::connect_timeout(&address, HANG_LIMIT));
    let client = client.expect("the namespace is there").expect("it is reached");
    let server = listener.accept().expect("it has come").0;
    for stream in [&client, &server] {
        stream.set_read_timeout(Some(HANG_LIMIT)).expect("it has a time limit");
        stream.set_nodelay(true).expect("it can be set");
        end_by_reset(stream);
    }
    (client, server)
}

/// Datagrams that the kernel of a port has dropped for their checksums, in the family of the address.
pub fn kernel_counter(lab: &Lab, port: Port, address: IpAddr) -> u64 {
    let file = if address.is_ipv4() { "/proc/thread-self/net/snmp" } else { "/proc/thread-self/net/snmp6" };
    let text = lab.within(port, || fs::read_to_string(file).expect("the kernel counts")).expect("the port is there");
    if address.is_ipv6() {
        let row = text.lines().find_map(|line| line.strip_prefix("Udp6InCsumErrors"));
        return row.and_then(|count| count.trim().parse().ok()).expect("the counter is there");
    }
    let mut rows = text.lines().filter_map(|line| line.strip_prefix("Udp:"));
    let names = rows.next().expect("there are names").split_whitespace();
    let mut counts = rows.next().expect("there are counts").split_whitespace();
    let place = names.into_iter().position(|name| name == "InCsumErrors").expect("the counter is there");
    counts.nth(place).and_then(|count| count.parse().ok()).expect("it is a number")
}

/// Each packet of a trace as `interface:comment`, read by another implementation of the format.
pub fn rows_of(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).expect("it can be read");
    let (rest, capture) = parse_pcapng(&bytes).expect("it is pcapng");
    assert!(rest.is_empty(), "the file ends with a whole block");
    let mut names = Vec::new();
    let mut rows = Vec::new();
    for block in &capture.sections[0].blocks {
        match block {
            Block::InterfaceDescription(interface) => names.push(text_of(&interface.options, 2)),
            Block::EnhancedPacket(packet) => {
                rows.push(format!("{}:{}", names[packet.if_id as usize], text_of(&packet.options, 1)));
            }
            _ => {}
        }
    }
    rows
}

fn text_of(options: &[PcapNGOption], code: u16) -> String {
    let option = options.iter().find(|option| option.code.0 == code);
    let value = option.and_then(|option| option.as_bytes().ok()).unwrap_or_default();
    String::from_utf8(value.to_vec()).expect("it is text")
}

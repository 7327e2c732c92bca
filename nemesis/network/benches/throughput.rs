//! What the switch costs: throughput and round trip of TCP from node to node, beside loopback in the same run.
//!
//! Both are measured in turn, several times, so that a machine that changes its speed meanwhile cannot favour either.
//! The wanted figures: at least a fifth of loopback's throughput, at most five times its round trip. They are printed,
//! and a miss is the exit code 1.
//!
//! ```sh
//! cargo bench -p dissensus-network --bench throughput [-- ROUNDS]
//! ```

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use network::{Lab, LabOptions, LinkRule, Port, enter_user_namespace};

const ROUNDS: usize = 5;
const STREAM_TIME: Duration = Duration::from_secs(1);
const ROUND_TRIPS: usize = 5000;
const CHUNK_BYTES: usize = 128 * 1024;

const THROUGHPUT_SHARE_MIN: f64 = 0.2;
const ROUND_TRIP_TIMES_MAX: f64 = 5.0;

/// One way from a client to a server.
struct Path<'a> {
    lab: &'a Lab,
    name: &'static str,
    client: Port,
    server: Port,
    address: IpAddr,
    /// Mbit/s and µs of each round.
    throughputs: Vec<f64>,
    round_trips: Vec<f64>,
}

impl<'a> Path<'a> {
    fn new(lab: &'a Lab, name: &'static str, client: Port, server: Port, address: IpAddr) -> Self {
        Self { lab, name, client, server, address, throughputs: vec![], round_trips: vec![] }
    }

    fn connected(&self) -> (TcpStream, TcpStream) {
        let bind = || TcpListener::bind((self.address, 0)).expect("the address is there");
        let listener = self.lab.within(self.server, bind).expect("the port is there");
        let address = listener.local_addr().expect("it is bound");
        let connect = || TcpStream::connect(address).expect("it is reached");
        let client = self.lab.within(self.client, connect).expect("the port is there");
        (client, listener.accept().expect("it has come").0)
    }

    fn measure(&mut self) {
        self.throughputs.push(throughput_mbit_per_s(self.connected()));
        self.round_trips.push(round_trip_us(self.connected()));
    }

    fn print(&self) {
        let (throughput, round_trip) = (median(&self.throughputs), median(&self.round_trips));
        println!("{:<28} {throughput:>10.0} Mbit/s {round_trip:>8.1} µs", self.name);
    }
}

fn throughput_mbit_per_s((mut client, mut server): (TcpStream, TcpStream)) -> f64 {
    let began = Instant::now();
    let writer = thread::spawn(move || {
        let chunk = vec![7; CHUNK_BYTES];
        while began.elapsed() < STREAM_TIME {
            client.write_all(&chunk).expect("it can be written");
        }
    });
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        match server.read(&mut chunk).expect("it can be read") {
            0 => break,
            read => bytes += read,
        }
    }
    writer.join().expect("the writer ends");
    bytes as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e6
}

/// The median of many.
fn round_trip_us((mut client, mut server): (TcpStream, TcpStream)) -> f64 {
    client.set_nodelay(true).expect("it can be set");
    server.set_nodelay(true).expect("it can be set");
    let echo = thread::spawn(move || {
        let mut byte = [0; 1];
        while server.read_exact(&mut byte).is_ok() {
            server.write_all(&byte).expect("it can be written");
        }
    });
    let mut byte = [0; 1];
    let mut round_trip = || {
        let began = Instant::now();
        client.write_all(&byte).expect("it can be written");
        client.read_exact(&mut byte).expect("it comes back");
        began.elapsed().as_secs_f64() * 1e6
    };
    let measured: Vec<f64> = (0..ROUND_TRIPS).map(|_| round_trip()).collect();
    drop(client);
    echo.join().expect("the echo ends");
    median(&measured)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    if let Err(refused) = enter_user_namespace() {
        println!("nothing is measured here: {refused}");
        return ExitCode::SUCCESS;
    }
    let lab = match Lab::start(2, &LabOptions::default()) {
        Ok(lab) => lab,
        Err(refused) => {
            println!("nothing is measured here: {refused}");
            return ExitCode::SUCCESS;
        }
    };
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(ROUNDS);
    if measure(&lab, rounds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the wanted figures are reached.
fn measure(lab: &Lab, rounds: usize) -> bool {
    let (n1, n2) = (Port::Node(1), Port::Node(2));
    let mut loopback = Path::new(lab, "loopback", n1, n1, Ipv4Addr::LOCALHOST.into());
    let mut switched = Path::new(lab, "switch, IPv4", n1, n2, n2.ipv4().into());
    let mut switched_v6 = Path::new(lab, "switch, IPv6", n1, n2, n2.ipv6().into());
    let mut single = Path::new(lab, "switch, packets as on a wire", n1, n2, n2.ipv4().into());
    for _ in 0..rounds {
        for path in [&mut loopback, &mut switched, &mut switched_v6] {
            path.measure();
        }
        set_single(lab, n1, n2, true);
        single.measure();
        set_single(lab, n1, n2, false);
    }
    for path in [&loopback, &switched, &switched_v6, &single] {
        path.print();
    }
    let share = median(&switched.throughputs) / median(&loopback.throughputs);
    let times = median(&switched.round_trips) / median(&loopback.round_trips);
    println!("throughput: {share:.2} of loopback's (at least {THROUGHPUT_SHARE_MIN}); ");
    println!("round trip: {times:.1} times loopback's (at most {ROUND_TRIP_TIMES_MAX})");
    share >= THROUGHPUT_SHARE_MIN && times <= ROUND_TRIP_TIMES_MAX
}

/// Switches offload off by a rule that does nothing else: a share of 10^-12 is lost.
fn set_single(lab: &Lab, from: Port, to: Port, is_single: bool) {
    let rule = LinkRule { loss_percent: if is_single { 1e-10 } else { 0.0 }, ..LinkRule::default() };
    for (from, to) in [(from, to), (to, from)] {
        lab.set_link(from, to, rule).expect("the link is there");
    }
}

//! The lab as a whole: three nodes in namespaces, and every fault seen by sockets inside them, beside what the switch
//! counted.
//!
//! It has a main of its own, since only a process of one thread can enter a user namespace. Where a machine does not
//! allow it, the reason is printed and nothing is tested.

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Instant;

use network::{
    Checksum, Corrupt, Delay, Entered, Lab, LabError, LabOptions, LinkRule, LinkStatistics, Port, Rate, Refused,
    Reorder, TraceLimits, enter_user_namespace,
};
use support::{HANG_LIMIT, N1, N2, N3, Pair, connected, kernel_counter, ms, wait_until};

/// Each with its name, in the order in which they run.
type Test = (&'static str, fn(&Lab));

const TESTS: [Test; 21] = [
    ("programs_have_addresses_and_no_capabilities", programs_have_addresses_and_no_capabilities),
    ("every_port_reaches_every_other_by_both_families", every_port_reaches_every_other_by_both_families),
    ("a_delay_is_as_long_as_it_says", a_delay_is_as_long_as_it_says),
    ("every_distribution_delays_and_keeps_the_order", every_distribution_delays_and_keeps_the_order),
    ("no_packet_costs_an_allocation", no_packet_costs_an_allocation),
    ("a_rule_holds_packets_only_while_it_is_in_force", a_rule_holds_packets_only_while_it_is_in_force),
    ("loss_takes_its_share", loss_takes_its_share),
    ("a_one_way_cut_is_one_way", a_one_way_cut_is_one_way),
    (
        "a_repaired_checksum_brings_the_flipped_bit_to_the_program",
        a_repaired_checksum_brings_the_flipped_bit_to_the_program,
    ),
    ("a_stream_is_corrupted_unnoticed", a_stream_is_corrupted_unnoticed),
    (
        "a_checksum_that_is_left_makes_the_kernel_drop_the_packet",
        a_checksum_that_is_left_makes_the_kernel_drop_the_packet,
    ),
    ("a_duplicate_arrives_twice", a_duplicate_arrives_twice),
    ("packets_that_are_held_back_are_overtaken", packets_that_are_held_back_are_overtaken),
    ("a_rate_is_kept", a_rate_is_kept),
    ("the_queue_of_a_rate_is_bounded", the_queue_of_a_rate_is_bounded),
    ("a_reset_ends_connections", a_reset_ends_connections),
    ("a_cut_link_passes_no_reset", a_cut_link_passes_no_reset),
    ("a_stream_stays_whole_while_faults_come_and_go", a_stream_stays_whole_while_faults_come_and_go),
    ("the_trace_has_packets_fates_and_notes", the_trace_has_packets_fates_and_notes),
    ("what_goes_nowhere_is_counted", what_goes_nowhere_is_counted),
    ("links_that_are_not_there_are_refused", links_that_are_not_there_are_refused),
];

fn main() {
    if std::env::args().nth(1).as_deref() == Some(support::REPORT_YOURSELF) {
        return support::report_yourself();
    }
    let entered = match enter_user_namespace() {
        Err(refused @ (Refused::UserNamespace { .. } | Refused::Namespace { .. })) => return not_tested(&refused),
        entered => entered.expect("this process can enter a user namespace"),
    };
    assert_ne!((entered.uid, entered.gid), (0, 0), "nodes are never root");
    let lab = match Lab::start(3, &LabOptions::default()) {
        Err(refused @ Refused::Device { .. }) => return not_tested(&refused),
        lab => lab.expect("a lab can be had where there is a device"),
    };
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    for (name, test) in TESTS.iter().filter(|(name, _)| name.contains(&filter)) {
        heal(&lab);
        let began = Instant::now();
        test(&lab);
        println!("test {name} ... ok ({} ms)", began.elapsed().as_millis());
    }
    drop(lab);
    a_seed_repeats_itself_and_nothing_is_left(entered);
    println!("all passed");
}

fn not_tested(refused: &Refused) {
    eprintln!("nothing is tested here: {refused}");
}

fn heal(lab: &Lab) {
    for from in lab.ports() {
        for to in lab.ports().filter(|to| *to != from) {
            lab.set_link(from, to, LinkRule::default()).expect("the link is there");
        }
    }
    support::settle(lab);
}

/// Sets the rule of the link from n1 to n2.
fn set(lab: &Lab, rule: LinkRule) {
    lab.set_link(N1, N2, rule).expect("the rule can be carried out");
}

/// What has happened on the link from n1 to n2.
fn statistics(lab: &Lab) -> LinkStatistics {
    lab.statistics(N1, N2).expect("the switch runs")
}

fn programs_have_addresses_and_no_capabilities(lab: &Lab) {
    let own = std::env::current_exe().expect("this program has a file");
    for (port, drops) in [(N1, true), (N2, false), (N3, true)] {
        let mut command = Command::new(&own);
        command.arg(support::REPORT_YOURSELF);
        lab.join(port, &mut command).expect("the port is there");
        if drops {
            network::drop_capabilities(&mut command);
        }
        let output = command.output().expect("it runs");
        let report = String::from_utf8(output.stdout).expect("it writes text");
        let line = |start: &str| report.lines().find(|line| line.starts_with(start)).unwrap_or_default();
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
            assert!(line(set).ends_with("\t0000000000000000"), "{report}");
        }
        assert!(!drops || line("CapBnd:").ends_with("\t0000000000000000"), "{report}");
        assert!(!line("Uid:").split_whitespace().any(|id| id == "0"), "{report}");
        let bound = [IpAddr::from(port.ipv4()), IpAddr::from(port.ipv6())];
        for port in lab.ports() {
            for address in [IpAddr::from(port.ipv4()), IpAddr::from(port.ipv6())] {
                let expected = if bound.contains(&address) { "bound" } else { "not bound" };
                assert_eq!(line(&format!("{address} ")), format!("{address} {expected}"), "{report}");
            }
        }
    }
}

fn every_port_reaches_every_other_by_both_families(lab: &Lab) {
    lab.ipv6().expect("IPv6 is there");
    let serve = |port: Port| {
        lab.within(port, || TcpListener::bind("[::]:2379").expect("default ports are free")).expect("the port is there")
    };
    let listeners: Vec<(Port, TcpListener)> = lab.ports().map(|port| (port, serve(port))).collect();
    for (to, listener) in &listeners {
        for from in lab.ports().filter(|from| from != to) {
            for address in [IpAddr::from(to.ipv4()), IpAddr::from(to.ipv6())] {
                let connect = || TcpStream::connect_timeout(&(address, 2379).into(), HANG_LIMIT);
                let mut stream = lab.within(from, connect).expect("the port is there").expect("it is reached");
                let mut accepted = listener.accept().expect("it has come").0;
                [&stream, &accepted].into_iter().for_each(support::end_by_reset);
                stream.write_all(b"x").expect("it can be written");
                accepted.read_exact(&mut [0]).expect("it arrives");
            }
        }
    }
}

fn a_delay_is_as_long_as_it_says(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let base = pair.least_round_trip(50);
    let rule = LinkRule { delay: Delay::Constant(ms(50)), ..LinkRule::default() };
    set(lab, rule);
    lab.set_link(N2, N1, rule).expect("the link is there");
    let before = statistics(lab);
    let delayed = pair.least_round_trip(10);
    let after = statistics(lab);
    assert!(delayed >= ms(100), "{delayed:?}: a packet came too early");
    assert!(delayed - base <= ms(105), "{delayed:?} instead of {base:?} and 100 ms");
    assert_eq!(after.delayed - before.delayed, 10);
    let mean = (after.delay_total - before.delay_total) / 10;
    assert!(mean >= ms(50), "{mean:?}");
    println!("  round trip {base:?}, with 50 ms each way {delayed:?}");
}

fn every_distribution_delays_and_keeps_the_order(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let numbers: Vec<u32> = (0..100).collect();
    let uniform = Delay::Uniform { low: ms(20), high: ms(60) };
    let cases = [
        (uniform, ms(25)),
        (Delay::Normal { mean: ms(30), deviation: ms(5) }, ms(28)),
        (Delay::Pareto { least: ms(10), shape: 3.0 }, ms(12)),
    ];
    for (delay, mean_min) in cases {
        let before = statistics(lab);
        set(lab, LinkRule { delay, ..LinkRule::default() });
        pair.send_all(lab, 0..100);
        wait_until("nothing is held", || statistics(lab).held == 0);
        let after = statistics(lab);
        assert_eq!(
            (pair.received(), after.reordered, after.delayed - before.delayed),
            (numbers.clone(), before.reordered, 100)
        );
        let mean = (after.delay_total - before.delay_total) / 100;
        assert!(mean >= mean_min, "{delay:?}: {mean:?}");
    }
    set(lab, LinkRule { delay: uniform, overtaking: true, ..LinkRule::default() });
    let before = statistics(lab);
    pair.send_all(lab, 0..100);
    wait_until("nothing is held", || statistics(lab).held == 0);
    assert!(statistics(lab).reordered > before.reordered);
    let mut received = pair.received();
    assert!(!received.is_sorted());
    received.sort_unstable();
    assert_eq!(received, numbers);
}

/// Neither one that passes nor one that is held.
fn no_packet_costs_an_allocation(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let (mut client, mut server) = connected(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    for (delay, times) in [(Delay::None, 1000), (Delay::Constant(ms(1)), 50)] {
        set(lab, LinkRule { delay, ..LinkRule::default() });
        let before = support::allocations::count();
        pair.least_round_trip(times);
        for _ in 0..times {
            client.write_all(b"x").expect("it can be written");
            server.read_exact(&mut [0]).expect("it arrives");
        }
        assert_eq!(support::allocations::count(), before, "{delay:?}");
    }
}

fn a_rule_holds_packets_only_while_it_is_in_force(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv6()), IpAddr::from(N2.ipv6()));
    let slow = LinkRule { delay: Delay::Constant(ms(50_000)), ..LinkRule::default() };
    let before = statistics(lab);
    set(lab, slow);
    pair.send_all(lab, 0..10);
    assert_eq!((statistics(lab).held, pair.received()), (10, vec![]));
    set(lab, LinkRule::default());
    assert_eq!(pair.received(), (0..10).collect::<Vec<_>>(), "they come at once, in order");
    set(lab, slow);
    pair.send_all(lab, 0..10);
    set(lab, LinkRule::cut());
    let after = statistics(lab);
    assert_eq!((after.cut - before.cut, after.held, pair.received()), (10, 0, vec![]));
}

fn loss_takes_its_share(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let before = statistics(lab);
    set(lab, LinkRule { loss_percent: 20.0, ..LinkRule::default() });
    let received = (0..100).map(|round| {
        pair.send_all(lab, round * 100..(round + 1) * 100);
        pair.received().len()
    });
    let received: usize = received.sum();
    let after = statistics(lab);
    assert_eq!(after.arrived - before.arrived, 10_000);
    assert_eq!(after.lost - before.lost, 10_000 - received as u64);
    assert!((7_800..=8_200).contains(&received), "{received} of 10,000");
    println!("  {} of 10,000 datagrams lost at 20 %", 10_000 - received);
}

fn a_one_way_cut_is_one_way(lab: &Lab) {
    let there = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let back = Pair::new(lab, IpAddr::from(N2.ipv4()), IpAddr::from(N1.ipv4()));
    set(lab, LinkRule::cut());
    let before = statistics(lab);
    there.send_all(lab, 0..100);
    back.send_all(lab, 0..100);
    assert_eq!(there.received(), Vec::<u32>::new(), "nothing passes one way");
    assert_eq!(back.received(), (0..100).collect::<Vec<_>>(), "all passes the other");
    let after = statistics(lab);
    assert_eq!((after.cut - before.cut, after.delivered - before.delivered), (100, 0));
}

fn corrupt(checksum: Checksum) -> LinkRule {
    LinkRule { corrupt: Some(Corrupt { percent: 100.0, checksum }), ..LinkRule::default() }
}

fn a_repaired_checksum_brings_the_flipped_bit_to_the_program(lab: &Lab) {
    for (from, to) in support::families(N1, N2) {
        let pair = Pair::new(lab, from, to);
        set(lab, corrupt(Checksum::Repaired));
        let before = statistics(lab);
        let mut flipped = 0;
        for number in 0..100 {
            pair.send_all(lab, number..number + 1);
            let received = pair.received();
            assert_eq!(received.len(), 1, "the kernel believes the checksum");
            flipped += (received[0] ^ number).count_ones();
        }
        assert_eq!(flipped, 100, "one bit of each");
        assert_eq!(statistics(lab).corrupted - before.corrupted, 100);
    }
}

fn a_stream_is_corrupted_unnoticed(lab: &Lab) {
    let (mut client, mut server) = connected(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    set(lab, corrupt(Checksum::Repaired));
    client.write_all(&[0; 100]).expect("it can be written");
    let mut received = [0; 100];
    server.read_exact(&mut received).expect("it arrives");
    assert_eq!(received.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1, "{received:?}");
}

fn a_checksum_that_is_left_makes_the_kernel_drop_the_packet(lab: &Lab) {
    for (from, to) in support::families(N1, N2) {
        let pair = Pair::new(lab, from, to);
        set(lab, corrupt(Checksum::Left));
        let (before, before_in_kernel) = (statistics(lab), kernel_counter(lab, N2, to));
        pair.send_all(lab, 0..100);
        assert_eq!(pair.received(), Vec::<u32>::new());
        let after = statistics(lab);
        assert_eq!((after.corrupted - before.corrupted, after.delivered - before.delivered), (100, 100));
        // A flipped bit of the length or of a port is dropped for that, before the checksum is computed.
        let noticed = kernel_counter(lab, N2, to) - before_in_kernel;
        assert!((1..=100).contains(&noticed), "{noticed}");
    }
}

fn a_duplicate_arrives_twice(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    set(lab, LinkRule { duplicate_percent: 100.0, ..LinkRule::default() });
    pair.send_all(lab, 0..50);
    assert_eq!(pair.received(), (0..50).flat_map(|number| [number, number]).collect::<Vec<_>>());
    set(lab, LinkRule { duplicate_percent: 20.0, ..LinkRule::default() });
    let before = statistics(lab);
    pair.send_all(lab, 0..100);
    let duplicated = statistics(lab).duplicated - before.duplicated;
    assert_eq!(pair.received().len() as u64, 100 + duplicated);
    assert!((5..=40).contains(&duplicated), "{duplicated}");
}

fn packets_that_are_held_back_are_overtaken(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let reorder = Some(Reorder { percent: 20.0, hold: ms(300) });
    set(lab, LinkRule { reorder, ..LinkRule::default() });
    let before = statistics(lab);
    pair.send_all(lab, 0..100);
    wait_until("nothing is held", || statistics(lab).held == 0);
    let (after, received) = (statistics(lab), pair.received());
    let latest = received.iter().scan(0, |latest, number| {
        *latest = (*latest).max(*number);
        Some(*latest)
    });
    let overtaken = received.iter().zip(latest).filter(|(number, latest)| *number < latest).count();
    assert_eq!((received.len(), overtaken as u64), (100, after.reordered - before.reordered));
    assert!(overtaken > 0 && after.reordered - before.reordered <= after.held_back - before.held_back);
}

/// Never quicker; and as quick as it should be in one of several attempts, as a busy machine only delays.
fn a_rate_is_kept(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let rate = Some(Rate { kbit_per_s: 1000, queue_bytes_max: 1 << 20 });
    set(lab, LinkRule { rate, ..LinkRule::default() });
    let attempt = || {
        let began = Instant::now();
        // 972 bytes of data are 1000 of IP: 8 ms each.
        (0..50).for_each(|_| pair.send(&[0; 972]));
        (0..50).for_each(|_| assert_eq!(pair.receive(), 972));
        began.elapsed()
    };
    let mut attempts = vec![attempt()];
    while attempts.len() < 5 && attempts.last().is_some_and(|took| *took > ms(440)) {
        attempts.push(attempt());
    }
    println!("  50 packets of 8000 bits at 1000 kbit/s took {attempts:?}");
    assert!(attempts.iter().all(|took| *took >= ms(400)), "too quick: {attempts:?}");
    assert!(attempts.last().is_some_and(|took| *took <= ms(440)), "too slow: {attempts:?}");
}

fn the_queue_of_a_rate_is_bounded(lab: &Lab) {
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let rate = Some(Rate { kbit_per_s: 1, queue_bytes_max: 5000 });
    set(lab, LinkRule { rate, ..LinkRule::default() });
    let before = statistics(lab);
    for _ in 0..20 {
        pair.send(&[0; 972]);
    }
    wait_until("all have arrived", || statistics(lab).arrived - before.arrived == 20);
    let after = statistics(lab);
    let (held, overflows) = (after.held, after.rate_queue_overflows - before.rate_queue_overflows);
    // A packet needs eight seconds.
    assert!(held >= 4 && overflows > 0, "{after:?}");
    assert_eq!(held + overflows + after.delivered - before.delivered, 20);
}

fn a_reset_ends_connections(lab: &Lab) {
    for (from, to) in support::families(N1, N2) {
        let (mut client, mut server) = connected(lab, from, to);
        let (mut other_client, mut other_server) = connected(lab, from, to);
        client.write_all(b"hello").expect("it can be written");
        server.read_exact(&mut [0; 5]).expect("it arrives");
        assert_eq!(lab.reset(N1, N2).expect("the link is there"), 2);
        for stream in [&mut server, &mut other_server] {
            let error = stream.read(&mut [0]).expect_err("the connection is reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        // The other end knows nothing of it until its link is reset as well.
        assert_eq!(lab.reset(N2, N1).expect("the link is there"), 2);
        for stream in [&mut client, &mut other_client] {
            let error = stream.read(&mut [0]).expect_err("the connection is reset");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        assert_eq!(lab.reset(N1, N2).expect("the link is there"), 0, "none is left");
    }
}

fn a_cut_link_passes_no_reset(lab: &Lab) {
    let (mut client, mut server) = connected(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    set(lab, LinkRule::cut());
    assert_eq!(lab.reset(N1, N2).expect("the link is there"), 0);
    set(lab, LinkRule::default());
    client.write_all(b"x").expect("the connection lives");
    server.read_exact(&mut [0]).expect("it arrives");
}

/// Offload goes off and on under a stream; TCP repairs what is lost, and nothing else may be wrong.
fn a_stream_stays_whole_while_faults_come_and_go(lab: &Lab) {
    const PART_BYTES: usize = 1 << 20;
    let rules = [
        LinkRule::default(),
        LinkRule { loss_percent: 0.5, ..LinkRule::default() },
        LinkRule { duplicate_percent: 5.0, ..LinkRule::default() },
        LinkRule { delay: Delay::Constant(ms(2)), ..LinkRule::default() },
        // The first half of a part is 350 packets: that none is hit has a chance of 0.95^350, below 10^-7.
        LinkRule { corrupt: Some(Corrupt { percent: 5.0, checksum: Checksum::Left }), ..LinkRule::default() },
    ];
    let (mut client, mut server) = connected(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    let part: Vec<u8> = (0..PART_BYTES as u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let before = statistics(lab);
    let mut received = vec![0; PART_BYTES];
    for (rule, next) in rules.iter().zip(rules.iter().cycle().skip(1)) {
        set(lab, *rule);
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&part).expect("it can be written"));
            let (first, second) = received.split_at_mut(PART_BYTES / 2);
            server.read_exact(first).expect("it arrives");
            set(lab, *next);
            server.read_exact(second).expect("it arrives");
        });
        assert!(received == part, "the stream is damaged under {rule:?} or {next:?}");
    }
    let after = statistics(lab);
    assert!(after.duplicated > before.duplicated && after.corrupted > before.corrupted, "{after:?}");
    let mean = (after.arrived_bytes - before.arrived_bytes) / (after.arrived - before.arrived);
    assert!(mean > 1500, "without offload no frame is longer than a packet: {mean}");
    println!("  mean frame of {mean} bytes");
}

fn the_trace_has_packets_fates_and_notes(lab: &Lab) {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let path = directory.path().join("trace.pcapng");
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
    lab.trace(&path, TraceLimits::default()).expect("the file can be made");
    assert!(matches!(lab.trace(&path, TraceLimits::default()), Err(LabError::Traced)));
    pair.send_all(lab, 0..3);
    lab.note("begin: cut n1 from n2").expect("the switch runs");
    set(lab, LinkRule::cut());
    pair.send_all(lab, 3..5);
    lab.note("end: cut n1 from n2").expect("the switch runs");
    let summary = lab.end_trace().expect("it can be written").expect("there is a trace");
    assert_eq!((summary.packets, summary.notes, summary.missed), (3 * 2 + 2, 2, 0));
    let rows = support::rows_of(&path);
    let expected = [
        ["n1:", "n2:"].repeat(3),
        vec!["notes:begin: cut n1 from n2"],
        vec!["n1:cut"; 2],
        vec!["notes:end: cut n1 from n2"],
    ];
    assert_eq!(rows, expected.concat());
    assert_eq!(lab.end_trace().expect("the switch runs"), None);
}

fn what_goes_nowhere_is_counted(lab: &Lab) {
    let before = lab.switch_statistics().expect("the switch runs").strays;
    let pair = Pair::new(lab, IpAddr::from(N1.ipv4()), "10.77.0.99".parse().expect("it is an address"));
    pair.send(b"to nobody");
    wait_until("it is counted", || lab.switch_statistics().expect("the switch runs").strays > before);
    for port in lab.ports() {
        lab.dropped_before_switch(port).expect("its table of interfaces can be read");
    }
}

fn links_that_are_not_there_are_refused(lab: &Lab) {
    let rule = LinkRule::default();
    assert!(matches!(lab.set_link(N1, N1, rule), Err(LabError::NoSuchLink { .. })));
    assert!(matches!(lab.set_link(N1, Port::Node(4), rule), Err(LabError::NoSuchLink { .. })));
    assert!(matches!(lab.namespace(Port::Node(0)), Err(LabError::NoSuchPort(_))));
    let invalid = LinkRule { loss_percent: 200.0, ..rule };
    assert!(matches!(lab.set_link(N1, N2, invalid), Err(LabError::InvalidRule(_))));
}

/// Three labs in turn: those of one seed lose the same packets. Each leaves no thread and no descriptor.
fn a_seed_repeats_itself_and_nothing_is_left(entered: Entered) {
    let survivors = |seed| {
        let lab = Lab::start(2, &LabOptions { seed, ..LabOptions::default() }).expect("the name is free again");
        let pair = Pair::new(&lab, IpAddr::from(N1.ipv4()), IpAddr::from(N2.ipv4()));
        set(&lab, LinkRule { loss_percent: 50.0, ..LinkRule::default() });
        pair.send_all(&lab, 0..100);
        pair.received()
    };
    let entries = |path| std::fs::read_dir(path).expect("the process is there").count();
    let before = entries("/proc/self/fd");
    let (first, again, other) = (survivors(1), survivors(1), survivors(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_eq!(entries("/proc/self/fd"), before, "every descriptor is closed");
    wait_until("every thread has ended", || entries("/proc/self/task") == 1);
    println!("test a_seed_repeats_itself_and_nothing_is_left ... ok (as user {} inside)", entered.uid);
}

//! The proxy of a link, over real sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use nemesis::LinkRule;
use nemesis::backend::proxy::{CONNECTIONS_MAX, HELD_MAX, IN_FLIGHT_MAX, LinkProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn open() -> LinkRule {
    LinkRule::default()
}

fn blocked() -> LinkRule {
    LinkRule { blocked: true, ..open() }
}

/// A link to a listener of the test's own.
struct Bench {
    proxy: LinkProxy,
    address: SocketAddr,
    listener: TcpListener,
}

async fn bench() -> Bench {
    let (proxy, address) = LinkProxy::bind().await.expect("a port");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    proxy.set_target(Some(listener.local_addr().expect("an address")));
    Bench { proxy, address, listener }
}

impl Bench {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the proxy listens")
    }

    async fn accept(&self) -> TcpStream {
        within(self.listener.accept()).await.expect("a connection").0
    }

    async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.connect().await;
        (client, self.accept().await)
    }
}

/// Fails instead of hanging; far longer than anything should take.
async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("it happens at last")
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn read(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    within(stream.read_exact(&mut bytes)).await.expect("as many bytes");
    bytes
}

/// The next read shows that the connection was reset.
async fn expect_reset(stream: &mut TcpStream) {
    let error = within(stream.read(&mut [0; 8])).await.expect_err("a reset");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// Nothing to read right now, not even an end.
fn expect_silence(stream: &TcpStream) {
    let error = stream.try_read(&mut [0; 8]).expect_err("silence");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn an_open_link_passes_both_ways_and_counts() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    client.write_all(b"to the other side").await.expect("sent");
    assert_eq!(read(&mut server, 17).await, b"to the other side");
    server.write_all(b"and back").await.expect("sent");
    assert_eq!(read(&mut client, 8).await, b"and back");
    let statistics = bench.proxy.statistics();
    assert_eq!((statistics.forwarded_bytes, statistics.blocked_bytes, statistics.delayed_bytes), (25, 0, 0));
}

#[tokio::test]
async fn a_blocked_link_holds_what_was_sent_and_delivers_it_in_order() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    client.write_all(b"0").await.expect("sent");
    read(&mut server, 1).await;
    bench.proxy.set_rule(blocked());
    for part in [&b"123"[..], b"456", b"789"] {
        client.write_all(part).await.expect("sent");
    }
    until("the proxy has read it", || bench.proxy.statistics().blocked_bytes == 9).await;
    expect_silence(&server);
    assert_eq!(bench.proxy.statistics().forwarded_bytes, 1, "nothing passed while blocked");
    bench.proxy.set_rule(open());
    client.write_all(b"!").await.expect("sent");
    assert_eq!(read(&mut server, 10).await, b"123456789!");
    assert_eq!(bench.proxy.statistics().blocked_bytes, 9);
    assert_eq!(bench.proxy.statistics().forwarded_bytes, 11);
}

#[tokio::test]
async fn what_comes_back_is_blocked_too() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(blocked());
    server.write_all(b"late").await.expect("sent");
    until("the proxy has read it", || bench.proxy.statistics().blocked_bytes == 4).await;
    expect_silence(&client);
    bench.proxy.set_rule(open());
    assert_eq!(read(&mut client, 4).await, b"late");
}

#[tokio::test]
async fn a_connection_made_while_blocked_is_counted_and_comes_through_when_open() {
    let bench = bench().await;
    bench.proxy.set_rule(blocked());
    let mut client = bench.connect().await;
    client.write_all(b"hello").await.expect("sent");
    until("it is counted", || bench.proxy.statistics().blocked_bytes == 5).await;
    assert_eq!(bench.proxy.statistics().blocked_connections, 1);
    bench.proxy.set_rule(open());
    let mut server = bench.accept().await;
    assert_eq!(read(&mut server, 5).await, b"hello");
}

#[tokio::test]
async fn a_client_that_gives_up_while_blocked_was_never_there() {
    let bench = bench().await;
    bench.proxy.set_rule(blocked());
    for number in 1..=3 {
        let mut gone = bench.connect().await;
        gone.write_all(b"gone").await.expect("sent");
        gone.shutdown().await.expect("closed");
        until("it is counted", || bench.proxy.statistics().blocked_bytes == 4 * number).await;
        // The proxy closes it: a reset, or an end.
        while within(gone.read(&mut [0; 8])).await.unwrap_or(0) > 0 {}
    }
    let mut patient = bench.connect().await;
    patient.write_all(b"patient").await.expect("sent");
    until("it is counted", || bench.proxy.statistics().blocked_connections == 4).await;
    bench.proxy.set_rule(open());
    let mut server = bench.accept().await;
    assert_eq!(read(&mut server, 7).await, b"patient", "the first to come through");
}

#[tokio::test]
async fn a_blocked_sender_has_to_wait_and_loses_nothing() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(blocked());
    let sent: Vec<u8> = (0..16 * 1024 * 1024u32).map(|n| (n % 251) as u8).collect();
    let copy = sent.clone();
    let sending = tokio::spawn(async move { client.write_all(&copy).await.map(|()| client) });
    until("it holds all it may", || bench.proxy.statistics().blocked_bytes == HELD_MAX as u64).await;
    assert!(!sending.is_finished(), "the kernel's buffers cannot hold the rest");
    bench.proxy.set_rule(open());
    assert_eq!(read(&mut server, sent.len()).await, sent);
    within(sending).await.expect("no panic").expect("all sent");
    assert_eq!(bench.proxy.statistics().blocked_bytes, HELD_MAX as u64, "and never held more");
}

#[tokio::test]
async fn a_slow_link_delivers_each_chunk_late_and_in_order() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(LinkRule { delay_ms: 60, jitter_ms: 40, ..open() });
    let mut received = Vec::new();
    for byte in 0..5u8 {
        let sent_at = Instant::now();
        client.write_all(&[byte; 100]).await.expect("sent");
        received.extend(read(&mut server, 100).await);
        assert!(sent_at.elapsed() >= Duration::from_millis(60), "{:?}", sent_at.elapsed());
    }
    assert!(received.is_sorted());
    until("all is counted", || bench.proxy.statistics().delayed_bytes == 500).await;
    let statistics = bench.proxy.statistics();
    let mean_ms = statistics.delay_total_ms / statistics.delayed_chunks;
    assert!(statistics.delayed_chunks >= 5 && (60..=100).contains(&mean_ms), "{statistics:?}");
}

#[tokio::test]
async fn a_slow_link_keeps_its_throughput() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(LinkRule { delay_ms: 300, jitter_ms: 50, ..open() });
    // The proxy reads after each write, so there are many chunks: delayed one after the other they would take a minute.
    let writes = 200;
    let began = Instant::now();
    for number in 0..writes {
        client.write_all(&[number as u8; 100]).await.expect("sent");
        tokio::task::yield_now().await;
    }
    let received = read(&mut server, writes * 100).await;
    assert!(received.chunks(100).enumerate().all(|(number, chunk)| chunk == [number as u8; 100]));
    until("all is counted", || bench.proxy.statistics().delayed_bytes == writes as u64 * 100).await;
    let statistics = bench.proxy.statistics();
    let in_sequence = Duration::from_millis(statistics.delay_total_ms);
    assert!(statistics.delayed_chunks > 50 && in_sequence > Duration::from_secs(15), "{statistics:?}");
    assert!(began.elapsed() >= Duration::from_millis(300) && began.elapsed() < in_sequence, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_link_has_a_bounded_window() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(LinkRule { delay_ms: 200, ..open() });
    let size = 3 * IN_FLIGHT_MAX;
    let began = Instant::now();
    let sending = tokio::spawn(async move { client.write_all(&vec![7; size]).await.map(|()| client) });
    read(&mut server, size).await;
    assert!(began.elapsed() >= Duration::from_millis(600), "three windows, one after the other: {:?}", began.elapsed());
    within(sending).await.expect("no panic").expect("all sent");
}

/// TCP loses nothing for good: what is lost arrives late, in order, and holds up what was sent after it.
#[tokio::test]
async fn a_lossy_link_holds_up_what_it_loses_and_keeps_the_order() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(LinkRule { loss_percent: 30, ..open() });
    let began = Instant::now();
    for number in 0..60u8 {
        client.write_all(&[number; 100]).await.expect("sent");
        let chunks = u64::from(number) + 1;
        until("it is read as a chunk of its own", || bench.proxy.statistics().lossy_chunks == chunks).await;
    }
    let received = read(&mut server, 6000).await;
    assert!(received.chunks(100).enumerate().all(|(number, chunk)| chunk == [number as u8; 100]));
    let statistics = bench.proxy.statistics();
    assert!((3..40).contains(&statistics.lost_chunks), "about 18 of 60: {statistics:?}");
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    bench.proxy.set_rule(open());
    client.write_all(b"after").await.expect("sent");
    assert_eq!(read(&mut server, 5).await, b"after");
    assert_eq!(bench.proxy.statistics().lossy_chunks, 60, "an open link loses nothing");
}

#[tokio::test]
async fn ends_pass_each_way_by_themselves() {
    let bench = bench().await;
    let (mut client, mut server) = bench.pair().await;
    client.write_all(b"last words").await.expect("sent");
    client.shutdown().await.expect("closed");
    let mut heard = Vec::new();
    within(server.read_to_end(&mut heard)).await.expect("an orderly end");
    assert_eq!(heard, b"last words");
    server.write_all(b"an answer after the end").await.expect("sent");
    drop(server);
    let mut answer = Vec::new();
    within(client.read_to_end(&mut answer)).await.expect("an orderly end");
    assert_eq!(answer, b"an answer after the end");
}

#[tokio::test]
async fn a_reset_passes_when_open_and_waits_when_blocked() {
    let bench = bench().await;
    let (mut client, server) = bench.pair().await;
    server.set_zero_linger().expect("an option");
    drop(server);
    expect_reset(&mut client).await;

    let (mut client, mut server) = bench.pair().await;
    bench.proxy.set_rule(blocked());
    server.write_all(b"x").await.expect("sent");
    until("the proxy has read it", || bench.proxy.statistics().blocked_bytes == 1).await;
    drop(server);
    let early = tokio::time::timeout(Duration::from_millis(50), client.read(&mut [0; 8])).await;
    assert!(early.is_err(), "an end does not pass a cut link: {early:?}");
    bench.proxy.set_rule(open());
    let mut heard = Vec::new();
    within(client.read_to_end(&mut heard)).await.expect("an orderly end");
    assert_eq!(heard, b"x");
}

#[tokio::test]
async fn connections_follow_the_target() {
    let bench = bench().await;
    let (mut old_client, mut old_server) = bench.pair().await;
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    bench.proxy.set_target(Some(other.local_addr().expect("an address")));
    let mut client = bench.connect().await;
    let (mut server, _) = within(other.accept()).await.expect("a connection");
    client.write_all(b"new").await.expect("sent");
    assert_eq!(read(&mut server, 3).await, b"new");
    old_client.write_all(b"old").await.expect("sent");
    assert_eq!(read(&mut old_server, 3).await, b"old");

    bench.proxy.set_target(None);
    expect_reset(&mut bench.connect().await).await;
    let nobody = other.local_addr().expect("an address");
    drop(other);
    bench.proxy.set_target(Some(nobody));
    expect_reset(&mut bench.connect().await).await;
}

#[tokio::test]
async fn connections_are_bounded() {
    let bench = bench().await;
    bench.proxy.set_rule(blocked());
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        held.push(bench.connect().await);
    }
    expect_reset(&mut bench.connect().await).await;
    assert_eq!(bench.proxy.refused_connections(), 1);
    assert_eq!(bench.proxy.statistics().blocked_connections, CONNECTIONS_MAX as u64 + 1);
    held.clear();
    let refused = || async {
        let mut stream = bench.connect().await;
        tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 8])).await.is_ok()
    };
    within(async { while refused().await {} }).await;
}

#[tokio::test]
async fn a_dropped_proxy_leaves_nothing_behind() {
    let Bench { proxy, address, listener } = bench().await;
    let mut client = TcpStream::connect(address).await.expect("it listens");
    let (mut server, _) = within(listener.accept()).await.expect("a connection");
    drop(proxy);
    expect_reset(&mut client).await;
    expect_reset(&mut server).await;
    let gone = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(gone).await;
}

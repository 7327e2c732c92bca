//! A TCP proxy for one directed link: what `from` sends to `to` passes through it, and is cut, held or slowed by a
//! rule.
//!
//! ```text
//! from ──► client socket ──► queue (bounded, each chunk with its due time) ──► server socket ──► to
//!      ◄──               ◄── the same, for what comes back              ◄──
//! ```
//!
//! A cut link behaves as TCP over a cut wire does: the sender fills a bounded buffer, then waits; what was sent arrives
//! late and in order when the link opens; ends and resets of connections do not overtake data. Every byte is
//! counted under the lock that guards the rule, so after [`LinkProxy::set_rule`] has returned, not one byte is
//! counted by the old rule.
//!
//! A lossy link loses nothing for good, as TCP does not: a chunk that is lost is held up until it would have been sent
//! again, twice as long for each further loss, and what comes behind it waits.
//!
//! A delay is given to each chunk when it comes in, so slow links keep their throughput (up to [`IN_FLIGHT_MAX`] at a
//! time).

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::surface::{LinkRule, LinkStatistics};

/// What a connection holds back in each direction while blocked, bytes. Beyond it the sender has to wait.
pub const HELD_MAX: usize = 64 * 1024;

/// What a connection has under way in each direction while open, bytes: the window of a slow link.
pub const IN_FLIGHT_MAX: usize = 256 * 1024;

/// Connections at a time; one more is reset, and counted as refused.
pub const CONNECTIONS_MAX: usize = 64;

/// Read from a socket at once, bytes.
const CHUNK_MAX: usize = 8 * 1024;

/// Chunks in a queue, however small they are.
const CHUNKS_MAX: usize = 4096;

/// The shortest time before TCP sends a lost chunk again; it doubles with each further loss.
const RESEND_AFTER: Duration = Duration::from_millis(200);

/// How many times a chunk can be lost at most: the last wait is 1.6 s, and all of them add up to 3 s.
const LOSSES_MAX: u32 = 4;

/// How long a connection to the target may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait when the system gives no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// One directed link. Dropping it closes the listening socket and resets every connection.
#[derive(Debug)]
pub struct LinkProxy {
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    rule: watch::Sender<LinkRule>,
    target: watch::Sender<Option<SocketAddr>>,
    counters: Counters,
    chance: AtomicU64,
}

#[derive(Debug, Default)]
struct Counters {
    forwarded_bytes: AtomicU64,
    blocked_bytes: AtomicU64,
    blocked_connections: AtomicU64,
    delayed_bytes: AtomicU64,
    delay_total_ms: AtomicU64,
    delayed_chunks: AtomicU64,
    lossy_chunks: AtomicU64,
    lost_chunks: AtomicU64,
    refused_connections: AtomicU64,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl LinkProxy {
    /// Listens on a free port of 127.0.0.1, open and without a target yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn bind() -> io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            rule: watch::Sender::new(LinkRule::default()),
            target: watch::Sender::new(None),
            counters: Counters::default(),
            chance: AtomicU64::new(u64::from(address.port())),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok((Self { shared, accepting }, address))
    }

    /// Where new connections lead from now on; none: they are reset at once. Those that exist stay as they are.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        self.shared.target.send_replace(target);
    }

    /// Replaces the rule. Nothing is passed or counted by the old one once this returns.
    pub fn set_rule(&self, rule: LinkRule) {
        self.shared.rule.send_replace(rule);
    }

    /// The rule in force.
    pub fn rule(&self) -> LinkRule {
        *self.shared.rule.borrow()
    }

    /// What has been counted since the proxy was bound, both directions together.
    pub fn statistics(&self) -> LinkStatistics {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LinkStatistics {
            forwarded_bytes: read(&counters.forwarded_bytes),
            blocked_bytes: read(&counters.blocked_bytes),
            blocked_connections: read(&counters.blocked_connections),
            delayed_bytes: read(&counters.delayed_bytes),
            delay_total_ms: read(&counters.delay_total_ms),
            delayed_chunks: read(&counters.delayed_chunks),
            lossy_chunks: read(&counters.lossy_chunks),
            lost_chunks: read(&counters.lost_chunks),
            ..LinkStatistics::default()
        }
    }

    /// Connections reset because [`CONNECTIONS_MAX`] were open.
    pub fn refused_connections(&self) -> u64 {
        self.shared.counters.refused_connections.load(Ordering::Relaxed)
    }
}

impl Drop for LinkProxy {
    fn drop(&mut self) {
        // The task owns the listener and, in a JoinSet, every connection: all end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        let socket = Socket::new(stream);
        let blocked = {
            let rule = shared.rule.borrow();
            add(&shared.counters.blocked_connections, u64::from(rule.blocked));
            rule.blocked
        };
        if connections.len() >= CONNECTIONS_MAX {
            add(&shared.counters.refused_connections, 1);
            continue;
        }
        connections.spawn(serve(socket, Arc::clone(&shared), blocked));
    }
}

/// A socket that is reset when dropped, unless it was closed in an orderly way.
struct Socket {
    stream: TcpStream,
    ended: bool,
}

impl Socket {
    fn new(stream: TcpStream) -> Self {
        // A link adds no delay but that of its rule. If this fails, it costs latency only.
        let _ = stream.set_nodelay(true);
        Self { stream, ended: false }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if !self.ended {
            // Without it the other side would see an orderly end: harmless, but not what happened.
            let _ = self.stream.set_zero_linger();
        }
    }
}

/// One connection, until both directions have ended or one was reset; an error only ends it early.
async fn serve(mut client: Socket, shared: Arc<Shared>, was_blocked: bool) {
    let (there, back) = (Queue::default(), Queue::default());
    let (client_read, client_write) = client.stream.split();
    let onward = async {
        let mut server = connect(&shared, &there, was_blocked).await?;
        let (server_read, server_write) = server.stream.split();
        tokio::try_join!(
            deliver(&there, server_write, &shared),
            collect(server_read, &back, &shared),
            deliver(&back, client_write, &shared),
        )?;
        server.ended = true;
        Ok(())
    };
    let result: io::Result<((), ())> = tokio::try_join!(collect(client_read, &there, &shared), onward);
    client.ended = result.is_ok();
}

/// Connects to the target as soon as the link is open. A client that goes away before that was never connected, as
/// over a cut wire its handshake would never have been answered.
async fn connect(shared: &Shared, there: &Queue, was_blocked: bool) -> io::Result<Socket> {
    if was_blocked {
        let mut rule = shared.rule.subscribe();
        tokio::select! {
            biased;
            () = open(&mut rule) => {}
            () = there.ended.notified() => return Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
    let target = *shared.target.borrow();
    let target = target.ok_or(io::ErrorKind::ConnectionRefused)?;
    Ok(Socket::new(timeout(CONNECT_TIMEOUT, TcpStream::connect(target)).await??))
}

/// Returns when the link is not blocked.
async fn open(rule: &mut watch::Receiver<LinkRule>) {
    // An error means that the proxy is gone, and then this task is being aborted.
    let _ = rule.wait_for(|rule| !rule.blocked).await;
}

/// What waits to be delivered in one direction of a connection.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<QueueState>,
    /// Something came in.
    filled: Notify,
    /// Something went out.
    drained: Notify,
    /// No more will come in.
    ended: Notify,
}

#[derive(Debug, Default)]
struct QueueState {
    parcels: VecDeque<Parcel>,
    bytes: usize,
    last_due: Option<Instant>,
}

#[derive(Debug)]
struct Parcel {
    due: Instant,
    /// How much later than it came in.
    delay: Duration,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Data(Vec<u8>),
    /// The sender closes its direction.
    End,
    /// The sender's connection broke.
    Reset(io::ErrorKind),
}

impl Queue {
    /// Puts it in, due after `delay` but not before what came earlier.
    fn push(&self, content: Content, delay: Duration) {
        let is_last = !matches!(content, Content::Data(_));
        self.with(|state| {
            let now = Instant::now();
            let due = state.last_due.map_or(now + delay, |last| last.max(now + delay));
            state.last_due = Some(due);
            if let Content::Data(data) = &content {
                state.bytes += data.len();
            }
            state.parcels.push_back(Parcel { due, delay: due - now, content });
        });
        self.filled.notify_one();
        if is_last {
            self.ended.notify_one();
        }
    }

    async fn pop(&self) -> Parcel {
        loop {
            if let Some(parcel) = self.with(|state| state.parcels.pop_front()) {
                return parcel;
            }
            self.filled.notified().await;
        }
    }

    /// Makes room for as much as was delivered: until then it counts as held.
    fn release(&self, bytes: usize) {
        self.with(|state| state.bytes -= bytes);
        self.drained.notify_one();
    }

    /// How many bytes may be put in under this rule.
    fn room(&self, rule: &LinkRule) -> usize {
        let limit = if rule.blocked { HELD_MAX } else { IN_FLIGHT_MAX };
        self.with(|state| if state.parcels.len() < CHUNKS_MAX { limit.saturating_sub(state.bytes) } else { 0 })
    }

    fn with<T>(&self, change: impl FnOnce(&mut QueueState) -> T) -> T {
        // Nothing panics while it is locked, so a poisoned state cannot be half changed.
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads one side of a connection into a queue until it ends; its end, orderly or not, is queued behind its data.
async fn collect(mut from: ReadHalf<'_>, queue: &Queue, shared: &Shared) -> io::Result<()> {
    let mut rule = shared.rule.subscribe();
    let mut buffer = vec![0; CHUNK_MAX];
    loop {
        while queue.room(&rule.borrow_and_update()) == 0 {
            tokio::select! {
                () = queue.drained.notified() => {}
                changed = rule.changed() => changed.map_err(|_| io::ErrorKind::ConnectionAborted)?,
            }
        }
        let readable = from.readable().await.and_then(|()| read_some(&mut from, queue, shared, &mut buffer));
        match readable {
            Ok(Some(0)) => break queue.push(Content::End, shared.delay(&rule.borrow())),
            Ok(_) => {}
            Err(error) => break queue.push(Content::Reset(error.kind()), shared.delay(&rule.borrow())),
        }
    }
    Ok(())
}

/// Reads, counts and queues what there is, as the rule of this very moment says. None if there was nothing after all,
/// or no room.
fn read_some(from: &mut ReadHalf<'_>, queue: &Queue, shared: &Shared, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let rule = shared.rule.borrow();
    let room = queue.room(&rule).min(buffer.len());
    if room == 0 {
        return Ok(None);
    }
    let count = match from.try_read(&mut buffer[..room]) {
        Ok(0) => return Ok(Some(0)),
        Ok(count) => count,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        Err(error) => return Err(error),
    };
    if rule.blocked {
        add(&shared.counters.blocked_bytes, count as u64);
    }
    let delay = shared.delay(&rule) + shared.resending(&rule);
    queue.push(Content::Data(buffer[..count].to_vec()), delay);
    Ok(Some(count))
}

/// Writes a queue out to the other side, each chunk when it is due and the link is open, until the end has been
/// passed on.
async fn deliver(queue: &Queue, mut to: WriteHalf<'_>, shared: &Shared) -> io::Result<()> {
    let mut rule = shared.rule.subscribe();
    loop {
        let parcel = queue.pop().await;
        if parcel.due > Instant::now() {
            sleep_until(parcel.due).await;
        }
        match parcel.content {
            Content::Data(data) => {
                write_whole(&data, &to, &mut rule, shared).await?;
                queue.release(data.len());
                shared.count_delay(data.len(), parcel.delay);
            }
            Content::End => {
                open(&mut rule).await;
                return to.shutdown().await;
            }
            Content::Reset(kind) => {
                open(&mut rule).await;
                return Err(kind.into());
            }
        }
    }
}

async fn write_whole(
    data: &[u8],
    to: &WriteHalf<'_>,
    rule: &mut watch::Receiver<LinkRule>,
    shared: &Shared,
) -> io::Result<()> {
    let mut rest = data;
    while !rest.is_empty() {
        open(rule).await;
        to.writable().await?;
        let rule = shared.rule.borrow();
        if rule.blocked {
            continue;
        }
        match to.try_write(rest) {
            Ok(count) => {
                add(&shared.counters.forwarded_bytes, count as u64);
                rest = &rest[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Shared {
    /// The delay for the next chunk.
    fn delay(&self, rule: &LinkRule) -> Duration {
        let jitter_ms = match rule.jitter_ms {
            0 => 0,
            most => self.next_chance() % most.saturating_add(1).max(1),
        };
        // At most a day, so that adding it to a time cannot overflow.
        Duration::from_millis(rule.delay_ms.saturating_add(jitter_ms).min(24 * 3_600_000))
    }

    /// How long the next chunk is held up by being lost and sent again.
    fn resending(&self, rule: &LinkRule) -> Duration {
        if rule.loss_percent == 0 {
            return Duration::ZERO;
        }
        let is_lost = || self.next_chance() % 100 < u64::from(rule.loss_percent);
        let losses = (0..LOSSES_MAX).take_while(|_| is_lost()).count() as u32;
        add(&self.counters.lossy_chunks, 1);
        add(&self.counters.lost_chunks, u64::from(losses > 0));
        RESEND_AFTER * (2u32.pow(losses) - 1)
    }

    /// SplitMix64: jitter needs spread, not secrecy.
    fn next_chance(&self) -> u64 {
        let mut mixed = self.chance.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn count_delay(&self, bytes: usize, delay: Duration) {
        if delay > Duration::ZERO {
            add(&self.counters.delayed_bytes, bytes as u64);
            add(&self.counters.delayed_chunks, 1);
            add(&self.counters.delay_total_ms, u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        }
    }
}

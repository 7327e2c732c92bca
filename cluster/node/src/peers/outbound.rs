//! The sending end: a queue that never blocks the driver, and a task that dials, writes and dials again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cluster_core::envelope::Envelope;
use nix::sys::socket::{setsockopt, sockopt::TcpUserTimeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::frame::{self, Hello};
use crate::log::Log;
use crate::metrics::Counters;

/// Frames that may wait for one peer.
const QUEUE_FRAMES_MAX: usize = 4096;
/// Bytes that may wait for one peer.
const QUEUE_BYTES_MAX: usize = 16 << 20;
/// Frames put together for one write.
const COALESCE_FRAMES_MAX: usize = 256;
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection on which nothing moves for so long is given up.
const STALL_MAX: Duration = Duration::from_secs(2);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A connection that lived so long was a good one: the next backoff begins anew.
const GOOD_CONNECTION_MIN: Duration = Duration::from_secs(1);

/// The driver's end of the link to one peer.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// The peer's name.
    pub(crate) name: String,
    queue: mpsc::Sender<Vec<u8>>,
    state: Arc<LinkState>,
    counters: Arc<Counters>,
    log: Log,
}

#[derive(Debug, Default)]
struct LinkState {
    bytes_waiting: AtomicUsize,
    connected: AtomicBool,
}

impl Outbound {
    /// The link to the peer called `name` at `address`, and the task that serves it until the link is dropped.
    pub(crate) fn new(
        name: &str,
        address: SocketAddr,
        hello: Hello,
        counters: Arc<Counters>,
        log: Log,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (queue, waiting) = mpsc::channel(QUEUE_FRAMES_MAX);
        let state = Arc::new(LinkState::default());
        let dialler = Dialler {
            name: name.to_owned(),
            address,
            hello,
            waiting,
            state: Arc::clone(&state),
            counters: Arc::clone(&counters),
            log: log.clone(),
        };
        (Self { name: name.to_owned(), queue, state, counters, log }, dialler.run())
    }

    /// Queues a message, or drops it: when the queue is full, or the message fits no frame.
    pub(crate) fn send(&self, envelope: &Envelope) {
        match frame::encode_message(envelope) {
            Ok(frame) => self.queue(frame),
            Err(error) => {
                self.counters.sends_dropped.fetch_add(1, Relaxed);
                self.log.limited(format_args!("a message to {} was dropped: {error}", self.name));
            }
        }
    }

    fn queue(&self, frame: Vec<u8>) {
        let bytes = frame.len();
        let fits = self.state.bytes_waiting.load(Relaxed) + bytes <= QUEUE_BYTES_MAX;
        // Counted before it is queued: the other end takes off what it takes out.
        self.state.bytes_waiting.fetch_add(bytes, Relaxed);
        if !fits || self.queue.try_send(frame).is_err() {
            self.state.bytes_waiting.fetch_sub(bytes, Relaxed);
            self.counters.sends_dropped.fetch_add(1, Relaxed);
        }
    }

    /// Frames that wait.
    pub(crate) fn waiting(&self) -> u64 {
        (self.queue.max_capacity() - self.queue.capacity()) as u64
    }

    /// Whether the connection stands, as far as this end knows.
    pub(crate) fn connected(&self) -> bool {
        self.state.connected.load(Relaxed)
    }
}

/// The task's end.
struct Dialler {
    name: String,
    address: SocketAddr,
    hello: Hello,
    waiting: mpsc::Receiver<Vec<u8>>,
    state: Arc<LinkState>,
    counters: Arc<Counters>,
    log: Log,
}

impl Dialler {
    async fn run(mut self) {
        let mut backoff = BACKOFF_MIN;
        while !self.waiting.is_closed() {
            if let Ok(stream) = self.dial().await {
                let began = Instant::now();
                let end = self.pump(stream).await;
                self.state.connected.store(false, Relaxed);
                self.log.limited(format_args!("connection to peer {} ended: {end}", self.name));
                if began.elapsed() >= GOOD_CONNECTION_MIN {
                    backoff = BACKOFF_MIN;
                }
            }
            self.forget_queue();
            sleep(backoff).await;
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    async fn dial(&self) -> io::Result<TcpStream> {
        let stream = timeout(DIAL_TIMEOUT, TcpStream::connect(self.address)).await??;
        stream.set_nodelay(true)?;
        // The kernel retries for minutes on a link that is cut without a word; give up as early as on a full one.
        setsockopt(&stream, TcpUserTimeout, &(STALL_MAX.as_millis() as u32))?;
        Ok(stream)
    }

    /// Writes what comes out of the queue until the connection breaks; says why it did.
    async fn pump(&mut self, stream: TcpStream) -> String {
        let (mut read, mut write) = stream.into_split();
        // In the oldest version that this node speaks, so that a neighbour understands it.
        let hello = match frame::encode(self.hello.version_min, self.hello.version_max, &self.hello) {
            Ok(hello) => hello,
            Err(error) => return error.to_string(),
        };
        if let Err(error) = write_all(&mut write, &hello).await {
            return error.to_string();
        }
        self.state.connected.store(true, Relaxed);
        self.log.limited(format_args!("connected to peer {}", self.name));
        loop {
            match self.write_some(&mut read, &mut write).await {
                Ok(true) => {}
                Ok(false) => return "the node stops".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }

    /// Waits for frames and writes them together. False when no more will come.
    async fn write_some(&mut self, read: &mut OwnedReadHalf, write: &mut OwnedWriteHalf) -> io::Result<bool> {
        let mut frames = Vec::new();
        let taken = tokio::select! {
            taken = self.waiting.recv_many(&mut frames, COALESCE_FRAMES_MAX) => taken,
            error = closed(read) => return Err(error),
        };
        let bytes = frames.concat();
        let written = write_all(write, &bytes).await;
        self.state.bytes_waiting.fetch_sub(bytes.len(), Relaxed);
        let count = if written.is_ok() { &self.counters.frames_sent } else { &self.counters.sends_dropped };
        count.fetch_add(taken as u64, Relaxed);
        written.map(|()| taken > 0)
    }

    /// What was meant for a connection that is gone is lost with it.
    fn forget_queue(&mut self) {
        while let Ok(frame) = self.waiting.try_recv() {
            self.state.bytes_waiting.fetch_sub(frame.len(), Relaxed);
            self.counters.sends_dropped.fetch_add(1, Relaxed);
        }
    }
}

/// Completes when the other end closes: it never has anything to say on this connection.
async fn closed(read: &mut OwnedReadHalf) -> io::Error {
    match read.read(&mut [0; 1]).await {
        Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed it"),
        Ok(_) => io::Error::new(io::ErrorKind::InvalidData, "the other end is no node: it answered"),
        Err(error) => error,
    }
}

async fn write_all(write: &mut OwnedWriteHalf, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        let stalled = || io::Error::new(io::ErrorKind::TimedOut, format!("no byte could be written for {STALL_MAX:?}"));
        let written = timeout(STALL_MAX, write.write(rest)).await.map_err(|_| stalled())??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        rest = &rest[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use cluster_core::api::NodeId;
    use tokio::net::TcpListener;

    use super::*;

    fn link(address: SocketAddr) -> (Outbound, impl Future<Output = ()> + Send + 'static) {
        let hello = Hello { cluster: 1, from: NodeId(0), version_min: 1, version_max: 1 };
        Outbound::new("n2", address, hello, Arc::default(), Log::new("n1"))
    }

    fn dropped(link: &Outbound) -> u64 {
        link.counters.sends_dropped.load(Relaxed)
    }

    #[tokio::test]
    async fn a_full_queue_drops_by_count_and_by_bytes() {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let (short, _never_run) = link(nowhere);
        (0..QUEUE_FRAMES_MAX + 3).for_each(|_| short.queue(vec![0; 10]));
        assert_eq!((short.waiting(), dropped(&short)), (QUEUE_FRAMES_MAX as u64, 3));
        let (long, _never_run) = link(nowhere);
        (0..20).for_each(|_| long.queue(vec![0; 1 << 20]));
        assert_eq!((long.waiting(), dropped(&long)), (16, 4));
        assert_eq!(long.state.bytes_waiting.load(Relaxed), QUEUE_BYTES_MAX);
    }

    #[tokio::test]
    async fn what_is_queued_comes_out_in_order_behind_the_hello() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (link, task) = link(listener.local_addr().expect("bound"));
        (0..100).for_each(|number| link.queue(vec![number; 3]));
        let reader = async {
            let (mut stream, _) = listener.accept().await.expect("it dials");
            let mut said = vec![0; crate::frame::HEADER_BYTES + 4 + 300];
            stream.read_exact(&mut said).await.expect("hello and frames");
            said.split_off(crate::frame::HEADER_BYTES + 4)
        };
        let said = tokio::select! {
            said = reader => said,
            () = task => panic!("the task ends only with its link"),
        };
        assert_eq!(said, (0..100).flat_map(|number| [number; 3]).collect::<Vec<u8>>());
        assert_eq!(dropped(&link), 0);
    }

    #[tokio::test]
    async fn the_task_ends_with_its_link() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (link, task) = link(listener.local_addr().expect("bound"));
        let task = tokio::spawn(task);
        let (_stream, _) = listener.accept().await.expect("it dials");
        drop(link);
        task.await.expect("it ends by itself");
    }
}

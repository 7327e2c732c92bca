//! What is remembered for admission control: the waiting times of the last minute, and what is left of each slice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::config::Config;
use crate::histogram::Histogram;
use crate::ids::NodeId;

/// Where a slice does not shrink below.
const SLICE_MIN: usize = 16;

/// How far back the percentile looks.
const WINDOW_SECONDS: usize = 60;

const SECOND_NS: u64 = 1_000_000_000;

/// How long what a peer has said of its room holds, and for how long it is not said again.
pub(crate) const ROOM_HOLDS_NS: u64 = 2 * SECOND_NS;

const PERCENTILE: f64 = 0.99;

/// A kind of background work; each has a slice of its own, of the same size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    /// Rows given and asked for by anti-entropy.
    AntiEntropy,
    /// Rows offered to who is to own them.
    Transfer,
}

/// Waiting times of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// By second on the monotonic clock, ascending; seconds without a read are not there.
    seconds: VecDeque<(u64, Histogram)>,
    all: Histogram,
}

impl Window {
    fn observe(&mut self, now_ns: u64, waited_ns: u64) {
        let second = now_ns / SECOND_NS;
        self.forget_before(second.saturating_sub(WINDOW_SECONDS as u64 - 1));
        if self.seconds.back().is_none_or(|(last, _)| *last != second) {
            assert!(self.seconds.back().is_none_or(|(last, _)| *last < second), "seconds of the window ascend");
            self.seconds.push_back((second, Histogram::default()));
        }
        if let Some((_, bucket)) = self.seconds.back_mut() {
            bucket.observe(waited_ns / 1000);
            self.all.observe(waited_ns / 1000);
        }
    }

    fn forget_before(&mut self, first: u64) {
        while self.seconds.front().is_some_and(|(second, _)| *second < first) {
            if let Some((_, bucket)) = self.seconds.pop_front() {
                self.all.subtract(&bucket);
            }
        }
    }
}

/// Grants background work.
#[derive(Debug)]
pub(crate) struct Admission {
    window: Window,
    threshold_us: u64,
    pub slice: usize,
    pub slice_max: usize,
    adjusted_ns: u64,
    /// What is left of the slice of each kind of work in its interval.
    left: BTreeMap<Work, usize>,
    /// What peers have said of their room, and when.
    pub rooms: BTreeMap<NodeId, (usize, u64)>,
    /// When this node last reported its room to each peer.
    pub reported_ns: BTreeMap<NodeId, u64>,
}

impl Admission {
    pub fn new(config: &Config) -> Self {
        let slice_max = config.limits.slice_max;
        Self {
            window: Window::default(),
            threshold_us: micros(config.timing.storage_read_threshold),
            slice: config.limits.transfers_max.clamp(SLICE_MIN.min(slice_max), slice_max),
            slice_max,
            adjusted_ns: 0,
            left: BTreeMap::new(),
            rooms: BTreeMap::new(),
            reported_ns: BTreeMap::new(),
        }
    }

    /// A foreground read of own rows has been answered.
    pub fn observe_read(&mut self, now_ns: u64, waited_ns: u64) {
        self.window.observe(now_ns, waited_ns);
    }

    /// The 99th percentile of the last minute, microseconds; none without a read.
    pub fn percentile_us(&self) -> Option<u64> {
        self.window.all.quantile(PERCENTILE)
    }

    /// Rows in an interval, for each kind of work.
    pub fn slice(&self) -> usize {
        self.slice
    }

    /// Rows that a peer may be sent in an interval.
    pub fn slice_for(&self, peer: NodeId, now_ns: u64) -> usize {
        match self.rooms.get(&peer) {
            Some((rows, said_ns)) if now_ns < said_ns + ROOM_HOLDS_NS => self.slice.min((*rows).max(1)),
            _ => self.slice,
        }
    }

    /// An interval of a kind of work begins.
    pub fn renew(&mut self, work: Work, now_ns: u64) {
        self.adjust(now_ns);
        self.left.insert(work, self.slice);
    }

    /// What is left of the interval's slice.
    pub fn left(&self, work: Work) -> usize {
        self.left.get(&work).copied().unwrap_or(self.slice)
    }

    /// Takes so many rows out of the slice, or as many as are left.
    pub fn take(&mut self, work: Work, rows: usize) -> usize {
        let granted = rows.min(self.left(work));
        assert!(
            granted <= self.slice_max,
            "{granted} rows of an interval are granted, and {} is the most",
            self.slice_max
        );
        self.left.insert(work, self.left(work) - granted);
        granted
    }

    /// Once a second: half as much when reads wait too long, twice as much when they do not.
    pub fn adjust(&mut self, now_ns: u64) {
        if now_ns < self.adjusted_ns + SECOND_NS {
            return;
        }
        self.adjusted_ns = now_ns;
        self.window.forget_before((now_ns / SECOND_NS).saturating_sub(WINDOW_SECONDS as u64 - 1));
        let is_slow = self.percentile_us().is_some_and(|percentile| percentile > self.threshold_us);
        self.slice = match is_slow {
            true => (self.slice / 2).max(SLICE_MIN.min(self.slice_max)),
            false => (self.slice * 2).min(self.slice_max),
        };
        assert!(self.slice > 0, "a slice never falls to nothing: the cluster would not converge");
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

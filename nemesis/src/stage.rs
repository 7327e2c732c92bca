//! Where a fault is carried out: the surface, what other faults do to it at the same time, and what was measured.
//!
//! ```text
//!   a kind (faults/NAME.rs) ─► Stage, for one fault ─► surface
//!                                │
//!                              Ledger, for all: shares in force, what was touched, what was measured
//! ```
//!
//! Overlapping faults compose here. A fault has a *share*: its own rule, as if it were alone. What is set on the surface
//! is the sum of the shares in force, so that a fault that ends takes away exactly its own. A share is noted *before*
//! the surface is touched: whatever happens then, the ledger knows what has to be undone.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use crate::fault::Link;
use crate::measured::{ClockReading, Measured, Reading};
use crate::surface::{
    ClockSetting, DiskRule, LinkRule, ProcessLimits, ProcessState, Surface, SurfaceError, SurfaceFuture,
};

/// How many times a clock is read for one measurement, a node is asked for its version, and a node is started in the
/// end, before giving up.
pub(crate) const ATTEMPTS: usize = 3;

/// What a kind does on a stage; it borrows the stage and need not be `Send`.
pub(crate) type Step<'a, T = ()> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A fault's own rule, as if it were alone: the same for all links or nodes that it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Share {
    /// It acts otherwise than by rules.
    #[default]
    Nothing,
    /// On its links.
    Link(LinkRule),
    /// On its nodes' clocks.
    Clock(ClockSetting),
    /// On its nodes' disks.
    Disk(DiskRule),
    /// On its nodes' processes.
    Limits(ProcessLimits),
}

/// What the ledger knows of one fault.
#[derive(Debug, Default)]
struct Entry {
    share: Share,
    links: Vec<Link>,
    nodes: Vec<String>,
    /// When each node's clock was set for this fault, ms since the run began.
    clock_since_ms: BTreeMap<String, u64>,
    measured: Measured,
    errors: Vec<String>,
}

impl Entry {
    /// By how much this fault moves the node's clock at a moment: in ms, and in parts per million from then on.
    fn clock_share(&self, node: &str, now_ms: u64) -> ClockSetting {
        let (Share::Clock(setting), Some(since_ms)) = (self.share, self.clock_since_ms.get(node)) else {
            return ClockSetting::default();
        };
        let drifted = i128::from(now_ms.saturating_sub(*since_ms)) * i128::from(setting.drift_ppm) / 1_000_000;
        let drifted_ms = i64::try_from(drifted).unwrap_or(i64::MAX);
        ClockSetting { offset_ms: setting.offset_ms.saturating_add(drifted_ms), ..setting }
    }
}

/// The faults that are being carried out, and everything that was touched since the run began.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Links that ever had a rule.
    pub links_touched: BTreeSet<Link>,
    /// Nodes whose clock was ever set.
    pub clocks_touched: BTreeSet<String>,
    /// Nodes whose disk ever had a rule.
    pub disks_touched: BTreeSet<String>,
    /// Nodes whose processes were ever limited.
    pub limits_touched: BTreeSet<String>,
    /// Nodes on whose disk rows have rotted: they may have to be started without them.
    pub disks_rotten: BTreeSet<String>,
    /// Faults described by commands that were begun and not ended, by name and nodes.
    pub commands_begun: BTreeSet<(String, Vec<String>)>,
    /// Nodes that a fault has killed or let die.
    pub nodes_killed: BTreeSet<String>,
}

impl Ledger {
    /// Opens an entry for a fault, without a share.
    pub fn open(&mut self, id: u64) {
        self.entries.insert(id, Entry::default());
    }

    /// Takes a fault's share out of every rule; what was set on the surface stays until it is set anew.
    pub fn withdraw(&mut self, id: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.share = Share::Nothing;
        }
    }

    /// Closes an entry: what was measured, and what went wrong.
    pub fn close(&mut self, id: u64) -> (Measured, Vec<String>) {
        let entry = self.entries.remove(&id).unwrap_or_default();
        (entry.measured, entry.errors)
    }

    /// The sum of the faults in force on a link.
    fn link_rule(&self, link: &Link) -> LinkRule {
        let shares = self.entries.values().filter(|entry| entry.links.contains(link)).map(|entry| entry.share);
        shares.fold(LinkRule::default(), |sum, share| match share {
            Share::Link(rule) => sum.beside(rule),
            _ => sum,
        })
    }

    /// The sum of the faults in force on a node's clock, as of `now_ms`.
    fn clock(&self, node: &str, now_ms: u64) -> ClockSetting {
        let shares = self.entries.values().map(|entry| entry.clock_share(node, now_ms));
        shares.fold(ClockSetting::default(), ClockSetting::beside)
    }

    /// The sum of the faults in force on a node's disk.
    fn disk_rule(&self, node: &String) -> DiskRule {
        self.shares_of(node).fold(DiskRule::default(), |sum, share| match share {
            Share::Disk(rule) => sum.beside(rule),
            _ => sum,
        })
    }

    /// The sum of the faults in force on a node's processes.
    fn limits(&self, node: &String) -> ProcessLimits {
        self.shares_of(node).fold(ProcessLimits::default(), |sum, share| match share {
            Share::Limits(limits) => sum.beside(limits),
            _ => sum,
        })
    }

    fn shares_of(&self, node: &String) -> impl Iterator<Item = Share> {
        self.entries.values().filter(move |entry| entry.nodes.contains(node)).map(|entry| entry.share)
    }

    fn entry(&mut self, id: u64) -> &mut Entry {
        self.entries
            .get_mut(&id)
            .expect("a fault on stage has an entry: the nemesis opens it before and closes it after")
    }
}

/// The stage of one fault.
pub(crate) struct Stage<'a> {
    id: u64,
    ledger: &'a mut Ledger,
    surface: &'a dyn Surface,
    now_ms: &'a dyn Fn() -> u64,
}

impl<'a> Stage<'a> {
    /// The stage of the fault with this id, whose entry is open.
    pub fn new(id: u64, ledger: &'a mut Ledger, surface: &'a dyn Surface, now_ms: &'a dyn Fn() -> u64) -> Self {
        Self { id, ledger, surface, now_ms }
    }

    /// The cluster.
    pub fn surface(&self) -> &'a dyn Surface {
        self.surface
    }

    /// What was touched, for what has to be undone in the end.
    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger
    }

    /// The notes on this fault.
    pub fn measured(&mut self) -> &mut Measured {
        &mut self.ledger.entry(self.id).measured
    }

    /// Notes what could not be healed, if it could not.
    pub fn note_failure(&mut self, what: &str, result: Result<(), SurfaceError>) {
        let error = result.err().map(|error| format!("{what}: {error}"));
        self.ledger.entry(self.id).errors.extend(error);
    }

    fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }
}

/// Rules: of links, clocks, disks and processes.
impl Stage<'_> {
    /// Puts a fault's share in force, together with those of the other faults.
    ///
    /// # Errors
    /// The first rule that could not be set.
    pub async fn impose(&mut self, share: Share, links: &[Link], nodes: &[String]) -> Result<(), SurfaceError> {
        let entry = self.ledger.entry(self.id);
        (entry.share, entry.links, entry.nodes) = (share, links.to_vec(), nodes.to_vec());
        match share {
            Share::Nothing => Ok(()),
            Share::Link(_) => self.impose_on_links(links).await,
            Share::Clock(_) => self.impose_on_clocks(nodes).await,
            Share::Disk(_) => self.impose_on_disks(nodes).await,
            Share::Limits(_) => self.impose_on_processes(nodes).await,
        }
    }

    async fn impose_on_links(&mut self, links: &[Link]) -> Result<(), SurfaceError> {
        for link in links {
            self.ledger.links_touched.insert(link.clone());
            self.surface.set_link(link, self.ledger.link_rule(link)).await?;
        }
        Ok(())
    }

    async fn impose_on_clocks(&mut self, nodes: &[String]) -> Result<(), SurfaceError> {
        for node in nodes {
            let now_ms = self.now_ms();
            self.ledger.clocks_touched.insert(node.clone());
            self.ledger.entry(self.id).clock_since_ms.insert(node.clone(), now_ms);
            self.surface.set_clock(node, self.ledger.clock(node, now_ms)).await?;
        }
        Ok(())
    }

    /// Reads each disk's counters before it gets the rule: what happens from then on is counted for the fault.
    async fn impose_on_disks(&mut self, nodes: &[String]) -> Result<(), SurfaceError> {
        for node in nodes {
            let before = self.surface.disk_statistics(node).await?;
            let reading = self.measured().disks.entry(node.clone()).or_default();
            (reading.before, reading.end) = (before, before);
            self.ledger.disks_touched.insert(node.clone());
            self.surface.set_disk(node, self.ledger.disk_rule(node)).await?;
        }
        Ok(())
    }

    async fn impose_on_processes(&mut self, nodes: &[String]) -> Result<(), SurfaceError> {
        for node in nodes {
            let before = self.surface.process_statistics(node).await?;
            self.measured().processes.entry(node.clone()).or_default().before = before;
            self.ledger.limits_touched.insert(node.clone());
            self.surface.set_limits(node, self.ledger.limits(node)).await?;
        }
        Ok(())
    }

    /// Takes a share out of force while the fault goes on.
    pub async fn suspend(&mut self, share: Share, links: &[Link], nodes: &[String]) {
        self.ledger.withdraw(self.id);
        self.relieve(share, links, nodes).await;
    }

    /// Sets anew what a share had been in, without it: it has been withdrawn.
    pub async fn relieve(&mut self, share: Share, links: &[Link], nodes: &[String]) {
        if let Share::Link(_) = share {
            for link in links {
                let healed = self.surface.set_link(link, self.ledger.link_rule(link)).await;
                self.note_failure(&format!("healing {link} failed"), healed);
            }
        }
        for node in nodes {
            let (what, healed) = match share {
                Share::Nothing | Share::Link(_) => return,
                Share::Clock(_) => {
                    let setting = self.ledger.clock(node, self.now_ms());
                    ("setting right the clock", self.surface.set_clock(node, setting).await)
                }
                Share::Disk(_) => ("mending the disk", self.surface.set_disk(node, self.ledger.disk_rule(node)).await),
                // What is dead has no limits.
                Share::Limits(_) if self.state_of(node).await == Some(ProcessState::Dead) => continue,
                Share::Limits(_) => {
                    ("lifting the limits", self.surface.set_limits(node, self.ledger.limits(node)).await)
                }
            };
            self.note_failure(&format!("{what} of {node} failed"), healed);
        }
    }

    /// Measures what a share acts on, right after it was put in force.
    pub async fn observe(&mut self, share: Share, links: &[Link], nodes: &[String]) {
        match share {
            // A disk was read before it got its rule.
            Share::Nothing | Share::Disk(_) => {}
            Share::Link(_) => self.observe_links(links).await,
            Share::Clock(_) => {
                for node in nodes {
                    let reading = self.read_clock(node).await;
                    self.measured().clocks_at_start.extend(reading.map(|reading| (node.clone(), reading)));
                }
            }
            Share::Limits(_) => {
                for node in nodes {
                    let start = self.surface.process_statistics(node).await.ok();
                    let reading = self.measured().processes.entry(node.clone()).or_default();
                    reading.is_whole = start.is_some();
                    reading.start = start.unwrap_or_default();
                }
            }
        }
    }

    /// Measures what a share acts on, for the last time before it is withdrawn.
    pub async fn measure(&mut self, share: Share, links: &[Link], nodes: &[String]) {
        match share {
            Share::Nothing => {}
            Share::Link(_) => self.measure_links(links).await,
            Share::Clock(_) => {
                for node in nodes {
                    let reading = self.read_clock(node).await;
                    self.measured().clocks_at_end.extend(reading.map(|reading| (node.clone(), reading)));
                }
            }
            Share::Disk(_) => {
                for node in nodes {
                    if let Ok(end) = self.surface.disk_statistics(node).await {
                        self.measured().disks.entry(node.clone()).or_default().end = end;
                        self.measured().disks_at_end.insert(node.clone());
                    }
                }
            }
            Share::Limits(_) => {
                for node in nodes {
                    let end = self.surface.process_statistics(node).await.ok();
                    let reading = self.measured().processes.entry(node.clone()).or_default();
                    // Of a node that ended of its limit there is nothing to read.
                    reading.end = end.unwrap_or(reading.start);
                }
            }
        }
    }

    /// Reads the counters of links, right after the fault is in force.
    pub async fn observe_links(&mut self, links: &[Link]) {
        for link in links {
            let start = self.surface.link_statistics(link).await.ok();
            self.measured().links.entry(link.clone()).or_default().start = start;
        }
    }

    /// Reads the counters of links, for the last time before the fault is healed.
    pub async fn measure_links(&mut self, links: &[Link]) {
        for link in links {
            let end = self.surface.link_statistics(link).await.map_err(|error| error.to_string());
            self.measured().links.entry(link.clone()).or_default().end = end;
        }
    }

    /// Begins a phase of a fault whose links are cut and open in turn.
    pub async fn begin_phase(&mut self, links: &[Link]) {
        for link in links {
            let start = self.surface.link_statistics(link).await;
            let phases = &mut self.measured().link_phases;
            phases.unread += u64::from(start.is_err());
            phases.baseline.extend(start.ok().map(|start| (link.clone(), start)));
        }
    }

    /// Ends a phase in which the links were cut or open.
    pub async fn end_phase(&mut self, links: &[Link], was_cut: bool) {
        for link in links {
            let end = self.surface.link_statistics(link).await;
            let phases = &mut self.measured().link_phases;
            phases.unread += u64::from(end.is_err());
            let (Ok(end), Some(start)) = (end, phases.baseline.remove(link)) else { continue };
            let sum = if was_cut { &mut phases.cut } else { &mut phases.open };
            *sum = sum.and(&end.since(&start));
        }
        let phases = &mut self.measured().link_phases;
        *(if was_cut { &mut phases.cuts } else { &mut phases.opens }) += 1;
    }

    /// Notes when the fault was first measured in force.
    pub fn note_start(&mut self) {
        let now_ms = self.now_ms();
        self.measured().span_ms = (now_ms, now_ms);
    }

    /// Notes when it was measured for the last time.
    pub fn note_end(&mut self) {
        let now_ms = self.now_ms();
        self.measured().span_ms.1 = now_ms;
    }

    /// Asks a node for its clock, several times if the reading is off. Returns the reading nearest to what was set;
    /// none if the node does not answer.
    pub async fn read_clock(&mut self, node: &str) -> Option<Reading> {
        let mut best: Option<Reading> = None;
        for _ in 0..ATTEMPTS {
            let Ok(believed_ms) = self.surface.believed_offset_ms(node).await else {
                break;
            };
            let now_ms = self.now_ms();
            let clock = ClockReading { believed_ms, set_ms: self.ledger.clock(node, now_ms).offset_ms };
            let share_ms = self.ledger.entry(self.id).clock_share(node, now_ms).offset_ms;
            if best.is_none_or(|best| clock.error_ms() < best.clock.error_ms()) {
                best = Some(Reading { clock, share_ms });
            }
            if clock.error_ms() <= 1 {
                break;
            }
        }
        best
    }
}

/// Processes.
impl Stage<'_> {
    /// Notes that these nodes die of this fault: that they are dead is no crash of their own.
    pub fn expect_death(&mut self, nodes: &[String]) {
        self.ledger.nodes_killed.extend(nodes.iter().cloned());
    }

    /// Kills nodes, all at once.
    ///
    /// # Errors
    /// When one could not be killed.
    pub async fn kill(&mut self, nodes: &[String]) -> Result<(), SurfaceError> {
        self.expect_death(nodes);
        self.surface.kill(nodes).await
    }

    /// Starts those of the nodes that do not run, and notes which run then.
    pub async fn restart(&mut self, nodes: &[String]) {
        for node in nodes {
            if self.state_of(node).await != Some(ProcessState::Running) {
                let started = self.surface.restart(node).await;
                self.note_failure(&format!("restarting {node} failed"), started);
            }
        }
        self.note_running(nodes).await;
    }

    /// Resumes the nodes, and notes which run then.
    pub async fn resume(&mut self, nodes: &[String]) {
        for node in nodes {
            let resumed = self.surface.resume(node).await;
            self.note_failure(&format!("resuming {node} failed"), resumed);
        }
        self.note_running(nodes).await;
    }

    /// What a node says, which is asked several times if it does not answer; none if it never does.
    pub async fn asked(
        &self,
        node: &str,
        ask: for<'s> fn(&'s dyn Surface, &'s str) -> SurfaceFuture<'s, u64>,
    ) -> Option<u64> {
        for _ in 0..ATTEMPTS {
            if let Ok(answer) = ask(self.surface, node).await {
                return Some(answer);
            }
        }
        None
    }

    /// Notes which of the nodes are in the state that the fault wants them in.
    pub async fn note_affected(&mut self, nodes: &[String], wanted: ProcessState) {
        for node in nodes {
            if self.state_of(node).await == Some(wanted) {
                self.measured().affected.insert(node.clone());
            }
        }
    }

    /// Notes which of the nodes run after the healing.
    pub async fn note_running(&mut self, nodes: &[String]) {
        for node in nodes {
            if self.state_of(node).await == Some(ProcessState::Running) {
                self.measured().running.insert(node.clone());
            }
        }
    }

    /// The state of a node's process; none if it cannot be told.
    pub async fn state_of(&self, node: &str) -> Option<ProcessState> {
        self.surface.process_state(node).await.ok()
    }
}

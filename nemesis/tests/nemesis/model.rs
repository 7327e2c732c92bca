//! A cluster as data, with every capability: what it is set to, what it counts while time passes, and the ways in which
//! it may fail or lie.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use nemesis::fault::CLIENTS;
use nemesis::shape::links_touching;
use nemesis::{
    Capabilities, ClockSetting, CommandOffer, CommandReading, DiskRule, DiskStatistics, Link, LinkRule, LinkStatistics,
    Loss, Membership, ProcessLimits, ProcessState, ProcessStatistics, Standing, StartCrash, Surface, SurfaceError,
    SurfaceFuture,
};

/// What a process has open and uses, always.
const OPEN_FILES: u64 = 30;
const MEMORY_BYTES: u64 = 1 << 26;
const FILES_MAX: u64 = 1024;

/// A node answers so long after its start, ms.
const START_MS: u64 = 300;

/// A cluster in memory, and the ways in which injecting a fault into it may fail.
#[derive(Default)]
pub struct Model {
    pub nodes: Vec<String>,
    pub now_ms: Cell<u64>,
    pub links: RefCell<BTreeMap<Link, (LinkRule, LinkStatistics)>>,
    pub processes: RefCell<BTreeMap<String, Process>>,
    pub clocks: RefCell<BTreeMap<String, (ClockSetting, u64)>>,
    pub disks: RefCell<BTreeMap<String, (DiskRule, DiskStatistics)>>,
    pub seats: RefCell<BTreeMap<String, Standing>>,
    /// Faults that commands have begun, by name and node.
    pub commands: RefCell<BTreeSet<(String, String)>>,
    /// Reports success, and does nothing.
    pub ignores: bool,
    /// Blocked links let everything through, and damaged rows are not noticed.
    pub leaks: bool,
    /// A node with flipped bits refuses to start.
    pub checks_files: bool,
    /// Calls that fail, by their name and the first node or link, each with the number of failures left.
    pub failures: RefCell<BTreeMap<String, usize>>,
}

/// A node's process.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub state: ProcessState,
    pub limits: ProcessLimits,
    pub version: u64,
    pub next_version: u64,
    pub member: u64,
    pub next_member: u64,
    cpu_ms: u64,
    held_ms: u64,
}

pub fn names(count: usize) -> Vec<String> {
    (1..=count).map(|n| format!("n{n}")).collect()
}

/// Faults by commands: one for each node, one for all nodes at once.
pub fn offers(nodes: &[String]) -> Vec<CommandOffer> {
    [("cut-off", false), ("all-dark", true)]
        .map(|(name, is_of_all)| CommandOffer { name: name.to_owned(), nodes: nodes.to_vec(), is_of_all })
        .to_vec()
}

impl Model {
    /// A cluster of so many nodes, all of them members.
    pub fn new(count: usize) -> Self {
        let nodes = names(count);
        let model = Self { nodes: nodes.clone(), ..Self::default() };
        let with_clients = [nodes.clone(), vec![CLIENTS.to_owned()]].concat();
        let links = links_touching(&with_clients, &with_clients);
        model.links.borrow_mut().extend(links.into_iter().map(|link| (link, Default::default())));
        let process = Process {
            state: ProcessState::Running,
            limits: ProcessLimits::default(),
            version: 1,
            next_version: 1,
            member: 1,
            next_member: 1,
            cpu_ms: 0,
            held_ms: 0,
        };
        model.processes.borrow_mut().extend(nodes.iter().map(|node| (node.clone(), process)));
        model.disks.borrow_mut().extend(nodes.iter().map(|node| (node.clone(), Default::default())));
        model.clocks.borrow_mut().extend(nodes.iter().map(|node| (node.clone(), Default::default())));
        model.seats.borrow_mut().extend(nodes.into_iter().map(|node| (node, Standing::Member)));
        model
    }

    /// The same cluster, in which the last nodes are no members yet.
    pub fn with_spares(self, spares: usize) -> Self {
        for node in &self.nodes[self.nodes.len() - spares..] {
            self.seats.borrow_mut().insert(node.clone(), Standing::NoMember);
        }
        self
    }

    pub fn fail(&self, call: &str, times: usize) {
        self.failures.borrow_mut().insert(call.to_owned(), times);
    }

    /// Lets time pass, in which every running node sends 100 bytes to every other and uses its disk.
    pub fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
        for (link, (rule, statistics)) in self.links.borrow_mut().iter_mut() {
            let is_sent = link.from == CLIENTS || self.state(&link.from) == ProcessState::Running;
            let rule = if self.leaks { LinkRule { blocked: false, loss_percent: 0, ..*rule } } else { *rule };
            if is_sent {
                send(&rule, statistics, ms);
            }
        }
        for (node, (rule, disk)) in self.disks.borrow_mut().iter_mut() {
            if self.state(node) == ProcessState::Running && use_disk(rule, disk) {
                self.change(node, |process| process.state = ProcessState::Dead);
            }
        }
        for process in self.processes.borrow_mut().values_mut() {
            let running_ms = ms * u64::from(process.limits.cpu_percent.unwrap_or(100)) / 100;
            process.cpu_ms += running_ms;
            process.held_ms += ms - running_ms;
        }
    }

    pub fn rule(&self, from: &str, to: &str) -> LinkRule {
        self.links.borrow()[&Link { from: from.to_owned(), to: to.to_owned() }].0
    }

    pub fn state(&self, node: &str) -> ProcessState {
        self.processes.borrow()[node].state
    }

    pub fn change(&self, node: &str, change: impl FnOnce(&mut Process)) {
        if let Some(process) = self.processes.borrow_mut().get_mut(node) {
            change(process);
        }
    }

    pub fn believed(&self, node: &str) -> i64 {
        let (setting, since_ms) = self.clocks.borrow()[node];
        setting.offset_ms + (self.now_ms.get() - since_ms) as i64 * setting.drift_ppm / 1_000_000
    }

    /// Whether nothing of any fault is left.
    pub fn is_whole(&self) -> bool {
        let is_healthy =
            |process: &Process| process.state == ProcessState::Running && process.limits == ProcessLimits::default();
        let is_mended = |(rule, disk): &(DiskRule, DiskStatistics)| {
            *rule == DiskRule::default() && disk.dropped_rows == disk.rotten_rows
        };
        self.commands.borrow().is_empty()
            && self.links.borrow().values().all(|(rule, _)| *rule == LinkRule::default())
            && self.processes.borrow().values().all(is_healthy)
            && self.clocks.borrow().values().all(|(setting, _)| *setting == ClockSetting::default())
            && self.disks.borrow().values().all(is_mended)
    }

    fn answer<T>(&self, call: &str, name: &str, result: impl FnOnce() -> T) -> SurfaceFuture<'_, T>
    where
        T: 'static,
    {
        let call = format!("{call} {name}");
        let fails = match self.failures.borrow_mut().get_mut(&call) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        };
        let result = if fails { Err(SurfaceError(format!("{call} refused"))) } else { Ok(result()) };
        Box::pin(async move { result })
    }

    fn disk_of(&self, call: &str, node: &str, change: impl FnOnce(&mut DiskStatistics)) -> SurfaceFuture<'_, ()> {
        self.answer(call, node, || {
            if let Some((_, disk)) = self.disks.borrow_mut().get_mut(node).filter(|_| !self.ignores) {
                change(disk);
            }
        })
    }

    fn process_of(&self, call: &str, node: &str, change: impl FnOnce(&mut Process)) -> SurfaceFuture<'_, ()> {
        self.answer(call, node, || {
            if !self.ignores {
                self.change(node, change);
            }
        })
    }

    fn seat(&self, call: &str, node: &str, standing: Standing) -> SurfaceFuture<'_, ()> {
        self.answer(call, node, || {
            if !self.ignores {
                self.seats.borrow_mut().insert(node.to_owned(), standing);
            }
        })
    }

    /// Why a node does not start from what is on its disk.
    fn refusal(&self, node: &str) -> Option<SurfaceError> {
        let disk = self.disks.borrow()[node].1;
        let is_rotten = disk.rotten_rows > disk.dropped_rows && !self.leaks;
        let is_flipped = disk.flipped_bits > 0 && disk.bytes > 0 && self.checks_files;
        (is_rotten || is_flipped).then(|| SurfaceError("what is on its disk is damaged".to_owned()))
    }
}

/// A hundred bytes in a hundred chunks over a link.
fn send(rule: &LinkRule, statistics: &mut LinkStatistics, ms: u64) {
    let share = |percent: u32| u64::from(percent);
    statistics.chunks += 100;
    if rule.loss_percent > 0 {
        statistics.lossy_chunks += 100;
        statistics.lost_chunks += share(rule.loss_percent);
    }
    if rule.blocked {
        statistics.blocked_bytes += 100;
        return;
    }
    statistics.duplicated_chunks += share(rule.duplicate_percent);
    statistics.reordered_chunks += share(rule.reorder_percent);
    statistics.corrupted_chunks += share(rule.corrupt_percent);
    match rule.rate_kbit_s {
        None => statistics.forwarded_bytes += 100,
        // More is sent than the rate lets pass.
        Some(rate_kbit_s) => {
            statistics.forwarded_bytes += rate_kbit_s * ms / 8;
            statistics.throttled_chunks += 1;
        }
    }
    if rule.delay_ms > 0 {
        statistics.delayed_bytes += 100;
        statistics.delayed_chunks += 1;
        statistics.delay_total_ms += rule.delay_ms + rule.jitter_ms / 2;
    }
}

/// A hundred reads, writes and syncs of a disk. Returns whether the node ends of it.
fn use_disk(rule: &DiskRule, disk: &mut DiskStatistics) -> bool {
    disk.failed_reads += u64::from(rule.read_error_percent);
    disk.failed_writes += u64::from(rule.write_error_percent);
    disk.lying_syncs += u64::from(rule.lying_sync_percent);
    disk.misdirected_writes += u64::from(rule.misdirected_write_percent);
    if rule.latency_ms > 0 {
        disk.delayed_calls += 300;
        disk.delay_total_ms += 300 * rule.latency_ms;
    }
    if rule.free_bytes.is_some() {
        disk.out_of_space_calls += 1;
    }
    if rule.sync_error_percent > 0 {
        disk.failed_syncs += 1;
        return true;
    }
    disk.bytes += 10;
    rule.write_error_percent > 0
}

impl Surface for Model {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::all().offering(offers(&self.nodes))
    }
    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        self.answer("set_link", &link.to_string(), || {
            if let Some(entry) = self.links.borrow_mut().get_mut(link).filter(|_| !self.ignores) {
                entry.0 = rule;
            }
        })
    }
    fn reset_link<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, ()> {
        self.answer("reset_link", &link.to_string(), || {
            if let Some(entry) = self.links.borrow_mut().get_mut(link).filter(|_| !self.ignores) {
                entry.1.reset_connections += 1;
            }
        })
    }
    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        self.answer("link_statistics", &link.to_string(), || self.links.borrow()[link].1)
    }
    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        self.answer("kill", &nodes[0], || {
            for node in nodes.iter().filter(|_| !self.ignores) {
                self.change(node, |process| process.state = ProcessState::Dead);
            }
        })
    }
    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        if let Some(refusal) = self.refusal(node) {
            return Box::pin(async { Err(refusal) });
        }
        self.process_of("restart", node, |process| {
            process.version = process.next_version;
            process.member = process.next_member;
            process.state = ProcessState::Running;
            process.limits = ProcessLimits::default();
        })
    }
    fn crash_in_start<'a>(&'a self, node: &'a str, after_ms: u64) -> SurfaceFuture<'a, StartCrash> {
        self.answer("crash_in_start", node, || match self.ignores {
            true => StartCrash::default(),
            false => StartCrash { ran_ms: after_ms, has_answered: after_ms > START_MS },
        })
    }
    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.process_of("pause", node, |process| process.state = ProcessState::Stopped)
    }
    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.process_of("resume", node, |process| process.state = ProcessState::Running)
    }
    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        self.answer("process_state", node, || self.state(node))
    }
    fn set_limits<'a>(&'a self, node: &'a str, limits: ProcessLimits) -> SurfaceFuture<'a, ()> {
        self.process_of("set_limits", node, |process| process.limits = limits)
    }
    fn process_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessStatistics> {
        let process = self.processes.borrow()[node];
        self.answer("process_statistics", node, || ProcessStatistics {
            cpu_ms: process.cpu_ms,
            held_ms: process.held_ms,
            open_files: OPEN_FILES,
            files_max: process.limits.files_more.map_or(FILES_MAX, |more| OPEN_FILES + more),
            memory_bytes: MEMORY_BYTES,
            memory_max_bytes: process.limits.memory_more_bytes.map_or(u64::MAX, |more| MEMORY_BYTES + more),
        })
    }
    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        self.answer("set_clock", node, || {
            if !self.ignores {
                self.clocks.borrow_mut().insert(node.to_owned(), (setting, self.now_ms.get()));
            }
        })
    }
    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        if self.state(node) != ProcessState::Running {
            return Box::pin(async { Err(SurfaceError("it does not answer".to_owned())) });
        }
        self.answer("believed_offset_ms", node, || self.believed(node))
    }
    fn set_disk<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        self.answer("set_disk", node, || {
            if let Some((set, _)) = self.disks.borrow_mut().get_mut(node).filter(|_| !self.ignores) {
                *set = rule;
            }
        })
    }
    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        self.answer("disk_statistics", node, || self.disks.borrow()[node].1)
    }
    fn fail_power<'a>(&'a self, nodes: &'a [String], loss: Loss) -> SurfaceFuture<'a, ()> {
        for node in nodes.iter().filter(|_| !self.ignores) {
            let mut disks = self.disks.borrow_mut();
            let (_, disk) = disks.get_mut(node).expect("a node of this cluster");
            disk.power_failures += 1;
            disk.torn_batches += u64::from(loss != Loss::Usual);
        }
        self.kill(nodes)
    }
    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.disk_of("wipe", node, |disk| disk.bytes = 0)
    }
    fn flip_bits<'a>(&'a self, node: &'a str, bits: u64) -> SurfaceFuture<'a, ()> {
        self.disk_of("flip_bits", node, |disk| disk.flipped_bits += bits)
    }
    fn rot<'a>(&'a self, node: &'a str, rows: u64) -> SurfaceFuture<'a, ()> {
        self.disk_of("rot", node, |disk| disk.rotten_rows += rows)
    }
    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        let dropped = self.disk_of("restart_without_damaged", node, |disk| disk.dropped_rows = disk.rotten_rows);
        Box::pin(async move {
            dropped.await?;
            self.restart(node).await
        })
    }
    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.process_of("upgrade", node, |process| process.next_version += 1)
    }
    fn replace<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.process_of("replace", node, |process| process.next_member += 1)
    }
    fn member<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        self.answer("member", node, || self.processes.borrow()[node].member)
    }
    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        self.answer("protocol_version", node, || self.processes.borrow()[node].version)
    }
    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.seat("join", node, Standing::Joining)
    }
    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.seat("leave", node, Standing::Leaving)
    }
    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        let seats = self.seats.borrow().iter().map(|(node, standing)| (node.clone(), *standing)).collect();
        self.answer("members", node, || Membership { view: String::new(), seats })
    }
    fn begin_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        self.answer("begin_command", &nodes[0], || {
            let begun = nodes.iter().filter(|_| !self.ignores).map(|node| (name.to_owned(), node.clone()));
            self.commands.borrow_mut().extend(begun);
        })
    }
    fn end_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        self.answer("end_command", &nodes[0], || {
            self.commands.borrow_mut().retain(|(of, node)| of != name || !nodes.contains(node));
        })
    }
    fn measure_command<'a>(&'a self, name: &'a str, nodes: &'a [String]) -> SurfaceFuture<'a, Vec<CommandReading>> {
        let of = |node: &String| {
            let is_in_force = self.commands.borrow().contains(&(name.to_owned(), node.clone()));
            CommandReading { of: node.clone(), is_in_force, said: format!("{name} {is_in_force}") }
        };
        self.answer("measure_command", &nodes[0], || nodes.iter().map(of).collect())
    }
}

/// The calls that take part in a fault that hangs: a surface whose kills never return.
pub struct Hangs(pub Model);

impl Surface for Hangs {
    fn nodes(&self) -> Vec<String> {
        self.0.nodes()
    }
    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.0.kill(nodes).await?;
            std::future::pending().await
        })
    }
    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.0.restart(node)
    }
    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        self.0.process_state(node)
    }
}

/// The nodes that are dead now.
pub fn dead(model: &Model) -> BTreeSet<String> {
    model.nodes.iter().filter(|node| model.state(node) == ProcessState::Dead).cloned().collect()
}

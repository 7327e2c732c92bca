//! A node's seat in the arena: what stays of it while its processes come and go.

use std::cell::RefCell;

use super::running::{Handle, Running};
use crate::arena::launch::Ports;

/// A node of the arena, with its current processes, if it has any.
pub(super) struct Seat {
    /// Its name.
    pub name: String,
    /// Where it listens, at every start.
    pub ports: Ports,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    running: Option<(Running, Handle)>,
    starts: u64,
    upgrades: u64,
    replacements: u64,
    /// A new member is to take its place, and the cluster has not been told yet.
    is_vacant: bool,
}

impl Seat {
    /// A node that has not been started.
    pub fn new(name: String, ports: Ports) -> Self {
        Self { name, ports, state: RefCell::default() }
    }

    /// By what its processes are reached; none while it has none.
    pub fn handle(&self) -> Option<Handle> {
        self.state.borrow().running.as_ref().map(|(_, handle)| handle.clone())
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.state.borrow().starts
    }

    /// How often it was upgraded.
    pub fn upgrades(&self) -> u64 {
        self.state.borrow().upgrades
    }

    /// How often a new member has taken its place.
    pub fn replacements(&self) -> u64 {
        self.state.borrow().replacements
    }

    /// Whether the cluster is yet to be told that a new member takes its place.
    pub fn is_vacant(&self) -> bool {
        self.state.borrow().is_vacant
    }

    /// At its next start it is a new member.
    pub fn replace(&self) {
        self.state.borrow_mut().is_vacant = true;
    }

    /// The cluster was told of the new member.
    pub fn occupy(&self) {
        let mut state = self.state.borrow_mut();
        (state.is_vacant, state.replacements) = (false, state.replacements + 1);
    }

    /// A start was begun: the next one is another.
    pub fn count_start(&self) {
        self.state.borrow_mut().starts += 1;
    }

    /// It runs from now on.
    pub fn take(&self, running: Running, handle: Handle) {
        self.state.borrow_mut().running = Some((running, handle));
    }

    /// It does not run any more; its processes, if it had any.
    pub fn leave(&self) -> Option<Running> {
        self.state.borrow_mut().running.take().map(|(running, _)| running)
    }

    /// From its next start on it is of the next version.
    pub fn upgrade(&self) {
        self.state.borrow_mut().upgrades += 1;
    }
}

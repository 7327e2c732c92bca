//! Membership (4.8): commands of an administrator, gossip, and a history that is on disk before anybody acts on it.
//!
//! ```text
//!   Join n6 ─► any node ── Command ─► a member ── AskTokens ─► n6      its tokens, chosen at its first start
//!                                       │ writes the change down ◄─ Tokens ──
//!                                       ▼
//!   every interval, with a random node that is known, now and then a seed:
//!     A ── Gossip: my digest ──► B        equal: B knows what A knows, and both note it
//!     A ◄── History ──────────── B        not equal: A merges, writes, and answers with what it knows more
//! ```
//! A history that has been received is written to disk first and believed when it is there: so what a node has once
//! said of its membership stays true, whatever happens to its process.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::IndexedRandom;

use super::state::{CommandOp, Held, Node, OpId, Origin, Purpose, Timer};
use crate::api::{MemberStatus, Members, Reply, Seat};
use crate::failure::Failure;
use crate::ids::NodeId;
use crate::membership::{CHANGES_MAX, Change, ChangeKind, History, Phase};
use crate::message::{Command, Message, Tag};
/// One exchange in so many goes to a seed.
const SEED_EVERY: u32 = 4;

/// Commands.
impl Node {
    /// Carries a command out if this node is a member, else hands it to one.
    pub(super) fn command(&mut self, origin: Origin, command: Command) {
        let node = command.node();
        if usize::from(node.0) >= self.config.names.len() {
            let why = format!("there is no node {} (from 0): the roster has {} names", node.0, self.config.names.len());
            return self.fail(origin, Failure::BadRequest(why));
        }
        let member = self.members().contains(&self.config.id);
        match (member && self.membership.is_informed, origin) {
            (true, _) => self.carry_out(origin, command),
            (false, Origin::Client(_)) => self.hand_over(origin, command),
            // Handed from one to the next it might go on for ever.
            (false, _) => {
                let why = "the node that was asked is no member, or has not heard from one yet; try again";
                self.fail(origin, Failure::Unavailable(why.into()));
            }
        }
    }

    fn hand_over(&mut self, origin: Origin, command: Command) {
        let me = self.config.id;
        let members: Vec<NodeId> = self.members().iter().copied().filter(|node| *node != me).collect();
        let up: Vec<NodeId> = members.iter().copied().filter(|node| self.is_healthy(*node)).collect();
        let Some(&member) = up.choose(&mut self.rng).or_else(|| members.choose(&mut self.rng)) else {
            return self.fail(origin, Failure::Unavailable("there is no other member to ask".into()));
        };
        let op = self.new_command(origin, command);
        let tag = self.ask_patiently(member, Purpose::Command(op), |tag| Message::Command { tag, command });
        self.note_command_tag(op, tag);
    }

    fn carry_out(&mut self, origin: Origin, command: Command) {
        if let Err(failure) = self.checked_command(command) {
            return self.fail(origin, failure);
        }
        match command {
            Command::Leave(node) => self.announce(origin, node, ChangeKind::Leave),
            Command::Join(node) if node == self.config.id => self.announce(origin, node, self.own_join()),
            Command::Join(node) => {
                let op = self.new_command(origin, command);
                let tag = self.ask(node, Purpose::Command(op), |tag| Message::AskTokens { tag });
                self.note_command_tag(op, tag);
            }
        }
    }

    fn own_join(&self) -> ChangeKind {
        let capacity = self.config.capacity(self.config.id);
        ChangeKind::Join { capacity, tokens: self.membership.tokens.clone() }
    }

    /// Refuses what makes no sense by what is known here.
    fn checked_command(&self, command: Command) -> Result<(), Failure> {
        let (node, known) = (command.node(), &self.membership.writing);
        let name = self.name(node);
        let refuse = |why: String| Err(Failure::BadRequest(why));
        if known.open_of(node).is_some() {
            return refuse(format!("a change of {name} is under way; wait until it has settled"));
        }
        if known.len() >= CHANGES_MAX {
            return refuse(format!("the membership has changed {CHANGES_MAX} times, and no more is kept"));
        }
        let members = known.members(self.config.founders());
        match (command, members.contains(&node)) {
            (Command::Join(_), true) => refuse(format!("{name} is a member already")),
            (Command::Leave(_), false) => refuse(format!("{name} is no member")),
            (Command::Leave(_), true) if members.len() <= usize::from(self.config.n) => {
                refuse(format!("{name} cannot leave: n = {} replicas need as many members", self.config.n))
            }
            _ => Ok(()),
        }
    }

    /// Writes a change down. It may have become impossible meanwhile: when its turn comes, that is seen again.
    fn announce(&mut self, origin: Origin, node: NodeId, kind: ChangeKind) {
        let change = Change { version: self.next_version(), node, kind };
        let mut history = self.membership.writing.clone();
        history.advance(change, Phase::Announced);
        self.counters.membership_changes += 1;
        self.membership.to_inform.insert(node);
        self.write_history(history);
        self.persistence.hold_for_batch(Held::Reply(origin, Reply::Done));
    }

    pub(super) fn peer_ask_tokens(&mut self, from: NodeId, tag: Tag) {
        let ChangeKind::Join { capacity, tokens } = self.own_join() else { return };
        self.send(from, Message::Tokens { tag, capacity, tokens });
    }

    /// The node that is to join has said what it brings.
    pub(super) fn command_has_tokens(&mut self, op: OpId, capacity: u32, tokens: Vec<u128>) {
        let Some(CommandOp { origin, command, .. }) = self.end_command(op) else { return };
        match self.checked_command(command) {
            Ok(()) => self.announce(origin, command.node(), ChangeKind::Join { capacity, tokens }),
            Err(failure) => self.fail(origin, failure),
        }
    }

    /// The member that it was handed to has answered.
    pub(super) fn command_answered(&mut self, op: OpId, failure: Option<Failure>) {
        if let Some(command) = self.end_command(op) {
            self.answer(command.origin, failure.map_or(Reply::Done, Reply::Failed));
        }
    }

    pub(super) fn command_overdue(&mut self, op: OpId, peer: NodeId) {
        let Some(CommandOp { command, .. }) = self.commands.get(&op) else { return };
        if *command == Command::Join(peer) {
            let tag = self.ask(peer, Purpose::Command(op), |tag| Message::AskTokens { tag });
            self.note_command_tag(op, tag);
        }
    }

    pub(super) fn command_deadline(&mut self, op: OpId) {
        let Some(CommandOp { origin, command, .. }) = self.end_command(op) else { return };
        let name = self.name(command.node());
        let failure = match self.members().contains(&self.config.id) {
            true => Failure::Unavailable(format!("{name}, which is to join, does not answer; nothing has changed")),
            false => Failure::Unknown("the member that was asked did not answer in time; look at the members".into()),
        };
        self.fail(origin, failure);
    }

    fn new_command(&mut self, origin: Origin, command: Command) -> OpId {
        let op = self.new_op();
        let deadline_ns = self.set_timer(self.config.timing.request_timeout, Timer::Deadline(op));
        self.commands.insert(op, CommandOp { origin, command, tags: Vec::new(), deadline_ns });
        op
    }

    fn note_command_tag(&mut self, op: OpId, tag: Tag) {
        if let Some(command) = self.commands.get_mut(&op) {
            command.tags.push(tag);
        }
    }

    fn end_command(&mut self, op: OpId) -> Option<CommandOp> {
        let command = self.commands.remove(&op)?;
        self.timers.cancel(command.deadline_ns, Timer::Deadline(op));
        self.forget_questions(&command.tags);
        Some(command)
    }
}

/// Gossip.
impl Node {
    pub(super) fn gossip(&mut self) {
        self.set_timer(self.config.timing.gossip_interval, Timer::Gossip);
        let me = self.config.id;
        let mut peers = match self.rng.random_ratio(1, SEED_EVERY) {
            true => self.config.seeds(),
            false => self.acquaintances().into_iter().collect(),
        };
        peers.retain(|peer| *peer != me && self.gossips_with(*peer));
        if let Some(&peer) = peers.choose(&mut self.rng) {
            self.send_gossip(peer);
        }
        self.strike_the_silent();
        self.urge_members();
        self.drive();
    }

    /// Everybody that this node has heard of: members, those who have ever been, and seeds.
    pub(super) fn acquaintances(&self) -> BTreeSet<NodeId> {
        let changed = self.membership.history.changes().map(|(change, _)| change.node);
        (0..self.config.founders()).map(NodeId).chain(self.config.seeds()).chain(changed).collect()
    }

    pub(super) fn send_gossip(&mut self, to: NodeId) {
        if !self.gossips_with(to) {
            return;
        }
        self.counters.gossips += 1;
        let digest = self.membership.history.digest();
        self.send(to, Message::Gossip { digest });
    }

    pub(super) fn send_history(&mut self, to: NodeId) {
        if !self.gossips_with(to) {
            return;
        }
        self.counters.histories_sent += 1;
        let history = self.membership.history.clone();
        self.send(to, Message::History { history });
    }

    /// A peer has this history on its disk.
    pub(super) fn peer_gossip(&mut self, from: NodeId, digest: u64) {
        self.membership.struck.remove(&from);
        self.membership.known.insert(from, digest);
        if digest == self.membership.history.digest() {
            self.membership.is_informed = true;
            // Whose change is open waits for this answer; chance alone would let it wait for long.
            if self.membership.history.first_open().is_some_and(|change| change.node == from) {
                self.send_gossip(from);
            }
            self.drive();
        } else {
            self.send_history(from);
        }
    }

    /// Takes over what a peer knows. It hears whether that was all: at once, or when it is on disk.
    pub(super) fn peer_history(&mut self, from: NodeId, theirs: &History) {
        if !theirs.is_sound(self.config.names.len()) {
            self.counters.messages_dropped += 1;
            return;
        }
        self.membership.struck.remove(&from);
        self.membership.known.insert(from, theirs.digest());
        let mut history = self.membership.writing.clone();
        if self.merge_history(&mut history, theirs) {
            self.membership.to_inform.insert(from);
            self.write_history(history);
        } else if self.membership.is_quiet() {
            self.membership.is_informed = true;
            if !self.counts_as_known(theirs) {
                self.share_history(from);
            }
            self.drive();
        } else {
            self.membership.to_inform.insert(from);
        }
    }

    /// Says what this node knows to a peer whose knowledge is known.
    fn share_history(&mut self, to: NodeId) {
        match self.membership.known.get(&to) == Some(&self.membership.history.digest()) {
            true => self.send_gossip(to),
            false => self.send_history(to),
        }
    }

    pub(super) fn write_history(&mut self, history: History) {
        self.persistence.write(None, self.membership.row(&history));
        debug_assert!(
            self.membership.writing.changes().all(|(change, phase)| history.phase(change) >= Some(phase)),
            "what is written of the membership only grows"
        );
        self.membership.writing = history.clone();
        self.persistence.hold_for_batch(Held::History(history));
    }

    /// The tokens must be the same in every life.
    pub(super) fn persist_membership(&mut self) {
        self.write_history(self.membership.writing.clone());
    }

    /// It is on disk: from now on the node goes by it.
    pub(super) fn believe(&mut self, history: History) {
        debug_assert!(
            self.membership.history.changes().all(|(change, phase)| history.phase(change) >= Some(phase)),
            "what a node believes of the membership only grows"
        );
        self.membership.history = history;
        self.membership.is_informed |= !self.membership.to_inform.is_empty();
        let view = self.membership.history.view();
        if view != self.membership.view {
            self.membership.view = view;
            self.change_view();
        }
        // The node whose change is open waits for what this node knows: it gets that at once.
        let driver = self.membership.history.first_open().map(|change| change.node);
        self.membership.to_inform.extend(driver.filter(|driver| *driver != self.config.id));
        // A node that leaves or joins by its own command is among them, and needs no message.
        let me = self.config.id;
        for peer in std::mem::take(&mut self.membership.to_inform).into_iter().filter(|peer| *peer != me) {
            self.share_history(peer);
        }
        self.drive();
    }
}

/// What others may know.
impl Node {
    /// The members after all that has settled.
    pub(super) fn members(&self) -> BTreeSet<NodeId> {
        self.membership.history.members(self.config.founders())
    }

    pub(super) fn members_reply(&self) -> Members {
        let (history, members) = (&self.membership.history, self.members());
        let seat = |node: NodeId| Seat {
            name: self.name(node),
            status: match (members.contains(&node), history.open_of(node).map(|change| &change.kind)) {
                (true, Some(ChangeKind::Leave)) => MemberStatus::Leaving,
                (true, _) => MemberStatus::Member,
                (false, Some(ChangeKind::Join { .. })) => MemberStatus::Joining,
                (false, _) => MemberStatus::NoMember,
            },
            version: history.version_of(node),
        };
        Members {
            digest: history.digest(),
            view: history.view().0,
            seats: (0..self.config.names.len() as u16).map(|id| seat(NodeId(id))).collect(),
            history: history.clone(),
        }
    }
}

//! Transfers (4.9): when keys change hands, the former owner offers them, and only what is lacking moves.
//!
//! ```text
//!   loser ── Offer: keys and digests of a page ──► gainer
//!         ◄─ Wanted: those that it lacks ────────
//!         ── Store, for each of these ───────────►            acknowledged when durable, as ever
//!   ... page by page, range by range; when it is through with all gainers:
//!   loser ── HandedOver, in this view ──► the node that joins or leaves
//! ```
//! While a change is active each range of the two rings has as many losers as gainers, and they pair up. So whatever a
//! quorum of the owners of before holds, a quorum of those of after holds when all have handed over.
//!
//! What a node holds and does not own (it has lost the range, or coordinated a write that others own by now, or kept a
//! hint for somebody who owns the key no more) is offered to *all* owners, and deleted when each of them has it on
//! disk. The row's actor ends with the row: if the node ever makes a version of that key again, it is a new one.
//!
//! Nothing of this is remembered on disk. After a crash, a lost message or a change of view it begins anew, and what
//! the other has already is not sent again.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Job, Node, Page, PageId, Progress, Purpose, Timer, Waiting, Work};
use crate::api::Effect;
use crate::ids::NodeId;
use crate::image::RowStore;
use crate::membership::{Phase, View};
use crate::merkle::Branch;
use crate::message::{Message, Tag};
use crate::ring::RangeId;
use crate::row::KeyRow;

/// Keys offered in one message.
const PAGE_KEYS: usize = 64;

/// The side that has the rows.
impl Node {
    pub(super) fn go_on_with_transfers(&mut self) {
        self.set_timer(self.config.timing.hint_interval, Timer::Transfers);
        self.admission.renew(Work::Transfer, self.now.monotonic_ns);
        self.plan_transfers();
        self.claim_stale_hints();
        let jobs: Vec<Job> = self.transfers.jobs.keys().copied().collect();
        for job in jobs {
            self.next_page(job);
        }
        self.report_handover();
    }

    /// Whom this node has to hand rows to; known when its view is.
    fn plan_transfers(&mut self) {
        if self.transfers.is_planned {
            return;
        }
        self.transfers.is_planned = true;
        self.transfers.jobs.insert(Job::Clear, Progress::default());
        let gainers: BTreeSet<NodeId> = (0..self.ring.ranges()).filter_map(|range| self.gainer(range)).collect();
        for gainer in gainers {
            self.transfers.jobs.insert(Job::Move(gainer), Progress::default());
        }
    }

    /// Who takes over from this node in a range that it loses.
    fn gainer(&self, range: RangeId) -> Option<NodeId> {
        let n = usize::from(self.config.n);
        let (before, after) = (&self.ring.range_preference(range)[..n], &self.ring.next_preference(range)?[..n]);
        let mut losers = before.iter().filter(|node| !after.contains(node));
        let mut gainers = after.iter().filter(|node| !before.contains(node));
        let pair = losers.position(|node| *node == self.config.id)?;
        gainers.nth(pair).copied()
    }

    /// A hint for somebody who owns the key no more becomes a row of this node, and goes the way of those.
    fn claim_stale_hints(&mut self) {
        let mut stale: Vec<(NodeId, Vec<u8>)> = Vec::new();
        for owner in self.image.hint_owners() {
            let hints = self.image.hints_for(owner, &[]).map(|(key, _)| key);
            let room = self.admission.left(Work::Transfer).saturating_sub(stale.len());
            stale.extend(hints.filter(|key| !self.is_replica(owner, key)).take(room).map(|key| (owner, key.to_vec())));
        }
        self.admission.take(Work::Transfer, stale.len());
        for (owner, key) in stale {
            let Some(state) = self.image.get(&RowStore::Hint(owner), &key).map(|hint| hint.state.clone()) else {
                continue;
            };
            self.join_row(&RowStore::Data, &key, &state);
            self.delete_hint(owner, &key);
        }
    }

    /// Offers the next page of a job, if none is being offered and there is one.
    fn next_page(&mut self, job: Job) {
        let Some(progress) = self.transfers.jobs.get(&job).filter(|job| job.page.is_none() && !job.done) else {
            return;
        };
        let (mut range, mut after) = (progress.range, progress.after.clone());
        let granted = self.admission.left(Work::Transfer).min(PAGE_KEYS);
        if granted == 0 {
            return;
        }
        while range < self.ring.ranges() {
            // Most ranges hold nothing that is to go.
            let is_empty = self.image.tree(range).is_none_or(|tree| tree.summary(Branch::ROOT).keys == 0);
            let to = if is_empty { Vec::new() } else { self.takers(job, range) };
            let keys = if to.is_empty() { BTreeMap::new() } else { self.page_keys(range, after.as_deref(), granted) };
            if job == Job::Clear && self.drops_unconfirmed() {
                keys.iter().for_each(|(key, digest)| self.clear_row(key, *digest));
            } else if !keys.is_empty() {
                self.set_cursor(job, range, after);
                return self.offer(job, keys, to);
            }
            (range, after) = (range + 1, None);
        }
        // What is not owned may come at any time; the round begins anew.
        let done = job != Job::Clear;
        self.set_cursor(job, if done { range } else { 0 }, None);
        if let Some(progress) = self.transfers.jobs.get_mut(&job) {
            progress.done = done;
        }
        self.report_handover();
    }

    /// Who must have the rows of a range; nobody if the job has nothing to do with it.
    fn takers(&self, job: Job, range: RangeId) -> Vec<NodeId> {
        match job {
            Job::Move(gainer) if self.gainer(range) == Some(gainer) => vec![gainer],
            Job::Move(_) => Vec::new(),
            Job::Clear => match self.ring.owners(range, self.config.n) {
                owners if owners.contains(&self.config.id) => Vec::new(),
                owners => owners.to_vec(),
            },
        }
    }

    fn page_keys(&self, range: RangeId, after: Option<&[u8]>, most: usize) -> BTreeMap<Vec<u8>, u128> {
        let Some(tree) = self.image.tree(range) else { return BTreeMap::new() };
        tree.keys(Branch::ROOT, after, None).take(most).map(|(key, digest)| (key.to_vec(), digest)).collect()
    }

    fn set_cursor(&mut self, job: Job, range: RangeId, after: Option<Vec<u8>>) {
        if let Some(progress) = self.transfers.jobs.get_mut(&job) {
            (progress.range, progress.after) = (range, after);
        }
    }

    fn offer(&mut self, job: Job, keys: BTreeMap<Vec<u8>, u128>, to: Vec<NodeId>) {
        self.admission.take(Work::Transfer, keys.len());
        assert!(!keys.is_empty() && !to.is_empty(), "an empty page is offered, or to no node");
        assert!(!to.contains(&self.config.id), "a node hands rows over to itself");
        self.transfers.pages += 1;
        let number = self.transfers.pages;
        let listed: Vec<(Vec<u8>, u128)> = keys.iter().map(|(key, digest)| (key.clone(), *digest)).collect();
        let waiting = to.iter().map(|node| (*node, Waiting::Confirmation)).collect();
        if let Some(progress) = self.transfers.jobs.get_mut(&job) {
            progress.page = Some(Page { number, keys, waiting });
        }
        for node in to {
            self.counters.transfer_keys_offered += listed.len() as u64;
            let keys = listed.clone();
            self.ask(node, Purpose::Offer(PageId { job, number }), |tag| Message::Offer { tag, keys });
        }
    }

    fn page(&mut self, id: PageId) -> Option<&mut Page> {
        let page = self.transfers.jobs.get_mut(&id.job)?.page.as_mut()?;
        (page.number == id.number).then_some(page)
    }

    /// The other has said what it lacks: only that is sent.
    pub(super) fn offer_answered(&mut self, id: PageId, from: NodeId, wanted: Vec<Vec<u8>>) {
        let Some(page) = self.page(id) else { return };
        let wanted: BTreeSet<Vec<u8>> = wanted.into_iter().filter(|key| page.keys.contains_key(key)).collect();
        page.waiting.insert(from, Waiting::Acknowledgements(wanted.clone()));
        for key in wanted {
            self.transfer(id, from, key);
        }
        self.end_page_if_done(id);
    }

    /// Sends a row when it is on disk here: a copy elsewhere must never know more than this disk.
    fn transfer(&mut self, id: PageId, to: NodeId, key: Vec<u8>) {
        let Some(state) = self.image.get(&RowStore::Data, &key).map(|row| row.state.clone()) else {
            return self.row_transferred(id, to, &key);
        };
        if self.is_withheld(state.is_tombstone()) {
            return self.row_transferred(id, to, &key);
        }
        self.counters.transfer_keys_sent += 1;
        let purpose = Purpose::Transfer(id, key.clone());
        let (sent, held) = (key.clone(), &key);
        let message = |tag| Message::Store { tag, key: sent, state, hint_for: None };
        let message = self.ask_unsent(to, purpose, message);
        self.emit_when_durable(held, Effect::Send { to, message });
    }

    /// The other has it on its disk.
    pub(super) fn row_transferred(&mut self, id: PageId, to: NodeId, key: &[u8]) {
        if let Some(Waiting::Acknowledgements(keys)) = self.page(id).and_then(|page| page.waiting.get_mut(&to)) {
            keys.remove(key);
            self.end_page_if_done(id);
        }
    }

    /// No answer, or a refusal. Moving waits for the gainer and begins this page anew; clearing looks for rows whose
    /// owners are up, and comes back.
    pub(super) fn page_failed(&mut self, id: PageId) {
        if self.page(id).is_none() {
            return;
        }
        let Some(progress) = self.transfers.jobs.get_mut(&id.job) else { return };
        progress.page = None;
        if id.job == Job::Clear {
            (progress.range, progress.after) = (progress.range + 1, None);
        }
    }

    fn end_page_if_done(&mut self, id: PageId) {
        let is_done = |waiting: &Waiting| matches!(waiting, Waiting::Acknowledgements(keys) if keys.is_empty());
        if !self.page(id).is_some_and(|page| page.waiting.values().all(is_done)) {
            return;
        }
        let Some(progress) = self.transfers.jobs.get_mut(&id.job) else { return };
        let Some(page) = progress.page.take() else { return };
        match id.job {
            // In the order of the tree, which is not that of the keys.
            Job::Move(_) => {
                progress.after = page.keys.keys().max_by_key(|key| crate::merkle::place_of(Some(key))).cloned()
            }
            Job::Clear => page.keys.iter().for_each(|(key, digest)| self.clear_row(key, *digest)),
        }
        self.next_page(id.job);
    }

    /// Deletes a row that all its owners have, unless it has changed since it was offered.
    fn clear_row(&mut self, key: &[u8], digest: u128) {
        let unchanged = |row: &KeyRow| row.state.digest(key) == digest;
        if self.image.get(&RowStore::Data, key).is_some_and(unchanged) && !self.is_replica(self.config.id, key) {
            self.counters.rows_cleared += 1;
            self.delete_row(key);
        }
    }

    fn delete_row(&mut self, key: &[u8]) {
        if let Some(write) = self.image.remove_data(&self.ring, key) {
            self.persistence.write(Some(key), write);
        }
    }

    fn is_handed_over(&self) -> bool {
        self.transfers.is_through() || self.drops_unconfirmed()
    }

    /// Reports the handover to the node that joins or leaves, again and again, until that node has settled.
    fn report_handover(&mut self) {
        let Some((change, _)) = self.membership.history.active().filter(|_| self.is_handed_over()) else {
            return;
        };
        let (driver, view) = (change.node, self.membership.view);
        if driver == self.config.id {
            self.peer_handed_over(driver, view);
        } else {
            self.send(driver, Message::HandedOver { view });
        }
    }

    pub(super) fn peer_handed_over(&mut self, from: NodeId, view: View) {
        let is_active = self.membership.history.active().is_some();
        if is_active && view == self.membership.view && self.transfers.handed_over.insert(from) {
            self.drive();
        }
    }
}

/// The side that lacks them.
impl Node {
    /// Says what it lacks. What it does not ask for is on its disk: the other may delete it.
    pub(super) fn peer_offer(&mut self, from: NodeId, tag: Tag, keys: &[(Vec<u8>, u128)]) {
        let lacks = |(key, digest): &&(Vec<u8>, u128)| {
            let row = self.image.get(&RowStore::Data, key);
            !self.is_replica(self.config.id, key) || row.is_none_or(|row| row.state.digest(key) != *digest)
        };
        let wanted: Vec<Vec<u8>> = keys.iter().filter(lacks).map(|(key, _)| key.clone()).collect();
        let message = Message::Wanted { tag, keys: wanted };
        keys.iter().for_each(|(key, _)| self.persistence.flush_key(key));
        let last = self.persistence.last_unsynced(keys.iter().map(|(key, _)| key.as_slice())).map(<[u8]>::to_vec);
        match last {
            Some(key) => self.emit_when_durable(&key, Effect::Send { to: from, message }),
            None => self.send(from, message),
        }
    }
}

/// What settles a change (4.8): it is for the node that joins or leaves to drive it.
impl Node {
    /// Takes this node's change a step further, if it is its turn and everybody is ready.
    pub(super) fn drive(&mut self) {
        let history = &self.membership.history;
        let Some(change) = history.first_open().filter(|change| change.node == self.config.id).cloned() else { return };
        if !self.membership.is_quiet() {
            return;
        }
        let members = self.members();
        let phase = match history.phase(&change) {
            Some(Phase::Announced) => {
                let all_know = members.iter().all(|member| self.membership.knows(*member, self.config.id));
                if history.active().is_some() || !all_know {
                    return;
                }
                match crate::ring::Ring::admits(&self.config, history, &change) {
                    true => Phase::Active(1 + history.settled().len() as u32),
                    false => Phase::Withdrawn,
                }
            }
            Some(Phase::Active(place)) if members.is_subset(self.transfers.handed_over()) => Phase::Settled(place),
            _ => return,
        };
        let mut history = history.clone();
        history.advance(change, phase);
        self.write_history(history);
    }

    /// Gossips with the members whose acknowledgement this node's change waits for.
    pub(super) fn urge_members(&mut self) {
        let history = &self.membership.history;
        if history.first_open().is_none_or(|change| change.node != self.config.id) {
            return;
        }
        let me = self.config.id;
        let ignorant: Vec<NodeId> =
            self.members().into_iter().filter(|member| !self.membership.knows(*member, me)).collect();
        ignorant.into_iter().for_each(|member| self.send_gossip(member));
    }
}

//! How a node starts: from its settings and the rows on its disk.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::state::{
    Admission, Counters, Fences, Handovers, Identity, Latencies, Lives, Membership, Node, Persistence, Reaping,
    RecentForwards, Speakers, StartError, Timer, Transfers,
};
use crate::api::{Effect, Now};
use crate::bug::Bug;
use crate::config::{Config, ConfigError, Durability};
use crate::image::Image;
use crate::message::Life;
use crate::peers::Peers;
use crate::ring::Ring;
use crate::row::{DamagedRow, Row, RowWrite, Table};
use crate::sequence::Sequence;
use crate::timers::Timers;

/// With the bug `ack-before-durable`: how long a row may stay off the disk.
pub(super) const LATE_FLUSH: Duration = Duration::from_secs(1);

impl Node {
    /// Recovers a node from the rows on its disk (none on an empty one). `config.seed` or the monotonic time must
    /// differ from those of the node's earlier lives, because they name its messages.
    ///
    /// # Errors
    /// When the settings cannot work, a row is damaged, or the disk is another node's.
    pub fn start(config: Config, rows: Vec<Row>, now: Now, effects: &mut Vec<Effect>) -> Result<Self, StartError> {
        let (node, _) = Self::recover(config, rows, now, effects, &|_, damage| Err(damage))?;
        Ok(node)
    }

    /// The same without the damaged rows of the main store and the hint store, which are deleted; returns what was wrong
    /// with each. For an administrator: what only those rows held is lost. The other replicas give the rest back, as they
    /// would to a node that lost the rows in any other way, and what this node writes to such a key begins a new actor.
    ///
    /// # Errors
    /// As [`Node::start`]; the node's own rows must be whole.
    pub fn start_without_damaged(
        config: Config,
        rows: Vec<Row>,
        now: Now,
        effects: &mut Vec<Effect>,
    ) -> Result<(Self, Vec<DamagedRow>), StartError> {
        let delete = |row: &Row, _| Ok(RowWrite::delete(row.table, row.key.clone()));
        Self::recover(config, rows, now, effects, &delete)
    }

    /// `damaged` says what is to be written about a damaged row, or that it is the end.
    fn recover(
        config: Config,
        rows: Vec<Row>,
        now: Now,
        effects: &mut Vec<Effect>,
        damaged: &dyn Fn(&Row, DamagedRow) -> Result<RowWrite, DamagedRow>,
    ) -> Result<(Self, Vec<DamagedRow>), StartError> {
        config.validate()?;
        config.validate_id()?;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ now.monotonic_ns.rotate_left(32));
        let fences = Fences::recover(&rows)?;
        let founding = Ring::of(&config).map_err(ConfigError::from)?;
        let identity = Identity::recover(&rows, &config, &founding, &mut rng)?;
        let membership = Membership::recover(&rows, &config)?;
        let ring = Ring::with_history(&config, &membership.history).map_err(ConfigError::from)?;
        let mut image = Image::new(&ring);
        let mut lost = Vec::new();
        let skipped = (config.bug == Some(Bug::HintsLostOnRestart)).then_some(Table::Hints);
        for row in rows.iter().filter(|row| row.table != Table::Meta && Some(row.table) != skipped) {
            if let Err(damage) = image.load(&ring, config.names.len(), row) {
                lost.push((damaged(row, damage.clone())?, damage));
            }
        }
        if config.bug == Some(Bug::MerkleDrift) {
            image.let_drift();
        }
        let mut node = Self::assemble(config, ring, now, rng, (image, identity, membership, fences));
        let (deletions, lost): (Vec<RowWrite>, Vec<DamagedRow>) = lost.into_iter().unzip();
        deletions.into_iter().for_each(|write| node.persistence.write(None, write));
        node.counters.damaged_rows_dropped = lost.len() as u64;
        if node.config.durability == Durability::Buffered {
            node.identity.spare_epochs();
        }
        node.persist_identity();
        node.persist_membership();
        node.reserve_tags();
        node.set_periodic_timers();
        node.finish(effects);
        Ok((node, lost))
    }

    fn assemble(
        config: Config,
        ring: Ring,
        now: Now,
        mut rng: ChaCha8Rng,
        (image, identity, membership, fences): (Image, Identity, Membership, Fences),
    ) -> Self {
        Self {
            life: Life(rng.next_u64()),
            tag_next: fences.first_tag(now),
            anti_entropy_turn: rng.random_range(0..config.names.len() as u16),
            persistence: Persistence::new(config.bug),
            peers: Peers::default(),
            speakers: Speakers::default(),
            timers: Timers::default(),
            asked: Sequence::default(),
            puts: Sequence::default(),
            gets: Sequence::default(),
            forwardings: Sequence::default(),
            forwards_seen: RecentForwards::default(),
            sessions: BTreeMap::new(),
            lives: Lives::default(),
            membership,
            transfers: Transfers::default(),
            commands: BTreeMap::new(),
            handovers: Handovers::default(),
            admission: Admission::new(&config),
            marked_done: BTreeMap::new(),
            cached_ring: (config.bug == Some(Bug::RingCached)).then(|| ring.clone()),
            op_next: 0,
            counters: Counters::default(),
            latencies: Latencies::default(),
            out: Vec::new(),
            gathered: Vec::new(),
            config,
            ring,
            now,
            rng,
            image,
            identity,
            fences,
            reaping: Reaping::default(),
        }
    }

    /// Staggered, so that nodes started together do not act together for ever.
    fn set_periodic_timers(&mut self) {
        let timing = self.config.timing.clone();
        let mut periodic = vec![
            (timing.probe_interval, Timer::Probe),
            (timing.hint_interval, Timer::Hints),
            (timing.anti_entropy_interval, Timer::AntiEntropy),
            (timing.gossip_interval, Timer::Gossip),
            (timing.reaping_interval, Timer::Reaping),
            (timing.hint_interval, Timer::Transfers),
        ];
        if self.config.durability == Durability::Buffered {
            periodic.push((timing.flush_interval, Timer::Flush));
        }
        if self.config.bug == Some(Bug::AckBeforeDurable) {
            periodic.push((LATE_FLUSH, Timer::LateFlush));
        }
        for (interval, timer) in periodic {
            let first = interval.mul_f64(self.rng.random_range(0.1..1.0));
            self.set_timer(first, timer);
        }
    }
}

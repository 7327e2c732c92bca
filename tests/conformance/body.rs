//! The body of the suite: a chapter a test, knowing nothing of the arena but its surface, its store and its clock.
//!
//! Time is the arena's own, so that a simulated second costs nothing, and every wait is for a condition. A script
//! whose requests were not answered in time (because of a slow machine, not of the arena) is repeated under a fresh
//! key.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::{Either, select};
use nemesis::fault::Link;
use nemesis::surface::{ClockSetting, DiskRule, LinkRule, LinkStatistics, ProcessState, Surface};
use workloads::clock::Clock;
use workloads::store::{Context, ReplicaVersion, Store, StoreError, Versions};

/// A cluster's size and quorums.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub nodes: usize,
    pub n: u8,
    pub r: u8,
    pub w: u8,
}

/// Every node has every key, and any two quorums overlap.
pub const MAJORITIES: Shape = Shape { nodes: 3, n: 3, r: 2, w: 2 };

/// Every key is absent from one node.
pub const TWO_OF_THREE: Shape = Shape { nodes: 3, n: 2, r: 2, w: 2 };

/// A running cluster of dotted version vectors and strict quorums.
pub trait ArenaUnderTest {
    fn surface(&self) -> &dyn Surface;
    fn store(&self) -> Box<dyn Store>;
    fn clock(&self) -> &dyn Clock;
    fn shape(&self) -> Shape;
}

/// The longest wait for anything, in the arena's time.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// A client's own limit; the store's is shorter.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 5;
const CLOCK_TOLERANCE_MS: i64 = 250;
const DELAY_MS: u64 = 60;

type Answer<T> = Result<T, StoreError>;

pub async fn values_travel_between_nodes(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, n2, n3] = cluster.three();
    assert_eq!(cluster.store.nodes(), cluster.nodes, "store and surface name the same nodes");
    let script = async |key: &str| {
        for node in [n1, n2, n3] {
            assert_eq!(cluster.values(node, key).await?, NOTHING, "nothing was written");
        }
        cluster.put(n1, key, None, "apple").await?;
        for node in [n1, n2, n3] {
            assert_eq!(cluster.values(node, key).await?, ["apple"], "an acknowledged value, read through {node}");
        }
        cluster.put(n2, key, None, "pear").await?;
        let both = cluster.get(n3, key).await?;
        assert_eq!(sorted(&both), ["apple", "pear"], "two writes that saw nothing are siblings");
        cluster.put(n3, key, both.context.as_ref(), "quince").await?;
        let one = cluster.get(n1, key).await?;
        assert_eq!(sorted(&one), ["quince"], "a write that saw both replaces both");
        cluster.delete(n2, key, one.context.as_ref()).await?;
        for node in [n1, n2, n3] {
            assert_eq!(cluster.values(node, key).await?, NOTHING, "it was deleted");
        }
        cluster.put(n3, key, cluster.get(n3, key).await?.context.as_ref(), "plum").await?;
        assert_eq!(cluster.values(n1, key).await?, ["plum"], "a deleted key can be written again");
        Ok(())
    };
    cluster.run_script("travel", script).await;
}

pub async fn a_context_round_trips(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, n2, n3] = cluster.three();
    let script = async |key: &str| {
        cluster.put(n1, key, None, "old").await?;
        let seen = cluster.get(n2, key).await?.context;
        assert!(seen.is_some(), "a read of something has a context");
        cluster.put(n2, key, seen.as_ref(), "left").await?;
        assert_eq!(cluster.values(n1, key).await?, ["left"]);
        cluster.put(n3, key, seen.as_ref(), "right").await?;
        let both = cluster.get(n1, key).await?;
        assert_eq!(sorted(&both), ["left", "right"], "one context used twice gives siblings, without what it covers");
        cluster.delete(n1, key, seen.as_ref()).await?;
        assert_eq!(cluster.values(n2, key).await?, ["left", "right"], "a delete covers only what its context saw");
        let forged = Context("no context of this store".to_owned());
        let refused = cluster.put(n1, key, Some(&forged), "forged").await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(cluster.values(n3, key).await?, ["left", "right"], "what was refused did not happen");
        cluster.delete(n3, key, cluster.get(n2, key).await?.context.as_ref()).await?;
        assert_eq!(cluster.values(n2, key).await?, NOTHING);
        Ok(())
    };
    cluster.run_script("context", script).await;
}

pub async fn keys_and_values_are_any_bytes(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, n2, _] = cluster.three();
    let every_byte: Vec<u8> = (0..=255).collect();
    let script = async |key: &str| {
        let odd = [format!("{key}/a b?c=d&e#f%2F%"), format!("{key}/ключ"), format!("{key}/..")];
        for (key, value) in odd.iter().zip([&every_byte[..], b"", b"one"]) {
            cluster.put_bytes(n1, key, None, value.to_vec()).await?;
            assert_eq!(cluster.get(n2, key).await?.values, [value], "{key:?}");
            // Two replicas have it once it is acknowledged; this one may be the third.
            let has_it = async || match cluster.replica(n1, key).await {
                Ok(versions) => versions.iter().map(|version| version.value.as_deref()).eq([Some(value)]),
                Err(_) => false,
            };
            cluster.until(&format!("{n1} by itself has {key:?}"), has_it).await;
        }
        cluster.put_bytes(n2, &odd[0], None, every_byte.clone()).await?;
        let siblings = cluster.get(n1, &odd[0]).await?.values;
        assert_eq!(siblings, [&every_byte[..], &every_byte[..]], "siblings carry any bytes, too");
        Ok(())
    };
    cluster.run_script("bytes", script).await;
}

pub async fn a_cut_link_blocks_until_it_is_healed(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, n2, lonely] = cluster.three();
    cluster.write(lonely, "cut", "before").await;
    let out = [link(lonely, n1), link(lonely, n2)];
    let home = [link(n1, lonely), link(n2, lonely)];
    let both = [&out[..], &home[..]].concat();
    let blocked = LinkRule { blocked: true, ..LinkRule::default() };
    cluster.rule(&both, blocked).await;
    let at_the_cut = cluster.statistics(&both).await;
    let majority_at_the_cut = cluster.statistics(&[link(n1, n2), link(n2, n1)]).await;

    let written = cluster.put(lonely, "cut", None, "cut off").await;
    assert!(written.is_err(), "a strict quorum was met through cut links");
    let read = cluster.get(lonely, "cut").await;
    assert!(read.is_err(), "a strict read was answered through cut links: {read:?}");
    cluster.write(n1, "cut", "majority").await;
    cluster
        .until("traffic is stopped in both directions", async || {
            stopped(&cluster.statistics(&out).await) > stopped(&at_the_cut[..2])
                && stopped(&cluster.statistics(&home).await) > stopped(&at_the_cut[2..])
        })
        .await;
    assert_eq!(forwarded(&cluster.statistics(&both).await), forwarded(&at_the_cut), "nothing passes a cut link");
    let majority = cluster.statistics(&[link(n1, n2), link(n2, n1)]).await;
    assert!(forwarded(&majority) > forwarded(&majority_at_the_cut), "other links go on");

    cluster.rule(&both, LinkRule::default()).await;
    cluster
        .until("the lonely node sees what the majority wrote", async || {
            let values = cluster.values(lonely, "cut").await;
            values.is_ok_and(|values| values.iter().any(|value| value == "majority"))
        })
        .await;
    cluster.write(lonely, "cut", "healed").await;
    assert!(forwarded(&cluster.statistics(&both).await) > forwarded(&at_the_cut));
}

pub async fn a_killed_node_is_dead_and_comes_back_with_its_data(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, victim, n3] = cluster.three();
    cluster.write(n1, "kept", "safe").await;
    cluster.agree("kept").await;
    let held = cluster.replica(victim, "kept").await.expect("it is up");
    cluster.surface.kill(&[victim.to_owned()]).await.expect("killed");
    assert_eq!(cluster.state(victim).await, ProcessState::Dead);
    assert_eq!(cluster.state(n1).await, ProcessState::Running);
    assert!(cluster.get(victim, "kept").await.is_err(), "a dead node answered");
    assert!(cluster.replica(victim, "kept").await.is_err(), "a dead node answered");
    assert!(cluster.surface.pause(victim).await.is_err(), "there is nothing to pause");
    assert!(cluster.surface.believed_offset_ms(victim).await.is_err(), "there is nobody to ask");
    cluster.write(n3, "missed", "while it was dead").await;

    cluster.surface.restart(victim).await.expect("restarted");
    assert_eq!(cluster.state(victim).await, ProcessState::Running);
    let after = cluster.replica(victim, "kept").await.expect("a restarted node answers");
    assert_eq!(after, held, "it has from its own disk what it had");
    cluster
        .until("the restarted node sees everything", async || {
            cluster.values(victim, "kept").await == Ok(vec!["safe".to_owned()])
                && cluster.values(victim, "missed").await == Ok(vec!["while it was dead".to_owned()])
        })
        .await;
    cluster.write(victim, "kept", "again").await;
}

pub async fn what_was_acknowledged_survives_the_death_of_all(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let keys = ["a", "b", "c", "d"];
    for (key, node) in keys.into_iter().zip(cluster.nodes.iter().cycle()) {
        cluster.write(node, key, key).await;
    }
    cluster.surface.kill(&cluster.nodes).await.expect("killed");
    for node in &cluster.nodes {
        assert_eq!(cluster.state(node).await, ProcessState::Dead);
    }
    for node in &cluster.nodes {
        cluster.surface.restart(node).await.expect("restarted");
    }
    for node in &cluster.nodes {
        for key in keys {
            cluster
                .until("an answer", async || match cluster.values(node, key).await {
                    Ok(values) => {
                        assert_eq!(values, [key], "acknowledged before the crash, read through {node}");
                        true
                    }
                    Err(_) => false,
                })
                .await;
        }
    }
}

pub async fn a_paused_node_answers_nothing_until_it_is_resumed(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, sleeper, _] = cluster.three();
    cluster.write(sleeper, "pause", "before").await;
    cluster.surface.pause(sleeper).await.expect("paused");
    assert_eq!(cluster.state(sleeper).await, ProcessState::Stopped);
    let asked = [
        cluster.bounded(Duration::from_secs(1), cluster.store.get(sleeper, "pause")).await.map(drop),
        cluster.bounded(Duration::from_secs(1), cluster.store.read_replica(sleeper, "pause")).await.map(drop),
    ];
    for answer in asked {
        assert!(matches!(answer, Err(StoreError::Unknown(_))), "a request to a paused node: {answer:?}");
    }
    cluster.write(n1, "pause", "without it").await;

    cluster.surface.resume(sleeper).await.expect("resumed");
    assert_eq!(cluster.state(sleeper).await, ProcessState::Running);
    cluster
        .until("the resumed node answers", async || {
            cluster.values(sleeper, "pause").await == Ok(vec!["without it".to_owned()])
        })
        .await;
    cluster.write(sleeper, "pause", "after").await;

    cluster.surface.pause(sleeper).await.expect("paused");
    cluster.surface.kill(&[sleeper.to_owned()]).await.expect("a paused node can be killed");
    assert_eq!(cluster.state(sleeper).await, ProcessState::Dead);
    cluster.surface.restart(sleeper).await.expect("restarted");
    assert_eq!(cluster.state(sleeper).await, ProcessState::Running, "a restarted node is not paused");
}

pub async fn a_wrong_clock_is_believed_and_set_right(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, wrong, n3] = cluster.three();
    cluster.believes(wrong, 0).await;
    for offset_ms in [5_000, -3_000, 86_400_000] {
        let setting = ClockSetting { offset_ms, drift_ppm: 0 };
        cluster.surface.set_clock(wrong, setting).await.expect("set");
        cluster.believes(wrong, offset_ms).await;
        cluster.believes(n1, 0).await;
        cluster.believes(n3, 0).await;
    }
    let fast = ClockSetting { offset_ms: 0, drift_ppm: 1_000_000 };
    cluster.surface.set_clock(wrong, fast).await.expect("set");
    cluster
        .until("a clock of double speed is a second ahead", async || {
            cluster.surface.believed_offset_ms(wrong).await.is_ok_and(|ahead_ms| ahead_ms > 1_000)
        })
        .await;
    let right = ClockSetting::default();
    cluster.surface.set_clock(wrong, right).await.expect("set");
    cluster.believes(wrong, 0).await;
    cluster.write(wrong, "clock", "right again").await;
}

pub async fn a_slow_link_delays_and_counts(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, ..] = cluster.three();
    cluster.write(n1, "slow", "fast").await;
    let all = cluster.links();
    let at_first = cluster.statistics(&all).await;
    assert_eq!(sum(&at_first, |link| link.delayed_chunks), 0, "nothing was to be delayed yet");
    let slow = LinkRule { delay_ms: DELAY_MS, ..LinkRule::default() };
    cluster.rule(&all, slow).await;
    let script = async |key: &str| {
        let began = cluster.clock.now();
        cluster.put(n1, key, None, "late").await?;
        let took = cluster.clock.now() - began;
        let least = Duration::from_millis(2 * DELAY_MS);
        assert!(took >= least, "a write and its acknowledgement crossed slow links in {took:?}");
        Ok(())
    };
    cluster.run_script("slow", script).await;
    let slowed = cluster.statistics(&all).await;
    let chunks = sum(&slowed, |link| link.delayed_chunks);
    assert!(chunks >= 2, "{slowed:?}");
    assert!(sum(&slowed, |link| link.delay_total_ms) >= chunks * DELAY_MS, "{slowed:?}");
    assert!(sum(&slowed, |link| link.delayed_bytes) >= chunks, "{slowed:?}");
    assert_eq!(stopped(&slowed), stopped(&at_first), "slow is not cut");

    cluster.rule(&all, LinkRule::default()).await;
    cluster
        .until("nothing is delayed any more", async || {
            let before = cluster.statistics(&all).await;
            cluster.write(n1, "slow", "fast again").await;
            let after = cluster.statistics(&all).await;
            forwarded(&after) > forwarded(&before)
                && sum(&after, |link| link.delayed_chunks) == sum(&before, |link| link.delayed_chunks)
        })
        .await;
}

pub async fn a_lossy_link_loses_and_counts(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, ..] = cluster.three();
    let all = cluster.links();
    cluster.write(n1, "lossy", "whole").await;
    let at_first = cluster.statistics(&all).await;
    assert_eq!(sum(&at_first, |link| link.lossy_chunks), 0, "nothing was to be lost yet");
    cluster.rule(&all, LinkRule { loss_percent: 40, ..LinkRule::default() }).await;
    cluster
        .until("a lossy link loses something", async || {
            // So much may be lost that it fails, which does not matter here.
            let _ = cluster.put(n1, "lossy", None, "perhaps").await;
            sum(&cluster.statistics(&all).await, |link| link.lost_chunks) > 0
        })
        .await;
    let lossy = cluster.statistics(&all).await;
    assert!(sum(&lossy, |link| link.lost_chunks) <= sum(&lossy, |link| link.lossy_chunks), "{lossy:?}");
    assert_eq!(stopped(&lossy), stopped(&at_first), "lossy is not cut");

    cluster.rule(&all, LinkRule::default()).await;
    let healed = cluster.statistics(&all).await;
    cluster.write(n1, "healed", "whole again").await;
    cluster.agree("healed").await;
    let after = cluster.statistics(&all).await;
    assert_eq!(
        sum(&after, |link| link.lossy_chunks),
        sum(&healed, |link| link.lossy_chunks),
        "nothing is lost any more"
    );
}

pub async fn a_wiped_node_has_nothing_and_is_given_it_back(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let [n1, victim, _] = cluster.three();
    let on_disk = async || cluster.surface.disk_statistics(victim).await.expect("it can be looked at").bytes;
    cluster.write(n1, "wiped", "safe elsewhere").await;
    cluster.agree("wiped").await;
    let held = cluster.replica(victim, "wiped").await.expect("it is up");
    assert!(cluster.surface.wipe(victim).await.is_err(), "the disk of a running node is not to be touched");
    cluster.surface.kill(&[victim.to_owned()]).await.expect("killed");
    assert!(on_disk().await > 0, "a killed node's disk holds what it held");
    cluster.surface.wipe(victim).await.expect("wiped");
    assert_eq!(on_disk().await, 0, "an emptied disk holds nothing");

    cluster.surface.restart(victim).await.expect("an empty disk is anybody's");
    cluster.until("the others give it back", async || cluster.replica(victim, "wiped").await == Ok(held.clone())).await;
    cluster.write(victim, "wiped", "again").await;
    assert!(on_disk().await > 0);
}

pub async fn strangers_are_refused(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let (surface, [n1, n2, _]) = (cluster.surface, cluster.three());
    for link in [link(n1, "nobody"), link("nobody", n1), link(n1, n1)] {
        assert!(surface.set_link(&link, LinkRule::default()).await.is_err(), "{link:?}");
        assert!(surface.link_statistics(&link).await.is_err(), "{link:?}");
    }
    let refused = [
        surface.kill(&[n2.to_owned(), "nobody".to_owned()]).await,
        surface.restart("nobody").await,
        surface.pause("nobody").await,
        surface.resume("nobody").await,
        surface.wipe("nobody").await,
        surface.set_disk("nobody", DiskRule { sync_error_percent: 100, ..DiskRule::default() }).await,
        surface.rot("nobody", 1).await,
        surface.restart_without_damaged("nobody").await,
        surface.disk_statistics("nobody").await.map(drop),
        surface.process_state("nobody").await.map(drop),
        surface.set_clock("nobody", ClockSetting::default()).await,
        surface.believed_offset_ms("nobody").await.map(drop),
    ];
    for answer in refused {
        let error = answer.expect_err("there is nobody of that name");
        assert!(error.to_string().contains("nobody"), "it says who: {error}");
    }
    assert_eq!(cluster.state(n2).await, ProcessState::Running, "a refused kill kills nobody");
    let asked = cluster.get("nobody", "k").await;
    assert!(matches!(asked, Err(StoreError::Refused(_))), "{asked:?}");
}

pub async fn a_key_is_on_its_replicas_and_nowhere_else(arena: &dyn ArenaUnderTest) {
    let cluster = Cluster::of(arena);
    let keys: Vec<String> = (0..12).map(|number| format!("key-{number}")).collect();
    let mut used = BTreeSet::new();
    for (key, node) in keys.iter().zip(cluster.nodes.iter().cycle()) {
        let replicas = cluster.store.replicas(key);
        let distinct: BTreeSet<&String> = replicas.iter().collect();
        assert_eq!(distinct.len(), usize::from(cluster.shape.n), "{key} is on {replicas:?}");
        assert_eq!(replicas.len(), distinct.len(), "{key} is on {replicas:?}");
        assert!(replicas.iter().all(|replica| cluster.nodes.contains(replica)), "{replicas:?}");
        assert_eq!(cluster.store.replicas(key), replicas, "it does not change");
        cluster.write(node, key, "here").await;
        cluster.agree(key).await;
        for node in &cluster.nodes {
            let held = cluster.replica(node, key).await.expect("all is quiet");
            assert_eq!(held.len(), usize::from(replicas.contains(node)), "{key} of {replicas:?} on {node}: {held:?}");
            assert!(held.iter().all(|version| version.value.as_deref() == Some(b"here")), "{held:?}");
        }
        used.extend(replicas);
    }
    assert_eq!(used.len(), cluster.nodes.len(), "keys are spread over all nodes");
    let [n1, ..] = cluster.three();
    cluster
        .until("an acknowledged delete", async || {
            let context = cluster.get(n1, &keys[0]).await.ok().and_then(|read| read.context);
            cluster.delete(n1, &keys[0], context.as_ref()).await.is_ok()
        })
        .await;
    let left = cluster.agree(&keys[0]).await;
    assert!(left.iter().all(|version| version.value.is_none()), "only tombstones are left: {left:?}");
}

const NOTHING: [&str; 0] = [];

/// The arena with what every chapter does to it.
struct Cluster<'a> {
    surface: &'a dyn Surface,
    store: Box<dyn Store>,
    clock: &'a dyn Clock,
    nodes: Vec<String>,
    shape: Shape,
}

impl<'a> Cluster<'a> {
    fn of(arena: &'a dyn ArenaUnderTest) -> Self {
        let surface = arena.surface();
        let nodes = surface.nodes();
        assert_eq!(nodes.len(), arena.shape().nodes);
        Self { surface, store: arena.store(), clock: arena.clock(), nodes, shape: arena.shape() }
    }

    fn three(&self) -> [&str; 3] {
        [0, 1, 2].map(|index| self.nodes[index].as_str())
    }

    fn links(&self) -> Vec<Link> {
        let pairs = self.nodes.iter().flat_map(|from| self.nodes.iter().map(move |to| (from, to)));
        pairs.filter(|(from, to)| from != to).map(|(from, to)| link(from, to)).collect()
    }

    /// Runs a script, and again under a fresh key if one of its requests was not answered.
    async fn run_script(&self, name: &str, script: impl AsyncFn(&str) -> Answer<()>) {
        let mut answer = Ok(());
        for attempt in 0..ATTEMPTS {
            answer = script(&format!("{name}-{attempt}")).await;
            if answer.is_ok() {
                return;
            }
        }
        panic!("the store did not answer in any of {ATTEMPTS} attempts: {answer:?}");
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let deadline = self.clock.now() + PATIENCE;
        while !condition().await {
            assert!(self.clock.now() < deadline, "never: {what}");
            self.clock.sleep_until(self.clock.now() + POLL).await;
        }
    }

    async fn bounded<T>(&self, limit: Duration, request: impl Future<Output = Answer<T>> + Unpin) -> Answer<T> {
        let over = self.clock.sleep_until(self.clock.now() + limit);
        match select(request, over).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(StoreError::Unknown(format!("no answer within {limit:?}"))),
        }
    }

    async fn get(&self, node: &str, key: &str) -> Answer<Versions> {
        self.bounded(REQUEST_TIMEOUT, self.store.get(node, key)).await
    }

    /// The values as sorted text.
    async fn values(&self, node: &str, key: &str) -> Answer<Vec<String>> {
        Ok(sorted(&self.get(node, key).await?))
    }

    async fn put(&self, node: &str, key: &str, context: Option<&Context>, value: &str) -> Answer<()> {
        self.put_bytes(node, key, context, value.into()).await
    }

    async fn put_bytes(&self, node: &str, key: &str, context: Option<&Context>, value: Vec<u8>) -> Answer<()> {
        self.bounded(REQUEST_TIMEOUT, self.store.put(node, key, context, value)).await
    }

    async fn delete(&self, node: &str, key: &str, context: Option<&Context>) -> Answer<()> {
        self.bounded(REQUEST_TIMEOUT, self.store.delete(node, key, context)).await
    }

    async fn replica(&self, node: &str, key: &str) -> Answer<Vec<ReplicaVersion>> {
        let mut versions = self.bounded(REQUEST_TIMEOUT, self.store.read_replica(node, key)).await?;
        versions.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(versions)
    }

    /// Replaces whatever there is, until that is acknowledged.
    async fn write(&self, node: &str, key: &str, value: &str) {
        let attempt = async || {
            let context = self.get(node, key).await?.context;
            self.put(node, key, context.as_ref(), value).await
        };
        self.until(&format!("an acknowledged write through {node}"), async || attempt().await.is_ok()).await;
    }

    /// Waits until all replicas of a key hold the same versions, at least one, and returns them.
    async fn agree(&self, key: &str) -> Vec<ReplicaVersion> {
        let replicas = self.store.replicas(key);
        let everywhere = async || {
            let mut held = Vec::new();
            for replica in &replicas {
                held.push(self.replica(replica, key).await.ok()?);
            }
            let first = held.first()?.clone();
            (!first.is_empty() && held.iter().all(|versions| *versions == first)).then_some(first)
        };
        self.until(&format!("the replicas of {key} agree"), async || everywhere().await.is_some()).await;
        self.replica(&replicas[0], key).await.expect("all is quiet")
    }

    async fn state(&self, node: &str) -> ProcessState {
        self.surface.process_state(node).await.expect("a state")
    }

    async fn rule(&self, links: &[Link], rule: LinkRule) {
        for link in links {
            self.surface.set_link(link, rule).await.expect("a link");
        }
    }

    async fn statistics(&self, links: &[Link]) -> Vec<LinkStatistics> {
        let mut statistics = Vec::new();
        for link in links {
            statistics.push(self.surface.link_statistics(link).await.expect("a link"));
        }
        statistics
    }

    /// Waits until the node says, when asked, that its clock is this far ahead.
    async fn believes(&self, node: &str, offset_ms: i64) {
        self.until(&format!("{node} believes to be {offset_ms} ms ahead"), async || {
            let believed = self.surface.believed_offset_ms(node).await;
            believed.is_ok_and(|believed_ms| (believed_ms - offset_ms).abs() <= CLOCK_TOLERANCE_MS)
        })
        .await;
    }
}

fn link(from: &str, to: &str) -> Link {
    Link { from: from.to_owned(), to: to.to_owned() }
}

fn sorted(versions: &Versions) -> Vec<String> {
    let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
    let mut values: Vec<String> = versions.values.iter().map(text).collect();
    values.sort();
    values
}

fn sum(links: &[LinkStatistics], field: fn(&LinkStatistics) -> u64) -> u64 {
    links.iter().map(field).sum()
}

/// Bytes and connections that came in while blocked.
fn stopped(links: &[LinkStatistics]) -> u64 {
    sum(links, |link| link.blocked_bytes + link.blocked_connections)
}

fn forwarded(links: &[LinkStatistics]) -> u64 {
    sum(links, |link| link.forwarded_bytes)
}

//! The bundled Dynamo: its settings, its claims, and how its nodes are started.

pub mod bugs;
mod calls;
mod claims;
mod client;
mod coordinating;
mod placement;
mod replies;
mod sessions;
mod simulated;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use cluster_core::api::NodeId;
use cluster_core::bug::Bug;
use cluster_core::config::{
    Config, ConfigError, Coordinator, Durability, Limits, Partitioning, Quorum, Timing, Versioning,
};
use cluster_core::protocol::Protocol;
use cluster_core::sim::WorldSettings;
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::network::NetworkSettings;
use cluster_node::{Engine, NodeOptions};
use futures::future::LocalBoxFuture;
use nemesis::spec::NemesisSpec;
use nemesis::surface::{Membership, Standing};
use serde::{Deserialize, Serialize};
use workloads::store::Store;

use super::{Addresses, Claims, Place, System};
use crate::arena::sim::SimArena;
use client::DynamoClient;
use simulated::SimulatedClient;

/// Random tokens of each node on the ring (strategies 1 and 2).
const TOKENS: u32 = 16;
/// Equal ranges (strategies 2 and 3), as many as there may be nodes: whatever their number, each can have one.
const RANGES: u32 = 256;
/// Nodes that run beside a cluster whose members may change.
const SPARES: usize = 2;

/// One of the partition strategies of 6.2, as numbered there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Strategy {
    /// Random tokens, which define the ranges.
    #[default]
    #[serde(rename = "1")]
    RandomTokens,
    /// Random tokens, and equal ranges.
    #[serde(rename = "2")]
    FixedRanges,
    /// Equal ranges, equally many a node.
    #[serde(rename = "3")]
    EqualTokens,
}

impl From<Strategy> for Partitioning {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::RandomTokens => Self::Random { tokens: TOKENS },
            Strategy::FixedRanges => Self::FixedRanges { tokens: TOKENS, ranges: RANGES },
            Strategy::EqualTokens => Self::EqualTokens { ranges: RANGES },
        }
    }
}

/// Who coordinates the requests of the bench's clients (6.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coordination {
    /// A node, any, as a load balancer would choose it.
    #[default]
    Server,
    /// The client's library: it asks the replicas itself.
    Client,
}

/// The ways in which Dynamo's services use it (section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The client reconciles siblings: the shopping cart.
    BusinessLogic,
    /// The last write wins: customers' sessions.
    Timestamp,
    /// R = 1, W = N: catalogues, read often and seldom written.
    ReadEngine,
}

/// A configuration of the bundled Dynamo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DynamoSettings {
    /// How many nodes.
    pub nodes: usize,
    /// Replicas of a key.
    pub n: u8,
    /// Replies a read waits for.
    pub r: u8,
    /// Acknowledgements a write waits for.
    pub w: u8,
    /// Who counts towards a quorum.
    pub quorum: Quorum,
    /// Causality.
    pub versions: Versioning,
    /// Pairs of a vector clock; one more drops the oldest.
    #[serde(default = "usual_clock_pairs")]
    pub clock_pairs: u16,
    /// Who coordinates a write; runs recorded before there was a choice had the first.
    #[serde(default = "first_coordinator")]
    pub coordinator: Coordinator,
    /// Whether client processes read and write in sessions.
    #[serde(default)]
    pub session: bool,
    /// Data centres that the nodes are dealt to in turn; 0 names none.
    #[serde(default)]
    pub data_centres: u16,
    /// How keys are divided among the nodes; runs recorded before there was a choice are of the first.
    #[serde(default)]
    pub strategy: Strategy,
    /// What keeps the rows.
    pub engine: Engine,
    /// How many nodes beyond `nodes` run and are no members at first.
    #[serde(default)]
    pub spares: usize,
    /// The version of the peer protocol that nodes start with.
    #[serde(default)]
    pub protocol: Protocol,
    /// Who coordinates requests; in runs recorded before there was a choice, the nodes.
    #[serde(default)]
    pub coordination: Coordination,
    /// When a write is on disk.
    #[serde(default)]
    pub durability: Durability,
    /// A planted defect.
    pub bug: Option<Bug>,
    /// The first node's client port, the next ones following; none takes free ports.
    pub port: Option<u16>,
}

fn usual_clock_pairs() -> u16 {
    10
}

fn first_coordinator() -> Coordinator {
    Coordinator::First
}

impl DynamoSettings {
    /// How many nodes there are to join under these faults, where nobody says.
    pub fn usual_spares(nemesis: &str) -> usize {
        let spec = nemesis.parse::<NemesisSpec>().unwrap_or_default();
        if spec.asks_for("membership") { SPARES } else { 0 }
    }

    /// These settings with the versions and quorums of a mode, for `n` replicas, or the usual number.
    #[must_use]
    pub fn in_mode(self, mode: Mode, n: Option<u8>) -> Self {
        let usual = Self::default();
        let (n, r, w) = (n.unwrap_or(usual.n), usual.r, usual.w);
        let (versions, r, w) = match mode {
            Mode::BusinessLogic => (Versioning::Dvv, r, w),
            Mode::Timestamp => (Versioning::Lww, r, w),
            Mode::ReadEngine => (Versioning::Dvv, 1, n),
        };
        Self { versions, n, r, w, ..self }
    }

    /// The data centre of each node.
    fn dealt_data_centres(&self) -> Vec<u16> {
        let dealt = |centres: u16| (0..centres).cycle().take(self.nodes + self.spares).collect();
        (self.data_centres > 0).then_some(self.data_centres).map_or(Vec::new(), dealt)
    }
}

impl Default for DynamoSettings {
    fn default() -> Self {
        Self {
            nodes: 5,
            spares: 0,
            n: 3,
            r: 2,
            w: 2,
            quorum: Quorum::Sloppy,
            versions: Versioning::Dvv,
            clock_pairs: usual_clock_pairs(),
            coordinator: Coordinator::default(),
            session: false,
            data_centres: 0,
            strategy: Strategy::default(),
            engine: Engine::Redb,
            protocol: Protocol::NEWEST,
            coordination: Coordination::default(),
            durability: Durability::Synced,
            bug: None,
            port: None,
        }
    }
}

/// Settings that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Those of the protocol.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The coordinating client has none.
    #[error("--session needs --coordination server: sessions are checked by the node that coordinates a read")]
    SessionsOfClients,
    /// The last node would need a port that does not exist.
    #[error(
        "--port {port} leaves no ports for {nodes} nodes: they take as many from it upwards, and 65535 is the last"
    )]
    Ports {
        /// The first port.
        port: u16,
        /// How many nodes.
        nodes: usize,
    },
}

/// The bundled Dynamo, configured.
#[derive(Clone, Debug)]
pub struct Dynamo {
    settings: DynamoSettings,
    seed: u64,
    http: reqwest::Client,
}

impl Dynamo {
    /// A configured system; `seed` places the ring's tokens.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: DynamoSettings, seed: u64) -> Result<Self, SettingsError> {
        if let Some(port) = settings.port
            && usize::from(u16::MAX - port) + 1 < settings.nodes + settings.spares
        {
            return Err(SettingsError::Ports { port, nodes: settings.nodes });
        }
        if settings.session && settings.coordination == Coordination::Client {
            return Err(SettingsError::SessionsOfClients);
        }
        let http = client::http_client();
        let system = Self { settings, seed, http };
        system.config(0, 0).validate()?;
        Ok(system)
    }

    fn config(&self, index: usize, starts: u64) -> Config {
        let s = &self.settings;
        Config {
            id: NodeId(index as u16),
            names: self.nodes(),
            n: s.n,
            r: s.r,
            w: s.w,
            quorum: s.quorum,
            versions: s.versions,
            coordinator: s.coordinator,
            partitioning: s.strategy.into(),
            members: (s.spares > 0).then_some(s.nodes as u16),
            seeds: Vec::new(),
            capacities: Vec::new(),
            data_centres: s.dealt_data_centres(),
            ring_seed: self.seed,
            seed: self.seed ^ ((index as u64 + 1) << 48) ^ (starts << 32),
            timing: Timing::default(),
            protocol: s.protocol,
            limits: Limits { clock_pairs_max: usize::from(s.clock_pairs), ..Limits::default() },
            durability: s.durability,
            bug: s.bug,
        }
    }

    /// The simulated world that this configuration lives in: a network that is worse than any that processes have.
    pub fn world(&self) -> WorldSettings {
        let network =
            NetworkSettings { loss: 0.002, duplication: 0.002, straggling: 0.001, ..NetworkSettings::default() };
        WorldSettings { config: self.config(0, 0), network, disk: DiskSettings::default(), seed: self.seed }
    }

    /// A client of the cluster in simulation.
    pub fn simulated_client(&self, arena: SimArena) -> Box<dyn Store> {
        Box::new(SimulatedClient::new(arena, &self.config(0, 0), self.settings.coordination, self.settings.session))
    }

    /// The version that a node speaks after so many upgrades.
    fn upgraded(&self, upgrades: u64) -> Protocol {
        let versions = std::iter::successors(Some(self.settings.protocol), |version| version.next());
        let upgraded = versions.take(usize::try_from(upgrades).unwrap_or(usize::MAX).saturating_add(1)).last();
        upgraded.unwrap_or(self.settings.protocol)
    }

    /// Whether every read quorum has a node that remembers what a write quorum acknowledged: with a write buffer, a node
    /// forgets in a crash what it has acknowledged from memory.
    fn overlapping_quorums(&self) -> bool {
        self.settings.quorum == Quorum::Strict
            && self.settings.durability == Durability::Synced
            && u16::from(self.settings.r) + u16::from(self.settings.w) > u16::from(self.settings.n)
    }
}

/// The nemesis's word for it.
pub(crate) fn standing(standing: cluster_core::api::MemberStatus) -> Standing {
    use cluster_core::api::MemberStatus as Core;
    match standing {
        Core::Member => Standing::Member,
        Core::Joining => Standing::Joining,
        Core::Leaving => Standing::Leaving,
        Core::NoMember => Standing::NoMember,
    }
}

impl System for Dynamo {
    fn name(&self) -> &'static str {
        "dynamo"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes + self.settings.spares).map(|i| format!("n{i}")).collect()
    }

    fn subcommand(&self) -> &'static str {
        "__node"
    }

    /// What a connection comes to names the error of the network.
    fn expected_in_logs(&self) -> &'static [&'static str] {
        &["connection to peer ", "connection from ", "a message to "]
    }

    fn options(&self, place: &Place) -> String {
        let port = self.settings.port.map_or(0, |port| port.saturating_add(place.index as u16));
        let options = NodeOptions {
            core: Config { protocol: self.upgraded(place.upgrades), ..self.config(place.index, place.starts) },
            data_dir: place.data_dir.clone(),
            drop_damaged: place.drop_damaged,
            engine: self.settings.engine,
            client_listen: SocketAddr::from(([127, 0, 0, 1], port)),
            peer_listen: cluster_node::options::any_local_port(),
            peers: place.peers.iter().map(|(&peer, &at)| (NodeId(peer as u16), at)).collect::<BTreeMap<_, _>>(),
            clock_fd: Some(place.clock_fd),
            parent_pid: Some(place.parent_pid),
        };
        serde_json::to_string(&options).expect("options are plain data")
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Store> {
        let core = self.config(0, 0);
        Box::new(DynamoClient::new(
            self.http.clone(),
            addresses,
            &core,
            self.settings.coordination,
            self.settings.session,
        ))
    }

    fn believed_wall_ns(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<i128, String>> {
        Box::pin(client::believed_wall_ns(&self.http, address))
    }

    fn upgrades_max(&self) -> u64 {
        u64::from(Protocol::NEWEST.number() - self.settings.protocol.number())
    }

    fn protocol_version(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<u64, String>> {
        Box::pin(client::protocol_version(&self.http, address))
    }

    fn change_membership<'a>(
        &'a self,
        address: SocketAddr,
        node: &'a str,
        join: bool,
    ) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(client::change_membership(&self.http, address, node, join))
    }

    fn members(&self, address: SocketAddr) -> LocalBoxFuture<'_, Result<Membership, String>> {
        Box::pin(client::members(&self.http, address))
    }

    fn spares(&self) -> usize {
        self.settings.spares
    }

    fn claims(&self) -> Claims {
        self.claimed()
    }
}

#[cfg(test)]
mod tests {
    use checker::{CheckName, Claim, Object, On};

    use super::claims::OF_ALL;
    use super::*;

    fn claimed(change: impl Fn(&mut DynamoSettings)) -> Vec<CheckName> {
        let mut settings = DynamoSettings::default();
        change(&mut settings);
        let claims = Dynamo::new(settings, 1).expect("the settings can work").claims().claims;
        let of_all = claims.iter().filter(|claim| claim.on == On::All);
        let mut claimed: Vec<CheckName> = of_all.map(|claim| claim.check).collect();
        claimed.sort();
        claimed
    }

    #[test]
    fn each_configuration_claims_what_the_paper_promises_of_it() {
        let usual = [
            CheckName::NO_LOST_WRITES,
            CheckName::CONVERGENCE,
            CheckName::DURABILITY,
            CheckName::NO_RESURRECTION,
            CheckName::SIBLINGS_BOUNDED,
            CheckName::RING_AGREEMENT,
            CheckName::AVAILABILITY,
        ];
        assert_eq!(claimed(|_| {}), usual);
        let strict = claimed(|s| s.quorum = Quorum::Strict);
        let more = strict.iter().filter(|property| !usual.contains(property)).collect::<Vec<_>>();
        assert_eq!(
            (more, strict.len()),
            (vec![&CheckName::READ_YOUR_WRITES, &CheckName::MONOTONIC_WRITES], usual.len() + 2)
        );
        let disjoint = claimed(|s| {
            s.quorum = Quorum::Strict;
            s.r = 1;
        });
        assert_eq!(disjoint, usual, "R + W = N does not overlap");
        let buffered = claimed(|s| {
            s.quorum = Quorum::Strict;
            s.durability = cluster_core::config::Durability::Buffered;
        });
        assert_eq!(buffered, usual, "one replica has it on disk, a quorum may forget");
        assert_eq!(claimed(|s| s.versions = Versioning::Lww), OF_ALL);
        assert_eq!(claimed(|s| s.versions = Versioning::VectorClock), OF_ALL);
        let of_sessions = [
            CheckName::READ_YOUR_WRITES,
            CheckName::MONOTONIC_READS,
            CheckName::MONOTONIC_WRITES,
            CheckName::WRITES_FOLLOW_READS,
        ];
        let mut in_sessions = [&usual[..], &of_sessions].concat();
        in_sessions.sort();
        assert_eq!(claimed(|s| s.session = true), in_sessions);
        let read_engine = claimed(|s| *s = DynamoSettings::default().in_mode(Mode::ReadEngine, None));
        assert_eq!(read_engine, usual, "sloppy quorums overlap by chance only");
        let forgetful = claimed(|s| {
            s.engine = Engine::Memory;
            s.quorum = Quorum::Strict;
        });
        assert_eq!(forgetful, OF_ALL, "a crash takes what a process has written");
    }

    #[test]
    fn last_write_wins_with_many_writers_claims_read_your_writes_of_registers_alone() {
        let lww = DynamoSettings { versions: Versioning::Lww, quorum: Quorum::Strict, ..DynamoSettings::default() };
        let claims = Dynamo::new(lww, 1).expect("the settings can work").claims();
        let (of_all, of_some): (Vec<&Claim>, Vec<&Claim>) = claims.claims.iter().partition(|claim| claim.on == On::All);
        assert_eq!(of_all.iter().map(|claim| claim.check).collect::<Vec<_>>(), OF_ALL);
        let many_writers = of_some.iter().filter_map(|claim| match claim.on {
            On::Object(object) if !object.is_transactional() => Some((claim.check, object)),
            _ => None,
        });
        assert_eq!(many_writers.collect::<Vec<_>>(), [(CheckName::READ_YOUR_WRITES, Object::Register)]);
    }

    /// A strategy is where keys lie, which no promise speaks of; any number of nodes that the bench starts has a ring.
    #[test]
    fn every_strategy_works_with_any_number_of_nodes_and_claims_the_same() {
        for strategy in [Strategy::RandomTokens, Strategy::FixedRanges, Strategy::EqualTokens] {
            assert_eq!(claimed(|s| s.strategy = strategy), claimed(|_| {}));
            for nodes in [3, 5, 256] {
                let settings = DynamoSettings { nodes, strategy, ..DynamoSettings::default() };
                assert!(Dynamo::new(settings, 1).is_ok(), "{strategy:?} with {nodes} nodes");
            }
        }
    }

    #[test]
    fn settings_without_a_strategy_are_of_the_first() {
        assert_eq!(Partitioning::from(Strategy::default()), Partitioning::default(), "noted seeds keep their meaning");
        let settings = DynamoSettings { strategy: Strategy::EqualTokens, ..DynamoSettings::default() };
        let mut json = serde_json::to_value(&settings).expect("settings are plain data");
        assert_eq!(json["strategy"], "3");
        json.as_object_mut().expect("an object").remove("strategy");
        let read: DynamoSettings = serde_json::from_value(json).expect("older settings are read");
        assert_eq!(read, DynamoSettings::default());
    }

    /// A planted bug must not change what is claimed: only then does finding it mean something.
    #[test]
    fn a_bug_claims_what_the_right_cluster_claims() {
        assert_eq!(claimed(|s| s.bug = Some(Bug::AckBeforeDurable)), claimed(|_| {}));
    }
}

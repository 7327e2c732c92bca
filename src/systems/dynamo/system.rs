//! The bundled Dynamo: how its nodes are started and asked, and the world that it can be simulated in.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use cluster_core::api::NodeId;
use cluster_core::bug::Bug;
use cluster_core::config::{Config, Durability, Limits, Quorum, Timing};
use cluster_core::protocol::Protocol;
use cluster_core::ring::Ring;
use cluster_core::sim::WorldSettings;
use cluster_core::sim::disk::DiskSettings;
use cluster_core::sim::network::NetworkSettings;
use cluster_node::{Engine, NodeOptions};
use futures::future::LocalBoxFuture;
use nemesis::surface::{Membership, Surface};
use nemesis::{Capabilities, Layout, Spares};
use workloads::clock::Clock;
use workloads::store::Store;
use workloads::{Client, GetPut, get_put};

use super::client::{self, DynamoClient};
use super::settings::{Coordination, DynamoSettings, SettingsError};
use super::simulation::{SimulatedClient, SimulatedCluster};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Peer, Place, Program, Ready};
use crate::systems::http;
use crate::systems::system::{
    Answer, BelievedClock, Claims, Members, Owners, Simulated, Simulation, System, Trace, Upgrades,
};

/// The hidden subcommand that is one node.
pub(super) const NODE_COMMAND: &str = "__node";

/// The bundled Dynamo, configured.
#[derive(Clone, Debug)]
pub struct Dynamo {
    pub(super) settings: DynamoSettings,
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
        if settings.bug == Some(Bug::NoSync) && settings.engine == Engine::Memory {
            return Err(SettingsError::NothingToSync);
        }
        let http = http::client();
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

    /// The data centres that nodes were dealt to, and the owners of each range of the ring.
    fn laid_out(&self) -> Layout {
        let (names, config) = (self.nodes(), self.config(0, 0));
        let dealt: BTreeSet<u16> = config.data_centres.iter().copied().collect();
        let of = |centre: u16| names.iter().zip(&config.data_centres).filter(move |(_, of)| **of == centre);
        let data_centres = dealt.iter().map(|centre| of(*centre).map(|(name, _)| name.clone()).collect()).collect();
        let ring = Ring::of(&config).expect("the settings were checked when the system was made");
        let named = |owners: &[NodeId]| {
            let mut named: Vec<String> = owners.iter().map(|node| names[usize::from(node.0)].clone()).collect();
            named.sort();
            named
        };
        let owners: BTreeSet<Vec<String>> =
            (0..ring.ranges()).map(|range| named(ring.owners(range, config.n))).collect();
        Layout { data_centres, owners: owners.into_iter().collect() }
    }

    /// The simulated world that this configuration lives in: a network that is worse than any that processes have.
    pub fn world(&self) -> WorldSettings {
        let network =
            NetworkSettings { loss: 0.002, duplication: 0.002, straggling: 0.001, ..NetworkSettings::default() };
        WorldSettings { config: self.config(0, 0), network, disk: DiskSettings::default(), seed: self.seed }
    }

    /// Get and put of the cluster in processes.
    pub fn store(&self, addresses: Addresses) -> Box<dyn Store> {
        let core = self.config(0, 0);
        let DynamoSettings { coordination, session, .. } = self.settings;
        Box::new(DynamoClient::new(self.http.clone(), addresses, &core, coordination, session))
    }

    /// Get and put of the cluster in simulation.
    pub fn simulated_store(&self, cluster: SimulatedCluster) -> Box<dyn Store> {
        Box::new(SimulatedClient::new(cluster, &self.config(0, 0), self.settings.coordination, self.settings.session))
    }

    fn node_options(&self, place: &Place) -> NodeOptions {
        // A node with an address of its own has its ports to itself, and its peers have to know them.
        let (clients, peers) = if place.ports.are_default() { (CLIENT_PORT, PEER_PORT) } else { (0, 0) };
        let port = self.settings.port.map_or(clients, |port| port.saturating_add(place.index as u16));
        NodeOptions {
            core: Config { protocol: self.upgraded(place.upgrades), ..self.config(place.index, place.starts) },
            data_dir: place.data_dir.clone(),
            drop_damaged: place.drop_damaged,
            engine: self.settings.engine,
            client_listen: SocketAddr::new(place.host, port),
            peer_listen: SocketAddr::new(place.host, peers),
            peers: place.peers.iter().map(peer).collect(),
            clock_fd: place.clock_fd,
            parent_pid: Some(place.parent_pid),
        }
    }

    /// The version that a node speaks after so many upgrades.
    fn upgraded(&self, upgrades: u64) -> Protocol {
        let versions = std::iter::successors(Some(self.settings.protocol), |version| version.next());
        let upgraded = versions.take(usize::try_from(upgrades).unwrap_or(usize::MAX).saturating_add(1)).last();
        upgraded.unwrap_or(self.settings.protocol)
    }

    /// Whether every read quorum has a node that remembers what a write quorum acknowledged: with a write buffer, a node
    /// forgets in a crash what it has acknowledged from memory.
    pub(super) fn overlapping_quorums(&self) -> bool {
        self.settings.quorum == Quorum::Strict
            && self.settings.durability == Durability::Synced
            && u16::from(self.settings.r) + u16::from(self.settings.w) > u16::from(self.settings.n)
    }
}

/// Where a node with an address of its own serves its clients.
const CLIENT_PORT: u16 = 7000;
/// Where it serves its peers.
const PEER_PORT: u16 = 7100;

/// Where a node dials a peer.
fn peer((&index, &peer): (&usize, &Peer)) -> (NodeId, SocketAddr) {
    let at = match peer {
        Peer::Proxy(at) => at,
        Peer::Host(host) => SocketAddr::new(host, PEER_PORT),
    };
    (NodeId(index as u16), at)
}

impl System for Dynamo {
    fn name(&self) -> &'static str {
        "dynamo"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes + self.settings.spares).map(|i| format!("n{i}")).collect()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let options = serde_json::to_string(&self.node_options(place)).expect("options are plain data");
        Ok(Launch {
            arguments: vec![NODE_COMMAND.into(), place.name.clone()],
            stdin_line: Some(options),
            ..Launch::new(Program::Own, Ready::JsonLineOnStdout)
        })
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        Box::new(GetPut::new(self.store(addresses)))
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        get_put::can(workload, f)
    }

    fn claims(&self) -> Claims {
        self.claimed()
    }

    /// What a connection comes to names the error of the network.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["connection to peer ", "connection from ", "a message to "]
    }

    fn clock(&self) -> Option<&dyn BelievedClock> {
        Some(self)
    }

    fn membership(&self) -> Option<&dyn Members> {
        Some(self)
    }

    fn upgrades(&self) -> Option<&dyn Upgrades> {
        Some(self)
    }

    fn layout(&self) -> Layout {
        self.laid_out()
    }

    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }

    /// The simulated disk is no engine's, so a defect of the engines is not in it.
    fn simulated(&self) -> Option<&dyn Simulated> {
        (self.settings.bug != Some(Bug::NoSync)).then_some(self)
    }

    fn shown(&self, address: SocketAddr) -> String {
        format!("http://{address}")
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(client::status(&self.http, address))
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!("curl -i -X PUT --data hello http://{address}/kv/greeting"))
    }
}

impl BelievedClock for Dynamo {
    fn believed_wall_ns(&self, address: SocketAddr) -> Answer<'_, i128> {
        Box::pin(client::believed_wall_ns(&self.http, address))
    }
}

impl Members for Dynamo {
    /// After a leave there must be enough members for the replicas of a key.
    fn spares(&self) -> Spares {
        Spares { count: self.settings.spares, members_min: usize::from(self.settings.n) }
    }

    fn change<'a>(&'a self, through: SocketAddr, node: &'a str, join: bool) -> Answer<'a, ()> {
        Box::pin(client::change_membership(&self.http, through, node, join))
    }

    fn members(&self, address: SocketAddr) -> Answer<'_, Membership> {
        Box::pin(client::members(&self.http, address))
    }
}

impl Upgrades for Dynamo {
    fn upgrades_max(&self) -> u64 {
        u64::from(Protocol::NEWEST.number() - self.settings.protocol.number())
    }

    fn version(&self, address: SocketAddr) -> Answer<'_, u64> {
        Box::pin(client::protocol_version(&self.http, address))
    }
}

impl Owners for Dynamo {
    fn owners<'a>(&'a self, address: SocketAddr, key: &'a str) -> Answer<'a, Vec<String>> {
        Box::pin(client::owners(&self.http, address, key))
    }
}

impl Simulated for Dynamo {
    fn capabilities(&self) -> Capabilities {
        SimulatedCluster::capabilities()
    }

    fn start(&self) -> Result<Box<dyn Simulation>, String> {
        let cluster = SimulatedCluster::new(self.world()).map_err(|error| error.to_string())?;
        Ok(Box::new(SimulatedDynamo { system: self.clone(), cluster }))
    }
}

/// A cluster in virtual time, and the configuration that its clients have to know.
struct SimulatedDynamo {
    system: Dynamo,
    cluster: SimulatedCluster,
}

impl Simulation for SimulatedDynamo {
    fn surface(&self) -> &dyn Surface {
        &self.cluster
    }

    fn clock(&self) -> &dyn Clock {
        &self.cluster
    }

    fn client(&self) -> Box<dyn Client> {
        Box::new(GetPut::new(self.system.simulated_store(self.cluster.clone())))
    }

    fn block_on(&self, future: LocalBoxFuture<'_, ()>) {
        self.cluster.block_on(future);
    }

    fn trace(&self) -> Trace {
        let (hash, events) = (self.cluster.trace_hash(), self.cluster.events());
        Trace { hash, events, simulated: self.cluster.now() }
    }
}

#[cfg(test)]
mod tests {
    use checker::{CheckName, Claim, Object, On};

    use cluster_core::config::{Partitioning, Versioning};

    use super::super::claims::OF_ALL;
    use super::super::settings::{Mode, Strategy};
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

    /// What is told of the ring before it is there is what its nodes say then.
    #[test]
    fn the_layout_is_that_of_the_cluster() {
        for strategy in [Strategy::RandomTokens, Strategy::FixedRanges, Strategy::EqualTokens] {
            let settings = DynamoSettings { strategy, data_centres: 2, spares: 1, ..DynamoSettings::default() };
            let system = Dynamo::new(settings, 7).expect("the settings can work");
            let cluster = SimulatedCluster::new(system.world()).expect("it starts");
            let said = |key: u32| {
                let mut owners = cluster.preference(key.to_string().as_bytes()).expect("a node runs");
                owners.truncate(3);
                owners.sort();
                owners
            };
            let said: BTreeSet<Vec<String>> = (0..2_000).map(said).collect();
            let told = system.layout();
            assert_eq!(told.owners, said.into_iter().collect::<Vec<_>>(), "{strategy:?}");
            let centres = [["n1", "n3", "n5"], ["n2", "n4", "n6"]];
            assert_eq!(told.data_centres, centres.map(|names| names.map(str::to_owned).to_vec()));
        }
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

    /// It would be found nowhere, and that would say nothing.
    #[test]
    fn a_defect_of_the_engines_needs_one_and_is_in_no_simulation() {
        let of = |engine, bug| Dynamo::new(DynamoSettings { engine, bug, ..DynamoSettings::default() }, 1);
        for engine in [Engine::Redb, Engine::Fjall] {
            let planted = of(engine, Some(Bug::NoSync)).expect("it has syncs to leave out");
            assert!(planted.simulated().is_none());
            assert!(of(engine, None).expect("the settings can work").simulated().is_some());
        }
        assert_eq!(of(Engine::Memory, Some(Bug::NoSync)).err(), Some(SettingsError::NothingToSync));
        assert!(of(Engine::Memory, None).is_ok());
    }

    /// A planted bug must not change what is claimed: only then does finding it mean something.
    #[test]
    fn a_bug_claims_what_the_right_cluster_claims() {
        assert_eq!(claimed(|s| s.bug = Some(Bug::AckBeforeDurable)), claimed(|_| {}));
    }
}

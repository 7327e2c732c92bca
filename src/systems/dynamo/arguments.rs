//! The command-line arguments of the bundled Dynamo, and the settings that they come to.

use clap::{Args, ValueEnum};
use cluster_core::bug::Bug;
use cluster_core::config::{Coordinator, Durability, Quorum, Versioning};
use cluster_core::protocol::Protocol;
use cluster_node::Engine;
use nemesis::NemesisSpec;

use super::bugs;
use super::settings::{Coordination, DynamoSettings, Mode, Strategy};
use crate::exit::Problem;
use crate::systems::row::Chosen;

/// What the cluster is like.
#[derive(Args, Clone)]
#[command(next_help_heading = "Options of dynamo")]
pub struct DynamoArgs {
    /// How many nodes [default: 5]
    #[arg(long)]
    pub nodes: Option<usize>,
    /// How the store is used (section 6 of the paper): sets --versions, --n, --r and --w, which may be given besides
    #[arg(long)]
    pub mode: Option<ModeArg>,
    /// Replicas of a key [default: 3]
    #[arg(long)]
    pub n: Option<u8>,
    /// Replies a read waits for [default: 2]
    #[arg(long)]
    pub r: Option<u8>,
    /// Acknowledgements a write waits for [default: 2]
    #[arg(long)]
    pub w: Option<u8>,
    /// Who counts towards a quorum [default: sloppy]
    #[arg(long)]
    pub quorum: Option<QuorumArg>,
    /// How concurrent writes are distinguished [default: dvv]
    #[arg(long)]
    pub versions: Option<VersionsArg>,
    /// Nodes that a vector clock names at most; one more drops the pair set longest ago [default: 10]
    #[arg(long)]
    pub clock_pairs: Option<u16>,
    /// Which replica coordinates a write [default: fastest]
    #[arg(long)]
    pub coordinator: Option<CoordinatorArg>,
    /// Clients read and write in sessions: they read their writes, and never backwards, or get an error
    #[arg(long)]
    pub session: bool,
    /// Deal the nodes to so many data centres, over which replicas are spread [default: none are named]
    #[arg(long, value_name = "COUNT")]
    pub data_centres: Option<u16>,
    /// How keys are divided among nodes: the paper's partition strategy 1, 2 or 3 [default: 1]
    #[arg(long)]
    pub strategy: Option<StrategyArg>,
    /// What keeps a node's rows: redb, fjall or memory [default: redb]
    #[arg(long)]
    pub engine: Option<Engine>,
    /// When a write is on disk: on every replica that acknowledges it, or on one and the rest from a write buffer [default: synced]
    #[arg(long)]
    pub durability: Option<DurabilityArg>,
    /// Nodes beyond --nodes that run and are no members until they join [default: 2 if members may join, else 0]
    #[arg(long)]
    pub spares: Option<usize>,
    /// The version of the peer protocol that nodes start with, 1 or 2 [default: 2]
    #[arg(long, value_parser = protocol)]
    pub protocol: Option<Protocol>,
    /// Who coordinates requests: the nodes, or the client's library [default: server]
    #[arg(long)]
    pub coordination: Option<CoordinationArg>,
    /// Plant a defect; `--bug list` prints them
    #[arg(long, value_name = "NAME")]
    pub bug: Option<String>,
    /// The first node's client port, the others following [default: free ports]
    #[arg(long)]
    pub port: Option<u16>,
}

/// The settings that the arguments come to: the user's word comes first, then what the planted bug needs to show itself
/// and what the faults need, then the defaults.
///
/// # Errors
/// When the bug is unknown.
pub(super) fn choose(args: &DynamoArgs, nemesis: Option<&str>) -> Result<Chosen<DynamoSettings>, Problem> {
    let bug: Option<Bug> = args.bug.as_deref().map(str::parse).transpose().map_err(Problem::arguments)?;
    let usual = bugs::settings(bug);
    let usual = args.mode.map_or(usual.clone(), |mode| usual.in_mode(mode.into(), args.n));
    let preferences = bug.map(bugs::preferences).unwrap_or_default().of_the_run();
    // A wrong list of faults is refused later.
    let faults: NemesisSpec = nemesis.or(preferences.nemesis).unwrap_or_default().parse().unwrap_or_default();
    let options = DynamoSettings {
        nodes: args.nodes.unwrap_or(usual.nodes),
        spares: args.spares.unwrap_or_else(|| DynamoSettings::usual_spares(&faults)),
        n: args.n.unwrap_or(usual.n),
        r: args.r.unwrap_or(usual.r),
        w: args.w.unwrap_or(usual.w),
        quorum: args.quorum.map_or(usual.quorum, Into::into),
        versions: args.versions.map_or(usual.versions, Into::into),
        clock_pairs: args.clock_pairs.unwrap_or(usual.clock_pairs),
        coordinator: args.coordinator.map_or(usual.coordinator, Into::into),
        session: args.session || usual.session,
        data_centres: args.data_centres.unwrap_or(usual.data_centres),
        strategy: args.strategy.map_or(usual.strategy, Into::into),
        engine: args.engine.unwrap_or(usual.engine),
        protocol: args.protocol.unwrap_or_else(|| first_protocol(&faults)),
        durability: args.durability.map_or(usual.durability, Into::into),
        coordination: args.coordination.map_or(usual.coordination, Into::into),
        port: args.port,
        bug,
    };
    Ok(Chosen { options, preferences })
}

/// The default protocol version of the nodes: the newest, unless they are to be upgraded to it.
fn first_protocol(faults: &NemesisSpec) -> Protocol {
    let is_upgraded = faults.asks_for("upgrade");
    Protocol::NEWEST.previous().filter(|_| is_upgraded).unwrap_or(Protocol::NEWEST)
}

#[derive(Clone, Copy, ValueEnum)]
pub enum DurabilityArg {
    /// On each replica that acknowledges it, before it does
    Synced,
    /// On one replica before the client is answered, on the others from a buffer in memory
    Buffered,
}

impl From<DurabilityArg> for Durability {
    fn from(arg: DurabilityArg) -> Self {
        match arg {
            DurabilityArg::Synced => Durability::Synced,
            DurabilityArg::Buffered => Durability::Buffered,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum QuorumArg {
    /// The first N reachable nodes; fallbacks keep hints
    Sloppy,
    /// The first N nodes, reachable or not
    Strict,
}

impl From<QuorumArg> for Quorum {
    fn from(arg: QuorumArg) -> Self {
        match arg {
            QuorumArg::Sloppy => Quorum::Sloppy,
            QuorumArg::Strict => Quorum::Strict,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ModeArg {
    /// Clients merge siblings: dvv, N=3 R=2 W=2
    BusinessLogic,
    /// The last write wins: lww, N=3 R=2 W=2
    Timestamp,
    /// Many reads, few writes: dvv, R=1 W=N
    ReadEngine,
}

impl From<ModeArg> for Mode {
    fn from(arg: ModeArg) -> Self {
        match arg {
            ModeArg::BusinessLogic => Mode::BusinessLogic,
            ModeArg::Timestamp => Mode::Timestamp,
            ModeArg::ReadEngine => Mode::ReadEngine,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum CoordinatorArg {
    /// The one that answered the preceding read first
    Fastest,
    /// The node asked if it is a replica, else the first that is up
    First,
}

impl From<CoordinatorArg> for Coordinator {
    fn from(arg: CoordinatorArg) -> Self {
        match arg {
            CoordinatorArg::Fastest => Coordinator::Fastest,
            CoordinatorArg::First => Coordinator::First,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum StrategyArg {
    /// Random tokens, which define the ranges
    #[value(name = "1")]
    RandomTokens,
    /// Random tokens, and equal ranges
    #[value(name = "2")]
    FixedRanges,
    /// Equal ranges, equally many a node
    #[value(name = "3")]
    EqualTokens,
}

impl From<StrategyArg> for Strategy {
    fn from(arg: StrategyArg) -> Self {
        match arg {
            StrategyArg::RandomTokens => Strategy::RandomTokens,
            StrategyArg::FixedRanges => Strategy::FixedRanges,
            StrategyArg::EqualTokens => Strategy::EqualTokens,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum CoordinationArg {
    /// Any node, as a load balancer would choose it
    Server,
    /// The client asks the replicas itself
    Client,
}

impl From<CoordinationArg> for Coordination {
    fn from(arg: CoordinationArg) -> Self {
        match arg {
            CoordinationArg::Server => Coordination::Server,
            CoordinationArg::Client => Coordination::Client,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum VersionsArg {
    /// Dotted version vectors: concurrent writes become siblings
    Dvv,
    /// The paper's literal vector clocks
    VectorClock,
    /// Last write wins
    Lww,
}

impl From<VersionsArg> for Versioning {
    fn from(arg: VersionsArg) -> Self {
        match arg {
            VersionsArg::Dvv => Versioning::Dvv,
            VersionsArg::VectorClock => Versioning::VectorClock,
            VersionsArg::Lww => Versioning::Lww,
        }
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let number: u8 = text.parse().map_err(|_| "write its number, as in 1".to_owned())?;
    Protocol::new(number).map_err(|unknown| unknown.to_string())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn chosen(line: &str, nemesis: Option<&str>) -> DynamoSettings {
        let command = DynamoArgs::augment_args(clap::Command::new("up").no_binary_name(true));
        let matches = command.try_get_matches_from(line.split_whitespace()).expect("the line is in order");
        let args = DynamoArgs::from_arg_matches(&matches).expect("they are its own arguments");
        choose(&args, nemesis).expect("the arguments work together").options
    }

    /// Section 6: three ways to use the store; options that are given explicitly come first.
    #[test]
    fn a_mode_sets_versions_and_quorums() {
        use cluster_core::config::Versioning::{Dvv, Lww};
        let of = |line: &str| {
            let dynamo = chosen(line, None);
            (dynamo.versions, dynamo.n, dynamo.r, dynamo.w)
        };
        assert_eq!(of("--mode business-logic"), (Dvv, 3, 2, 2));
        assert_eq!(of("--mode timestamp"), (Lww, 3, 2, 2));
        assert_eq!(of("--mode read-engine"), (Dvv, 3, 1, 3));
        assert_eq!(of("--mode read-engine --n 5"), (Dvv, 5, 1, 5));
        assert_eq!(of("--mode read-engine --w 2 --versions lww"), (Lww, 3, 1, 2));
        assert_eq!(of("--mode business-logic --bug fast-clock-wins"), (Dvv, 3, 2, 2), "a mode is the user's word");
    }

    #[test]
    fn what_the_user_says_goes_before_what_the_bug_prefers() {
        let settings = chosen("--bug fast-clock-wins --versions dvv", None);
        assert_eq!((settings.versions, settings.quorum), (Versioning::Dvv, Quorum::Strict));
    }

    #[test]
    fn faults_that_need_other_nodes_get_them() {
        assert_eq!(chosen("", None), DynamoSettings::default());
        assert_eq!(chosen("", Some("kill,upgrade")).protocol, Protocol::OLDEST);
        assert_eq!(chosen("--protocol 2", Some("upgrade")).protocol, Protocol::NEWEST);
        assert_eq!(chosen("", Some("membership")).spares, 2);
        assert_eq!(chosen("--spares 1", Some("membership")).spares, 1);
        assert_eq!(chosen("--bug ring-cached", None).spares, 2, "what the bug prefers is membership");
    }
}

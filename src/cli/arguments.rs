//! What may be said at the command line.

use std::ffi::OsString;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use checker::CheckName;
use checker::checks::isolation::levels;
use checker::checks::linearizable::FailedCas;
use checker::checks::registry::{self, Settings};
use checker::formats::{Format, Tree, parse_assignment, parse_data};
use checker::objects::Model;
use clap::{Args, Parser, Subcommand, ValueEnum};

use super::system::{SystemArgs, SystemName};
use crate::arena::attached::keeper::KEEPER_COMMAND;
use crate::arena::processes::CLOCK_COMMAND;
use crate::arena::processes::bound::BOUND_COMMAND;

/// How a check ends, and where there is more about it.
const CHECK_ENDS: &str = "Exit codes: 0 valid, 1 invalid (with --lint: there is a finding), 2 inconclusive, 254 the file or an option \
cannot be used, 255 the bench itself failed.\nFormats and what is equal to what: docs/history.md; models, levels and limits: \
docs/checkers.md.";

#[derive(Parser)]
#[command(name = "dissensus", version, about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Start a cluster, inject faults, record what clients see, and judge it
    Run(Box<RunArgs>),
    /// The same in deterministic simulation: one seed, or a campaign over many
    Sim(Box<SimArgs>),
    /// Measure in simulation how well each planted bug is found
    Bugs(BugsArgs),
    /// Judge a recorded history
    #[command(after_help = CHECK_ENDS)]
    Check(Box<CheckArgs>),
    /// Rebuild the reports of a run directory
    Report(ReportArgs),
    /// What this machine allows the bench, and what to do about the rest
    Doctor,
    /// A cluster to play with
    Cluster(ClusterArgs),
    /// Becomes a program that ends with the bench (started by the bench)
    #[command(name = BOUND_COMMAND, hide = true)]
    Bound(BoundArgs),
    /// Says what time it is for the programs of a node (started by the bench)
    #[command(name = CLOCK_COMMAND, hide = true)]
    Clock,
    /// Runs the commands of faults, and ends what they have begun (started by the bench)
    #[command(name = KEEPER_COMMAND, hide = true)]
    Keeper(KeeperArgs),
    /// What keeps a cluster up (started by `cluster up`)
    #[command(name = "__supervisor", hide = true)]
    Supervisor(SupervisorArgs),
}

#[derive(Args)]
pub struct BoundArgs {
    /// The process to which the program is bound
    pub parent_pid: i32,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

#[derive(Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub system: SystemArgs,
    /// Workloads, mixed, or all that the system can do. Of gets and puts: set, register, cart, counter, grow-counter,
    /// list-append, rw-register [default: set,register,cart]; others are of one system each, as docs/systems.md says
    /// [default there: the system's own]
    #[arg(long, value_name = "LIST")]
    pub workload: Option<String>,
    /// Faults: partition, kill, pause, clock, slow, lossy (each may be refined, as in partition:bridge or kill:all), all of
    /// these, or none. By name only: upgrade, wipe, replace, membership, restart, crash-in-start, rolling-pause, disk, io,
    /// slow-disk, lying-sync, duplicate, reorder, corrupt, rate, reset, flapping, cpu, limit, and those that a file describes by
    /// commands; docs/faults.md has them all
    /// [default: all; of systems of others partition,kill,pause]
    #[arg(long, value_name = "LIST")]
    pub nemesis: Option<String>,
    /// How nodes reach each other [default: proxy, but netns where nodes need addresses of their own]
    #[arg(long, value_name = "NETWORK")]
    pub net: Option<NetArg>,
    /// Client processes at a time [default: 10]
    #[arg(long)]
    pub concurrency: Option<u64>,
    /// Operations a second in all; 0 = as fast as they complete (after failures in a row, up to 26 ms apart) [default: 200]
    #[arg(long)]
    pub rate: Option<f64>,
    /// Operations are due at the rate, whatever became of those before: none is left out where all clients are busy, and latencies
    /// count from when an operation was due
    #[arg(long)]
    pub open_loop: bool,
    /// How long the workload runs [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub time_limit: Option<Span>,
    /// How long a client waits for one operation [default: 1s]
    #[arg(long, value_name = "DURATION")]
    pub operation_timeout: Option<Span>,
    /// How long the healed cluster may take to come to rest [default: 30s]
    #[arg(long, value_name = "DURATION")]
    pub rest_limit: Option<Span>,
    /// Clients stay with one node instead of choosing one for each operation
    #[arg(long)]
    pub sticky: bool,
    /// Of everything random [default: chosen and printed]
    #[arg(long)]
    pub seed: Option<u64>,
    /// A fault plan to carry out instead of a generated one
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Claim a property that the configuration does not (may be repeated)
    #[arg(long, value_name = "PROPERTY")]
    pub require: Vec<CheckName>,
    /// Where run directories are kept
    #[arg(long, value_name = "DIR", default_value = "store")]
    pub store: PathBuf,
    /// Write the JUnit report here as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print the verdict as JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// How nodes reach each other.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetArg {
    /// On the loopback interface, with a proxy of the bench for each link
    Proxy,
    /// Each in namespaces of its own, joined by a switch in the bench: every fault of links, processes and disks
    Netns,
}

#[derive(Args)]
pub struct BugsArgs {
    #[command(flatten)]
    pub system: SystemName,
    /// Which bugs, as `run --bug list` names them [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The seeds tried (the end excluded)
    #[arg(long, value_name = "A..B", default_value = "0..40")]
    pub seeds: Seeds,
    /// Threads
    #[arg(long, default_value_t = 1)]
    pub jobs: usize,
    /// How long clients invoke operations, in simulated time
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub time_limit: Span,
}

#[derive(Args)]
pub struct SimArgs {
    #[command(flatten)]
    pub run: RunArgs,
    /// A campaign over these seeds, as in 0..100 (the end excluded)
    #[arg(long, value_name = "A..B", conflicts_with_all = ["seed", "json", "junit"])]
    pub seeds: Option<Seeds>,
    /// Threads of a campaign
    #[arg(long, default_value_t = 1)]
    pub jobs: usize,
    /// Go on after the first seed that is not valid
    #[arg(long)]
    pub keep_going: bool,
}

#[derive(Args)]
pub struct CheckArgs {
    /// A history: JSON, Jepsen's EDN or a log of Jepsen, or transactions as Plume, AWDIT or DBCop write them; plain, .gz or .zst;
    /// - is standard input; or the directory of a run, of this bench, of Jepsen or of Maelstrom
    #[arg(required_unless_present = "model")]
    pub file: Option<PathBuf>,
    /// Models to check against; `--model list` prints them [default: for the bench's own workloads what is claimed of
    /// them, else what the operations look like]
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    pub model: Vec<ModelName>,
    /// A property to hold the history of the bench's own workloads to (may be repeated) [default: in a run directory what its
    /// configuration claims, elsewhere all]
    #[arg(long, value_name = "PROPERTY")]
    pub require: Vec<CheckName>,
    /// One of several concurrent writes wins (last-write-wins), instead of all being kept
    #[arg(long)]
    pub lww: bool,
    /// Only operations of this workload
    #[arg(long, value_name = "NAME")]
    pub workload: Option<String>,
    /// Every value is [key value], as Jepsen's `independent` records them: take the keys from them [default: if the values
    /// show it]
    #[arg(long, conflicts_with_all = ["not_keyed", "convert", "lint"])]
    pub keyed: bool,
    /// No value is [key value], also where all look like it
    #[arg(long, conflicts_with_all = ["convert", "lint"])]
    pub not_keyed: bool,
    /// Other names for functions, also of micro-operations: put=write calls `write` what the history calls `put`
    #[arg(long, value_name = "NAME=NAME", value_delimiter = ',')]
    pub rename: Vec<Rename>,
    /// What every object begins with, or that of a key, as in 0, '[1 2]', x=0, '"a=b"=0'; in EDN or JSON (may be repeated) [default:
    /// nothing: nil, 0, empty, free]
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, conflicts_with_all = ["convert", "lint"])]
    pub initial: Vec<Initial>,
    /// The unit of the times of events [default: ns, or what a number since 1970 looks like]
    #[arg(long, value_name = "UNIT", conflicts_with_all = ["convert", "lint"])]
    pub time_unit: Option<TimeUnit>,
    /// json, edn, log, plume, awdit or dbcop [default: by content]
    #[arg(long)]
    pub format: Option<Format>,
    /// Check what is readable before a damage; it is never valid then
    #[arg(long)]
    pub allow_partial: bool,
    /// Write the history to this file, as its name says: .jsonl, .edn, each with .gz if wanted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "lint"])]
    pub convert: Option<PathBuf>,
    /// Look for what makes the history itself suspicious, instead of checking it; exit code 1 if there is anything
    #[arg(long, conflicts_with = "model")]
    pub lint: bool,
    /// How a compare-and-set that failed is read, where registers are checked
    #[arg(long, value_name = "HOW", default_value = "drop")]
    pub failed_cas: FailedCasArg,
    /// The model that transactions have to satisfy [default: strict-serializable]
    #[arg(long, value_name = "NAME")]
    pub consistency: Option<Consistency>,
    /// rw-register: what the store promises of each register by itself, which determines more of the order of its versions
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub assume: Vec<AssumeArg>,
    /// Memory for the history and its checks together, as in 500MiB; what does not fit is left out, and reported so
    /// [default: three quarters of what is free]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,
    /// Time for reading and all checks together, as in 60s; what was decided by then is reported [default: no end]
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<Span>,
    /// staleness: reads that have to be taken to have begun so much earlier are violations
    #[arg(long, value_name = "DURATION")]
    pub stale_time: Option<Span>,
    /// staleness: reads may return one of so many last values; 1 is no staleness
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub stale_versions: Option<u64>,
    /// bank: its accounts; another one in a read is a violation [default: whatever reads show]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub accounts: Vec<Account>,
    /// bank: what all balances come to [default: what most reads show]
    #[arg(long, value_name = "SUM", allow_negative_numbers = true)]
    pub total: Option<i128>,
    /// bank: balances may be below zero
    #[arg(long)]
    pub negative_balances: bool,
    /// semaphore: how many permits there are
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub permits: Option<u32>,
    /// set-full: an element is in every read that begins after it is known; one that is stale for a while is a violation
    #[arg(long)]
    pub linearizable: bool,
    /// Write the report as one HTML page to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["convert", "lint"])]
    pub html: Option<PathBuf>,
    /// Write the verdict as JUnit XML to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["convert", "lint"])]
    pub junit: Option<PathBuf>,
    /// Print the verdict as JSON instead of tables
    #[arg(long)]
    pub json: bool,
}

/// A unit of time.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TimeUnit {
    /// Seconds
    S,
    /// Milliseconds
    Ms,
    /// Microseconds
    Us,
    /// Nanoseconds
    Ns,
}

impl TimeUnit {
    /// How many nanoseconds it has.
    pub fn ns(self) -> u64 {
        match self {
            TimeUnit::S => 1_000_000_000,
            TimeUnit::Ms => 1_000_000,
            TimeUnit::Us => 1_000,
            TimeUnit::Ns => 1,
        }
    }
}

/// Another name for a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    pub from: String,
    pub to: String,
}

impl FromStr for Rename {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = |name: &str| name.strip_prefix(':').unwrap_or(name).to_owned();
        match text.split_once('=') {
            Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok(Self { from: name(from), to: name(to) }),
            _ => Err("write it like put=write".into()),
        }
    }
}

/// What an object begins with; all of them if no key is named.
#[derive(Clone, Debug, PartialEq)]
pub struct Initial {
    pub key: Option<Tree>,
    pub value: Tree,
}

impl FromStr for Initial {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "write a value of EDN or JSON, as in 0, '[1 2]' or x=0; names that contain a = are in quotes, \
                                as in '\"a=b\"=0'";
        let (key, value) = parse_assignment(text).ok_or(EXPECTED)?;
        Ok(Self { key, value })
    }
}

/// The name of an account.
#[derive(Clone, Debug, PartialEq)]
pub struct Account(pub Tree);

impl FromStr for Account {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_data(text).map(Self).ok_or_else(|| "write names, as in a,b or 0,1,2".to_owned())
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FailedCasArg {
    /// It says nothing: it may have failed for any reason
    Drop,
    /// It certainly found another value than the one that it expected
    Enforce,
}

impl From<FailedCasArg> for FailedCas {
    fn from(arg: FailedCasArg) -> Self {
        match arg {
            FailedCasArg::Drop => FailedCas::Drop,
            FailedCasArg::Enforce => FailedCas::Enforce,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AssumeArg {
    /// What a process meets later is not older
    SequentialKeys,
    /// What is met after an operation completed is not older than what that operation met
    LinearizableKeys,
}

/// A consistency model of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consistency(pub &'static str);

impl FromStr for Consistency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = || levels::names().collect::<Vec<_>>().join(", ");
        let near = || near(text, levels::names()).map(|name| format!("is `{name}` meant? ")).unwrap_or_default();
        levels::canonical(text).map(Self).ok_or_else(|| format!("{}known are {}", near(), known()))
    }
}

/// The name of a model, or `list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelName(pub String);

impl FromStr for ModelName {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = text == "list"
            || Model::ALL.iter().any(|model| model.name() == text)
            || !registry::find(text, &Settings::default()).is_empty();
        let names = registry::ALIASES.iter().map(|alias| alias.name);
        let names = names
            .chain(Model::ALL.iter().map(|model| model.name()))
            .chain(CheckName::ALL.iter().map(|name| name.name()));
        let near = || near(text, names).map(|name| format!("is `{name}` meant? ")).unwrap_or_default();
        known
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| format!("{}`--model list` prints the models there are", near()))
    }
}

/// The name that a word that is none is most like, if one is near.
fn near<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const LIKE_MIN: f64 = 0.8;
    let like = names.map(|name| (strsim::jaro_winkler(word, name), name)).filter(|(like, _)| *like >= LIKE_MIN);
    like.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// A number of bytes as people write it, with its unit: `1GiB`, `500MiB`, `64KiB`, `4096B`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let shift = match &text[digits.len()..] {
            "B" => 0,
            "KiB" | "K" | "k" => 10,
            "MiB" | "M" => 20,
            "GiB" | "G" => 30,
            _ => return Err("write it like 1GiB, 500MiB or 4096B".into()),
        };
        let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << shift));
        bytes.filter(|bytes| *bytes > 0).map(Self).ok_or_else(|| "write it like 1GiB, 500MiB or 4096B".into())
    }
}

#[derive(Args)]
pub struct ReportArgs {
    /// A run directory, such as store/latest
    pub run_dir: PathBuf,
}

#[derive(Args)]
pub struct ClusterArgs {
    #[command(subcommand)]
    pub action: ClusterAction,
    /// Where the cluster's files are
    #[arg(long, value_name = "DIR", default_value = "store/cluster", global = true)]
    pub dir: PathBuf,
}

#[derive(Subcommand)]
pub enum ClusterAction {
    /// Start it, and leave it running
    Up(Box<SystemArgs>),
    /// What each node says of itself
    Status,
    /// End it; its data stays
    Down,
}

#[derive(Args)]
pub struct KeeperArgs {
    /// Where commands print
    pub dir: PathBuf,
}

#[derive(Args)]
pub struct SupervisorArgs {
    pub dir: PathBuf,
}

/// A length of time as people write it: `30s`, `500ms`, `2m`.
#[derive(Clone, Copy)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span: jiff::SignedDuration = text.parse().map_err(|_| "write it like 30s, 500ms or 2m".to_owned())?;
        let span = Duration::try_from(span).map_err(|_| "it must not be negative".to_owned())?;
        Ok(Self(span))
    }
}

impl Span {
    pub fn ms(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A range of seeds as people write it: `0..100`, the end excluded.
#[derive(Clone, Debug)]
pub struct Seeds(pub Range<u64>);

impl FromStr for Seeds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "write it like 0..100, the end excluded".to_owned();
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let (from, to) = (from.trim().parse().map_err(|_| wrong())?, to.trim().parse().map_err(|_| wrong())?);
        if from >= to {
            return Err("there is no seed in it".into());
        }
        Ok(Self(from..to))
    }
}

//! A run's whole configuration: the content of `run.json`, and the command line that repeats the run.
//!
//! It names no system: what is particular to one is in its options, which only that system can read.

use std::path::PathBuf;
use std::time::Duration;

use checker::{CheckName, object_of_workload};
use nemesis::{Capabilities, Layout, NemesisSpec};
use serde::{Deserialize, Serialize};
use workloads::registry::names;
use workloads::{Placement, Workload};

use crate::arena::attached::AttachedArena;
use crate::arena::processes::{DisksBy, Ground, ProcessArena};
use crate::exit::Problem;
use crate::systems::row::{Argument, Preferences};
use crate::systems::{System, SystemSettings};

/// Where a run happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArenaKind {
    /// Real processes on the loopback interface, with a proxy for each link: `dissensus run --net proxy`.
    #[default]
    Process,
    /// Real processes, each in namespaces of its own, joined by a switch: `dissensus run --net netns`.
    Netns,
    /// A cluster that runs already: `dissensus run`, where the system is one.
    Attached,
    /// Virtual time: `dissensus sim`.
    Sim,
}

impl ArenaKind {
    /// Where its processes live; it has none that it has not started, or in virtual time.
    pub fn ground(self) -> Ground {
        match self {
            ArenaKind::Netns => Ground::Namespaces { disks: DisksBy::probe() },
            ArenaKind::Process | ArenaKind::Attached | ArenaKind::Sim => Ground::Machine,
        }
    }

    /// What can be done to a cluster of this system there.
    pub fn capabilities(self, system: &dyn System) -> Capabilities {
        match (self, system.simulated()) {
            (ArenaKind::Process | ArenaKind::Netns, _) => ProcessArena::capabilities(system, self.ground()),
            (ArenaKind::Attached, _) => AttachedArena::capabilities(system),
            (ArenaKind::Sim, Some(simulated)) => simulated.capabilities(),
            (ArenaKind::Sim, None) => Capabilities::none(),
        }
    }
}

/// Everything that determines a run, except the chance of a real machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The arena.
    #[serde(default)]
    pub arena: ArenaKind,
    /// The system under test, with its options.
    pub system: SystemSettings,
    /// What clients do.
    pub load: Load,
    /// What is done to the cluster.
    pub faults: Faults,
    /// What the history is held to.
    pub judging: Judging,
    /// The seed of everything random.
    pub seed: u64,
}

/// What clients do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// The workloads, separated by commas.
    pub workload: String,
    /// Client processes at a time.
    pub concurrency: u64,
    /// Operations a second in all.
    pub rate: f64,
    /// Whether operations are due whatever became of those before; their latencies count from then.
    #[serde(default)]
    pub open_loop: bool,
    /// How long the workload runs, ms.
    pub time_limit_ms: u64,
    /// How long a client waits for one operation, ms.
    pub operation_timeout_ms: u64,
    /// How long the replicas of the healed cluster may take to converge, ms.
    pub rest_limit_ms: u64,
    /// Whether a client stays with one node.
    pub sticky: bool,
}

/// What is done to the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Faults {
    /// The faults, separated by commas, or `all` or `none`.
    pub nemesis: String,
    /// A plan to carry out instead of a generated one.
    pub plan: Option<PathBuf>,
}

/// What the history is held to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Judging {
    /// Properties claimed beyond those of the configuration.
    pub require: Vec<CheckName>,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            workload: "set,register,cart".into(),
            concurrency: 10,
            rate: 200.0,
            open_loop: false,
            time_limit_ms: 30_000,
            operation_timeout_ms: 1_000,
            rest_limit_ms: 30_000,
            sticky: false,
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self { nemesis: "all".into(), plan: None }
    }
}

/// Settings that have been checked.
pub struct Checked {
    /// The system, configured.
    pub system: Box<dyn System>,
    /// The workloads, fresh.
    pub workloads: Vec<Box<dyn Workload>>,
    /// The requested faults.
    pub nemesis: NemesisSpec,
    /// Where its nodes and keys are, as far as it tells.
    pub layout: Layout,
    /// What can be done to its cluster where it runs, laid out so.
    pub capabilities: Capabilities,
}

impl RunSettings {
    /// The same run of this system, as it prefers it.
    #[must_use]
    pub fn of(self, system: SystemSettings, preferences: &Preferences) -> Self {
        let Self { mut load, mut faults, mut judging, .. } = self;
        load.workload = preferences.workload.map_or(load.workload, str::to_owned);
        load.concurrency = preferences.sticky_clients.unwrap_or(load.concurrency);
        load.sticky |= preferences.sticky_clients.is_some();
        load.rest_limit_ms = preferences.rest_limit_ms.unwrap_or(load.rest_limit_ms);
        faults.nemesis = preferences.nemesis.map_or(faults.nemesis, str::to_owned);
        judging.require.extend(&preferences.require);
        Self { system, load, faults, judging, ..self }
    }

    /// Refuses settings that can never work, before anything is started or written.
    ///
    /// # Errors
    /// Bad arguments, each with what to use instead.
    pub fn check(&self) -> Result<Checked, Problem> {
        self.load.check()?;
        let system = self.system.open(self.seed)?;
        let offered = system.attached().map_or_else(Vec::new, |attached| attached.faults());
        let nemesis = NemesisSpec::read(&self.faults.nemesis, &offered).map_err(Problem::arguments)?;
        let can = |workload: &str, f: &str| system.can(workload, f);
        let workloads = workloads::by_name(&self.load.workload, &can).map_err(Problem::arguments)?;
        self.judging.check(&workloads, &names(&can))?;
        self.check_system(&*system)?;
        let layout = system.layout();
        let capabilities = layout.known_to(self.arena.capabilities(&*system), &system.nodes());
        nemesis.check_needs(&capabilities).map_err(Problem::arguments)?;
        Ok(Checked { system, workloads, nemesis, layout, capabilities })
    }

    /// Checks that the system can be run where it is asked to.
    fn check_system(&self, system: &dyn System) -> Result<(), Problem> {
        let name = system.name();
        match self.arena {
            ArenaKind::Sim if system.simulated().is_none() => {
                Err(Problem::BadArguments(format!("{name} cannot be simulated as it is set up: use `dissensus run`")))
            }
            ArenaKind::Process | ArenaKind::Netns if system.attached().is_some() => {
                Err(Problem::BadArguments(format!("{name} is attached, not started: leave out --net")))
            }
            ArenaKind::Process if system.needs_addresses() => {
                Err(Problem::BadArguments(format!("the nodes of {name} need addresses of their own: use --net netns")))
            }
            _ => Ok(()),
        }
    }

    /// The settings of the clients.
    pub fn interpreter(&self) -> workloads::Settings {
        let load = &self.load;
        workloads::Settings {
            concurrency: load.concurrency,
            rate: load.rate,
            open_loop: load.open_loop,
            time_limit: Duration::from_millis(load.time_limit_ms),
            operation_timeout: Duration::from_millis(load.operation_timeout_ms),
            rest_limit: Duration::from_millis(load.rest_limit_ms),
            placement: if load.sticky { Placement::Sticky } else { Placement::Spread },
            seed: self.seed,
        }
    }

    /// The command that repeats the run: the seed, and every argument that differs from the default.
    pub fn command(&self) -> String {
        let usual = Self::default();
        let verb = match self.arena {
            ArenaKind::Process | ArenaKind::Attached => "run",
            ArenaKind::Netns => "run --net netns",
            ArenaKind::Sim => "sim",
        };
        let mut words = vec![format!("dissensus {verb}")];
        if self.system.name() != usual.system.name() {
            words.push(format!("--system {}", self.system.name()));
        }
        let differs = |arguments: Vec<Argument>, usual: Vec<Argument>| {
            arguments.into_iter().filter(move |argument| !usual.contains(argument)).filter_map(|it| it.word())
        };
        words.extend(differs(self.asked_for(), usual.asked_for()));
        words.extend(self.system.arguments_given().iter().filter_map(Argument::word));
        words.extend(differs(self.limits(), usual.limits()));
        words.extend(self.judging.require.iter().map(|property| format!("--require {property}")));
        words.push(format!("--seed {}", self.seed));
        words.join(" ")
    }

    /// What was set, for a table: names and values as at the command line, in the order of the help.
    pub fn shown(&self) -> Vec<(String, String)> {
        let all = [self.asked_for(), self.system.arguments(), self.limits()];
        let system = ("system".to_owned(), self.system.name().to_owned());
        std::iter::once(system).chain(all.iter().flatten().filter_map(Argument::row)).collect()
    }

    fn asked_for(&self) -> Vec<Argument> {
        vec![Argument::value("workload", &self.load.workload), Argument::value("nemesis", &self.faults.nemesis)]
    }

    fn limits(&self) -> Vec<Argument> {
        let load = &self.load;
        let ms = |ms: u64| {
            if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
        };
        vec![
            Argument::value("concurrency", load.concurrency),
            Argument::value("rate", load.rate),
            Argument::flag("open-loop", load.open_loop),
            Argument::value("time-limit", ms(load.time_limit_ms)),
            Argument::value("operation-timeout", ms(load.operation_timeout_ms)),
            Argument::value("rest-limit", ms(load.rest_limit_ms)),
            Argument::flag("sticky", load.sticky),
            Argument::maybe("plan", self.faults.plan.as_ref().map(|path| path.display())),
        ]
    }
}

impl Load {
    fn check(&self) -> Result<(), Problem> {
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(Problem::BadArguments(format!("--rate must be 0 or more, not {}", self.rate)));
        }
        if self.open_loop && self.rate == 0.0 {
            return Err(Problem::BadArguments("--open-loop needs a rate: give --rate operations a second".into()));
        }
        if self.time_limit_ms == 0 || self.operation_timeout_ms == 0 {
            return Err(Problem::BadArguments(
                "--time-limit and --operation-timeout must be longer than nothing".into(),
            ));
        }
        let max = workloads::Settings::CONCURRENCY_MAX;
        if !(1..=max).contains(&self.concurrency) {
            return Err(Problem::BadArguments(format!(
                "--concurrency must be from 1 to {max}, not {}",
                self.concurrency
            )));
        }
        Ok(())
    }
}

impl Judging {
    /// Checks that each required property can be shown by a workload: otherwise it would hold without having been
    /// checked. `all` are the workloads that the system can do.
    fn check(&self, workloads: &[Box<dyn Workload>], all: &[&str]) -> Result<(), Problem> {
        let objects = || workloads.iter().filter_map(|workload| object_of_workload(workload.name()));
        match self.require.iter().find(|property| !objects().any(|object| property.is_of(object))) {
            None => Ok(()),
            Some(property) => {
                let shows = |name: &&&str| object_of_workload(name).is_some_and(|object| property.is_of(object));
                let names: Vec<&str> = all.iter().filter(shows).copied().collect();
                Err(Problem::BadArguments(match names.is_empty() {
                    true => format!("--require {property}: no workload that this system can do shows it"),
                    false => format!("--require {property} needs one of the workloads {}", names.join(", ")),
                }))
            }
        }
    }
}

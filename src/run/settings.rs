//! A run's whole configuration: the content of `run.json`, and the command line that repeats the run.

use std::path::PathBuf;
use std::time::Duration;

use checker::{CheckName, object_of_workload};
use nemesis::NemesisSpec;
use serde::{Deserialize, Serialize};
use workloads::registry::names;
use workloads::{Placement, Workload};

use crate::exit::Problem;
use crate::systems::System;
use crate::systems::dynamo::{Dynamo, DynamoSettings};

/// Where a run happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArenaKind {
    /// Real processes: `dissensus run`.
    #[default]
    Process,
    /// Virtual time: `dissensus sim`.
    Sim,
}

/// Everything that determines a run, except the chance of a real machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSettings {
    /// The arena.
    #[serde(default)]
    pub arena: ArenaKind,
    /// The system under test.
    pub system: String,
    /// Its configuration.
    pub dynamo: DynamoSettings,
    /// The workloads, separated by commas.
    pub workload: String,
    /// The faults, separated by commas, or `all` or `none`.
    pub nemesis: String,
    /// Client processes at a time.
    pub concurrency: u64,
    /// Operations a second in all.
    pub rate: f64,
    /// How long the workload runs, ms.
    pub time_limit_ms: u64,
    /// How long a client waits for one operation, ms.
    pub operation_timeout_ms: u64,
    /// How long the replicas of the healed cluster may take to converge, ms.
    pub rest_limit_ms: u64,
    /// Whether a client stays with one node.
    pub sticky: bool,
    /// The seed of everything random.
    pub seed: u64,
    /// Properties claimed beyond those of the configuration.
    pub require: Vec<CheckName>,
    /// A plan to carry out instead of a generated one.
    pub plan: Option<PathBuf>,
}

impl Default for RunSettings {
    fn default() -> Self {
        Self {
            arena: ArenaKind::Process,
            system: "dynamo".into(),
            dynamo: DynamoSettings::default(),
            workload: "set,register,cart".into(),
            nemesis: "all".into(),
            concurrency: 10,
            rate: 200.0,
            time_limit_ms: 30_000,
            operation_timeout_ms: 1_000,
            rest_limit_ms: 30_000,
            sticky: false,
            seed: 0,
            require: Vec::new(),
            plan: None,
        }
    }
}

/// Settings that have been checked.
pub struct Checked {
    /// The system, configured.
    pub system: Dynamo,
    /// The workloads, fresh.
    pub workloads: Vec<Box<dyn Workload>>,
    /// The requested faults.
    pub nemesis: NemesisSpec,
}

impl RunSettings {
    /// Refuses settings that can never work, before anything is started or written.
    ///
    /// # Errors
    /// Bad arguments, each with what to use instead.
    pub fn check(&self) -> Result<Checked, Problem> {
        if self.system != "dynamo" {
            let unknown = format!("unknown system '{}': dynamo is the one there is", self.system);
            return Err(Problem::BadArguments(unknown));
        }
        if !self.rate.is_finite() || self.rate < 0.0 {
            return Err(Problem::BadArguments(format!("--rate must be 0 or more, not {}", self.rate)));
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
        let nemesis: NemesisSpec = self.nemesis.parse().map_err(Problem::arguments)?;
        if self.arena == ArenaKind::Process && nemesis.kinds().any(|kind| kind == nemesis::Kind::Disk) {
            return Err(Problem::BadArguments(
                "the disk faults power, sync-fail and rot need simulated disks: use `dissensus sim`, or kill and wipe"
                    .into(),
            ));
        }
        let system = Dynamo::new(self.dynamo.clone(), self.seed).map_err(Problem::arguments)?;
        let can = |workload: &str, f: &str| system.can(workload, f);
        let workloads = workloads::by_name(&self.workload, &can).map_err(Problem::arguments)?;
        self.check_required(&workloads, &names(&can))?;
        Ok(Checked { system, workloads, nemesis })
    }

    /// Checks that each required property can be shown by a workload: otherwise it would hold without having been
    /// checked. `all` are the workloads that the system can do.
    fn check_required(&self, workloads: &[Box<dyn Workload>], all: &[&str]) -> Result<(), Problem> {
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

    /// The settings of the clients.
    pub fn interpreter(&self) -> workloads::Settings {
        workloads::Settings {
            concurrency: self.concurrency,
            rate: self.rate,
            time_limit: Duration::from_millis(self.time_limit_ms),
            operation_timeout: Duration::from_millis(self.operation_timeout_ms),
            rest_limit: Duration::from_millis(self.rest_limit_ms),
            placement: if self.sticky { Placement::Sticky } else { Placement::Spread },
            seed: self.seed,
        }
    }

    /// The command that repeats the run: the seed, and every option that differs from the default.
    pub fn command(&self) -> String {
        let usual = Self::default();
        let verb = match self.arena {
            ArenaKind::Process => "run",
            ArenaKind::Sim => "sim",
        };
        let mut words = vec![format!("dissensus {verb}")];
        for ((name, value), (_, default)) in self.options().into_iter().zip(usual.options()) {
            if value != default && !value.is_empty() {
                words.push(format!("--{name} {value}"));
            }
        }
        if self.sticky {
            words.push("--sticky".into());
        }
        if self.dynamo.session {
            words.push("--session".into());
        }
        words.extend(self.require.iter().map(|property| format!("--require {property}")));
        words.push(format!("--seed {}", self.seed));
        words.join(" ")
    }

    /// The options and their values as at the command line, in the order of the help; empty = not given.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let d = &self.dynamo;
        let ms = |ms: u64| {
            if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
        };
        vec![
            ("system", self.system.clone()),
            ("workload", self.workload.clone()),
            ("nemesis", self.nemesis.clone()),
            ("nodes", d.nodes.to_string()),
            ("n", d.n.to_string()),
            ("r", d.r.to_string()),
            ("w", d.w.to_string()),
            ("quorum", kebab(&d.quorum)),
            ("versions", kebab(&d.versions)),
            ("clock-pairs", d.clock_pairs.to_string()),
            ("coordinator", kebab(&d.coordinator)),
            ("data-centres", d.data_centres.to_string()),
            ("strategy", kebab(&d.strategy)),
            ("engine", kebab(&d.engine)),
            ("durability", kebab(&d.durability)),
            ("spares", d.spares.to_string()),
            ("protocol", d.protocol.to_string()),
            ("coordination", kebab(&d.coordination)),
            ("bug", d.bug.map(|bug| bug.name().to_owned()).unwrap_or_default()),
            ("port", d.port.map(|port| port.to_string()).unwrap_or_default()),
            ("concurrency", self.concurrency.to_string()),
            ("rate", self.rate.to_string()),
            ("time-limit", ms(self.time_limit_ms)),
            ("operation-timeout", ms(self.operation_timeout_ms)),
            ("rest-limit", ms(self.rest_limit_ms)),
            ("plan", self.plan.as_ref().map(|path| path.display().to_string()).unwrap_or_default()),
        ]
    }
}

/// The name that serde gives a variant, which is the one at the command line.
fn kebab(variant: &impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

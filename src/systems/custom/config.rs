//! The file that describes a store: how its nodes are started, how operations reach them, what is promised.
//!
//! It is TOML; `docs/custom.md` has every key with an example. The whole of it is kept in `run.json`, so a run can be repeated
//! and judged anew without the file. What cannot work is refused when the file is read, with the key that is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use checker::{CheckName, object_of_workload};
use nix::sys::signal::Signal;
use reqwest::header::HeaderName;
use serde::{Deserialize, Serialize};
use workloads::get_put;

use super::attach::{FaultConfig, check_faults, host_and_port};
use super::error::{ConfigError, wrong};
use super::template::{self, Template};

/// Nodes of a cluster at most.
const NODES_MAX: usize = 50;
/// Longer than any start.
const START_LIMIT_SECONDS_MAX: u64 = 600;

/// The functions of workloads that return what their argument does not say.
const RETURNING: &[&str] = &["read", "dequeue", "drain", "poll", "send", "generate", "watch", "txn"];

/// The workloads whose operations name no key of their own.
const WITHOUT_KEY: &[&str] = &["unique-ids", "append"];

/// The functions that say what is to be stored.
const STORING: &[&str] = &["put", "write", "add", "enqueue", "send", "txn"];

/// A store, as the file says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Its nodes.
    pub cluster: Cluster,
    /// Reads a key; with [`Config::put`] and [`Config::delete`] it does the workloads of get and put.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub get: Option<Request>,
    /// Writes a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put: Option<Request>,
    /// Deletes a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<Request>,
    /// Reads what one node has of a key by itself, without the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica: Option<Request>,
    /// By workload and function: how an operation is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub operations: BTreeMap<String, BTreeMap<String, Request>>,
    /// A program that does operations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<DriverConfig>,
    /// What every request has, and every connection begins with.
    #[serde(default, skip_serializing_if = "ConnectionConfig::is_empty")]
    pub connection: ConnectionConfig,
    /// Faults of a cluster that runs already, as commands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FaultConfig>,
    /// What is promised.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimConfig>,
}

/// How nodes are started, or where they run already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Cluster {
    /// How many.
    #[serde(default = "nodes_usual")]
    pub nodes: usize,
    /// Where the nodes of a cluster that runs already serve clients, host and port each; then nothing else says how they start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attach: Vec<String>,
    /// The program and its arguments, with placeholders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<Template>,
    /// A directory in which a program that is a name alone is looked for before the PATH, such as one of unpacked packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binaries: Option<PathBuf>,
    /// Variables, with placeholders.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, Template>,
    /// The port on which clients are served.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub port: u16,
    /// The port on which nodes serve each other, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_port: Option<u16>,
    /// How one peer is written in `{peers}`.
    #[serde(default = "peer_usual")]
    pub peer: Template,
    /// What is between two peers in `{peers}`.
    #[serde(default = "separator_usual")]
    pub separator: String,
    /// Files that are written before a start, if they are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<FileConfig>,
    /// When a node serves clients.
    #[serde(default)]
    pub ready: ReadySign,
    /// A node must be ready within so many seconds.
    #[serde(default = "start_limit_usual")]
    pub start_limit_seconds: u64,
    /// What ends a node at the end of a run.
    #[serde(default)]
    pub stop: Stop,
    /// Phrases of lines in logs that report an error and are normal under faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expected_in_logs: Vec<String>,
    /// With fewer running nodes nothing can succeed.
    #[serde(default = "one")]
    pub nodes_to_serve: usize,
    /// What becomes of writes to one key at a time.
    #[serde(default)]
    pub concurrent_writes: ConcurrentWritesConfig,
    /// The directory of the file, for commands that name others in it.
    #[serde(default)]
    pub directory: PathBuf,
}

/// A file of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileConfig {
    /// Where, with placeholders; it has to be below `{data}`.
    pub path: Template,
    /// What is in it, with placeholders.
    pub content: Template,
}

/// When a node serves clients: `"port"`, `{ http = "/health" }`, `{ log = "ready" }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadySign {
    /// It accepts connections.
    #[default]
    Port,
    /// A GET of this path is answered with success.
    Http(String),
    /// A line of its log has this text.
    Log(String),
}

/// What ends a node at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// SIGKILL.
    #[default]
    Kill,
    /// SIGTERM.
    Term,
    /// SIGINT.
    Int,
}

impl Stop {
    /// The signal.
    pub fn signal(self) -> Signal {
        match self {
            Stop::Kill => Signal::SIGKILL,
            Stop::Term => Signal::SIGTERM,
            Stop::Int => Signal::SIGINT,
        }
    }
}

/// What becomes of writes to one key at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConcurrentWritesConfig {
    /// Each happens, one after the other.
    #[default]
    Kept,
    /// One of them wins, and the others may be lost.
    OneWins,
}

/// How an operation is asked of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Request {
    /// `METHOD PATH`, with placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Template>,
    /// The headers of an HTTP request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Template>,
    /// The body of an HTTP request, with placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Template>,
    /// The words of a command in RESP, with placeholders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resp: Option<Vec<Template>>,
    /// Where in the answer's JSON the result is (RFC 6901); an operation that returns nothing has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// The result is text that has to be read as JSON.
    #[serde(default, skip_serializing_if = "is_false")]
    pub parse: bool,
    /// Statuses of HTTP, or replies of RESP as text, that say that it happened; usually each from 200 to 299, and each that is
    /// no error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ok: Vec<Answer>,
    /// Those that say that there is nothing: it happened, and the result is nil.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absent: Vec<Answer>,
    /// Those that say that it certainly did not happen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fail: Vec<Answer>,
}

/// What every request has, and every connection begins with: credentials, for example.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ConnectionConfig {
    /// Headers of every HTTP request that has none of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Template>,
    /// Commands in RESP that every connection begins with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resp: Vec<Vec<Template>>,
}

/// A status, or a reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    /// A status of HTTP, or an integer reply.
    Number(i64),
    /// What a reply of RESP begins with.
    Text(String),
}

impl Display for Answer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Number(number) => write!(f, "{number}"),
            Answer::Text(text) => write!(f, "{text:?}"),
        }
    }
}

/// A program that does operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DriverConfig {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The workloads that it can do, all functions of each.
    pub workloads: Vec<String>,
}

/// A promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClaimConfig {
    /// What is promised, as `dissensus check --help` names it.
    pub property: String,
    /// Of which workload; of all if none is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Why.
    pub because: String,
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            nodes: nodes_usual(),
            attach: Vec::new(),
            command: Vec::new(),
            binaries: None,
            environment: BTreeMap::new(),
            port: 0,
            peer_port: None,
            peer: peer_usual(),
            separator: separator_usual(),
            files: Vec::new(),
            ready: ReadySign::default(),
            start_limit_seconds: start_limit_usual(),
            stop: Stop::default(),
            expected_in_logs: Vec::new(),
            nodes_to_serve: one(),
            concurrent_writes: ConcurrentWritesConfig::default(),
            directory: PathBuf::new(),
        }
    }
}

fn nodes_usual() -> usize {
    3
}

fn peer_usual() -> Template {
    Template::from("{address}".to_owned())
}

fn separator_usual() -> String {
    ",".to_owned()
}

fn start_limit_usual() -> u64 {
    20
}

fn one() -> usize {
    1
}

fn is_zero(port: &u16) -> bool {
    *port == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or cannot work.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unread { path: path.to_owned(), error })?;
        let strange = |error| ConfigError::Strange { path: path.to_owned(), error };
        let mut config: Self = toml::from_str(&text).map_err(strange)?;
        if !config.cluster.directory.as_os_str().is_empty() {
            return Err(wrong("cluster.directory", "it is always the directory of the file: leave it out"));
        }
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        config.cluster.directory = absolute.parent().map(Path::to_owned).unwrap_or_default();
        config.check()?;
        Ok(config)
    }

    /// Refuses variables that the environment does not have. Not a part of [`Config::check`], as a run that is judged anew needs none.
    ///
    /// # Errors
    /// With the first that is missing.
    pub fn check_environment(&self) -> Result<(), ConfigError> {
        let of_keys = [&self.get, &self.put, &self.delete, &self.replica].into_iter().flatten();
        let requests = of_keys.chain(self.operations.values().flat_map(BTreeMap::values));
        let mut templates = requests.flat_map(Request::templates).chain(self.connection.templates());
        let is_missing = |name: &&str| std::env::var(name).is_err();
        match templates.find_map(|template| template.variables().into_iter().find(is_missing)) {
            Some(name) => Err(wrong(format!("{{env:{name}}}"), "the environment does not have it, or it is no text")),
            None => Ok(()),
        }
    }

    /// Whether the file says how this function of this workload is done.
    pub fn can(&self, workload: &str, f: &str) -> bool {
        let is_driven = self.driver.as_ref().is_some_and(|driver| driver.does(workload));
        is_driven || self.request(workload, f).is_some() || (self.get.is_some() && get_put::can(workload, f))
    }

    /// How this function of this workload is asked.
    pub fn request(&self, workload: &str, f: &str) -> Option<&Request> {
        self.operations.get(workload)?.get(f)
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// With the key that is wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.cluster.check()?;
        check_faults(&self.faults, &self.cluster.attach)?;
        self.connection.check()?;
        let stored = [("get", &self.get), ("put", &self.put), ("delete", &self.delete)];
        let missing = stored.iter().filter(|(_, request)| request.is_none()).count();
        if let Some((key, _)) = stored.iter().find(|(_, request)| (1..3).contains(&missing) && request.is_none()) {
            return Err(wrong(*key, "it is missing: workloads of get and put need get, put and delete"));
        }
        let replica = ("replica", &self.replica);
        for (key, request) in stored.into_iter().chain([replica]) {
            let Some(request) = request else { continue };
            request.check(key, template::OF_KEYS)?;
            request.check_result(key, ["get", "replica"].contains(&key))?;
            request.check_names(key, true, key)?;
        }
        for (workload, functions) in &self.operations {
            let known = workload_functions(workload)?;
            for (f, request) in functions {
                let key = format!("operations.{workload}.{f}");
                if !known.contains(&f.as_str()) {
                    return Err(wrong(key, format!("{workload} has only {}", known.join(", "))));
                }
                request.check(&key, template::OF_OPERATIONS)?;
                request.check_result(&key, RETURNING.contains(&f.as_str()))?;
                request.check_names(&key, !WITHOUT_KEY.contains(&workload.as_str()), f)?;
            }
        }
        if let Some(driver) = &self.driver {
            driver.check(&self.operations)?;
        }
        if self.get.is_none() && self.operations.is_empty() && self.driver.is_none() {
            return Err(wrong("operations", "nothing says how an operation is done: see docs/custom.md"));
        }
        let can = workloads::registry::names(&|workload, f| self.can(workload, f));
        self.claims.iter().try_for_each(|claim| claim.check(&can))
    }
}

/// The functions of a workload.
fn workload_functions(workload: &str) -> Result<&'static [&'static str], ConfigError> {
    let functions = workloads::registry::functions(workload);
    functions.map_err(|error| wrong(format!("operations.{workload}"), error.to_string()))
}

impl Cluster {
    /// How many nodes it has.
    pub fn count(&self) -> usize {
        if self.attach.is_empty() { self.nodes } else { self.attach.len() }
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.attach.is_empty() { self.check_started() } else { self.check_attached() }?;
        if !(1..=self.count()).contains(&self.nodes_to_serve) {
            return Err(wrong("cluster.nodes-to-serve", format!("{} of {} nodes", self.nodes_to_serve, self.count())));
        }
        Ok(())
    }

    /// Refuses what a cluster that is not started cannot have.
    fn check_attached(&self) -> Result<(), ConfigError> {
        if let Some(key) = self.key_of_starts() {
            let why = "it is about nodes that are started, and those of `attach` run already: leave one of them out";
            return Err(wrong(format!("cluster.{key}"), why));
        }
        if self.attach.len() > NODES_MAX {
            return Err(wrong("cluster.attach", format!("{} nodes: give at most {NODES_MAX}", self.attach.len())));
        }
        let mut seen = BTreeSet::new();
        self.attach.iter().try_for_each(|address| match host_and_port(address) {
            None => Err(wrong("cluster.attach", format!("{address:?}: write HOST:PORT, such as 10.0.0.1:6379"))),
            Some(_) if !seen.insert(address) => Err(wrong("cluster.attach", format!("{address} is there twice"))),
            Some(_) => Ok(()),
        })
    }

    /// The first key that says how nodes start, and says it otherwise than usual.
    fn key_of_starts(&self) -> Option<&'static str> {
        let usual = Self::default();
        let of_starts = [
            ("nodes", self.nodes != usual.nodes),
            ("command", self.command != usual.command),
            ("binaries", self.binaries != usual.binaries),
            ("environment", self.environment != usual.environment),
            ("port", self.port != usual.port),
            ("peer-port", self.peer_port != usual.peer_port),
            ("peer", self.peer != usual.peer),
            ("separator", self.separator != usual.separator),
            ("files", self.files != usual.files),
            ("ready", self.ready != usual.ready),
            ("start-limit-seconds", self.start_limit_seconds != usual.start_limit_seconds),
            ("stop", self.stop != usual.stop),
            ("expected-in-logs", self.expected_in_logs != usual.expected_in_logs),
        ];
        of_starts.into_iter().find(|(_, is_there)| *is_there).map(|(key, _)| key)
    }

    fn check_started(&self) -> Result<(), ConfigError> {
        if !(1..=NODES_MAX).contains(&self.nodes) {
            return Err(wrong("cluster.nodes", format!("{}: give 1 to {NODES_MAX}", self.nodes)));
        }
        if self.command.is_empty() {
            return Err(wrong(
                "cluster.command",
                "name the program of a node, or `attach` a cluster that runs already",
            ));
        }
        if self.port == 0 || self.peer_port == Some(0) {
            return Err(wrong("cluster.port", "say on which port clients are served, other than 0"));
        }
        if !(1..=START_LIMIT_SECONDS_MAX).contains(&self.start_limit_seconds) {
            let why = format!("{}: give 1 to {START_LIMIT_SECONDS_MAX}", self.start_limit_seconds);
            return Err(wrong("cluster.start-limit-seconds", why));
        }
        let of_nodes =
            |key: &str, template: &Template| template.check(template::OF_NODES).map_err(|why| wrong(key, why));
        self.command.iter().try_for_each(|word| of_nodes("cluster.command", word))?;
        self.environment.values().try_for_each(|value| of_nodes("cluster.environment", value))?;
        self.files.iter().try_for_each(|file| {
            of_nodes("cluster.files.path", &file.path)?;
            of_nodes("cluster.files.content", &file.content)
        })?;
        self.peer.check(template::OF_PEERS).map_err(|why| wrong("cluster.peer", why))
    }

    /// How long a node may take to be ready.
    pub fn start_limit(&self) -> Duration {
        Duration::from_secs(self.start_limit_seconds)
    }
}

impl ConnectionConfig {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        self.headers.values().chain(self.resp.iter().flatten())
    }

    fn check(&self) -> Result<(), ConfigError> {
        check_header_names("connection.headers", &self.headers)?;
        if self.resp.iter().any(Vec::is_empty) {
            return Err(wrong("connection.resp", "no command"));
        }
        let known = |template: &Template| template.check(template::OF_CONNECTIONS);
        self.templates().try_for_each(|template| known(template).map_err(|why| wrong("connection", why)))
    }
}

fn check_header_names(key: &str, headers: &BTreeMap<String, Template>) -> Result<(), ConfigError> {
    match headers.keys().find(|name| name.parse::<HeaderName>().is_err()) {
        Some(name) => Err(wrong(key, format!("{name:?} is no name of a header"))),
        None => Ok(()),
    }
}

impl Request {
    /// All templates of the request.
    fn templates(&self) -> impl Iterator<Item = &Template> {
        let http = self.http.iter().chain(self.headers.values()).chain(&self.body);
        http.chain(self.resp.iter().flatten())
    }

    /// A request that does not say which key, or which value, asks the same of all: no right store would look right.
    fn check_names(&self, key: &str, has_key: bool, f: &str) -> Result<(), ConfigError> {
        let has = |name: &str| self.templates().any(|template| template.has(name));
        let missing = match f {
            _ if has_key && !has("key") => "{key}",
            "cas" if !(has("value") || (has("from") && has("to"))) => "{from} and {to}",
            f if STORING.contains(&f) && !has("value") => "{value}",
            _ => return Ok(()),
        };
        Err(wrong(key, format!("it does not say {missing}: put that where the store expects it")))
    }

    /// An answer cannot mean two things.
    fn check_answers(&self, key: &str) -> Result<(), ConfigError> {
        let lists = [("ok", &self.ok), ("absent", &self.absent), ("fail", &self.fail)];
        for (at, (name, answers)) in lists.iter().enumerate() {
            for (other, others) in &lists[at + 1..] {
                if let Some(both) = answers.iter().find(|answer| others.contains(answer)) {
                    return Err(wrong(key, format!("{both} is in `{name}` and in `{other}`: it can mean only one")));
                }
            }
            let text = answers.iter().find(|answer| matches!(answer, Answer::Text(_)));
            if let Some(text) = text.filter(|_| self.http.is_some()) {
                return Err(wrong(key, format!("`{name}` of HTTP is a list of numbers, such as [200], not {text}")));
            }
        }
        Ok(())
    }

    /// Without a place for its result, what a read returns would be nil whatever the store says.
    fn check_result(&self, key: &str, returns: bool) -> Result<(), ConfigError> {
        match returns && self.result.is_none() {
            true => {
                Err(wrong(key, "it returns something: say where it is in the answer with `result` (\"\" is all of it)"))
            }
            false => Ok(()),
        }
    }

    fn check(&self, key: &str, known: &[&str]) -> Result<(), ConfigError> {
        match (&self.http, &self.resp) {
            (Some(_), Some(_)) => return Err(wrong(key, "it has `http` and `resp`: give one")),
            (None, None) => return Err(wrong(key, "nothing is asked: give `http` or `resp`")),
            (Some(line), None) if line.method_and_path().is_none() => {
                return Err(wrong(
                    format!("{key}.http"),
                    format!("{line}: write METHOD /PATH, such as GET /keys/{{key}}"),
                ));
            }
            (None, Some(words)) if words.is_empty() => return Err(wrong(format!("{key}.resp"), "no command")),
            (None, Some(_)) if self.body.is_some() || !self.headers.is_empty() => {
                return Err(wrong(key, "a command of RESP has no body and no headers"));
            }
            _ => {}
        }
        check_header_names(&format!("{key}.headers"), &self.headers)?;
        self.check_answers(key)?;
        self.templates().try_for_each(|template| template.check(known).map_err(|why| wrong(key, why)))?;
        match &self.result {
            Some(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => Err(wrong(
                format!("{key}.result"),
                format!("{pointer:?} is no JSON pointer: \"\" is the whole answer, \"/a/b\" a part"),
            )),
            _ => Ok(()),
        }
    }
}

impl DriverConfig {
    /// Whether it does this workload.
    pub fn does(&self, workload: &str) -> bool {
        self.workloads.iter().any(|name| name == workload)
    }

    fn check(&self, operations: &BTreeMap<String, BTreeMap<String, Request>>) -> Result<(), ConfigError> {
        if self.command.is_empty() {
            return Err(wrong("driver.command", "it is empty: name a program"));
        }
        for workload in &self.workloads {
            workload_functions(workload).map_err(|error| wrong("driver.workloads", error.to_string()))?;
            if operations.contains_key(workload) {
                return Err(wrong(format!("operations.{workload}"), "the driver does this workload already"));
            }
        }
        Ok(())
    }
}

impl ClaimConfig {
    /// `can` are the workloads that the file can do.
    fn check(&self, can: &[&str]) -> Result<(), ConfigError> {
        let property = self.property.parse::<CheckName>();
        let property = property.map_err(|error| wrong("claims.property", error.to_string()))?;
        let is_shown = |name: &str| object_of_workload(name).is_some_and(|object| property.is_of(object));
        let shown_by: Vec<&str> = can.iter().copied().filter(|name| is_shown(name)).collect();
        let told = || if shown_by.is_empty() { "none of this file".to_owned() } else { shown_by.join(", ") };
        match &self.workload {
            Some(workload) if !can.contains(&workload.as_str()) => {
                Err(wrong("claims.workload", format!("the file does not do '{workload}', but {}", can.join(", "))))
            }
            Some(workload) if !is_shown(workload) => {
                Err(wrong("claims.property", format!("{property} is not shown by {workload}, but by {}", told())))
            }
            None if shown_by.is_empty() => {
                Err(wrong("claims.property", format!("{property} is shown by no workload that the file can do")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> Cluster {
        Cluster { attach: ["a.example:7001", "[::1]:7003"].map(str::to_owned).to_vec(), ..Cluster::default() }
    }

    #[test]
    fn nothing_says_how_nodes_start_that_run_already() {
        assert!(cluster().check().is_ok());
        let wrong = |cluster: Cluster| cluster.check().expect_err("it is wrong").to_string();
        assert!(
            wrong(Cluster { port: 7, ..cluster() }).starts_with("cluster.port: it is about nodes that are started")
        );
        assert!(wrong(Cluster { nodes: 4, ..cluster() }).starts_with("cluster.nodes: "));
        for address in ["a.example", "a.example:", ":7", "::1:7", "a.example:0", "a.example:99999"] {
            let said = wrong(Cluster { attach: vec![address.to_owned()], ..cluster() });
            assert!(said.contains("write HOST:PORT"), "{said}");
        }
        let twice = ["a:7", "a:7"].map(str::to_owned).to_vec();
        assert!(wrong(Cluster { attach: twice, ..cluster() }).ends_with("a:7 is there twice"));
    }
}

//! `dissensus cluster up | status | down`: a cluster to play with.
//!
//! `up` starts a supervisor in a session of its own, which runs the nodes as any arena does and ends them on command.
//! `cluster.json` in the cluster's directory has the supervisor's pid and the nodes' addresses.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};
use serde::{Deserialize, Serialize};

use super::arguments::{ClusterAction, ClusterArgs, SupervisorArgs};
use super::main_thread::on_main_thread;
use super::system::SystemArgs;
use crate::arena::processes::{Ground, ProcessArena, own_executable};
use crate::exit::{Exit, Problem};
use crate::out::say;
use crate::store::write_whole;
use crate::systems::{System, SystemSettings};

/// How long `down` waits for the nodes to end.
const DOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// `cluster.json`.
#[derive(Serialize, Deserialize)]
struct Running {
    supervisor: i32,
    /// Written since there is more than one system: before, there was only the usual one.
    #[serde(default)]
    system: SystemSettings,
    nodes: Vec<NodeAddress>,
}

#[derive(Clone, Serialize, Deserialize)]
struct NodeAddress {
    name: String,
    client: SocketAddr,
}

/// The supervisor's options, on its standard input.
#[derive(Serialize, Deserialize)]
struct Order {
    system: SystemSettings,
    seed: u64,
}

/// The supervisor's answer, on its standard output.
#[derive(Serialize, Deserialize)]
enum Answer {
    Up(Vec<NodeAddress>),
    Failed(String),
}

/// Runs `cluster up`, `status` or `down`.
pub fn cluster(args: &ClusterArgs) -> Result<Exit, Problem> {
    match &args.action {
        ClusterAction::Up(system) => up(&args.dir, system),
        ClusterAction::Status => status(&args.dir),
        ClusterAction::Down => down(&args.dir),
    }
}

fn up(dir: &Path, args: &SystemArgs) -> Result<Exit, Problem> {
    let system = args.choose(None)?.options;
    if let Some(running) = read_running(dir)? {
        let pid = running.supervisor;
        return Err(Problem::bench(format!(
            "a cluster is up already in {} (process {pid}): `dissensus cluster down` ends it",
            dir.display()
        )));
    }
    // The ring is part of the data: a cluster that is started again on its data must keep its ring.
    let order = Order { system, seed: 0 };
    let system = order.system.open(order.seed)?;
    if system.attached().is_some() {
        return Err(Problem::arguments("its nodes run already: there is nothing to start"));
    }
    if system.needs_addresses() {
        let name = system.name();
        return Err(Problem::arguments(format!(
            "the nodes of {name} need addresses of their own, which only `dissensus run` gives them"
        )));
    }
    if system.carrier().is_some() {
        let name = system.name();
        return Err(Problem::arguments(format!(
            "the nodes of {name} have no addresses: only the clients of `dissensus run` can talk to them"
        )));
    }
    fs::create_dir_all(dir).map_err(|error| Problem::bench(format!("cannot create {}: {error}", dir.display())))?;
    match start_supervisor(dir, &order)? {
        Answer::Up(nodes) => {
            print_nodes(&*system, &nodes);
            Ok(Exit::Valid)
        }
        Answer::Failed(why) => Err(Problem::BenchFailed(why)),
    }
}

fn start_supervisor(dir: &Path, order: &Order) -> Result<Answer, Problem> {
    let bench = |error: std::io::Error| Problem::bench(format!("cannot start the supervisor: {error}"));
    let log = fs::File::create(dir.join("supervisor.log")).map_err(bench)?;
    let mut child = Process::new(std::env::current_exe().map_err(bench)?)
        .arg("__supervisor")
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(bench)?;
    let line = serde_json::to_string(order).expect("an order is plain data");
    if let Some(mut stdin) = child.stdin.take() {
        writeln!(stdin, "{line}").map_err(bench)?;
    }
    let mut answer = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut answer).map_err(bench)?;
    }
    let answer = serde_json::from_str(&answer).map_err(|_| {
        Problem::bench(format!("the supervisor said nothing: see {}", dir.join("supervisor.log").display()))
    });
    if !matches!(answer, Ok(Answer::Up(_))) {
        // It ends now: when the failure is reported, nothing of it is left.
        child.wait().map_err(bench)?;
    }
    answer
}

/// The supervisor: starts the nodes, reports them, and keeps them running until it is commanded to end.
pub fn supervise(args: &SupervisorArgs) -> Result<Exit, Problem> {
    setsid().map_err(Problem::bench)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(Problem::bench)?;
    let order: Order = serde_json::from_str(&line).map_err(Problem::bench)?;
    let dir = args.dir.canonicalize().map_err(Problem::bench)?;
    on_main_thread(async move {
        match hold(&dir, order).await {
            Ok(()) => Ok(Exit::Valid),
            Err(problem) => {
                say(&Answer::Failed(problem.to_string()));
                Err(problem)
            }
        }
    })
}

async fn hold(dir: &Path, order: Order) -> Result<(), Problem> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).map_err(Problem::bench)?;
    let system: Rc<dyn System> = order.system.open(order.seed)?.into();
    let executable = own_executable();
    let arena = ProcessArena::start(system, executable, dir.join("nodes"), Ground::Machine, order.seed).await;
    let arena = arena.map_err(Problem::bench)?;
    let nodes: Vec<NodeAddress> =
        (arena.addresses().all().into_iter()).map(|(name, client)| NodeAddress { name, client }).collect();
    let running = Running { supervisor: std::process::id() as i32, system: order.system, nodes: nodes.clone() };
    let text = serde_json::to_string_pretty(&running).expect("a state is plain data");
    write_whole(&state_file(dir), &text).map_err(Problem::bench)?;
    say(&Answer::Up(nodes));
    terminate.recv().await;
    arena.stop().await;
    fs::remove_file(state_file(dir)).map_err(Problem::bench)
}

fn say(answer: &Answer) {
    say!("{}", serde_json::to_string(answer).expect("an answer is plain data"));
}

fn status(dir: &Path) -> Result<Exit, Problem> {
    let running = expect_running(dir)?;
    let mut all_up = true;
    on_main_thread(async {
        let system = running.system.open(0)?;
        for node in &running.nodes {
            let asked = system.status(node.client).await;
            all_up &= asked.is_ok();
            let said = asked.unwrap_or_else(|_| "does not answer".to_owned());
            say!("{} {} {said}", node.name, system.shown(node.client));
        }
        Ok(())
    })?;
    Ok(if all_up { Exit::Valid } else { Exit::Inconclusive })
}

fn down(dir: &Path) -> Result<Exit, Problem> {
    let running = expect_running(dir)?;
    let pid = Pid::from_raw(running.supervisor);
    kill(pid, Signal::SIGTERM).map_err(|error| Problem::bench(format!("cannot end process {pid}: {error}")))?;
    let give_up = Instant::now() + DOWN_TIMEOUT;
    while is_supervisor(running.supervisor) {
        if Instant::now() > give_up {
            return Err(Problem::bench(format!("process {pid} has not ended within {} s", DOWN_TIMEOUT.as_secs())));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    say!("{} nodes ended; their data stays in {}", running.nodes.len(), dir.display());
    Ok(Exit::Valid)
}

fn print_nodes(system: &dyn System, nodes: &[NodeAddress]) {
    for node in nodes {
        say!("{} {}", node.name, system.shown(node.client));
    }
    if let Some(example) = nodes.first().and_then(|first| system.example(first.client)) {
        say!("try: {example}");
    }
}

fn state_file(dir: &Path) -> PathBuf {
    dir.join("cluster.json")
}

fn expect_running(dir: &Path) -> Result<Running, Problem> {
    let none =
        || Problem::arguments(format!("no cluster is up in {}: `dissensus cluster up` starts one", dir.display()));
    read_running(dir)?.ok_or_else(none)
}

/// The cluster that runs in this directory. A state file whose supervisor was killed is removed.
fn read_running(dir: &Path) -> Result<Option<Running>, Problem> {
    let path = state_file(dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Problem::bench(format!("cannot read {}: {error}", path.display()))),
    };
    let running: Running = serde_json::from_str(&text)
        .map_err(|error| Problem::bench(format!("{} is damaged ({error}): remove it", path.display())))?;
    if is_supervisor(running.supervisor) {
        return Ok(Some(running));
    }
    fs::remove_file(&path).map_err(|error| Problem::bench(format!("cannot remove {}: {error}", path.display())))?;
    Ok(None)
}

/// Whether this process is one of our supervisors: its pid may belong to another process by now.
fn is_supervisor(pid: i32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.split(|byte| *byte == 0).any(|word| word == b"__supervisor")
}

//! The node as a process. This test's own executable is the node: with the variable set, it does nothing but
//! [`main_from_stdin`].

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use cluster_node::{Engine, NodeOptions, Ready, main_from_stdin};
use common::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const BE_A_NODE: &str = "DISSENSUS_TEST_BE_A_NODE";
const BE_A_PARENT: &str = "DISSENSUS_TEST_BE_A_PARENT";

/// Is the node when asked to be one; passes as an ordinary test otherwise.
#[test]
fn be_a_node() {
    if std::env::var_os(BE_A_NODE).is_some() {
        let code = main_from_stdin();
        std::process::exit(i32::from(code != ExitCode::SUCCESS));
    }
}

/// Starts a node, stops it, says its process number and waits to be killed.
#[test]
fn be_a_parent() {
    if let Some(options) = std::env::var_os(BE_A_PARENT) {
        let mut child = spawn(options.to_str().expect("JSON"));
        ready(&mut child);
        // Kept open: the node shall end by the signal of its parent's death, not because its input ends.
        let _stdin = child.stdin.take();
        kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGSTOP).expect("a child");
        println!("{{{}", child.id());
        let _ = child.wait();
    }
}

fn spawn(line: &str) -> Child {
    let mut child = this_test_as("be_a_node", BE_A_NODE, "1");
    child.stdin.as_mut().expect("piped").write_all(line.as_bytes()).expect("the options are taken");
    child
}

fn this_test_as(test: &str, variable: &str, value: &str) -> Child {
    Command::new(std::env::current_exe().expect("this test"))
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(variable, value)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test runs again")
}

fn line(options: &NodeOptions) -> String {
    format!("{}\n", serde_json::to_string(options).expect("serialises"))
}

/// What the child says from the first brace on, past what the test harness prints of its own.
fn said(child: &mut Child) -> String {
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let said = stdout.lines().map_while(Result::ok).find_map(|line| {
        let at = line.find('{')?;
        Some(line[at..].to_owned())
    });
    said.expect("the child says something")
}

fn ready(child: &mut Child) -> Ready {
    serde_json::from_str(&said(child)).expect("two addresses")
}

/// The state letter of a process; none when there is no such process.
fn state(pid: &str) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

fn exit_code(child: &mut Child) -> Option<i32> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("a child");
    panic!("the node did not end");
}

fn stderr(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut text).expect("text");
    text
}

#[test]
fn a_node_serves_until_its_parent_lets_go() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(1, 0, 1, dir.path());
    options.parent_pid = Some(std::process::id().cast_signed());
    let mut child = spawn(&line(&options));
    let ready = ready(&mut child);
    assert_ne!(ready.client.port(), 0);
    assert!(std::net::TcpStream::connect(ready.client).is_ok());
    assert!(std::net::TcpStream::connect(ready.peer).is_ok());
    drop(child.stdin.take());
    assert_eq!(exit_code(&mut child), Some(0));
    assert!(stderr(&mut child).contains(" n1 started: clients at 127.0.0.1:"));
}

#[test]
fn not_even_a_stopped_node_survives_its_parent() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut parent = this_test_as("be_a_parent", BE_A_PARENT, &line(&options(1, 0, 1, dir.path())));
    let pid = said(&mut parent).trim_start_matches('{').to_owned();
    let began = Instant::now();
    while state(&pid) != Some('T') {
        assert!(began.elapsed() < PATIENCE, "the node was never stopped: {:?}", state(&pid));
        std::thread::sleep(Duration::from_millis(10));
    }
    parent.kill().expect("a child");
    parent.wait().expect("a child");
    // Nobody may be there to take note of an orphan's end: then it stays as a zombie.
    while !matches!(state(&pid), None | Some('Z' | 'X')) {
        assert!(began.elapsed() < PATIENCE, "the node lives on: {:?}", state(&pid));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_node_of_another_parent_ends_at_once() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut options = options(1, 0, 1, dir.path());
    options.parent_pid = Some(1);
    let mut child = spawn(&line(&options));
    assert_eq!(exit_code(&mut child), Some(1));
    assert!(stderr(&mut child).contains("fatal: the process that started the node is gone"));
}

#[test]
fn options_that_cannot_work_are_explained() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut no_peers = options(2, 0, 1, dir.path());
    no_peers.peers.clear();
    for (line, why) in [
        ("{}\n".to_owned(), "missing field `core`"),
        ("not JSON\n".to_owned(), "the options could not be read"),
        (line(&no_peers), "there is no address for peer n2"),
    ] {
        let mut child = spawn(&line);
        assert_eq!(exit_code(&mut child), Some(1));
        let said = stderr(&mut child);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_taken_address_and_a_damaged_store_are_explained() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let mut options = options(1, 0, 1, dir.path());
    options.client_listen = taken.local_addr().expect("bound");
    let mut child = spawn(&line(&options));
    assert_eq!(exit_code(&mut child), Some(1));
    assert!(stderr(&mut child).contains("fatal: cannot listen on 127.0.0.1:"));

    options.client_listen = cluster_node::options::any_local_port();
    std::fs::create_dir_all(&options.data_dir).expect("a directory");
    for (engine, store) in [(Engine::Redb, "node.redb"), (Engine::Fjall, "node.fjall")] {
        options.engine = engine;
        std::fs::write(options.data_dir.join(store), b"something else entirely").expect("writes");
        let mut child = spawn(&line(&options));
        assert_eq!(exit_code(&mut child), Some(1));
        assert!(stderr(&mut child).contains(&format!("{store} cannot be opened")));
    }
}

//! `dissensus cluster up | status | down`: a cluster that stays up on its own, keeps its data, and leaves nothing
//! behind.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::StatusCode;

use support::{Ended, Scratch, bench, eventually, nodes_in, one_cluster_at_a_time, processes_in, within};

const UP: &str = "up --nodes 3 --n 3";

#[test]
fn a_cluster_is_started_asked_ended_and_started_again_on_its_data() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let addresses = addresses(&cluster(&scratch, UP).expect(0));
    assert_eq!(nodes_in(scratch.path()).len(), 3);
    stored("hello", &addresses);

    let status = cluster(&scratch, "status").expect(0);
    for (line, (name, address)) in status.stdout.lines().zip(&addresses) {
        assert!(line.starts_with(&format!("{name} http://{address} {{")), "{line}");
        assert!(line.contains(&format!("\"name\":\"{name}\"")), "each node answers for itself: {line}");
    }
    assert_eq!(status.stdout.lines().count(), 3, "{}", status.stdout);

    let second = cluster(&scratch, UP).expect(255);
    assert!(second.stderr.contains("up already"), "{}", second.stderr);
    assert_eq!(nodes_in(scratch.path()).len(), 3, "the first one goes on");

    let down = cluster(&scratch, "down").expect(0);
    assert_eq!(processes_in(scratch.path()).len(), 0, "nothing is left: {down:?}");
    assert!(!scratch.join("cluster/cluster.json").exists());
    cluster(&scratch, "down").expect(254);

    let again = self::addresses(&cluster(&scratch, UP).expect(0));
    for (_, address) in &again {
        found("hello", *address);
    }
    cluster(&scratch, "down").expect(0);
}

#[test]
fn a_dead_node_shows_in_the_status() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    cluster(&scratch, UP).expect(0);
    let nodes = nodes_in(scratch.path());
    let (victim, _) = nodes.iter().find(|(_, command)| command.contains("__node n2")).expect("n2 runs");
    kill(Pid::from_raw(*victim), Signal::SIGKILL).expect("n2 is killed");
    eventually("n2 is gone", || nodes_in(scratch.path()).len() == 2);
    let status = cluster(&scratch, "status").expect(2);
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert!(lines[1].starts_with("n2 ") && lines[1].contains("does not answer"), "{}", status.stdout);
    assert!(lines[0].contains('{') && lines[2].contains('{'), "the others do: {}", status.stdout);
    cluster(&scratch, "down").expect(0);
    assert_eq!(processes_in(scratch.path()).len(), 0);
}

#[test]
fn no_node_survives_a_supervisor_that_is_killed() {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let addresses = addresses(&cluster(&scratch, UP).expect(0));
    stored("kept", &addresses);
    let processes = processes_in(scratch.path());
    let (supervisor, _) = processes.iter().find(|(_, command)| command.contains("__supervisor")).expect("it runs");
    kill(Pid::from_raw(*supervisor), Signal::SIGKILL).expect("it is killed");
    within(Duration::from_secs(5), "every node is gone", || processes_in(scratch.path()).is_empty());
    let status = cluster(&scratch, "status").expect(254);
    assert!(status.stderr.contains("no cluster is up"), "{}", status.stderr);
    let again = self::addresses(&cluster(&scratch, UP).expect(0));
    found("kept", again[2].1);
    cluster(&scratch, "down").expect(0);
}

#[track_caller]
fn cluster(scratch: &Scratch, args: &str) -> Ended {
    let dir = scratch.join("cluster");
    let dir = ["--dir", dir.to_str().expect("text")];
    bench(scratch.path(), ["cluster"].into_iter().chain(args.split(' ')).chain(dir))
}

/// Name and address of each node, as `up` prints them.
#[track_caller]
fn addresses(up: &Ended) -> Vec<(String, SocketAddr)> {
    let node = |line: &str| {
        let (name, address) = line.split_once(" http://")?;
        Some((name.to_owned(), address.parse().ok()?))
    };
    let addresses: Vec<_> = up.stdout.lines().map_while(node).collect();
    let names: Vec<&str> = addresses.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["n1", "n2", "n3"], "{up:?}");
    addresses
}

/// Stores a value through the first node, under its own name, and finds it through every node.
fn stored(value: &'static str, addresses: &[(String, SocketAddr)]) {
    let url = format!("http://{}/kv/{value}", addresses[0].1);
    eventually("an acknowledged put", || {
        ask(|http| http.put(&url).body(value)).is_some_and(|(status, _)| status == StatusCode::NO_CONTENT)
    });
    for (_, address) in addresses {
        found(value, *address);
    }
}

/// Waits until the value is read back. A retried put may have left it twice.
fn found(value: &str, address: SocketAddr) {
    let url = format!("http://{address}/kv/{value}");
    let mut last = None;
    eventually("a read", || {
        last = ask(|http| http.get(&url));
        matches!(&last, Some((status, _)) if !status.is_server_error())
    });
    let (status, body) = last.expect("an answer");
    let twice = status == StatusCode::MULTIPLE_CHOICES;
    assert!(twice || (status, body.as_str()) == (StatusCode::OK, value), "{url}: {status} {body}");
}

/// One request, bounded; none if it was not answered.
fn ask(request: impl FnOnce(&reqwest::Client) -> reqwest::RequestBuilder) -> Option<(StatusCode, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
        let http = http.build().expect("a client");
        let response = request(&http).send().await.ok()?;
        Some((response.status(), response.text().await.ok()?))
    })
}

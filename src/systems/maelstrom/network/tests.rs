//! The network between nodes that are pipes held by the test: what arrives, what is lost, and what is counted.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::path::Path;
use std::rc::Rc;

use nemesis::surface::LinkRule;
use serde_json::{Value, json};
use workloads::{Attempt, Client, Operation, Outcome};

use super::*;
use crate::systems::maelstrom::client::MaelstromClient;

/// A node's program, which is the test.
struct Program {
    name: String,
    reads: BufReader<PipeReader>,
    writes: PipeWriter,
}

impl Program {
    /// The next message that it reads.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.reads.read_line(&mut line).expect("it can be read");
        serde_json::from_str(&line).expect("a message")
    }

    fn say(&mut self, dest: &str, body: Value) {
        let line = json!({"src": self.name, "dest": dest, "body": body});
        writeln!(self.writes, "{line}").expect("it is read");
    }

    fn answer(&mut self, message: &Value, mut body: Value) {
        body["in_reply_to"] = message["body"]["msg_id"].clone();
        self.say(message["src"].as_str().expect("it has a sender"), body);
    }
}

fn network(nodes: usize) -> Rc<Network> {
    Rc::new(Network::new(&MaelstromSettings { nodes, ..MaelstromSettings::default() }, 1))
}

/// A program that has been greeted.
async fn started(network: &Network, node: usize) -> Program {
    started_in(network, node, Path::new("/dev/null")).await
}

async fn started_in(network: &Network, node: usize, log: &Path) -> Program {
    let (reads, stdin) = std::io::pipe().expect("a pipe");
    let (stdout, writes) = std::io::pipe().expect("a pipe");
    let name = network.names()[node].clone();
    let greeted = network.attach(node, Spoken { stdin, stdout, log: log.to_owned() });
    let program = tokio::task::spawn_blocking(move || {
        let mut program = Program { name, reads: BufReader::new(reads), writes };
        let init = program.next();
        assert_eq!((&init["body"]["type"], &init["body"]["node_id"]), (&json!("init"), &json!(program.name)));
        program.answer(&init, json!({"type": "init_ok"}));
        program
    });
    let (greeted, program) = futures::join!(greeted, program);
    assert_eq!(greeted, Ok(()));
    program.expect("it was greeted")
}

/// What the program reads next; the network goes on meanwhile.
async fn read(program: Program) -> (Program, Value) {
    let reading = move || {
        let mut program = program;
        let message = program.next();
        (program, message)
    };
    tokio::task::spawn_blocking(reading).await.expect("it reads")
}

fn link(from: usize, to: usize) -> (End, End) {
    (End::Node(from), End::Node(to))
}

/// Waits until so many messages have entered a link.
async fn taken_in(network: &Network, (from, to): (End, End), messages: u64) {
    while network.statistics(from, to).expect("a link").chunks < messages {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const CUT: LinkRule = LinkRule { blocked: true, ..NO_RULE };
const NO_RULE: LinkRule = LinkRule {
    blocked: false,
    delay_ms: 0,
    jitter_ms: 0,
    distribution: nemesis::surface::Distribution::Uniform,
    loss_percent: 0,
    duplicate_percent: 0,
    reorder_percent: 0,
    reorder_hold_ms: 0,
    corrupt_percent: 0,
    checksum: nemesis::surface::Checksum::Left,
    rate_kbit_s: None,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_comes_as_it_was_sent_and_a_cut_link_carries_none() {
    let network = network(2);
    let (mut one, two) = (started(&network, 0).await, started(&network, 1).await);
    one.say("n2", json!({"type": "hello", "big": 1.5}));
    let (two, message) = read(two).await;
    assert_eq!((&message["src"], &message["body"]), (&json!("n1"), &json!({"type": "hello", "big": 1.5})));
    let (from, to) = link(0, 1);
    network.set_rule(from, to, CUT).expect("a link");
    one.say("n2", json!({"type": "lost"}));
    taken_in(&network, (from, to), 2).await;
    network.set_rule(from, to, LinkRule::default()).expect("a link");
    one.say("n2", json!({"type": "after"}));
    let (_two, message) = read(two).await;
    assert_eq!(message["body"]["type"], "after", "what was lost does not come later");
    let counted = network.statistics(from, to).expect("a link");
    assert_eq!((counted.chunks, counted.blocked_bytes), (3, r#"{"type":"lost"}"#.len() as u64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_message_arrives_twice() {
    let network = network(2);
    let (mut one, two) = (started(&network, 0).await, started(&network, 1).await);
    network.set_rule(End::Node(0), End::Node(1), LinkRule { duplicate_percent: 100, ..NO_RULE }).expect("a link");
    one.say("n2", json!({"type": "twice"}));
    let (two, first) = read(two).await;
    let (_two, second) = read(two).await;
    assert_eq!(first, second, "the same message, with its number");
    assert_eq!(network.statistics(End::Node(0), End::Node(1)).expect("a link").duplicated_chunks, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_a_node_has_started_waits_behind_its_greeting() {
    let network = network(2);
    let mut one = started(&network, 0).await;
    one.say("n2", json!({"type": "early"}));
    taken_in(&network, link(0, 1), 1).await;
    let (_two, message) = read(started(&network, 1).await).await;
    assert_eq!(message["body"]["type"], "early");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_is_answered_once_and_only_by_whom_it_asked_for() {
    let network = network(2);
    let node = started(&network, 0).await;
    let asking = network.ask("c3", "n1", json!({"type": "echo", "echo": 7}));
    let answering = async {
        let (mut node, request) = read(node).await;
        assert_eq!(request["src"], "c3");
        let number = request["body"]["msg_id"].clone();
        node.say("c4", json!({"type": "echo_ok", "echo": 1, "in_reply_to": number}));
        node.answer(&request, json!({"type": "echo_ok", "echo": 7}));
        node.answer(&request, json!({"type": "echo_ok", "echo": 8}));
        node
    };
    let (answer, _node) = futures::join!(asking, answering);
    assert_eq!(answer.expect("an answer").parsed()["echo"], 7);
    assert!(network.shared.state().waiting.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_down_is_not_asked_and_who_ends_leaves_it_open() {
    let network = network(2);
    assert_eq!(network.ask("c1", "n1", json!({})).await.err(), Some(Unanswered::Down("n1".into())));
    let node = started(&network, 0).await;
    assert_eq!((network.life("n1"), network.life("n2")), (Some(1), None));
    let asking = network.ask("c1", "n1", json!({"type": "echo"}));
    let ending = async { drop(read(node).await) };
    assert_eq!(futures::join!(asking, ending).0.err(), Some(Unanswered::Ended("n1".into())));
    let _again = started(&network, 0).await;
    assert_eq!(network.life("n1"), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_clients_have_rules_and_the_bench_has_none() {
    let network = network(1);
    let node = started(&network, 0).await;
    network.set_rule(End::Clients, End::Node(0), CUT).expect("a link");
    let patience = Duration::from_millis(20);
    let asked = tokio::time::timeout(patience, network.ask("c1", "n1", json!({"type": "echo"}))).await;
    assert!(asked.is_err(), "it is not answered");
    assert!(network.statistics(End::Clients, End::Node(0)).expect("a link").blocked_bytes > 0);
    let asking = network.ask_by_bench("n1", json!({"type": "read"}));
    let answering = async {
        let (mut node, request) = read(node).await;
        assert_eq!(request["src"], BENCH);
        node.answer(&request, json!({"type": "read_ok"}));
        node
    };
    assert!(futures::join!(asking, answering).0.is_ok());
    assert!(network.set_rule(End::Node(0), End::Node(0), CUT).is_err(), "nothing is between a node and itself");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_answer_nodes_and_strangers_are_named_in_the_log() {
    let directory = tempfile::tempdir().expect("a directory");
    let log = directory.path().join("stderr.log");
    let network = network(1);
    let mut node = started_in(&network, 0, &log).await;
    node.say("n9", json!({"type": "hello"}));
    node.say("lin-tso", json!({"type": "ts", "msg_id": 4}));
    let (_node, answer) = read(node).await;
    assert_eq!(
        (&answer["src"], &answer["body"]),
        (&json!("lin-tso"), &json!({"type": "ts_ok", "ts": 0, "in_reply_to": 4}))
    );
    let said = std::fs::read_to_string(&log).expect("a log");
    assert!(said.contains("error: it sent a message to \"n9\", whom nobody knows"), "{said}");
}

/// A node that hears of a message before it knows its neighbours tells nobody, and the message seemed to be lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn regression_a_node_was_asked_before_others_knew_their_neighbours() {
    let settings = MaelstromSettings { nodes: 2, ..MaelstromSettings::default() };
    let network = Rc::new(Network::new(&settings, 1));
    let (one, two) = (started(&network, 0).await, started(&network, 1).await);
    let client = MaelstromClient::new(Rc::clone(&network), &settings);
    let message =
        Operation { workload: "broadcast", process: 0, f: "broadcast", key: Some("set-0".into()), value: json!(5) };
    let attempt = Attempt::default();
    let asking = client.invoke("n1", &message, &attempt);
    let answering = async {
        let (mut two, told) = read(two).await;
        assert_eq!(told["body"]["topology"], json!({"n1": ["n2"], "n2": ["n1"]}));
        let (mut one, told_first) = read(one).await;
        assert_eq!(told_first["body"]["type"], "topology");
        one.answer(&told_first, json!({"type": "topology_ok"}));
        two.answer(&told, json!({"type": "topology_ok"}));
        let (mut one, asked) = read(one).await;
        assert_eq!(asked["body"]["message"], 5);
        one.answer(&asked, json!({"type": "broadcast_ok"}));
        (one, two)
    };
    assert_eq!(futures::join!(asking, answering).0.outcome, Outcome::Ok);
}

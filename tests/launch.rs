//! How the arena of processes starts any program: by a shell that stands for one, with each sign that it serves.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dissensus::arena::addresses::Addresses;
use dissensus::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use dissensus::arena::processes::{ArenaError, Ground, ProcessArena};
use dissensus::systems::System;
use dissensus::systems::system::Claims;
use nemesis::surface::Surface;
use nix::sys::signal::Signal;
use workloads::Client;

use support::{BENCH, PATIENCE, Scratch, eventually, one_cluster_at_a_time, programs_in};

/// A shell that runs a script, and says by a sign that it serves.
struct Shell {
    program: Program,
    script: &'static str,
    client: SocketAddr,
    sign: Sign,
    start_limit: Duration,
}

impl System for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn nodes(&self) -> Vec<String> {
        vec!["n1".into()]
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let ready = Ready::At { client: self.client, peer: None, sign: self.sign.clone() };
        let conf = place.data_dir.join("conf");
        Ok(Launch {
            arguments: ["-c", self.script, &place.name].map(str::to_owned).to_vec(),
            environment: vec![("CONF".into(), conf.display().to_string())],
            files: vec![(conf, "from the file\n".into())],
            stdin_line: Some("from the bench".into()),
            start_limit: self.start_limit,
            stop_signal: Signal::SIGTERM,
            ..Launch::new(self.program.clone(), ready)
        })
    }

    fn client(&self, _addresses: Addresses) -> Box<dyn Client> {
        unreachable!("nobody talks to a shell")
    }

    fn can(&self, _workload: &str, _f: &str) -> bool {
        false
    }

    fn claims(&self) -> Claims {
        unreachable!("nobody judges a shell")
    }

    fn expected_in_logs(&self) -> Vec<&str> {
        vec![]
    }
}

/// What it has been given, then the sign; it ends as it is told to.
const SCRIPT: &str = r#"
trap 'echo ended well; exit' TERM
read line; echo "$0: $line, $(cat "$CONF")"
echo serving
while :; do sleep 0.02; done
"#;

fn shell(script: &'static str, sign: Sign) -> Shell {
    let program = Program::Installed { name: "sh".into(), binaries: None, package: "dash".into() };
    Shell { program, script, client: SocketAddr::from(([127, 0, 0, 1], 1)), sign, start_limit: PATIENCE }
}

/// Starts it, looks at it, and ends it; returns what it wrote into its log.
fn log_of(shell: Shell, look: impl AsyncFnOnce(&ProcessArena)) -> Result<String, ArenaError> {
    let _guard = one_cluster_at_a_time();
    let scratch = Scratch::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ran = runtime.block_on(async {
        let arena =
            ProcessArena::start(Rc::new(shell), BENCH.into(), scratch.join("nodes"), Ground::Machine, 0).await?;
        look(&arena).await;
        arena.stop().await;
        Ok(())
    });
    // Its own children are killed with it, and nobody waits for them.
    eventually("nothing is left running", || programs_in(scratch.path()).is_empty());
    ran.map(|()| log(scratch.path()))
}

fn log(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("nodes/n1/stderr.log")).expect("its log")
}

#[test]
fn a_program_gets_what_its_launch_says_and_ends_by_its_signal() {
    let shell = shell(SCRIPT, Sign::LogLine("serving".into()));
    let log = log_of(shell, async |arena: &ProcessArena| assert!(arena.addresses().of("n1").is_some()));
    assert_eq!(log.expect("it serves"), "n1: from the bench, from the file\nserving\nended well\n");
}

/// What an earlier start has written is no sign of this one.
#[test]
fn the_sign_is_looked_for_in_the_log_of_this_start() {
    const ONCE: &str =
        r#"[ -e "$CONF.started" ] && { echo refused; exit 3; }; : > "$CONF.started"; echo serving; cat > "$CONF.read""#;
    let log = log_of(shell(ONCE, Sign::LogLine("serving".into())), async |arena: &ProcessArena| {
        arena.kill(&["n1".into()]).await.expect("it is killed");
        assert_eq!(arena.addresses().of("n1"), None);
        let refused = arena.restart("n1").await.expect_err("it serves only once");
        assert!(refused.0.contains("refused"), "{refused}");
    });
    assert_eq!(log.expect("it served once"), "serving\nrefused\n");
}

#[test]
fn a_port_and_an_answer_to_a_request_are_signs() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let client = listener.local_addr().expect("it is bound");
    let port = Shell { client, ..shell(SCRIPT, Sign::Port) };
    log_of(port, async |arena: &ProcessArena| assert_eq!(arena.addresses().of("n1"), Some(client))).expect("it serves");
    // The connection of the sign before comes first and is closed without a request.
    let health = std::thread::spawn(move || {
        for status in ["503 Service Unavailable", "200 OK"] {
            loop {
                let (mut stream, _) = listener.accept().expect("a request");
                let mut request = [0; 1024];
                let read = stream.read(&mut request).expect("a request");
                if request[..read].starts_with(b"GET /health HTTP/1.1") {
                    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").expect("it listens");
                    break;
                }
            }
        }
    });
    log_of(Shell { client, ..shell(SCRIPT, Sign::Http("/health".into())) }, async |_: &ProcessArena| ())
        .expect("it serves");
    health.join().expect("asked until the answer was a success");
}

#[test]
fn a_program_that_ends_or_shows_no_sign_did_not_start() {
    let began = Instant::now();
    let ended = log_of(shell("echo no disk; exit 1", Sign::Port), async |_: &ProcessArena| ()).expect_err("it ended");
    assert!(ended.to_string().contains("node n1 did not start: no disk"), "{ended}");
    assert!(began.elapsed() < PATIENCE, "nobody waits for a process that has ended");
    for (sign, missing) in [
        (Sign::LogLine("serving".into()), "\"serving\""),
        (Sign::Port, "nothing listened at 127.0.0.1:1"),
        (Sign::Http("/health".into()), "http://127.0.0.1:1/health"),
    ] {
        let silent = Shell { start_limit: Duration::from_millis(100), ..shell("cat > /dev/null", sign) };
        let silent = log_of(silent, async |_: &ProcessArena| ()).expect_err("it says nothing").to_string();
        assert!(silent.contains("n1") && silent.contains(missing), "{silent}");
    }
}

#[test]
fn a_program_that_is_nowhere_is_named_with_its_package() {
    let program = Program::Installed { name: "no-such-store".into(), binaries: None, package: "store-server".into() };
    let missing = Shell { program, ..shell(SCRIPT, Sign::Port) };
    let missing = log_of(missing, async |_: &ProcessArena| ()).expect_err("it cannot be started").to_string();
    assert!(missing.contains("no-such-store is not on the PATH: it comes with store-server"), "{missing}");
}

//! Nodes of the sandbox show the clock that they are started under, and are stopped, continued and killed as ever,
//! whatever they start meanwhile.
//!
//! Namespaces are entered while the process has one thread, so this has a main of its own. Started by root, it runs a
//! second time as an ordinary user.

#[cfg(target_arch = "x86_64")]
#[allow(dead_code, reason = "nodes are started by the sandbox")]
mod support;

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    nodes::main()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() {}

#[cfg(target_arch = "x86_64")]
mod nodes {
    use std::env;
    use std::fs::{self, File};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    use std::path::Path;
    use std::process::{Command, ExitCode};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use program_clock::{
        CallRule, Clock, DiskCalls, DiskReach, DiskRules, Installation, Reach, Reading, Setting, Supervisor, Under,
        monotonic_ns,
    };
    use sandbox::{End, NodeCommand, Tree};

    use crate::support::{self, PATIENCE, clocks, compiled, late};

    /// The user and group `nobody` of most distributions.
    const ORDINARY_ID: u32 = 65534;

    type Test = (&'static str, fn(&Supervisor));

    const TESTS: [Test; 4] = [
        ("programs_of_every_kind_show_it_in_a_node", programs_of_every_kind_show_it_in_a_node),
        ("a_node_that_starts_programs_is_paused_and_resumed", a_node_that_starts_programs_is_paused_and_resumed),
        ("nodes_are_killed_at_any_moment", nodes_are_killed_at_any_moment),
        ("syncs_fail_in_a_node", syncs_fail_in_a_node),
    ];

    pub fn main() -> ExitCode {
        sandbox::serve_hidden_commands().expect("the executable can be opened");
        let as_ordinary_user = nix::unistd::geteuid().is_root().then(run_as_ordinary_user);
        let here = run_here();
        if here && as_ordinary_user.unwrap_or(true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The executable may be where only root can read it, so that a copy is run.
    fn run_as_ordinary_user() -> bool {
        let folder = tempfile::tempdir().expect("a folder");
        let open_to_all =
            |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permitted");
        let copy = folder.path().join("nodes");
        fs::copy(env::current_exe().expect("known"), &copy).expect("copied");
        open_to_all(folder.path());
        open_to_all(&copy);
        let mut command = Command::new(&copy);
        command.current_dir("/").uid(ORDINARY_ID).gid(ORDINARY_ID);
        command.status().expect("an ordinary user can run it").success()
    }

    /// Whether nothing fails. A panic ends the program.
    fn run_here() -> bool {
        let user = nix::unistd::geteuid();
        if let Err(error) = sandbox::enter(sandbox::Namespaces::default()) {
            eprintln!("user {user}: nothing is tested here, as this machine does not allow it: {error}");
            return true;
        }
        let Some(supervisor) = support::supervisor() else { return true };
        for (name, test) in TESTS {
            let began = Instant::now();
            test(supervisor);
            println!("user {user}: {name} ... ok in {:.2?}", began.elapsed());
        }
        let statistics = supervisor.statistics();
        assert_eq!(statistics.unpatched_count(), 0, "{statistics:?}");
        println!(
            "user {user}: {} programs had their clock, {} ended while they were started",
            statistics.patched, statistics.ended
        );
        true
    }

    /// Starts a node under a clock.
    fn start(supervisor: &Supervisor, clock: &Clock, mut node: NodeCommand) -> (Tree, Installation) {
        let (installer, installation) = supervisor.installer(clock, Reach::default()).expect("descriptors");
        node.before_exec(move |command| installer.prepare(command));
        (node.spawn_blocking().expect("it starts"), installation)
    }

    /// Asserts that lines show a clock as set (monotonic time, wall clock), but those that were read before.
    fn assert_lines_show(text: &str, setting: &Setting, what: &str) {
        let after_ns = monotonic_ns().expect("a clock");
        let mut shown = 0;
        for line in text.lines() {
            let mut numbers = line.split_whitespace().map(|number| number.parse::<i64>().expect("a number"));
            let (Some(before_ns), Some(wall_ns)) = (numbers.next(), numbers.next()) else {
                panic!("two numbers are expected: {line}");
            };
            if before_ns >= setting.since_monotonic_ns {
                support::assert_shows(&Reading { before_ns, wall_ns, after_ns }, setting, what);
                shown += 1;
            }
        }
        assert!(shown > 0, "{what}: {text}");
    }

    fn programs_of_every_kind_show_it_in_a_node(supervisor: &Supervisor) {
        let folder = tempfile::tempdir().expect("a folder");
        let go = format!("{}/tests/programs/now.go", env!("CARGO_MANIFEST_DIR"));
        let python = "import time; print(time.monotonic_ns(), time.time_ns())".to_owned();
        let compiled = [&[][..], &["-static"], &["-static-pie", "-fPIE"]].into_iter();
        let compiled = compiled.filter_map(|flags| Some((compiled_name(flags)?, Vec::new())));
        let others = [("python3", vec!["-c".to_owned(), python]), ("go", vec!["run".to_owned(), go])].into_iter();
        let others = others.filter(|(program, _)| is_there(program)).map(|(program, rest)| (program.to_owned(), rest));
        for (program, arguments) in compiled.chain(others) {
            let (clock, output) = (late(), folder.path().join("output"));
            let mut node = NodeCommand::new(&program);
            node.args(arguments).env("HOME", folder.path()).stdout(File::create(&output).expect("a file"));
            let (tree, installation) = start(supervisor, &clock, node);
            installation.programs_settled(2, PATIENCE).expect("init and program have their clock");
            let end = tree.wait(PATIENCE).expect("it ends");
            assert!(matches!(end, End::Program(status) if status.success()), "{program}: {end:?}");
            let text = fs::read_to_string(&output).expect("text");
            assert_eq!(text.lines().count(), 1, "{program}: {text}");
            assert_lines_show(&text, &clock.setting(), &program);
        }
    }

    fn compiled_name(flags: &[&str]) -> Option<String> {
        Some(compiled("clocks", flags)?.to_str().expect("a plain path").to_owned())
    }

    fn is_there(program: &str) -> bool {
        let there = Command::new(program).arg("--help").output().is_ok_and(|output| output.status.code() != Some(127));
        if !there {
            eprintln!("not tested on this machine: there is no {program}");
        }
        there
    }

    /// A node that starts programs without end, three at a time.
    fn restless(output: &Path) -> NodeCommand {
        let mut node = NodeCommand::new("bash");
        let script = "for i in 1 2 3; do while :; do \"$0\"; done & done; wait";
        node.args(["-c", script]).arg(clocks());
        node.stdout(File::options().create(true).append(true).open(output).expect("a file"));
        node
    }

    /// Waits until a node has written more lines, whole ones; returns them.
    fn more(output: &Path, than: usize, lines: usize) -> String {
        let begin = Instant::now();
        loop {
            let text = fs::read_to_string(output).expect("text");
            let new = &text[than..];
            if new.lines().count() > lines {
                return new[..=new.rfind('\n').expect("a line")].to_owned();
            }
            assert!(begin.elapsed() < PATIENCE, "it starts nothing any more");
            sleep(Duration::from_millis(1));
        }
    }

    fn length(output: &Path) -> usize {
        fs::read(output).expect("a file").len()
    }

    fn a_node_that_starts_programs_is_paused_and_resumed(supervisor: &Supervisor) {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("output");
        let clock = late();
        let (tree, installation) = start(supervisor, &clock, restless(&output));
        installation.programs_settled(2, PATIENCE).expect("init and shell have their clock");
        assert_lines_show(&more(&output, 0, 20), &clock.setting(), "before it is paused");
        for round in 1..=10 {
            let paused = tree.pause().expect("it stands still");
            assert!(paused.processes >= 4, "{paused:?}");
            let written = length(&output);
            clock.set(-1_000_000 * round, 0).expect("in range");
            sleep(Duration::from_millis(20));
            assert_eq!(length(&output), written, "nothing runs");
            tree.resume().expect("it goes on");
            assert_lines_show(&more(&output, written, 5), &clock.setting(), "after it was paused");
        }
        let killed = tree.kill().expect("it dies");
        assert!(killed.processes >= 4, "{killed:?}");
        let written = length(&output);
        sleep(Duration::from_millis(20));
        assert_eq!(length(&output), written, "nothing runs");
    }

    /// Its processes have other numbers inside, and see other mounts.
    fn syncs_fail_in_a_node(supervisor: &Supervisor) {
        let Some(program) = compiled("disk", &[]) else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let [data, beside, output] = ["data", "beside", "output"].map(|name| folder.path().join(name));
        fs::create_dir(&data).expect("a directory");
        let calls = DiskCalls::below(&data, 1).expect("it is there");
        let syncs = CallRule { error_share: 1.0, ..CallRule::default() };
        calls.set_rules(DiskRules { syncs, ..DiskRules::default() }).expect("they make sense");
        let mut node = NodeCommand::new(&program);
        node.args(["syncs", "1"]).args([data.join("file"), beside]).stdout(File::create(&output).expect("a file"));
        let clock = late();
        let under = Under {
            clock: Some((&clock, Reach::default())),
            disk: Some((&calls, DiskReach { syncs: true, ..DiskReach::default() })),
        };
        let (installer, installation) = supervisor.installer_under(under).expect("descriptors");
        node.before_exec(move |command| installer.prepare(command));
        let tree = node.spawn_blocking().expect("it starts");
        installation.programs_settled(2, PATIENCE).expect("init and program have their clock");
        let end = tree.wait(PATIENCE).expect("it ends");
        assert!(matches!(end, End::Program(status) if status.success()), "{end:?}");
        let text = fs::read_to_string(&output).expect("text");
        let failed = text.lines().map(|line| line.split(' ').nth(1) == Some("5"));
        assert_eq!(failed.collect::<Vec<_>>(), [[true; 5], [false; 5]].concat(), "{text}");
        assert_eq!((calls.counts().failed_syncs, calls.counts().missed_calls), (5, 0));
    }

    fn nodes_are_killed_at_any_moment(supervisor: &Supervisor) {
        let folder = tempfile::tempdir().expect("a folder");
        for round in 0..15u64 {
            let (tree, installation) = start(supervisor, &late(), restless(&folder.path().join("output")));
            sleep(Duration::from_micros(round * round * 100));
            tree.kill().expect("it dies, whatever it was starting");
            assert_eq!(tree.wait(PATIENCE), Some(End::Killed));
            // Settled or not: the word comes, and does not take the patience.
            let settled = installation.programs_settled(2, PATIENCE);
            assert!(!matches!(settled, Err(program_clock::NotInstalled::TimedOut(_))), "somebody forgot it");
        }
    }
}

//! What a node is when it starts: its processes, its rights, what it sees.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::ExitStatus;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use sandbox::{End, NodeCommand, Signal, StartError, Step};

use crate::Test;
use crate::support::{LIMIT, living, population, run, shell, until};

pub const TESTS: &[Test] = &[
    ("exit_status_passes_through", exit_status_passes_through),
    ("a_program_that_is_not_there_is_named", a_program_that_is_not_there_is_named),
    ("the_step_that_failed_is_named", the_step_that_failed_is_named),
    ("a_program_has_no_privileges", a_program_has_no_privileges),
    ("proc_is_that_of_the_node", proc_is_that_of_the_node),
    ("a_program_has_no_files_but_its_own", a_program_has_no_files_but_its_own),
    ("host_mounts_and_folder_are_the_nodes_own", host_mounts_and_folder_are_the_nodes_own),
    ("a_node_lives_in_the_network_given", a_node_lives_in_the_network_given),
    ("steps_of_others_run_in_order", steps_of_others_run_in_order),
    ("a_step_of_others_can_refuse", a_step_of_others_can_refuse),
    ("orphans_are_reaped", orphans_are_reaped),
    ("every_probe_answers", every_probe_answers),
    ("a_task_can_do_all_of_it", a_task_can_do_all_of_it),
];

fn exit_status_passes_through() {
    let exited = |code: i32| End::Program(ExitStatus::from_raw(code << 8));
    let signalled = |signal: Signal| End::Program(ExitStatus::from_raw(signal as i32));
    for code in [0, 7, 255] {
        assert_eq!(run(|_| {}, &format!("exit {code}")).0, exited(code));
    }
    assert_eq!(run(|_| {}, "kill -KILL $$").0, signalled(Signal::SIGKILL));
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let tree = shell("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done", &output)
        .spawn_blocking()
        .expect("started");
    until("it is ready", || fs::read(&output).is_ok_and(|text| !text.is_empty()));
    tree.signal_program(Signal::SIGTERM).expect("sent");
    assert_eq!(tree.wait(LIMIT), Some(exited(3)));
    assert!(tree.signal_program(Signal::SIGTERM).is_err() && tree.pause().is_err() && tree.cpu_time().is_err());
    assert_eq!(tree.processes().expect("readable"), []);
}

fn a_program_that_is_not_there_is_named() {
    let refused = NodeCommand::new("/nowhere/to-be-found").spawn_blocking().expect_err("it is not there");
    let StartError::Exec { program, source } = &refused else { panic!("{refused:?}") };
    assert_eq!((program.to_str(), source.kind()), (Some("/nowhere/to-be-found"), io::ErrorKind::NotFound));
    let refused = NodeCommand::new("/dev/null").spawn_blocking().expect_err("it is no program");
    assert!(matches!(&refused, StartError::Exec { source, .. } if source.kind() == io::ErrorKind::PermissionDenied));
}

fn the_step_that_failed_is_named() {
    let refused = |change: &dyn Fn(&mut NodeCommand)| {
        let mut command = NodeCommand::new("/bin/true");
        change(&mut command);
        match command.spawn_blocking() {
            Err(StartError::Step { step, source, .. }) => (step, source.kind()),
            other => panic!("{other:?}"),
        }
    };
    let mount = |command: &mut NodeCommand| {
        command.tmpfs("/dev/shm", 4096).tmpfs("/not/there", 4096);
    };
    assert_eq!(refused(&mount), (Step::Mount(1), io::ErrorKind::NotFound));
    let directory = |command: &mut NodeCommand| {
        command.current_dir("/not/there");
    };
    assert_eq!(refused(&directory), (Step::Directory, io::ErrorKind::NotFound));
    let network = |command: &mut NodeCommand| {
        command.network(File::open("/dev/null").expect("open").into());
    };
    assert_eq!(refused(&network), (Step::Network, io::ErrorKind::InvalidInput));
    let mut command = NodeCommand::new("/bin/true");
    command.hostname("a\0b");
    assert!(matches!(command.spawn_blocking(), Err(StartError::Unusable(_))));
}

fn a_program_has_no_privileges() {
    let (_, status) = run(|_| {}, "cat /proc/self/status; cat /proc/1/status");
    for field in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let values: Vec<&str> = status.lines().filter_map(|line| line.strip_prefix(field)).collect();
        assert_eq!(values, [":\t0000000000000000"; 2], "{field}, of the program and of init");
    }
    assert_eq!(status.matches("NoNewPrivs:\t1").count(), 2);
    let uid = rustix::process::getuid().as_raw();
    assert!(uid != 0 && status.contains(&format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}")), "{status}");
    let (_, refused) = run(|_| {}, "umount /proc 2>&1 || mount -t tmpfs none /tmp 2>&1 || echo refused");
    assert!(refused.ends_with("refused\n"), "{refused}");
}

fn proc_is_that_of_the_node() {
    let (_, seen) = run(|_| {}, "readlink /proc/self; echo /proc/[0-9]*; echo $$ $PPID");
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[1], "/proc/1 /proc/2 /proc/3".split_at(15).0, "only init and the shell: {seen}");
    assert_eq!(lines[2], "2 1");
}

fn a_program_has_no_files_but_its_own() {
    let (_, seen) = run(|_| {}, "exec ls /proc/self/fd");
    assert_eq!(seen, "0\n1\n2\n3\n", "the last is the folder that `ls` reads");
    let folder = tempfile::tempdir().expect("a folder");
    let tree = shell("exec sleep 1000", &folder.path().join("output")).spawn_blocking().expect("started");
    let files = fs::read_dir(format!("/proc/{}/fd", tree.init_pid())).expect("read");
    let links = files.map(|file| fs::read_link(file.expect("read").path()).expect("read"));
    let mut links: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    links.sort();
    assert_eq!((&links[..3], links.len()), (&["/dev/null".to_owned(), "/dev/null".into(), "/dev/null".into()][..], 5));
    assert!(links[3] == "anon_inode:[signalfd]" && links[4].starts_with("socket:"), "init has no more: {links:?}");
}

fn host_mounts_and_folder_are_the_nodes_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, "10.77.0.1 n1\n").expect("written");
    let change = |command: &mut NodeCommand| {
        command.hostname("n1").bind(&hosts, "/etc/hosts").tmpfs("/dev/shm", 1 << 20).current_dir("/dev/shm");
        command.env("WHO", "n1").env("GREETING", "hello");
    };
    let (_, seen) = run(change, "uname -n; cat /etc/hosts; touch own; ls /dev/shm; pwd; echo $GREETING $WHO");
    assert_eq!(seen, "n1\n10.77.0.1 n1\nown\n/dev/shm\nhello n1\n");
    assert!(fs::read("/etc/hosts").is_ok_and(|own| own != b"10.77.0.1 n1\n"), "the bench's own is as it was");
    assert!(!fs::exists("/dev/shm/own").expect("readable"));
}

fn a_node_lives_in_the_network_given() {
    let made = thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network of its own");
        let link = fs::read_link("/proc/thread-self/ns/net").expect("readable");
        (File::open("/proc/thread-self/ns/net").expect("open"), link)
    });
    let (network, link) = made.join().expect("made");
    let change = |command: &mut NodeCommand| {
        command.network(network.try_clone().expect("cloned").into());
    };
    let (_, seen) = run(change, "readlink /proc/self/ns/net");
    assert_eq!(seen.trim(), link.to_string_lossy());
}

/// Each hook sees what it may: the first mounts, the second cannot.
#[allow(unsafe_code)]
fn steps_of_others_run_in_order() {
    let mount = || rustix::mount::mount(c"tmpfs", c"/dev/shm", c"tmpfs", rustix::mount::MountFlags::empty(), None);
    let change = |command: &mut NodeCommand| {
        command.before_exec(move |command| {
            // SAFETY: it makes one system call.
            unsafe {
                command.pre_exec(move || if mount().is_err() { Ok(()) } else { Err(io::ErrorKind::Other.into()) })
            };
        });
        command.before_privileges_go(move |command| {
            // SAFETY: it makes one system call.
            unsafe { command.pre_exec(move || Ok(mount()?)) };
        });
    };
    let (end, seen) = run(change, "grep -c ' /dev/shm ' /proc/self/mounts; ls /dev/shm");
    assert_eq!(end, End::Program(ExitStatus::default()));
    let (_, without) = run(|_| {}, "grep -c ' /dev/shm ' /proc/self/mounts");
    let count = |text: &str| text.trim().parse::<u32>().expect("a number");
    assert_eq!(count(&seen), count(&without) + 1);
}

#[allow(unsafe_code)]
fn a_step_of_others_can_refuse() {
    let mut command = NodeCommand::new("/bin/true");
    command.before_exec(|command| {
        // SAFETY: it only makes an error.
        unsafe { command.pre_exec(|| Err(io::Error::from_raw_os_error(38))) };
    });
    let refused = command.spawn_blocking().expect_err("refused");
    assert!(matches!(&refused, StartError::Init(error) if error.raw_os_error() == Some(38)), "{refused:?}");
}

/// A hundred processes lose their parents and end: none stays as a zombie, and init does not go with them.
fn orphans_are_reaped() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output");
    let script = "for i in $(seq 100); do (setsid sh -c 'echo $$; exit 3' &) ; done; sleep 1000";
    let tree = shell(script, &output).spawn_blocking().expect("started");
    until("all have been", || fs::read_to_string(&output).is_ok_and(|text| text.lines().count() == 100));
    until("all are reaped", || tree.processes().expect("readable").len() == 3);
    let names: Vec<String> = living(&tree).into_iter().map(|process| process.name).collect();
    assert_eq!(names, ["sh", "sleep"]);
}

fn a_task_can_do_all_of_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let node = shell("exec sleep 1000", &folder.path().join("output")).spawn().await.expect("started");
        let namespace = crate::support::namespace(node.tree().init_pid());
        let waits = tokio::spawn({
            let node = node.clone();
            async move { node.wait().await }
        });
        assert_eq!(node.pause().await.expect("paused").processes, 1);
        node.resume().await.expect("resumed");
        assert_eq!(node.kill().await.expect("killed").processes, 1);
        assert_eq!(waits.await.expect("no panic"), End::Killed);
        assert_eq!((node.ended(), population(&namespace)), (Some(End::Killed), 0));
    });
}

/// Probes run in processes of their own: this one is as it was, and nothing of theirs is left.
fn every_probe_answers() {
    let findings = sandbox::doctor();
    for finding in &findings {
        println!(
            "    {} {}: {} {}",
            if finding.allowed { "yes" } else { "no " },
            finding.name,
            finding.reason,
            finding.remedy
        );
        assert_eq!(finding.allowed, finding.remedy.is_empty(), "{finding:?}");
        assert!(!finding.reason.is_empty() && !finding.reason.contains("probe"), "{finding:?}");
    }
    let allowed = |name: &str| findings.iter().any(|finding| finding.name == name && finding.allowed);
    assert!(["user-namespace", "pid-namespace", "mount-namespace", "memfd"].into_iter().all(allowed), "as tested here");
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children, "", "no probe is left");
}

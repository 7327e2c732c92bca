//! A mounted disk, as programs see it: what works without faults, what a power failure takes, and each fault, which is
//! told from its absence.

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FallocateFlags, Flock, FlockArg, RenameFlags, fallocate, renameat2};
use nix::libc;
use program_disk::{Disk, DiskError, DiskOptions, Dose, FailedSync, FlipBits, Latency, Loss, Rules};
use support::{Bench, HUNG, kill, python, until};

fn main() -> ExitCode {
    support::run(tests![
        files_and_names_behave,
        what_is_removed_is_gone_for_the_program,
        permissions_hold,
        locks_hold,
        direct_and_synchronous_writes,
        a_disk_may_be_mounted_on_its_own_content,
        what_an_earlier_disk_left_is_cleaned,
        a_mount_point_inside_the_backing_directory_is_refused,
        what_was_not_synced_is_lost,
        names_are_lost_from_the_last_sync_on,
        without_a_power_failure_nothing_is_lost,
        a_reordered_disk_has_each_block_old_or_new,
        dirty_pages_of_a_mapping_are_not_synced,
        a_disk_in_use_does_not_crash,
        other_mount_namespaces_must_let_go,
        a_wiped_disk_is_empty,
        syncs_fail_and_forget,
        reads_and_writes_fail,
        only_some_files_are_struck,
        space_ends_and_comes_back,
        lying_syncs_lose,
        flipped_bits_are_read,
        misdirected_writes_land_elsewhere,
        slow_calls_are_slow,
        a_stalled_disk_answers_nothing,
        killed_processes_leave_a_stalled_disk,
        a_full_undo_log_loses_less,
    ])
}

fn errno<T: std::fmt::Debug>(result: std::io::Result<T>) -> Errno {
    Errno::from_raw(result.expect_err("it fails").raw_os_error().expect("by the kernel"))
}

/// Writes a file as a program that syncs neither it nor its name.
fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn sync(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().write(true).open(path)?.sync_all()
}

fn write_synced(path: &Path, content: &[u8]) {
    write(path, content);
    sync(path).expect("a sync");
}

fn open(path: &Path) -> File {
    OpenOptions::new().read(true).write(true).open(path).expect("it opens")
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn files_and_names_behave() {
    let bench = Bench::new();
    let path = |name| bench.path(name);
    fs::create_dir(path("d")).expect("mkdir");
    write(&path("d/a"), b"hello");
    let mut appended = OpenOptions::new().append(true).open(path("d/a")).expect("it opens");
    appended.write_all(b" world").expect("it appends");
    assert_eq!(fs::read(path("d/a")).expect("it reads"), b"hello world");
    assert_eq!(fs::read(bench.backing.join("d/a")).expect("it reads"), b"hello world", "writes go straight through");
    fs::hard_link(path("d/a"), path("b")).expect("link");
    assert_eq!(fs::metadata(path("b")).expect("stat").nlink(), 2);
    assert_eq!(fs::metadata(path("b")).expect("stat").ino(), fs::metadata(path("d/a")).expect("stat").ino());
    symlink("d/a", path("s")).expect("symlink");
    assert_eq!(fs::read(path("s")).expect("it reads"), b"hello world");
    write(&path("c"), b"other");
    fs::rename(path("c"), path("b")).expect("rename over");
    assert_eq!(
        (fs::read(path("b")).expect("it reads"), fs::metadata(path("d/a")).expect("stat").nlink()),
        (b"other".to_vec(), 1)
    );
    fs::rename(path("d"), path("e")).expect("rename of a directory");
    assert_eq!(names_in(&bench.at), ["b", "e", "s"]);
    assert_eq!(names_in(&path("e")), ["a"]);
    let exchange = |flags| renameat2(AT_FDCWD, &path("b"), AT_FDCWD, &path("e/a"), flags);
    assert_eq!(exchange(RenameFlags::RENAME_NOREPLACE), Err(Errno::EEXIST));
    exchange(RenameFlags::RENAME_EXCHANGE).expect("exchange");
    assert_eq!(fs::read(path("e/a")).expect("it reads"), b"other");
    let file = open(&path("b"));
    file.set_len(3).expect("truncate");
    fallocate(&file, FallocateFlags::empty(), 0, 10_000).expect("fallocate");
    assert_eq!(fs::read(path("b")).expect("it reads"), [b"hel".to_vec(), vec![0; 9_997]].concat());
    assert_eq!(errno(fs::remove_dir(path("e"))), Errno::ENOTEMPTY);
    let many: Vec<String> = (1000..3000).map(|number| number.to_string()).collect();
    fs::create_dir(path("many")).expect("mkdir");
    many.iter().for_each(|name| write(&path("many").join(name), b""));
    assert_eq!(names_in(&path("many")), many);
    std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket is made");
    assert!(fs::metadata(bench.path("absent")).is_err_and(|error| error.kind() == ErrorKind::NotFound));
}

fn what_is_removed_is_gone_for_the_program() {
    let bench = Bench::new();
    let [one, two] = ["one", "two"].map(|name| bench.path(name));
    write(&one, b"content");
    fs::hard_link(&one, &two).expect("link");
    let file = open(&one);
    fs::remove_file(&one).expect("unlink");
    assert_eq!(file.metadata().expect("stat").nlink(), 1, "the trash is not counted");
    fs::remove_file(&two).expect("unlink");
    assert_eq!(file.metadata().expect("stat").nlink(), 0);
    write_synced(&bench.path("three"), b"commits the removal");
    let mut content = String::new();
    (&file).read_to_string(&mut content).expect("an open file is still there");
    file.write_all_at(b"C", 0).expect("and can be written");
    file.sync_all().expect("and synced");
    assert_eq!((content.as_str(), file.metadata().expect("stat").size()), ("content", 7));
    assert_eq!(names_in(&bench.at), ["three"]);
    drop(file);
    assert_eq!(bench.disk.crash(Loss::Everything).expect("a crash").lost_names, 0);
    assert_eq!(names_in(&bench.at), ["three"]);
}

fn permissions_hold() {
    let bench = Bench::new();
    let path = bench.path("f");
    let file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(&path).expect("it is made");
    file.write_all_at(b"read-only", 0).expect("its maker may write");
    assert_eq!(fs::metadata(&path).expect("stat").permissions().mode() & 0o7777, 0o400);
    drop(file);
    if !nix::unistd::getuid().is_root() {
        // This process may do anything in its namespace, a program that it starts may not.
        let program =
            Command::new("sh").args(["-c", "echo changed > \"$0\""]).arg(&path).stderr(Stdio::null()).status();
        assert!(!program.expect("a shell").success());
    }
    assert_eq!(fs::read(&path).expect("it reads"), b"read-only");
    let report = bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!((report.lost_names, names_in(&bench.at).len()), (1, 0));
    fs::create_dir(bench.path("d")).expect("mkdir");
    fs::set_permissions(bench.path("d"), fs::Permissions::from_mode(0o700)).expect("chmod");
    assert_eq!(fs::metadata(bench.path("d")).expect("stat").permissions().mode() & 0o7777, 0o700);
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000);
    write(&path, b"");
    open(&path).set_modified(long_ago).expect("utimes");
    assert_eq!(fs::metadata(&path).expect("stat").modified().expect("a time"), long_ago);
}

fn locks_hold() {
    let bench = Bench::new();
    write(&bench.path("f"), b"");
    let first = Flock::lock(open(&bench.path("f")), FlockArg::LockExclusiveNonblock).expect("it is free");
    let second = Flock::lock(open(&bench.path("f")), FlockArg::LockExclusiveNonblock);
    assert_eq!(second.map(drop).map_err(|(_, error)| error), Err(Errno::EWOULDBLOCK));
    drop(first);
    Flock::lock(open(&bench.path("f")), FlockArg::LockExclusiveNonblock).map(drop).expect("it is free again");
}

fn direct_and_synchronous_writes() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), &[0; 8192]);
    let open = |flags| OpenOptions::new().write(true).custom_flags(flags).open(bench.path("f")).expect("it opens");
    let write = |flags, byte: u8, at| {
        // O_DIRECT wants memory at a multiple of its block.
        let mut memory = vec![byte; 8192];
        let start = memory.as_ptr().align_offset(4096);
        memory[start..start + 4096].fill(byte);
        open(flags).write_all_at(&memory[start..start + 4096], at).expect("it writes");
    };
    write(libc::O_DIRECT | libc::O_DSYNC, 1, 0);
    write(libc::O_DSYNC, 2, 4096);
    bench.disk.crash(Loss::Everything).expect("a crash");
    let synced = fs::read(bench.path("f")).expect("it reads");
    assert!(synced[..4096].iter().all(|byte| *byte == 1), "O_DIRECT with O_DSYNC is durable");
    assert!(synced[4096..].iter().all(|byte| *byte == 2), "O_DSYNC is durable");
    write(libc::O_DIRECT, 3, 0);
    bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!(fs::read(bench.path("f")).expect("it reads"), synced, "O_DIRECT alone is not");
}

fn a_disk_may_be_mounted_on_its_own_content() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("a directory");
    write(&data.join("before"), b"old");
    let disk = Disk::mount(&data, &data, &DiskOptions::default()).expect("a disk");
    assert_eq!(fs::read(data.join("before")).expect("it reads"), b"old");
    write_synced(&data.join("synced"), b"new");
    write(&data.join("unsynced"), b"lost");
    assert_eq!(disk.crash(Loss::Everything).expect("a crash").lost_names, 1);
    drop(disk);
    assert_eq!(names_in(&data), ["before", "synced"]);
    assert_eq!(names_in(directory.path()), ["data"], "nothing of the disk is left");
}

fn what_an_earlier_disk_left_is_cleaned() {
    let directory = tempfile::tempdir().expect("a directory");
    let [backing, trash] = ["backing", ".backing.disk/trash"].map(|name| directory.path().join(name));
    fs::create_dir_all(&backing).expect("a directory");
    fs::create_dir_all(trash.join("1/deep")).expect("a directory");
    let disk = Disk::mount(&backing, &backing, &DiskOptions::default()).expect("a disk");
    assert!(names_in(&trash).is_empty());
    drop(disk);
    assert_eq!(names_in(directory.path()), ["backing"]);
}

fn a_mount_point_inside_the_backing_directory_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let inside = directory.path().join("inside");
    fs::create_dir(&inside).expect("a directory");
    let refused = Disk::mount(directory.path(), &inside, &DiskOptions::default()).map(drop);
    assert!(matches!(refused, Err(DiskError::Inside { .. })), "{refused:?}");
    let missing = Disk::mount(&inside.join("absent"), &inside, &DiskOptions::default()).map(drop);
    assert!(matches!(missing, Err(DiskError::Path { .. })), "{missing:?}");
}

fn what_was_not_synced_is_lost() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), &[1; 10_000]);
    open(&bench.path("f")).write_all_at(&[2; 6_000], 9_000).expect("it writes");
    let unsynced = bench.disk.statistics();
    assert_eq!((unsynced.unsynced_files, unsynced.unsynced_blocks), (1, 2));
    let report = bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!((report.lost_files, report.lost_blocks, report.lost_bytes), (1, 2, 6_000));
    assert_eq!(fs::read(bench.path("f")).expect("it reads"), [1; 10_000]);
    let statistics = bench.disk.statistics();
    assert_eq!((statistics.crashes, statistics.lost_bytes, statistics.unsynced_files), (1, 6_000, 0));
    assert!(!bench.disk.crash(Loss::Everything).expect("a crash").took_effect(), "there is nothing more to lose");
}

fn names_are_lost_from_the_last_sync_on() {
    let bench = Bench::new();
    let path = |name| bench.path(name);
    write(&path("a"), b"a");
    write(&path("b"), b"b");
    sync(&path("a")).expect("a sync");
    sync(&path("b")).expect("a sync");
    fs::rename(path("a"), path("b")).expect("rename over");
    fs::create_dir(path("d")).expect("mkdir");
    write(&path("d/c"), b"c");
    fs::rename(path("d"), path("e")).expect("rename");
    fs::remove_file(path("b")).expect("unlink");
    assert_eq!(bench.disk.statistics().unsynced_names, 5);
    let report = bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!((report.lost_names, names_in(&bench.at)), (5, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!([fs::read(path("a")), fs::read(path("b"))].map(|read| read.expect("it reads")), [b"a", b"b"]);
    fs::rename(path("a"), path("b")).expect("rename over");
    File::open(&bench.at).expect("it opens").sync_all().expect("a sync of the directory");
    assert_eq!(bench.disk.crash(Loss::Everything).expect("a crash").lost_names, 0);
    assert_eq!((names_in(&bench.at), fs::read(path("b")).expect("it reads")), (vec!["b".to_owned()], b"a".to_vec()));
}

fn without_a_power_failure_nothing_is_lost() {
    let bench = Bench::new();
    write(&bench.path("f"), b"unsynced");
    let Bench { disk, backing, directory: _directory, .. } = bench;
    drop(disk);
    assert_eq!(fs::read(backing.join("f")).expect("it reads"), b"unsynced");
}

fn a_reordered_disk_has_each_block_old_or_new() {
    let bench = Bench::new();
    let blocks = 200;
    let outcome = |loss| {
        write_synced(&bench.path("f"), &vec![1; blocks * 4096]);
        open(&bench.path("f")).write_all_at(&vec![2; blocks * 4096], 0).expect("it writes");
        let report = bench.disk.crash(loss).expect("a crash");
        let read = fs::read(bench.path("f")).expect("it reads");
        (
            report,
            read.chunks(512)
                .map(|sector| (sector[0], sector.iter().all(|byte| *byte == sector[0])))
                .collect::<Vec<_>>(),
        )
    };
    let (report, sectors) = outcome(Loss::Reordered { seed: 1 });
    assert_eq!((report.torn_blocks, report.lost_blocks + report.kept_blocks), (0, blocks as u64));
    assert!((50..150).contains(&report.lost_blocks), "{report:?}");
    assert!(sectors.chunks(8).all(|block| block.iter().all(|sector| *sector == block[0] && sector.1)));
    assert_eq!(outcome(Loss::Reordered { seed: 1 }).1, sectors, "equal seeds lose the same");
    let (report, sectors) = outcome(Loss::Torn { seed: 1 });
    assert!(report.torn_blocks > blocks as u64 / 2, "{report:?}");
    assert!(sectors.iter().all(|(byte, uniform)| *uniform && [1, 2].contains(byte)), "a sector is atomic");
}

const MAPPER: &str = "
import mmap, sys
f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 8192)
m[0:4096] = b'S' * 4096; m.flush()
m[4096:8192] = b'D' * 4096
print('mapped', flush=True); sys.stdin.read()
";

/// Starts a Python program and waits for its first line.
fn started(program: &str, path: &Path) -> Option<Child> {
    let mut child = python(program, &[path])?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it says something");
    assert!(!line.is_empty(), "it has failed");
    Some(child)
}

fn dirty_pages_of_a_mapping_are_not_synced() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), &[b'0'; 8192]);
    let Some(mut child) = started(MAPPER, &bench.path("f")) else { return };
    kill(&mut child);
    assert_eq!(fs::read(bench.path("f")).expect("it reads")[4096..], [b'D'; 4096], "a kill loses nothing");
    let report = bench.disk.crash(Loss::Everything).expect("a crash");
    let read = fs::read(bench.path("f")).expect("it reads");
    assert_eq!((&read[..4096], &read[4096..]), (&[b'S'; 4096][..], &[b'0'; 4096][..]));
    assert_eq!(report.lost_bytes, 4096);
    assert!(bench.disk.statistics().mapped_writes > 0, "{:?}", bench.disk.statistics());
}

fn a_disk_in_use_does_not_crash() {
    let bench = Bench::with(&DiskOptions { unmount_ms_max: 50, ..DiskOptions::default() });
    let file = File::create(bench.path("f")).expect("it is made");
    let busy = bench.disk.crash(Loss::Everything);
    assert!(matches!(busy, Err(DiskError::Busy { .. })), "{busy:?}");
    (&file).write_all(b"goes on").expect("the disk still works");
    drop(file);
    assert_eq!(bench.disk.crash(Loss::Everything).expect("a crash").lost_names, 1);
}

/// A process with a mount namespace of its own, made from this one.
fn apart(propagation: &str) -> Child {
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--mount", "--propagation", propagation, "sh", "-c", "echo in; exec cat"]);
    let mut child = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare of util-linux");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it says something");
    assert_eq!(line, "in\n");
    child
}

fn other_mount_namespaces_must_let_go() {
    let bench = Bench::with(&DiskOptions { unmount_ms_max: 100, ..DiskOptions::default() });
    write(&bench.path("f"), b"content");
    let mut follows = apart("slave");
    assert_eq!(bench.disk.crash(Loss::Everything).expect("a crash").lost_names, 1);
    let mut keeps = apart("private");
    let kept = bench.disk.crash(Loss::Everything);
    assert!(matches!(kept, Err(DiskError::MountedElsewhere { .. })), "{kept:?}");
    let unmounted = bench.disk.crash(Loss::Everything);
    assert!(matches!(unmounted, Err(DiskError::NotMounted { .. })), "{unmounted:?}");
    [&mut follows, &mut keeps].into_iter().for_each(kill);
}

fn a_wiped_disk_is_empty() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), b"content");
    fs::create_dir(bench.path("d")).expect("mkdir");
    bench.disk.wipe().expect("it is wiped");
    assert!(names_in(&bench.at).is_empty() && names_in(&bench.backing).is_empty());
    assert_eq!(bench.disk.statistics().unsynced_names, 0);
}

fn syncs_fail_and_forget() {
    let bench = Bench::new();
    let path = bench.path("f");
    let outcome = |failed_sync| {
        write_synced(&path, &[1; 8192]);
        bench.disk.change_rules(|rules| {
            rules.sync.error = Some(Dose::next(1));
            rules.failed_sync = failed_sync;
        })?;
        let file = open(&path);
        file.write_all_at(&[2; 8192], 0).expect("it writes");
        assert_eq!(errno(file.sync_all()), Errno::EIO);
        file.write_all_at(&[3], 4096).expect("it writes the second block again");
        file.sync_all().expect("the next sync succeeds");
        drop(file);
        bench.disk.set_rules(Rules::default())?;
        bench.disk.crash(Loss::Everything)?;
        let read = fs::read(&path).expect("it reads");
        Ok::<_, DiskError>([read[0], read[4096], read[8191]])
    };
    assert_eq!(outcome(FailedSync::Keeps).expect("a crash"), [2, 3, 2]);
    assert_eq!(outcome(FailedSync::Forgets).expect("a crash"), [1, 3, 2]);
    let statistics = bench.disk.statistics();
    assert_eq!((statistics.failed_syncs, statistics.forgotten_blocks), (2, 2));
}

fn reads_and_writes_fail() {
    let bench = Bench::new();
    write(&bench.path("f"), b"content");
    let file = open(&bench.path("f"));
    bench.disk.change_rules(|rules| rules.write.error = Some(Dose::ALWAYS)).expect("a rule");
    assert_eq!(errno(file.write_all_at(b"C", 0)), Errno::EIO);
    bench.disk.set_rules(Rules::default()).expect("no rule");
    assert_eq!(fs::read(bench.path("f")).expect("it reads"), b"content", "a failed write does nothing");
    bench.disk.change_rules(|rules| rules.read.error = Some(Dose::ALWAYS)).expect("a rule");
    assert_eq!(errno(file.read_exact_at(&mut [0], 0)), Errno::EIO, "the page cache does not hide it");
    bench.disk.set_rules(Rules::default()).expect("no rule");
    file.read_exact_at(&mut [0], 0).expect("it reads again");
    let statistics = bench.disk.statistics();
    assert!(statistics.failed_writes == 1 && statistics.failed_reads > 0, "{statistics:?}");
}

fn only_some_files_are_struck() {
    let bench = Bench::new();
    let failing = |rules: &mut Rules| {
        rules.only = Some(".wal".to_owned());
        rules.sync.error = Some(Dose::ALWAYS);
    };
    bench.disk.change_rules(failing).expect("a rule");
    ["a.wal", "a.db"].iter().for_each(|name| write(&bench.path(name), b"content"));
    assert_eq!(errno(sync(&bench.path("a.wal"))), Errno::EIO);
    sync(&bench.path("a.db")).expect("it is spared");
}

fn space_ends_and_comes_back() {
    let bench = Bench::new();
    write(&bench.path("before"), &[1; 1000]);
    bench.disk.change_rules(|rules| rules.space_bytes = Some(10_000)).expect("a rule");
    let file = File::create(bench.path("f")).expect("it is made");
    assert_eq!(file.write_at(&[1; 20_000], 0).expect("a part is written"), 10_000);
    assert_eq!(errno(file.write_at(&[1; 20_000], 10_000)), Errno::ENOSPC);
    file.write_all_at(&[2; 10_000], 0).expect("what is there can be overwritten");
    assert_eq!(fallocate(&file, FallocateFlags::empty(), 0, 20_000), Err(Errno::ENOSPC));
    assert_eq!(nix::sys::statvfs::statvfs(&bench.at).expect("statvfs").blocks_available(), 0);
    fs::remove_file(bench.path("before")).expect("unlink");
    assert_eq!(file.write_at(&[1; 20_000], 10_000).expect("a part is written"), 1000);
    file.set_len(0).expect("truncate");
    file.write_all_at(&[3; 11_000], 0).expect("there is space again");
    assert_eq!(bench.disk.statistics().out_of_space, 4);
    bench.disk.set_rules(Rules::default()).expect("no rule");
    file.write_all_at(&[1; 20_000], 0).expect("there is space");
}

fn lying_syncs_lose() {
    let bench = Bench::new();
    let survives = |lying_sync| {
        bench.disk.set_rules(Rules { lying_sync, ..Rules::default() }).expect("a rule");
        write_synced(&bench.path("f"), b"content");
        bench.disk.crash(Loss::Everything).expect("a crash");
        bench.path("f").exists()
    };
    assert!(!survives(Some(Dose::ALWAYS)));
    assert_eq!(bench.disk.statistics().lying_syncs, 1);
    assert!(survives(None));
}

fn flipped_bits_are_read() {
    let bench = Bench::new();
    let [f, spared] = ["f", "spared"].map(|name| bench.path(name));
    [&f, &spared].iter().for_each(|path| write_synced(path, &[0; 100_000]));
    let ones = |path: &Path| fs::read(path).expect("it reads").iter().map(|byte| byte.count_ones()).sum::<u32>();
    assert_eq!(ones(&f), 0, "and the page cache knows it");
    let what = FlipBits { bits: 50, only: Some("f".to_owned()), seed: 7 };
    let flips = bench.disk.flip_bits(&what).expect("bits are flipped");
    assert_eq!((flips.len(), ones(&f), ones(&spared)), (50, 50, 0));
    assert_eq!(fs::read(&f).expect("it reads")[flips[0].offset_bytes as usize] >> flips[0].bit & 1, 1);
    bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!(ones(&f), 50, "they are durable");
    assert_eq!(bench.disk.flip_bits(&what).expect("bits are flipped"), flips, "equal seeds flip the same");
    assert_eq!(ones(&f), 0);
    bench.disk.change_rules(|rules| rules.flipped_read = Some(Dose::next(1))).expect("a rule");
    assert_eq!(ones(&f), 1);
    bench.disk.drop_caches().expect("the cache is emptied");
    assert_eq!(ones(&f), 0, "the file itself is right");
    assert_eq!((bench.disk.statistics().flipped_reads, bench.disk.statistics().flipped_bits), (1, 100));
}

fn misdirected_writes_land_elsewhere() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), &[0; 40_960]);
    bench.disk.change_rules(|rules| rules.misdirected_write = Some(Dose::next(1))).expect("a rule");
    open(&bench.path("f")).write_all_at(&[1; 4096], 8192).expect("it writes");
    bench.disk.drop_caches().expect("the cache is emptied");
    let read = fs::read(bench.path("f")).expect("it reads");
    let landed: Vec<usize> = (0..10).filter(|block| read[block * 4096..][..4096] == [1; 4096]).collect();
    assert!(landed.len() == 1 && landed[0] != 2, "{landed:?}");
    assert_eq!((read.len(), read.iter().filter(|byte| **byte == 1).count()), (40_960, 4096));
    let statistics = bench.disk.statistics();
    assert_eq!((statistics.misdirected_writes, statistics.misdirected_bytes), (1, 4096));
    open(&bench.path("f")).write_all_at(&[2; 4096], 8192).expect("it writes");
    bench.disk.drop_caches().expect("the cache is emptied");
    assert_eq!(fs::read(bench.path("f")).expect("it reads")[8192..12_288], [2; 4096], "the dose is over");
}

fn slow_calls_are_slow() {
    let bench = Bench::new();
    let file = File::create(bench.path("f")).expect("it is made");
    bench.disk.change_rules(|rules| rules.sync.latency = Latency::of_ms(80)).expect("a rule");
    let started = Instant::now();
    // A slow sync keeps no other call from being answered, however many there are.
    let syncs: Vec<_> = (0..8)
        .map(|_| {
            let file = file.try_clone().expect("a descriptor");
            thread::spawn(move || file.sync_all().expect("it syncs"))
        })
        .collect();
    until("the syncs are under way", || bench.disk.statistics().delayed_calls > 0);
    file.write_all_at(b"content", 0).expect("it writes");
    syncs.into_iter().for_each(|sync| sync.join().expect("it syncs"));
    assert!(started.elapsed() >= Duration::from_millis(80));
    let statistics = bench.disk.statistics();
    assert_eq!((statistics.delayed_calls, statistics.delayed_us), (8, 640_000));
}

fn a_stalled_disk_answers_nothing() {
    let bench = Bench::new();
    write_synced(&bench.path("f"), b"old");
    bench.disk.change_rules(|rules| rules.stalled = true).expect("a rule");
    let path = bench.path("f");
    let writer = thread::spawn(move || write_synced(&path, b"new"));
    until("the writer waits", || bench.disk.statistics().stalled_calls > 0);
    assert!(!writer.is_finished());
    assert_eq!(fs::read(bench.backing.join("f")).expect("it reads"), b"old");
    bench.disk.change_rules(|rules| rules.stalled = false).expect("no rule");
    writer.join().expect("it goes on");
    assert_eq!(fs::read(bench.backing.join("f")).expect("it reads"), b"new");
}

const SYNCER: &str = "
import os, sys
f = open(sys.argv[1], 'wb'); f.write(b'x' * 5000); f.flush(); print('ready', flush=True)
sys.stdin.readline(); os.fsync(f.fileno()); print('synced', flush=True)
";

fn killed_processes_leave_a_stalled_disk() {
    let bench = Bench::new();
    let Some(mut child) = started(SYNCER, &bench.path("f")) else { return };
    bench.disk.change_rules(|rules| rules.stalled = true).expect("a rule");
    child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it reads");
    until("the sync waits", || bench.disk.statistics().stalled_calls > 0);
    let started = Instant::now();
    kill(&mut child);
    assert!(started.elapsed() < HUNG, "it dies although the disk is stalled");
    assert_eq!(bench.disk.statistics().abandoned_calls, 1);
    let report = bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!((report.lost_names, report.lost_bytes), (1, 5000), "the sync never happened");
}

fn a_full_undo_log_loses_less() {
    let bench = Bench::with(&DiskOptions { undo_bytes_max: 2 << 20, ..DiskOptions::default() });
    write_synced(&bench.path("large"), &vec![1; 4 << 20]);
    write_synced(&bench.path("small"), &[1; 4096]);
    open(&bench.path("small")).write_all_at(&[2; 4096], 0).expect("it writes");
    open(&bench.path("large")).write_all_at(&vec![2; 4 << 20], 0).expect("it writes");
    let statistics = bench.disk.statistics();
    assert!(statistics.unsynced_undo_bytes <= 2 << 20, "{statistics:?}");
    assert!(statistics.written_back_files > 0 && statistics.written_back_blocks > 0, "{statistics:?}");
    bench.disk.crash(Loss::Everything).expect("a crash");
    let [large, small] = ["large", "small"].map(|name| fs::read(bench.path(name)).expect("it reads"));
    assert!(large[..1 << 20].iter().all(|byte| *byte == 2), "the file with the largest log counts as synced");
    assert_eq!(small, [1; 4096], "others do not");
    open(&bench.path("large")).set_len(0).expect("truncate");
    bench.disk.crash(Loss::Everything).expect("a crash");
    assert_eq!(fs::metadata(bench.path("large")).expect("stat").len(), 0, "more than can be kept is not kept in part");
}

//! Stores on a disk whose power fails: those that sync lose nothing that they acknowledged, the same ones without syncs
//! do, and so do those whose disk lies.

mod support;

use std::process::ExitCode;

use program_disk::{Dose, Loss, Rules};
use support::stores::{self, Failures, any_loss, has_module, power_failures};
use support::{Bench, HUNG};

const CRASHES: u64 = 12;
/// Of a store that takes long to start.
const CRASHES_OF_ETCD: u64 = 4;

fn main() -> ExitCode {
    if let Some(ended) = stores::write_redb_if_asked() {
        return ended;
    }
    support::run(tests![
        sqlite_that_syncs_loses_nothing,
        sqlite_without_syncs_loses,
        sqlite_on_a_lying_disk_loses,
        redb_that_syncs_loses_nothing,
        redb_on_a_lying_disk_loses,
        lmdb_that_syncs_loses_nothing,
        lmdb_without_syncs_loses,
        etcd_that_syncs_loses_nothing,
    ])
}

/// Every failure, and nothing that was lost.
fn nothing_lost(failures: Failures, crashes: u64) {
    assert_eq!((failures.crashes, failures.lost, failures.damaged), (crashes, 0, 0), "{failures:?}");
    assert!(failures.acknowledged >= crashes, "{failures:?}");
}

fn everything(_: u64) -> Loss {
    Loss::Everything
}

fn lying() -> Bench {
    let bench = Bench::new();
    let lying = Rules { lying_sync: Some(Dose::ALWAYS), ..Rules::default() };
    bench.disk.set_rules(lying).expect("a rule");
    bench
}

fn sqlite_that_syncs_loses_nothing() {
    if has_module("sqlite3") {
        let bench = Bench::new();
        let failures = power_failures(&bench, CRASHES, any_loss, || stores::sqlite(&bench.path("db"), "FULL"));
        nothing_lost(failures, CRASHES);
    }
}

fn sqlite_without_syncs_loses() {
    if has_module("sqlite3") {
        let bench = Bench::new();
        let failures = power_failures(&bench, CRASHES, everything, || stores::sqlite(&bench.path("db"), "OFF"));
        assert!(failures.lost > 0 && failures.effective == failures.crashes, "{failures:?}");
    }
}

fn sqlite_on_a_lying_disk_loses() {
    if has_module("sqlite3") {
        let bench = lying();
        let failures = power_failures(&bench, CRASHES, any_loss, || stores::sqlite(&bench.path("db"), "FULL"));
        assert!(failures.lost + failures.damaged > 0, "{failures:?}");
        assert!(bench.disk.statistics().lying_syncs > 0);
    }
}

fn redb_that_syncs_loses_nothing() {
    let bench = Bench::new();
    let failures = power_failures(&bench, CRASHES, any_loss, || stores::redb(&bench.path("db")));
    nothing_lost(failures, CRASHES);
}

fn redb_on_a_lying_disk_loses() {
    let bench = lying();
    let failures = power_failures(&bench, CRASHES, any_loss, || stores::redb(&bench.path("db")));
    assert!(failures.lost + failures.damaged > 0, "{failures:?}");
}

fn lmdb_that_syncs_loses_nothing() {
    for mode in ["sync", "writemap"].into_iter().filter(|_| has_module("lmdb")) {
        let bench = Bench::new();
        let failures = power_failures(&bench, CRASHES, any_loss, || stores::lmdb(&bench.path("db"), mode));
        nothing_lost(failures, CRASHES);
    }
}

fn lmdb_without_syncs_loses() {
    if has_module("lmdb") {
        let bench = Bench::new();
        let failures = power_failures(&bench, CRASHES, everything, || stores::lmdb(&bench.path("db"), "nosync"));
        assert!(failures.lost > 0, "{failures:?}");
    }
}

fn etcd_that_syncs_loses_nothing() {
    let Some(etcd) = stores::etcd_program() else { return };
    let bench = Bench::new();
    let writer = || stores::etcd(&bench.path("db"), &etcd, HUNG, &[]);
    nothing_lost(power_failures(&bench, CRASHES_OF_ETCD, any_loss, writer), CRASHES_OF_ETCD);
}

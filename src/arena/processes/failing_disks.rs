//! Disks that lose what was not synced, fail, lie, are slow and rot, when told to: the crate `program_disk`, as [`Disks`].
//!
//! Each node's data directory is such a file system, and its own backing directory: when the run has ended, the
//! directory has what the node wrote. Disks stay mounted while nodes come and go.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use nemesis::surface::{DiskRule, DiskStatistics, Loss, SurfaceError, SurfaceFuture};
use program_disk::{CallRule, CrashReport, Disk, DiskError, DiskOptions, Dose, FlipBits, Latency, Rules};

use super::disks::{Directories, Disks, bytes_under};

/// A disk of the bench's for each node.
pub struct FailingDisks {
    directories: Directories,
    seed: u64,
    mounted: RefCell<BTreeMap<String, Arc<Disk>>>,
    /// What power failures left and took so far, by node.
    crashes: RefCell<BTreeMap<String, CrashReport>>,
    /// So that each damage is another one.
    damages: Cell<u64>,
}

impl FailingDisks {
    /// At these directories, none of which is mounted yet. The bench must be in a mount namespace of its own.
    pub fn at(directories: Directories, seed: u64) -> Self {
        Self { directories, seed, mounted: RefCell::default(), crashes: RefCell::default(), damages: Cell::new(0) }
    }

    fn disk(&self, node: &str) -> Result<Arc<Disk>, SurfaceError> {
        let found = self.mounted.borrow().get(node).cloned();
        found.ok_or_else(|| SurfaceError(format!("the disk of {node} is not there before its first start")))
    }

    fn next_seed(&self) -> u64 {
        self.damages.set(self.damages.get() + 1);
        self.seed ^ (self.damages.get() << 32)
    }

    async fn crash(&self, node: &str, loss: program_disk::Loss) -> Result<(), SurfaceError> {
        let disk = self.disk(node)?;
        let report = on_a_thread(move || disk.crash(loss)).await?;
        let mut crashes = self.crashes.borrow_mut();
        let all = crashes.entry(node.to_owned()).or_default();
        all.lost_blocks += report.lost_blocks;
        all.torn_blocks += report.torn_blocks;
        all.kept_blocks += report.kept_blocks;
        Ok(())
    }
}

impl Disks for FailingDisks {
    fn prepare(&self, node: &str) -> io::Result<()> {
        self.directories.prepare(node)?;
        let mut mounted = self.mounted.borrow_mut();
        if !mounted.contains_key(node) {
            let path = self.path(node);
            let options = DiskOptions { seed: self.seed ^ mounted.len() as u64, ..DiskOptions::default() };
            let disk = Disk::mount(&path, &path, &options).map_err(io::Error::other)?;
            mounted.insert(node.to_owned(), Arc::new(disk));
        }
        Ok(())
    }

    fn path(&self, node: &str) -> PathBuf {
        self.directories.path(node)
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let disk = self.disk(node)?;
            on_a_thread(move || disk.wipe()).await
        })
    }

    fn statistics(&self, node: &str) -> Result<DiskStatistics, SurfaceError> {
        let bytes = bytes_under(&self.path(node)).map_err(surface)?;
        let counted = self.disk(node)?.statistics();
        let crashes = self.crashes.borrow().get(node).copied().unwrap_or_default();
        Ok(DiskStatistics { bytes, ..of_program(&counted, &crashes) })
    }

    fn set_rule<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let disk = self.disk(node)?;
            on_a_thread(move || disk.set_rules(rules(rule))).await
        })
    }

    fn lose_unsynced<'a>(&'a self, nodes: &'a [String], loss: Loss) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            for (node, number) in nodes.iter().zip(0..) {
                let loss = match loss {
                    Loss::Usual => program_disk::Loss::Everything,
                    Loss::Torn { seed } => program_disk::Loss::Torn { seed: seed ^ number },
                };
                self.crash(node, loss).await?;
            }
            Ok(())
        })
    }

    fn flip_bits<'a>(&'a self, node: &'a str, bits: u64) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let disk = self.disk(node)?;
            let bits = u32::try_from(bits).unwrap_or(u32::MAX);
            let flips = FlipBits { bits, only: None, seed: self.next_seed() };
            on_a_thread(move || disk.flip_bits(&flips)).await.map(drop)
        })
    }
}

/// Disks wait for the kernel, which no task may do.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DiskError> + Send + 'static,
) -> Result<T, SurfaceError> {
    tokio::task::spawn_blocking(work).await.map_err(surface)?.map_err(surface)
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}

/// The nemesis's rule as the disk's.
fn rules(rule: DiskRule) -> Rules {
    let dose = |percent: u32| (percent > 0).then(|| Dose::share(f64::from(percent) / 100.0));
    let call = |percent| CallRule { error: dose(percent), latency: Latency::of_ms(rule.latency_ms) };
    Rules {
        read: call(rule.read_error_percent),
        write: call(rule.write_error_percent),
        sync: call(rule.sync_error_percent),
        lying_sync: dose(rule.lying_sync_percent),
        misdirected_write: dose(rule.misdirected_write_percent),
        space_bytes: rule.free_bytes,
        ..Rules::default()
    }
}

/// What a disk has counted, as the nemesis counts: a batch is a block.
fn of_program(counted: &program_disk::DiskStatistics, crashes: &CrashReport) -> DiskStatistics {
    DiskStatistics {
        power_failures: counted.crashes,
        kept_batches: crashes.kept_blocks,
        lost_batches: crashes.lost_blocks + crashes.torn_blocks,
        torn_batches: crashes.torn_blocks,
        lost_bytes: counted.lost_bytes,
        lost_files: counted.lost_files,
        failed_reads: counted.failed_reads,
        failed_writes: counted.failed_writes,
        failed_syncs: counted.failed_syncs,
        lying_syncs: counted.lying_syncs,
        misdirected_writes: counted.misdirected_writes,
        out_of_space_calls: counted.out_of_space,
        delayed_calls: counted.delayed_calls,
        delay_total_ms: counted.delayed_us / 1000,
        flipped_bits: counted.flipped_bits,
        ..DiskStatistics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_without_a_fault_is_one_of_the_disk() {
        assert_eq!(rules(DiskRule::default()), Rules::default());
    }

    #[test]
    fn every_part_of_a_rule_is_carried_out() {
        let rule = DiskRule {
            read_error_percent: 1,
            write_error_percent: 2,
            sync_error_percent: 3,
            lying_sync_percent: 4,
            misdirected_write_percent: 5,
            latency_ms: 6,
            free_bytes: Some(7),
        };
        let rules = rules(rule);
        assert!(rules.validate().is_ok());
        let share = |dose: Option<Dose>| dose.map(|dose| (dose.share * 100.0).round() as u32);
        let errors = [rules.read.error, rules.write.error, rules.sync.error].map(share);
        assert_eq!(errors, [Some(1), Some(2), Some(3)]);
        assert_eq!([rules.lying_sync, rules.misdirected_write].map(share), [Some(4), Some(5)]);
        let latencies = [rules.read, rules.write, rules.sync].map(|call| call.latency);
        assert_eq!((latencies, rules.space_bytes), ([Latency::of_ms(6); 3], Some(7)));
    }
}

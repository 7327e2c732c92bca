//! How faults are injected into processes: signals, links, disks, clock files, and what the system itself can be told.

use std::time::{Duration, SystemTime};

use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskRule, DiskStatistics, LinkRule, LinkStatistics, Loss, Membership, ProcessLimits, ProcessState,
    ProcessStatistics, StartCrash, Surface, SurfaceError, SurfaceFuture,
};
use nemesis::{Capabilities, Capability};

use super::{DisksBy, Ground, ProcessArena, answered, carried, limits};
use crate::systems::System;

/// What a switch can do with packets, beyond what a proxy can do with a stream.
const OF_PACKETS: [Capability; 7] = [
    Capability::DelayDistributions,
    Capability::Duplication,
    Capability::Reordering,
    Capability::Corruption,
    Capability::RateLimit,
    Capability::Reset,
    Capability::ClientLinks,
];

/// What can be done to a tree of processes, beyond what signals do to one.
const OF_TREES: [Capability; 3] = [Capability::CpuLimit, Capability::FileLimit, Capability::MemoryLimit];

/// What a disk of the bench's own can do, beyond being emptied.
const OF_DISKS: [Capability; 10] = [
    Capability::PowerFailure,
    Capability::TornWrites,
    Capability::ReadErrors,
    Capability::WriteErrors,
    Capability::SyncErrors,
    Capability::DiskSpace,
    Capability::SlowDisk,
    Capability::LyingSyncs,
    Capability::MisdirectedWrites,
    Capability::FlippedBits,
];

/// What can be done to disks in this way, beyond emptying them.
fn of_disks(all: Capabilities, by: DisksBy) -> Capabilities {
    let reach = match by {
        DisksBy::FileSystem => return all.with(OF_DISKS),
        DisksBy::Nothing => {
            return all.without(
                OF_DISKS,
                "/dev/fuse cannot be opened, and the kernel reports no calls \
            (seccomp): see `dissensus doctor`",
            );
        }
        DisksBy::Listener(reach) => reach,
    };
    let of_calls = [
        (Capability::ReadErrors, reach.reads),
        (Capability::WriteErrors, reach.writes),
        (Capability::SyncErrors, reach.syncs),
        (Capability::SlowDisk, reach.syncs),
    ];
    let of_calls = of_calls.into_iter().filter_map(|(capability, can)| can.then_some(capability));
    all.without(
        OF_DISKS,
        "/dev/fuse cannot be opened, and without it calls can only fail, and syncs be slow: see \
        `dissensus doctor`",
    )
    .with(of_calls)
}

impl ProcessArena {
    /// What can be done to the processes of a system that live there.
    pub fn capabilities(system: &dyn System, ground: Ground) -> Capabilities {
        let links = [Capability::Cut, Capability::Delay, Capability::Loss];
        let nodes = [Capability::Kill, Capability::Pause, Capability::Wipe, Capability::StartCrash];
        let of_system = [
            (Capability::Clock, system.clock().is_some() || ground != Ground::Machine),
            (Capability::Membership, system.membership().is_some()),
            (Capability::Upgrade, system.upgrades().is_some()),
            (Capability::Replace, system.replaces().is_some()),
        ];
        let of_system = of_system.into_iter().filter_map(|(capability, can)| can.then_some(capability));
        let all = Capabilities::none()
            .with(links.into_iter().chain(nodes).chain(of_system))
            .without([Capability::RottenRows], "only a simulated store shows its rows: use `dissensus sim`");
        let all = match all.has(Capability::Clock) {
            true => all,
            false => all.without([Capability::Clock], "its programs read no clock of the bench's: use --net netns"),
        };
        let or_simulated = if system.simulated().is_some() { "`dissensus sim`, " } else { "" };
        let real_disks =
            format!("the disks of these processes are real ones: use --net netns, {or_simulated}or kill and wipe");
        let needs_namespaces = "nodes need namespaces of their own for it: use --net netns";
        let of_ground = match ground {
            Ground::Machine => all
                .without(OF_PACKETS, needs_namespaces)
                .without(OF_TREES, needs_namespaces)
                .without(OF_DISKS, &real_disks),
            Ground::Namespaces { disks } => of_disks(all.with(OF_PACKETS).with(OF_TREES), disks),
        };
        match system.carrier() {
            Some(carrier) => carried::capabilities(of_ground, &*carrier),
            None => of_ground,
        }
    }

    /// Starts a node that runs no more, and kills it after this time.
    async fn crash_start(&self, node: &str, age: Duration) -> Result<StartCrash, SurfaceError> {
        let index = self.index(node)?;
        if self.seats[index].handle().is_some() {
            return Err(SurfaceError(format!("{node} is running: it cannot be started")));
        }
        let launch = self.launch(index, false).map_err(surface)?;
        self.start_of(index, &launch).map_err(surface)?.until(age).await.map_err(surface)
    }
}

impl Surface for ProcessArena {
    fn capabilities(&self) -> Capabilities {
        Self::capabilities(&*self.system, self.ground)
    }

    fn nodes(&self) -> Vec<String> {
        self.names.clone()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let (from, to) = self.ends(link)?;
            self.links.set_rule(from, to, rule)
        })
    }

    fn reset_link<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let (from, to) = self.ends(link)?;
            self.links.reset(from, to)
        })
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        Box::pin(async move {
            let (from, to) = self.ends(link)?;
            self.links.statistics(from, to)
        })
    }

    fn note(&self, text: &str) {
        self.links.note(text);
    }

    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let indices = nodes.iter().map(|node| self.index(node)).collect::<Result<Vec<_>, _>>()?;
            let problems = self.kill_nodes(&indices).await;
            if problems.is_empty() { Ok(()) } else { Err(SurfaceError(problems.join("; "))) }
        })
    }

    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let index = self.index(node)?;
            self.start_node(index, false).await.map_err(|error| SurfaceError(error.to_string()))
        })
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.check_dead(node)?;
            self.disks.wipe(node).await?;
            // A member that has an identity does not come back without its disk.
            if self.system.replaces().is_some() {
                self.seats[self.index(node)?].replace();
            }
            Ok(())
        })
    }

    fn crash_in_start<'a>(&'a self, node: &'a str, after_ms: u64) -> SurfaceFuture<'a, StartCrash> {
        Box::pin(self.crash_start(node, Duration::from_millis(after_ms)))
    }

    fn set_disk<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.index(node)?;
            self.disks.set_rule(node, rule).await
        })
    }

    fn fail_power<'a>(&'a self, nodes: &'a [String], loss: Loss) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.kill(nodes).await?;
            self.disks.lose_unsynced(nodes, loss).await
        })
    }

    fn flip_bits<'a>(&'a self, node: &'a str, bits: u64) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.check_dead(node)?;
            self.disks.flip_bits(node, bits).await
        })
    }

    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let index = self.index(node)?;
            self.start_node(index, true).await.map_err(|error| SurfaceError(error.to_string()))
        })
    }

    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        Box::pin(async move {
            self.index(node)?;
            self.disks.statistics(node)
        })
    }

    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let seat = &self.seats[self.index(node)?];
            let upgrades = self.system.upgrades().ok_or_else(|| self.cannot("upgrade nodes"))?;
            if seat.upgrades() >= upgrades.upgrades_max() {
                return Err(SurfaceError(format!("{node} speaks the newest version already: start with an older one")));
            }
            seat.upgrade();
            Ok(())
        })
    }

    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        Box::pin(async move {
            let address = self.address(node)?;
            let upgrades = self.system.upgrades().ok_or_else(|| self.cannot("tell versions"))?;
            answered(upgrades.version(address)).await
        })
    }

    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(self.change_membership(node, true))
    }

    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(self.change_membership(node, false))
    }

    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        Box::pin(async move {
            let members = self.system.membership().ok_or_else(|| self.cannot("tell members"))?;
            answered(members.members(self.address(node)?)).await
        })
    }

    fn replace<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            self.system.replaces().ok_or_else(|| self.cannot("replace members"))?;
            self.wipe(node).await
        })
    }

    fn member<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        Box::pin(async move {
            let replaces = self.system.replaces().ok_or_else(|| self.cannot("tell members"))?;
            answered(replaces.member(self.address(node)?)).await
        })
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_handle(node)?.pause().await })
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_handle(node)?.resume().await })
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        Box::pin(async move {
            match self.handle(node)? {
                Some(handle) => handle.state().await,
                None => Ok(ProcessState::Dead),
            }
        })
    }

    fn set_limits<'a>(&'a self, node: &'a str, limits: ProcessLimits) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { limits::set(self.live_handle(node)?.tree()?, limits).await })
    }

    fn process_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessStatistics> {
        Box::pin(async move { self.usage.of(node, self.live_handle(node)?.tree()?).await })
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.clocks.set(self.index(node)?, setting).map_err(surface) })
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        Box::pin(async move {
            let Some(clock) = self.system.clock() else {
                return self.clocks.shown_ahead_ms(self.index(node)?).await;
            };
            let address = self.address(node)?;
            let before = wall_ns();
            let believed = answered(clock.believed_wall_ns(address)).await?;
            let true_ns = i128::midpoint(before, wall_ns());
            i64::try_from((believed - true_ns) / 1_000_000).map_err(surface)
        })
    }
}

fn wall_ns() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}

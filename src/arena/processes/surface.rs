//! How faults are injected into processes: signals, proxies, clock files, and what the system itself can be told.

use std::time::SystemTime;

use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskStatistics, LinkRule, LinkStatistics, Membership, ProcessState, Surface, SurfaceError,
    SurfaceFuture,
};
use nemesis::{Capabilities, Capability};

use super::ProcessArena;
use crate::systems::System;

impl ProcessArena {
    /// What can be done to the processes of a system behind proxies.
    pub fn capabilities(system: &dyn System) -> Capabilities {
        let links = [Capability::Cut, Capability::Delay, Capability::Loss];
        let nodes = [Capability::Kill, Capability::Pause, Capability::Wipe];
        let of_system = [
            (Capability::Clock, system.clock().is_some()),
            (Capability::Membership, system.membership().is_some()),
            (Capability::Upgrade, system.upgrades().is_some()),
        ];
        let of_system = of_system.into_iter().filter_map(|(capability, can)| can.then_some(capability));
        let disks = [Capability::PowerFailure, Capability::SyncErrors, Capability::RottenRows];
        Capabilities::none()
            .with(links.into_iter().chain(nodes).chain(of_system))
            .without(disks, "the disks of processes are real ones: use `dissensus sim`, or kill and wipe")
    }
}

impl Surface for ProcessArena {
    fn capabilities(&self) -> Capabilities {
        Self::capabilities(&*self.system)
    }

    fn nodes(&self) -> Vec<String> {
        self.names.clone()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let (from, to) = self.ends(link)?;
            if self.links.set_rule(from, to, rule) { Ok(()) } else { Err(no_link(link)) }
        })
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        Box::pin(async move {
            let (from, to) = self.ends(link)?;
            self.links.statistics(from, to).ok_or_else(|| no_link(link))
        })
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
            if self.process(node)?.is_some() {
                return Err(SurfaceError(format!("{node} is running: its disk cannot be touched")));
            }
            self.disks.wipe(node)
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
            upgrades.version(address).await.map_err(SurfaceError)
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
            members.members(self.address(node)?).await.map_err(SurfaceError)
        })
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_process(node)?.stop().await.map_err(surface) })
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.live_process(node)?.cont().await.map_err(surface) })
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        Box::pin(async move {
            match self.process(node)? {
                Some(process) => process.state().map_err(surface),
                None => Ok(ProcessState::Dead),
            }
        })
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        Box::pin(async move { self.clocks.set(self.index(node)?, setting).map_err(surface) })
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        Box::pin(async move {
            let address = self.address(node)?;
            let clock = self.system.clock().ok_or_else(|| self.cannot("read a node's clock"))?;
            let before = wall_ns();
            let believed = clock.believed_wall_ns(address).await.map_err(SurfaceError)?;
            let true_ns = i128::midpoint(before, wall_ns());
            i64::try_from((believed - true_ns) / 1_000_000).map_err(surface)
        })
    }
}

fn wall_ns() -> i128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i128)
}

fn no_link(link: &Link) -> SurfaceError {
    SurfaceError(format!("there is no link {} → {}", link.from, link.to))
}

fn surface(error: impl std::fmt::Display) -> SurfaceError {
    SurfaceError(error.to_string())
}

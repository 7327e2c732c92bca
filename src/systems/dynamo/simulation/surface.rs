//! How faults are injected into the simulated cluster: by calls to its world, which take effect at once.

use cluster_core::api::{NodeId, Reply, Request};
use cluster_core::sim::Answer;
use cluster_core::sim::network::LinkRule as SimRule;
use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskRule, DiskStatistics, LinkRule, LinkStatistics, Loss, Membership, ProcessState, Surface,
    SurfaceError, SurfaceFuture,
};
use nemesis::{Capabilities, Capability};

use super::SimulatedCluster;
use crate::systems::dynamo::replies::standing;

const NS_PER_MS: u64 = 1_000_000;

/// An immediate result: in simulation the nemesis's actions take no time.
fn at_once<'a, T: 'a>(result: Result<T, SurfaceError>) -> SurfaceFuture<'a, T> {
    Box::pin(std::future::ready(result))
}

impl SimulatedCluster {
    /// What can be done to the simulated world. Each crash in it is a power failure.
    pub fn capabilities() -> Capabilities {
        let links = [Capability::Cut, Capability::Delay, Capability::Loss];
        let nodes = [Capability::Kill, Capability::Pause, Capability::Clock, Capability::Wipe];
        let disks = [Capability::PowerFailure, Capability::SyncErrors, Capability::RottenRows];
        let cluster = [Capability::Membership, Capability::Upgrade];
        Capabilities::none().with(links.into_iter().chain(nodes).chain(disks).chain(cluster))
    }
}

impl Surface for SimulatedCluster {
    fn capabilities(&self) -> Capabilities {
        Self::capabilities()
    }

    fn nodes(&self) -> Vec<String> {
        self.cluster().names.clone()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().ends(link).map(|(from, to)| {
            let rule = SimRule {
                cut: rule.blocked,
                slow_ns: rule.delay_ms * NS_PER_MS,
                jitter_ns: rule.jitter_ms * NS_PER_MS,
                loss_percent: rule.loss_percent,
            };
            self.cluster().world.borrow_mut().network().set_rule(from, to, rule);
        }))
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        at_once(self.cluster().ends(link).map(|(from, to)| {
            let counters = self.cluster().world.borrow_mut().network().counters(from, to);
            LinkStatistics {
                forwarded_bytes: counters.passed_bytes,
                blocked_bytes: counters.blocked_bytes,
                blocked_connections: 0,
                delayed_bytes: counters.slowed_bytes,
                delay_total_ms: counters.slowed_total_ns / NS_PER_MS,
                delayed_chunks: counters.slowed_messages,
                lossy_chunks: counters.lossy_messages,
                lost_chunks: counters.lost_messages,
                ..LinkStatistics::default()
            }
        }))
    }

    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        let ids: Result<Vec<NodeId>, SurfaceError> = nodes.iter().map(|node| self.cluster().id(node)).collect();
        at_once(ids.map(|ids| ids.into_iter().for_each(|id| self.cluster().crash(id))))
    }

    fn fail_power<'a>(&'a self, nodes: &'a [String], _loss: Loss) -> SurfaceFuture<'a, ()> {
        self.kill(nodes)
    }

    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().id(node).and_then(|id| {
            self.cluster().world.borrow_mut().start(id).map_err(|error| SurfaceError(error.to_string()))
        }))
    }

    fn upgrade<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().id(node).and_then(|id| {
            let mut world = self.cluster().world.borrow_mut();
            let newest = || SurfaceError(format!("{node} speaks the newest version already: start with an older one"));
            let next = world.protocol(id).next().ok_or_else(newest)?;
            world.set_protocol(id, next);
            Ok(())
        }))
    }

    fn protocol_version<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, u64> {
        at_once(self.cluster().id(node).and_then(|id| {
            let world = self.cluster().world.borrow();
            let version = world.node(id).filter(|_| !world.is_paused(id)).map(|node| node.status().protocol_version);
            version.map(u64::from).ok_or_else(|| SurfaceError(format!("{node} does not answer")))
        }))
    }

    fn join<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let node = self.cluster().id(node)?;
            self.command(Request::Join { node }).await
        })
    }

    fn leave<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        Box::pin(async move {
            let node = self.cluster().id(node)?;
            self.command(Request::Leave { node }).await
        })
    }

    fn members<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, Membership> {
        Box::pin(async move {
            let id = self.cluster().live(node)?;
            if self.cluster().world.borrow().is_paused(id) {
                return Err(SurfaceError(format!("{node} does not answer")));
            }
            match self.call(node, Request::Members).map_err(SurfaceError)?.await {
                Answer::Reply(Reply::Members(members)) => {
                    let seats = members.seats.into_iter().map(|seat| (seat.name, standing(seat.status)));
                    Ok(Membership { view: format!("{:016x}", members.view), seats: seats.collect() })
                }
                other => Err(SurfaceError(format!("{node} said {other:?}"))),
            }
        })
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().dead(node).map(|id| self.cluster().world.borrow_mut().wipe(id)))
    }

    /// Syncs fail all or none: that is all that the simulated disk knows.
    fn set_disk<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        let fail = rule.sync_error_percent > 0;
        at_once(self.cluster().id(node).map(|id| self.cluster().world.borrow_mut().fail_syncs(id, fail)))
    }

    fn rot<'a>(&'a self, node: &'a str, rows: u64) -> SurfaceFuture<'a, ()> {
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        at_once(self.cluster().dead(node).map(|id| self.cluster().world.borrow_mut().rot(id, rows)))
    }

    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().id(node).and_then(|id| {
            let started = self.cluster().world.borrow_mut().start_without_damaged(id);
            started.map(drop).map_err(|error| SurfaceError(error.to_string()))
        }))
    }

    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        at_once(self.cluster().id(node).map(|id| {
            let world = self.cluster().world.borrow();
            let counters = world.disk_counters(id);
            DiskStatistics {
                bytes: world.disk_bytes(id),
                kept_batches: counters.kept,
                lost_batches: counters.lost,
                torn_batches: counters.torn,
                failed_syncs: counters.failed_syncs,
                rotten_rows: counters.rotten_rows,
                dropped_rows: counters.dropped_rows,
                power_failures: self.cluster().power_failures.borrow().get(&id).copied().unwrap_or(0),
                ..DiskStatistics::default()
            }
        }))
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().live(node).map(|id| self.cluster().world.borrow_mut().pause(id)))
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().live(node).map(|id| self.cluster().world.borrow_mut().resume(id)))
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        at_once(self.cluster().id(node).map(|id| {
            let world = self.cluster().world.borrow();
            match (world.is_up(id), world.is_paused(id)) {
                (false, _) => ProcessState::Dead,
                (true, true) => ProcessState::Stopped,
                (true, false) => ProcessState::Running,
            }
        }))
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        at_once(self.cluster().id(node).map(|id| {
            let offset_ns = setting.offset_ms.saturating_mul(NS_PER_MS as i64);
            self.cluster().world.borrow_mut().set_clock(id, offset_ns, setting.drift_ppm);
        }))
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        at_once(self.cluster().id(node).and_then(|id| {
            let world = self.cluster().world.borrow();
            match world.is_up(id) && !world.is_paused(id) {
                true => Ok(world.clock_offset_ns(id) / NS_PER_MS as i64),
                false => Err(SurfaceError(format!("{node} does not answer"))),
            }
        }))
    }
}

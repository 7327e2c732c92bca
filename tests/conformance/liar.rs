//! An arena that lies in one point, to prove that the suite notices: without this, a chapter could pass because it
//! looks at nothing.

use std::cell::Cell;

use nemesis::Capabilities;
use nemesis::fault::Link;
use nemesis::surface::{
    ClockSetting, DiskRule, DiskStatistics, LinkRule, LinkStatistics, ProcessState, Surface, SurfaceFuture,
};
use workloads::clock::Clock;
use workloads::store::Store;

use crate::body::{self, ArenaUnderTest, MAJORITIES, Shape};
use crate::simulation::in_simulation;

/// What is claimed to have been done, and was not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lie {
    Cut,
    Heal,
    Delay,
    Count,
    Kill,
    Pause,
    Resume,
    Clock,
    Wipe,
    Loss,
}

struct Liar<'a> {
    arena: &'a dyn ArenaUnderTest,
    lie: Lie,
    /// The state that the last order should have brought about.
    claimed: Cell<ProcessState>,
}

/// Runs a chapter against a liar; the chapter must panic.
fn against(lie: Lie, chapter: impl AsyncFnOnce(&dyn ArenaUnderTest)) {
    in_simulation(MAJORITIES, async |arena| {
        let claimed = Cell::new(ProcessState::Running);
        chapter(&Liar { arena, lie, claimed }).await;
    });
}

#[test]
#[should_panic(expected = "through cut links")]
fn links_that_are_not_cut_are_noticed() {
    against(Lie::Cut, body::a_cut_link_blocks_until_it_is_healed);
}

#[test]
#[should_panic(expected = "the lonely node sees what the majority wrote")]
fn links_that_are_not_healed_are_noticed() {
    against(Lie::Heal, body::a_cut_link_blocks_until_it_is_healed);
}

#[test]
#[should_panic(expected = "traffic is stopped in both directions")]
fn counters_that_do_not_count_are_noticed() {
    against(Lie::Count, body::a_cut_link_blocks_until_it_is_healed);
}

#[test]
#[should_panic(expected = "crossed slow links")]
fn links_that_are_not_slow_are_noticed() {
    against(Lie::Delay, body::a_slow_link_delays_and_counts);
}

#[test]
#[should_panic(expected = "a dead node answered")]
fn a_kill_that_does_not_kill_is_noticed() {
    against(Lie::Kill, body::a_killed_node_is_dead_and_comes_back_with_its_data);
}

#[test]
#[should_panic(expected = "a request to a paused node")]
fn a_pause_that_does_not_pause_is_noticed() {
    against(Lie::Pause, body::a_paused_node_answers_nothing_until_it_is_resumed);
}

#[test]
#[should_panic(expected = "the resumed node answers")]
fn a_pause_that_does_not_end_is_noticed() {
    against(Lie::Resume, body::a_paused_node_answers_nothing_until_it_is_resumed);
}

#[test]
#[should_panic(expected = "believes to be 5000 ms ahead")]
fn a_clock_that_does_not_move_is_noticed() {
    against(Lie::Clock, body::a_wrong_clock_is_believed_and_set_right);
}

#[test]
#[should_panic(expected = "an emptied disk holds nothing")]
fn a_disk_that_is_not_emptied_is_noticed() {
    against(Lie::Wipe, body::a_wiped_node_has_nothing_and_is_given_it_back);
}

#[test]
#[should_panic(expected = "a lossy link loses something")]
fn links_that_lose_nothing_are_noticed() {
    against(Lie::Loss, body::a_lossy_link_loses_and_counts);
}

impl ArenaUnderTest for Liar<'_> {
    fn surface(&self) -> &dyn Surface {
        self
    }

    fn store(&self) -> Box<dyn Store> {
        self.arena.store()
    }

    fn clock(&self) -> &dyn Clock {
        self.arena.clock()
    }

    fn shape(&self) -> Shape {
        self.arena.shape()
    }
}

fn claim<'a, T: 'a>(value: T) -> SurfaceFuture<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// The truth, but for the one point. A liar about a process claims the state that it should be in, too.
impl Surface for Liar<'_> {
    fn nodes(&self) -> Vec<String> {
        self.arena.surface().nodes()
    }

    fn capabilities(&self) -> Capabilities {
        self.arena.surface().capabilities()
    }

    fn set_link<'a>(&'a self, link: &'a Link, rule: LinkRule) -> SurfaceFuture<'a, ()> {
        match self.lie {
            Lie::Cut if rule.blocked => claim(()),
            Lie::Heal if !rule.blocked => claim(()),
            Lie::Delay if rule.delay_ms > 0 => claim(()),
            Lie::Loss if rule.loss_percent > 0 => claim(()),
            _ => self.arena.surface().set_link(link, rule),
        }
    }

    fn link_statistics<'a>(&'a self, link: &'a Link) -> SurfaceFuture<'a, LinkStatistics> {
        match self.lie {
            Lie::Count => claim(LinkStatistics::default()),
            _ => self.arena.surface().link_statistics(link),
        }
    }

    fn kill<'a>(&'a self, nodes: &'a [String]) -> SurfaceFuture<'a, ()> {
        self.claimed.set(ProcessState::Dead);
        match self.lie {
            Lie::Kill => claim(()),
            _ => self.arena.surface().kill(nodes),
        }
    }

    fn restart<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.arena.surface().restart(node)
    }

    fn pause<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.claimed.set(ProcessState::Stopped);
        match self.lie {
            Lie::Pause => claim(()),
            _ => self.arena.surface().pause(node),
        }
    }

    fn resume<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.claimed.set(ProcessState::Running);
        match self.lie {
            Lie::Resume => claim(()),
            _ => self.arena.surface().resume(node),
        }
    }

    fn process_state<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ProcessState> {
        match (self.lie, node) {
            (Lie::Kill | Lie::Pause | Lie::Resume, "n2") => claim(self.claimed.get()),
            _ => self.arena.surface().process_state(node),
        }
    }

    fn set_clock<'a>(&'a self, node: &'a str, setting: ClockSetting) -> SurfaceFuture<'a, ()> {
        match self.lie {
            Lie::Clock => claim(()),
            _ => self.arena.surface().set_clock(node, setting),
        }
    }

    fn wipe<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        match self.lie {
            // That a running node's disk cannot be touched is not the lie.
            Lie::Wipe if self.claimed.get() == ProcessState::Dead => claim(()),
            _ => self.arena.surface().wipe(node),
        }
    }

    fn set_disk<'a>(&'a self, node: &'a str, rule: DiskRule) -> SurfaceFuture<'a, ()> {
        self.arena.surface().set_disk(node, rule)
    }

    fn rot<'a>(&'a self, node: &'a str, rows: u64) -> SurfaceFuture<'a, ()> {
        self.arena.surface().rot(node, rows)
    }

    fn restart_without_damaged<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, ()> {
        self.arena.surface().restart_without_damaged(node)
    }

    fn disk_statistics<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, DiskStatistics> {
        self.arena.surface().disk_statistics(node)
    }

    fn believed_offset_ms<'a>(&'a self, node: &'a str) -> SurfaceFuture<'a, i64> {
        self.arena.surface().believed_offset_ms(node)
    }
}

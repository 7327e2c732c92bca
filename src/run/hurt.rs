//! Carries out the plan beside the load, and records what was done and what came of it.

use std::time::Duration;

use nemesis::{Nemesis, Performed};
use workloads::clock::Clock;

use super::Live;

/// How often it is looked whether the load is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Takes every step of the plan at its time, until the plan or the load is over.
pub(super) async fn carry_out(live: &Live<'_>, nemesis: &mut Nemesis<'_>, over: &dyn Fn() -> bool) {
    for (at_ms, action) in nemesis.plan().schedule() {
        if !wait_until(live, Duration::from_millis(at_ms), over).await {
            return;
        }
        let performed = nemesis.perform(action, live.arena).await;
        record(live, &performed);
        if performed.record.is_some() {
            // A full disk shows itself in the history, too; the run goes on to heal.
            let _ = live.dir.write_json("evidence.json", &nemesis.records());
        }
        live.display.nemesis(nemesis);
    }
}

/// Writes a step to the history.
pub(super) fn record(live: &Live<'_>, performed: &Performed) {
    if let Some(event) = &performed.event {
        live.record(event);
        live.display.event(event);
    }
}

async fn wait_until(live: &Live<'_>, deadline: Duration, over: &dyn Fn() -> bool) -> bool {
    while live.clock.now() < deadline {
        if over() {
            return false;
        }
        live.clock
            .sleep_until(deadline.min(live.clock.now() + LOOK_INTERVAL))
            .await;
    }
    !over()
}

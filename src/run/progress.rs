//! The display of a run in progress: a bar with the counts and the active faults; plain lines if there is no terminal.

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nemesis::{Nemesis, NemesisEvent};
use workloads::Progress;
use workloads::clock::Clock;

use super::settings::{ArenaKind, RunSettings};

const REFRESH: Duration = Duration::from_millis(100);

/// The display of one run.
pub(super) struct Display {
    bar: ProgressBar,
    lines: bool,
    doing: RefCell<String>,
}

impl Display {
    pub fn new(settings: &RunSettings, quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = match terminal && !quiet {
            true => ProgressBar::new(settings.load.time_limit_ms),
            false => ProgressBar::hidden(),
        };
        let style =
            ProgressStyle::with_template("{prefix:>8} [{bar:24}] {wide_msg}").expect("the template is constant");
        bar.set_style(style.progress_chars("━╸ "));
        Self { bar, lines: !terminal && !quiet, doing: RefCell::default() }
    }

    pub fn starting(&self, nodes: usize, arena: ArenaKind) {
        let verb = if arena == ArenaKind::Attached { "looking for" } else { "starting" };
        self.say(&format!("{verb} {nodes} nodes"));
    }

    /// Shows which step of the run begins.
    pub fn say(&self, what: &str) {
        self.bar.set_message(what.to_owned());
        self.bar.tick();
        self.line(what);
    }

    /// Prints an event of the nemesis, if there is no bar.
    pub fn event(&self, event: &NemesisEvent) {
        let text = |field: &str| event.value.get(field).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        self.line(&format!("{} {}{}", event.f, text("detail"), text("evidence")));
    }

    /// Shows the faults that are active now.
    pub fn nemesis(&self, nemesis: &Nemesis<'_>) {
        let plan = nemesis.plan();
        let describe = |id: &u64| plan.fault(*id).map(|fault| fault.fault.kind());
        let active: Vec<&str> = nemesis.active().iter().filter_map(describe).collect();
        *self.doing.borrow_mut() = active.join(" + ");
    }

    /// Updates the bar until the load is over.
    pub async fn follow(&self, clock: &dyn Clock, progress: &Progress, over: &Cell<bool>) {
        while !over.get() {
            let (now, counts) = (clock.now(), progress.counts());
            self.bar.set_position(now.as_millis() as u64);
            self.bar.set_prefix(format!("{:.1} s", now.as_secs_f64()));
            let doing = self.doing.borrow().clone();
            let doing = if doing.is_empty() { "quiet".to_owned() } else { doing };
            self.bar.set_message(format!(
                "{} ok, {} fail, {} unknown · nemesis: {doing}",
                counts.ok, counts.fail, counts.info
            ));
            clock.sleep_until(now + REFRESH).await;
        }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, what: &str) {
        if self.lines {
            eprintln!("{what}");
        }
    }
}

//! The membership as a client knows it.

use crate::config::Config;
use crate::membership::{History, View};
use crate::ring::Ring;

/// The membership as the client knows it.
#[derive(Debug)]
pub(super) struct Known {
    history: History,
    /// Where keys live; none while a change is under way.
    pub ring: Option<Ring>,
}

impl Known {
    pub fn founding(ring: Ring) -> Self {
        Self { history: History::default(), ring: Some(ring) }
    }

    pub fn view(&self) -> View {
        self.history.view()
    }

    /// Takes over what is news; returns whether keys live elsewhere now.
    pub fn learn(&mut self, history: &History, config: &Config) -> bool {
        let view = self.view();
        if !history.is_sound(config.names.len()) || !self.history.merge(history) || self.view() == view {
            return false;
        }
        self.ring = ring_of(&self.history, config);
        true
    }
}

/// The ring of a membership, if every key has owners of one kind.
fn ring_of(history: &History, config: &Config) -> Option<Ring> {
    Ring::with_history(config, history).ok().filter(|ring| !ring.is_changing())
}

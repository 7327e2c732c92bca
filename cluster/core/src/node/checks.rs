//! Requests are checked before anything is done: what is wrong is said, and nothing has happened.

use std::sync::Arc;

use super::put::STATE_BYTES_MAX;
use super::state::Node;
use crate::bug::Bug;
use crate::config::{Config, Versioning};
use crate::context::Context;
use crate::failure::Failure;
use crate::message::ForwardedPut;
use crate::versions::KeyState;

impl Node {
    /// Refuses when as much is under way as may be.
    pub(super) fn checked_room(&mut self) -> Result<(), Failure> {
        let why = if self.requests() >= self.config.limits.requests_max {
            "too many requests under way; try again"
        } else if self.persistence.is_full() {
            "too much waits for the disk; try again"
        } else {
            return Ok(());
        };
        self.counters.refused += 1;
        Err(Failure::Unavailable(why.into()))
    }

    pub(super) fn checked_put(
        &self,
        key: Vec<u8>,
        value: Option<Vec<u8>>,
        context: Option<String>,
        w: Option<u8>,
        n: Option<u8>,
    ) -> Result<ForwardedPut, Failure> {
        self.checked_key(&key)?;
        self.config.check_value(value.as_deref())?;
        let (n, w) = self.checked_quorum(n, w, self.config.w)?;
        let context = self.config.check_context(context.as_deref(), &key)?;
        Ok(ForwardedPut { key, value: value.map(Arc::from), context, n, w })
    }

    /// A peer has checked it already, but by its own settings.
    pub(super) fn checked_forward(&self, put: &ForwardedPut) -> Result<(), Failure> {
        self.checked_key(&put.key)?;
        self.config.check_value(put.value.as_deref())?;
        self.checked_quorum(Some(put.n), Some(put.w), put.w).map(|_| ())
    }

    pub(super) fn checked_context(&self, text: Option<&str>, key: &[u8]) -> Result<Context, Failure> {
        self.config.check_context(text, key)
    }

    pub(super) fn checked_key(&self, key: &[u8]) -> Result<(), Failure> {
        self.config.check_key(key)
    }

    /// What a coordinating client wants stored: a timestamped version, since of all others a replica makes the dots.
    pub(super) fn checked_state(&self, key: &[u8], state: &KeyState) -> Result<(), Failure> {
        self.checked_key(key)?;
        if self.config.versions != Versioning::Lww {
            return Err(bad("clients store timestamped versions alone: here a replica coordinates".into()));
        }
        state.versions().iter().try_for_each(|version| self.config.check_value(version.value.as_deref()))?;
        match state.is_empty() || state.bytes() > STATE_BYTES_MAX || !state.is_sound(self.config.versions) {
            true => Err(bad("the state is empty, too large, or no state that this cluster makes".into())),
            false => Ok(()),
        }
    }

    /// N and a quorum size of a request, or why they are refused: 1 <= quorum <= n <= N.
    pub(super) fn checked_quorum(&self, n: Option<u8>, asked: Option<u8>, default: u8) -> Result<(u8, u8), Failure> {
        self.config.check_quorum(n, asked, default)
    }
}

/// What needs the settings alone, shared with the coordinating client.
impl Config {
    pub(crate) fn check_key(&self, key: &[u8]) -> Result<(), Failure> {
        let max = self.limits.key_bytes_max;
        match key.is_empty() || key.len() > max {
            true => Err(bad(format!("a key has 1 to {max} bytes, not {}", key.len()))),
            false => Ok(()),
        }
    }

    pub(crate) fn check_value(&self, value: Option<&[u8]>) -> Result<(), Failure> {
        let (max, bytes) = (self.limits.value_bytes_max, value.map_or(0, <[u8]>::len));
        match bytes > max {
            true => Err(bad(format!("a value has at most {max} bytes, not {bytes}"))),
            false => Ok(()),
        }
    }

    pub(crate) fn check_quorum(&self, n: Option<u8>, asked: Option<u8>, default: u8) -> Result<(u8, u8), Failure> {
        let n = n.unwrap_or(self.n);
        let quorum = asked.unwrap_or(default.min(n));
        if n == 0 || n > self.n {
            return Err(bad(format!("n must be from 1 to {}, not {n}", self.n)));
        }
        if quorum == 0 || quorum > n {
            return Err(bad(format!("r and w must be from 1 to n = {n}, not {quorum}")));
        }
        if self.bug == Some(Bug::QuorumsDisjoint) {
            return Ok((n, 1));
        }
        Ok((n, quorum))
    }

    pub(crate) fn check_context(&self, text: Option<&str>, key: &[u8]) -> Result<Context, Failure> {
        let Some(text) = text else {
            return Ok(Context::default());
        };
        let decoded = Context::decode(text, key, self.ring_seed, self.versions);
        decoded.map_err(|error| bad(error.to_string()))
    }
}

fn bad(why: String) -> Failure {
    Failure::BadRequest(why)
}

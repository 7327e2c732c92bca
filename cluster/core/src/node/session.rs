//! Sessions: beyond the paper, a client may ask to read its writes and never to read backwards, whatever the quorums
//! (Terry et al., *Session Guarantees for Weakly Consistent Replicated Data*, PDIS 1994).
//!
//! A session is a context that grows: what its client has read, and what it has written. A read in a session is
//! answered only with a state that covers all of it. When the first R replies do not, every node that may be reached is
//! asked, fallbacks included; when these do not either, the read fails as unavailable. The client never
//! gets something older.
//!
//! ```text
//!   client ── get, session s ──► R replies ─ cover s? ─ yes ──► values, and their context: the session from now on
//!                                               └─ no ──► everybody else ─ cover s? ─ no ──► unavailable
//!   client ── put, session s ──► coordinator ── stored, "this is what the version knows" ──► s joined with that
//! ```
//!
//! What is not there to be covered any more cannot be: once a tombstone is reaped, a session that has seen it is over,
//! and so may be one of a vector clock that was truncated. Its reads of the key stay unavailable; a client begins anew.

use super::state::{Node, OpId, Origin};
use crate::api::{Reply, Request};
use crate::bug::Bug;
use crate::config::Versioning;
use crate::context::Context;
use crate::failure::Failure;
use crate::ids::{NodeId, RequestId};
use crate::message::{ForwardedPut, Message};
use crate::versions::KeyState;

impl Node {
    pub(super) fn request_in_session(&mut self, id: RequestId, session: Option<String>, request: Request) {
        let done = match request {
            Request::Get { key, r, n } => self.get_in_session(id, session.as_deref(), key, r, n),
            Request::Put { key, value, context, w, n } => {
                let session = self.checked_context(session.as_deref(), &key);
                let put = session.and_then(|session| Ok((session, self.checked_put(key, value, context, w, n)?)));
                put.map(|(session, put)| self.put_in_session(id, session, put))
            }
            _ => Err(Failure::BadRequest("only a get and a put can be in a session".into())),
        };
        if let Err(failure) = done {
            self.fail(Origin::Client(id), failure);
        }
    }

    fn get_in_session(
        &mut self,
        id: RequestId,
        session: Option<&str>,
        key: Vec<u8>,
        r: Option<u8>,
        n: Option<u8>,
    ) -> Result<(), Failure> {
        self.checked_key(&key)?;
        let (n, r) = self.checked_quorum(n, r, self.config.r)?;
        let session = self.checked_context(session, &key)?;
        self.coordinate_get(id, key, usize::from(r), n, Some(session));
        Ok(())
    }

    fn put_in_session(&mut self, id: RequestId, session: Context, mut put: ForwardedPut) {
        if self.config.versions == Versioning::Lww {
            // Only time orders versions here, so the write must be later than all that its session has seen.
            put.context.timestamp_max_us = put.context.timestamp_max_us.max(session.timestamp_max_us);
        }
        self.sessions.insert(id, session);
        self.route_put(id, put, None);
    }

    /// A put is done: answers its client, in a session with what the session has seen now.
    pub(super) fn answer_stored(&mut self, origin: Origin, key: &[u8], seen: Context) {
        match origin {
            Origin::Peer(peer, tag) => {
                self.send(peer, Message::Forwarded { tag, failure: None, seen: Some(Box::new(seen)) });
            }
            Origin::Client(id) => {
                let session = self.sessions.remove(&id).map(|session| session.joined(&seen));
                let encode = |seen: Context| seen.encode(key, self.config.ring_seed, self.config.versions);
                let reply = session.map_or(Reply::Stored, |seen| Reply::StoredInSession { session: encode(seen) });
                self.answer(origin, reply);
            }
            Origin::Command(..) => self.answer(origin, Reply::Stored),
        }
    }

    /// Whether a state has all that a session has seen.
    pub(super) fn covers(&self, state: &KeyState, session: &Context) -> bool {
        match self.config.versions {
            _ if self.config.bug == Some(Bug::SessionUnchecked) => true,
            Versioning::Dvv => session.seen.is_within(&state.context()),
            Versioning::VectorClock => session.clock.is_within(&state.clock()),
            Versioning::Lww => session.timestamp_max_us <= state.timestamp_max_us(),
        }
    }

    /// Everybody else who may be reached and has not been asked for the key.
    pub(super) fn others_to_ask(&self, key: &[u8], asked: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let list = self.ring.preference_list(key).iter().copied();
        list.filter(|node| !asked(*node) && !self.is_lost(*node)).collect()
    }

    /// Nobody that answers has what the session has seen.
    pub(super) fn fail_session(&mut self, op: OpId, request: RequestId) {
        self.repair(op);
        self.counters.sessions_unmet += 1;
        let why = "no node that can be reached has all that this session has seen; try again";
        self.fail(Origin::Client(request), Failure::Unavailable(why.into()));
    }
}

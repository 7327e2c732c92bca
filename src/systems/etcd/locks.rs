//! Locks: a key that is there while somebody holds the lock, with a lease, so that the lock of a client that is gone
//! becomes free. The token of an acquisition is the revision that made the key.
//!
//! A client does not prolong its lease. Where it has run out, another may hold the lock while the first one still
//! believes to hold it: the reason why etcd's locks do not exclude others by themselves (Kingsbury, "etcd 3.4.3", 2020).

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use workloads::{Attempt, Operation};

use super::forms::{Compare, Keys};
use super::kv::{Kv, Write};
use super::settings::Reads;
use crate::systems::outcomes::{Done, key, unchanged, unread};

/// The locks that clients hold.
pub(super) struct Locks {
    lease_seconds: u64,
    /// The lease of each lock that a process holds; a process holds one of a workload at a time.
    leases: RefCell<BTreeMap<(u64, String), i64>>,
}

impl Locks {
    /// Locks whose leases last so long.
    pub fn new(lease_seconds: u64) -> Self {
        Self { lease_seconds, leases: RefCell::default() }
    }

    /// Acquires a lock that is free. A lease alone is no lock: until the key is asked for nothing has happened, and a
    /// lease that was granted for nothing runs out.
    pub async fn acquire(&self, kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        let (key, held) = (key(operation)?, || operation.fail("another process holds the lock"));
        attempt.reading("range");
        let found = kv.range(node, &Keys::One(key), Reads::Default).await.map_err(unread(operation))?;
        if !found.is_empty() {
            return Err(held());
        }
        attempt.reading("grant of a lease");
        let lease = kv.grant(node, self.lease_seconds).await.map_err(unread(operation))?;
        let write = Write { lease, ..Write::of(key, operation.process.to_string()) };
        attempt.writing("txn");
        let acquired = kv.put_if(node, &[Compare::ChangedAt(key.to_owned(), 0)], &[write]).await;
        let revision = acquired.map_err(unchanged(operation))?.ok_or_else(held)?;
        self.leases.borrow_mut().insert((operation.process, key.to_owned()), lease);
        let token = if operation.workload == "fenced-lock" { revision.into() } else { Value::Null };
        Ok(operation.ok(token))
    }

    /// Releases a lock: its lease is revoked, and the key goes with it. A lease that is gone had run out, and the lock
    /// with it. Whatever comes of it, the process does not ask again.
    pub async fn release(&self, kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
        let lease = self.leases.borrow_mut().remove(&(operation.process, key(operation)?.to_owned()));
        let lease = lease.ok_or_else(|| operation.fail("the process does not hold the lock"))?;
        attempt.writing("revocation of a lease");
        kv.revoke(node, lease).await.map_err(unchanged(operation))?;
        Ok(operation.ok(operation.value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use workloads::{Completion, Invocation, Outcome};

    use super::super::gateway::tests::{answer, answering};
    use super::*;

    const FREE: &str = r#"{"header":{}}"#;
    const HELD: &str = r#"{"header":{},"kvs":[{"key":"YQ=="}]}"#;
    const GRANTED: &str = r#"{"header":{},"ID":"77"}"#;
    const MADE: &str = r#"{"header":{"revision":"5"},"succeeded":true}"#;

    fn ok(body: &str) -> String {
        answer("200 OK", body)
    }

    fn gone() -> String {
        answer("404 Not Found", r#"{"error":"etcdserver: requested lease not found"}"#)
    }

    fn late() -> String {
        answer("503 Service Unavailable", r#"{"error":"etcdserver: request timed out"}"#)
    }

    /// An acquisition by process 1 and its release, of which each request is answered by the next answer.
    async fn done(workload: &'static str, answers: Vec<String>) -> (Completion, Completion) {
        let kv = Kv { gateway: answering(answers).await, reads: Reads::Default };
        let (locks, attempt) = (Locks::new(60), Attempt::default());
        let operation = |f| Invocation::of(f, "a", Value::Null).by(workload, 1);
        let (acquire, release) = (operation("acquire"), operation("release"));
        let acquired = locks.acquire(&kv, "n1", &acquire, &attempt).await.unwrap_or_else(|completion| completion);
        let released = locks.release(&kv, "n1", &release, &attempt).await.unwrap_or_else(|completion| completion);
        (acquired, released)
    }

    #[tokio::test]
    async fn a_token_is_the_revision_that_made_the_key() {
        for (workload, token) in [("lock", Value::Null), ("fenced-lock", 5.into())] {
            let answers = vec![ok(FREE), ok(GRANTED), ok(MADE), ok(FREE)];
            let (acquired, released) = done(workload, answers).await;
            assert_eq!((acquired.outcome, &acquired.value, released.outcome), (Outcome::Ok, &token, Outcome::Ok));
        }
    }

    #[tokio::test]
    async fn a_lock_that_is_not_free_is_not_acquired() {
        for answers in [vec![ok(HELD)], vec![ok(FREE), ok(GRANTED), ok(FREE)]] {
            let (acquired, released) = done("lock", answers).await;
            assert_eq!((acquired.outcome, released.outcome), (Outcome::Fail, Outcome::Fail), "nothing is released");
        }
    }

    #[tokio::test]
    async fn only_the_last_request_of_an_acquisition_can_have_happened() {
        for (answers, outcome) in [
            (vec![late()], Outcome::Fail),
            (vec![ok(FREE), late()], Outcome::Fail),
            (vec![ok(FREE), ok(GRANTED), late()], Outcome::Info),
            (vec![ok(FREE), ok(GRANTED), gone()], Outcome::Fail),
        ] {
            assert_eq!(done("lock", answers).await.0.outcome, outcome);
        }
    }

    #[tokio::test]
    async fn a_lease_that_has_run_out_is_not_released() {
        for (last, outcome) in [(gone(), Outcome::Fail), (late(), Outcome::Info)] {
            let answers = vec![ok(FREE), ok(GRANTED), ok(MADE), last];
            assert_eq!(done("lock", answers).await.1.outcome, outcome);
        }
    }
}

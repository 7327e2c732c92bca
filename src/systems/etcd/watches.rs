//! Puts and deletes with their revisions, and watches, which stream all changes from a revision on.
//!
//! A watch here is of all keys, of which those of the workload are shown: each revision changes some key, so a watch is
//! complete when it has come to the revision that the node had when it began. It is done before that if nothing comes for
//! a while: what is missing then, the check finds.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::timeout;
use workloads::store::StoreError;
use workloads::{Attempt, Completion, Operation};

use super::forms::{Answered, Keys, Streamed, WatchEvent, Watched};
use super::kv::{Kv, Write};
use crate::systems::http::unknown;
use crate::systems::outcomes::{Done, decode, encode, unchanged, unread};

/// The keys whose changes are shown begin with this.
const PREFIX: &[u8] = b"watch-";
/// A watch to which nothing comes for so long is over.
pub(super) const QUIET: Duration = Duration::from_millis(300);
/// The longest message that is read, bytes.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// The most messages of one watch; the next watch goes on where it ended.
const MESSAGES_MAX: usize = 10_000;

/// Puts a value; the result is the revision.
pub(super) async fn put(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let pair = operation.value.as_array().map(Vec::as_slice);
    let Some([Value::String(key), value]) = pair else {
        return Err(operation.fail(format!("no pair of a key and a value: {}", operation.value)));
    };
    attempt.writing("put");
    let revision = kv.put(node, &Write::of(key, encode(value))).await.map_err(unchanged(operation))?;
    Ok(operation.ok(revision.into()))
}

/// Deletes a key; the result is the revision, null if it was not there.
pub(super) async fn delete(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let key = operation.value.as_str();
    let key = key.ok_or_else(|| operation.fail(format!("no key: {}", operation.value)))?;
    attempt.writing("deleterange");
    let revision = kv.delete(node, key).await.map_err(unchanged(operation))?;
    Ok(operation.ok(revision.into()))
}

/// The changes from a revision on, as they came: a list for each message. It is over when nothing comes for the time
/// `quiet`, if not before.
pub(super) async fn watch(kv: &Kv, node: &str, operation: &Operation, attempt: &Attempt, quiet: Duration) -> Done {
    let from = operation.value.as_i64();
    let from = from.ok_or_else(|| operation.fail(format!("no revision: {}", operation.value)))?;
    attempt.reading("watch");
    let mut request = Keys::All.fields();
    request["start_revision"] = from.to_string().into();
    let response = kv.gateway.open(node, "watch", &json!({"create_request": request})).await;
    let mut stream = Stream { response: response.map_err(unread(operation))?, bytes: Vec::new() };
    let messages = stream.from(from, quiet).await.map_err(unread(operation))?;
    let shown: Vec<Vec<Value>> =
        messages.iter().map(|events| shown(operation, events)).collect::<Result<_, Completion>>()?;
    Ok(operation.ok(shown.into_iter().filter(|changes| !changes.is_empty()).collect()))
}

/// The messages of a watch, a line each.
struct Stream {
    response: Response,
    bytes: Vec<u8>,
}

impl Stream {
    /// The events of each message, from this revision on, until they are complete or nothing comes any more.
    async fn from(&mut self, from: i64, quiet: Duration) -> Result<Vec<Vec<WatchEvent>>, StoreError> {
        let created = self.next().await?.ok_or_else(|| StoreError::Unknown("the watch did not begin".into()))?;
        let (mut seen, mut messages) = (from.saturating_sub(1), Vec::new());
        while seen < created.header.revision && messages.len() < MESSAGES_MAX {
            let Ok(next) = timeout(quiet, self.next()).await else { break };
            let Some(Answered { answer: Watched { events, .. }, .. }) = next? else { break };
            seen = events.last().map_or(seen, |last| last.kv.mod_revision);
            messages.push(events);
        }
        Ok(messages)
    }

    /// The next message; none if the node has ended the watch.
    async fn next(&mut self) -> Result<Option<Answered<Watched>>, StoreError> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.bytes.drain(..=end).collect();
                return message(&line).map(Some);
            }
            match self.response.chunk().await.map_err(unknown)? {
                Some(chunk) if self.bytes.len() + chunk.len() > MESSAGE_BYTES_MAX => {
                    return Err(StoreError::Unknown(format!("a message is longer than {MESSAGE_BYTES_MAX} bytes")));
                }
                Some(chunk) => self.bytes.extend_from_slice(&chunk),
                None => return Ok(None),
            }
        }
    }
}

fn message(line: &[u8]) -> Result<Answered<Watched>, StoreError> {
    let read: Result<Streamed, _> = serde_json::from_slice(line);
    let Streamed { result } = read.map_err(|error| StoreError::Unknown(format!("no message of a watch: {error}")))?;
    match result.answer.canceled {
        true => Err(StoreError::Refused(format!("the watch was cancelled: {:?}", result.answer.cancel_reason))),
        false => Ok(result),
    }
}

/// The changes of the workload's keys in a message, as the history shows them.
fn shown(operation: &Operation, events: &[WatchEvent]) -> Result<Vec<Value>, Completion> {
    let of_workload = events.iter().filter(|event| event.kv.key.starts_with(PREFIX));
    of_workload.map(|event| change(operation, event)).collect()
}

fn change(operation: &Operation, event: &WatchEvent) -> Result<Value, Completion> {
    let (key, revision) = (String::from_utf8_lossy(&event.kv.key), event.kv.mod_revision);
    match event.kind.as_str() {
        "DELETE" => Ok(json!([revision, "delete", key])),
        "" | "PUT" => Ok(json!([revision, "put", key, decode(operation, &event.kv.value)?])),
        other => Err(operation.fail(format!("an event of an unknown kind: {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use workloads::{Invocation, Outcome};

    use super::super::gateway::tests::{answer, answering};
    use super::super::settings::Reads;
    use super::*;

    const CREATED_AT_4: &str = r#"{"result":{"header":{"revision":"4"},"created":true}}"#;

    async fn watched(from: i64, messages: &[&str]) -> Completion {
        let answers =
            vec![answer("200 OK", &messages.iter().map(|message| format!("{message}\n")).collect::<String>())];
        let kv = Kv { gateway: answering(answers).await, reads: Reads::Default };
        let operation = Invocation::without_key("watch", from).by("watch", 1);
        watch(&kv, "n1", &operation, &Attempt::default(), Duration::MAX).await.unwrap_or_else(|completion| completion)
    }

    #[tokio::test]
    async fn each_message_with_changes_of_the_workload_is_a_response() {
        let other = r#"{"result":{"header":{},"events":[{"kv":{"key":"YQ==","mod_revision":"2","value":"NQ=="}}]}}"#;
        let two = r#"{"result":{"header":{},"events":[{"kv":{"key":"d2F0Y2gtMA==","mod_revision":"3","value":"NQ=="}},
            {"type":"DELETE","kv":{"key":"d2F0Y2gtMA==","mod_revision":"4"}}]}}"#;
        let two = &two.replace('\n', "");
        let completion = watched(1, &[CREATED_AT_4, other, two, "never read"]).await;
        assert_eq!(completion.outcome, Outcome::Ok, "{completion:?}");
        assert_eq!(completion.value, json!([[[3, "put", "watch-0", 5], [4, "delete", "watch-0"]]]));
        assert_eq!(watched(5, &[CREATED_AT_4, "never read"]).await.value, json!([]), "nothing has changed since");
        assert_eq!(watched(4, &[CREATED_AT_4]).await.value, json!([]), "the node ends the watch");
    }

    #[tokio::test]
    async fn a_watch_that_is_cancelled_or_makes_no_sense_fails() {
        let cancelled = r#"{"result":{"header":{},"canceled":true,"compact_revision":"3"}}"#;
        let corrupt =
            r#"{"result":{"header":{},"events":[{"kv":{"key":"d2F0Y2gtMA==","mod_revision":"4","value":"fQ=="}}]}}"#;
        for messages in [&[][..], &[cancelled], &[CREATED_AT_4, cancelled], &["{}"], &[CREATED_AT_4, corrupt]] {
            let completion = watched(1, messages).await;
            assert_eq!((completion.outcome, completion.corrupt), (Outcome::Fail, messages.ends_with(&[corrupt])));
        }
    }
}

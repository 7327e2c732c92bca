//! Logs: each is a subject of one stream, and a record's offset is its sequence number in the stream.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use workloads::store::StoreError;
use workloads::{Attempt, Completion, Operation};

use super::jetstream::{JetStream, Retention};

/// The stream.
const STREAM: &str = "log";
/// The most records that a poll returns, of all logs together.
const RECORDS_MAX: usize = 100;

/// From which offset on a process polls each of its logs.
type Positions = BTreeMap<String, u64>;

/// What each process polls: an entry for each process that was ever assigned logs, so less than the history that records
/// it.
#[derive(Default)]
pub(super) struct Logs {
    positions: RefCell<BTreeMap<u64, Positions>>,
}

impl Logs {
    /// From now on the process polls these logs from their beginning. The nodes know nothing of it.
    pub fn assign(&self, operation: &Operation) -> Result<Completion, Completion> {
        let logs =
            operation.value.as_array().and_then(|logs| logs.iter().map(Value::as_str).collect::<Option<Vec<_>>>());
        let logs = logs.ok_or_else(|| operation.fail(format!("no list of logs: {}", operation.value)))?;
        let from_the_beginning = logs.into_iter().map(|log| (log.to_owned(), 1)).collect();
        self.positions.borrow_mut().insert(operation.process, from_the_beginning);
        Ok(operation.ok(operation.value.clone()))
    }

    /// What comes next in each log. A poll that fails leaves the process where it was.
    pub async fn poll(
        &self,
        js: &JetStream,
        node: &str,
        operation: &Operation,
        attempt: &Attempt,
    ) -> Result<Completion, Completion> {
        attempt.reading("poll");
        let positions = self.positions.borrow().get(&operation.process).cloned();
        let mut positions = positions.ok_or_else(|| operation.fail("no logs were assigned to the process"))?;
        js.stream(node, STREAM, Retention::Limits).await.map_err(unread(operation))?;
        let (mut polled, mut left) = (Map::new(), RECORDS_MAX);
        for (log, position) in &mut positions {
            let records = records(js, node, operation, log, position, left).await?;
            left -= records.len();
            if !records.is_empty() {
                polled.insert(log.clone(), records.into());
            }
        }
        self.positions.borrow_mut().insert(operation.process, positions);
        Ok(operation.ok(json!([["poll", polled]])))
    }
}

/// Sends a record; the result is its offset.
pub(super) async fn send(
    js: &JetStream,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<Completion, Completion> {
    let send = operation.value.get(0).and_then(Value::as_array).map(Vec::as_slice);
    let Some([_, Value::String(log), record]) = send else {
        return Err(operation.fail(format!("nothing to send: {}", operation.value)));
    };
    attempt.reading("creation of the stream");
    js.stream(node, STREAM, Retention::Limits).await.map_err(unread(operation))?;
    attempt.writing("message");
    let offset = js.publish(node, &subject(log), record.to_string().as_bytes()).await;
    let offset = offset.map_err(|error| match error {
        StoreError::Refused(why) => operation.fail(why),
        StoreError::Unknown(why) => operation.info(why),
    })?;
    Ok(operation.ok(json!([["send", log, [offset, record]]])))
}

/// The records of a log from a position on, at most so many, each with its offset; the position is behind them then.
async fn records(
    js: &JetStream,
    node: &str,
    operation: &Operation,
    log: &str,
    position: &mut u64,
    count_max: usize,
) -> Result<Vec<Value>, Completion> {
    let mut records = Vec::new();
    while records.len() < count_max {
        let found = js.message(node, STREAM, &subject(log), *position).await.map_err(unread(operation))?;
        let Some((offset, bytes)) = found else { break };
        let record: Value = serde_json::from_slice(&bytes).map_err(|error| Completion {
            corrupt: true,
            ..operation.fail(format!("the record at {offset} of {log} is no JSON: {error}"))
        })?;
        records.push(json!([offset, record]));
        *position = offset.saturating_add(1);
    }
    Ok(records)
}

fn subject(log: &str) -> String {
    format!("{STREAM}.{log}")
}

fn unread(operation: &Operation) -> impl Fn(StoreError) -> Completion {
    move |error| operation.fail(error.to_string())
}

#[cfg(test)]
mod tests {
    use workloads::{Invocation, Outcome};

    use super::super::connection::tests::{answering, locally, message, status};
    use super::*;

    fn record(offset: u64, base64: &str) -> String {
        message(&json!({"message": {"seq": offset, "data": base64}}).to_string())
    }

    fn no_more() -> String {
        message(r#"{"error":{"code":404,"err_code":10037,"description":"no message found"}}"#)
    }

    #[tokio::test]
    async fn a_record_is_sent_only_if_the_stream_says_so() {
        let made = || message("{}");
        for (answers, outcome) in [
            (vec![made(), message(r#"{"stream":"log","seq":7}"#)], Outcome::Ok),
            (vec![made(), status(503)], Outcome::Fail),
            (vec![made()], Outcome::Info),
            (vec![], Outcome::Fail),
        ] {
            let completion = locally(async {
                let js = JetStream::new(answering(answers).await.0, 1);
                let operation = Invocation::without_key("send", json!([["send", "log-0", 5]])).by("log", 1);
                send(&js, "n1", &operation, &Attempt::default()).await.unwrap_or_else(|completion| completion)
            });
            let completion = completion.await;
            assert_eq!(completion.outcome, outcome, "{completion:?}");
            if outcome == Outcome::Ok {
                assert_eq!(completion.value, json!([["send", "log-0", [7, 5]]]));
            }
        }
    }

    #[tokio::test]
    async fn a_poll_that_fails_leaves_the_process_where_it_was() {
        locally(async {
            // The first poll finds a record of one log and fails on the other; the second finds both.
            let first = [message("{}"), record(3, "NQ=="), no_more(), message(r#"{"error":{"err_code":10059}}"#)];
            let second = [record(3, "NQ=="), no_more(), record(4, "Ng=="), no_more()];
            let (connections, _) = answering([&first[..], &second].concat()).await;
            let (js, logs, attempt) = (JetStream::new(connections, 1), Logs::default(), Attempt::default());
            let poll = Invocation::without_key("poll", json!([["poll"]])).by("log", 1);
            let polled = async || {
                let polled = logs.poll(&js, "n1", &poll, &attempt).await;
                polled.unwrap_or_else(|completion| completion)
            };
            assert_eq!(polled().await.outcome, Outcome::Fail, "nothing is assigned");
            let assign = Invocation::without_key("assign", json!(["log-0", "log-1"])).by("log", 1);
            assert!(logs.assign(&assign).is_ok());
            assert_eq!(polled().await.outcome, Outcome::Fail);
            assert_eq!(polled().await.value, json!([["poll", {"log-0": [[3, 5]], "log-1": [[4, 6]]}]]));
        })
        .await;
    }
}

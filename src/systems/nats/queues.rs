//! Queues: each is a subject of one stream, whose messages go away when they are acknowledged, with a consumer that hands
//! them out.
//!
//! A message that was handed out and not acknowledged is handed out again after a while. So an element that a client has
//! seen is acknowledged and then dequeued whatever becomes of that, and comes twice if it got lost; and a request whose
//! answer got lost has dequeued nothing. But an acknowledgement on whose way the client gives up may still arrive: from
//! then on a time-out leaves open what was dequeued. A queue is empty only if nothing waits for its acknowledgement either.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use workloads::store::StoreError;
use workloads::{Attempt, Completion, Operation};

use super::jetstream::{JetStream, Retention, Standing};
use super::protocol::Message;

/// The stream.
const STREAM: &str = "queue";
/// How long a drain waits until nobody else holds an element.
pub(super) const DRAIN_LIMIT: Duration = Duration::from_millis(700);
/// How often it looks.
const DRAIN_INTERVAL: Duration = Duration::from_millis(50);
/// The most elements that a drain asks for at a time, so many that two drains do not share a queue between them.
const DRAIN_BATCH: usize = 5_000;

/// Appends an element.
pub(super) async fn enqueue(
    js: &JetStream,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<Completion, Completion> {
    let queue = queue(operation)?;
    attempt.reading("creation of the stream");
    js.stream(node, STREAM, Retention::WorkQueue).await.map_err(unread(operation))?;
    attempt.writing("message");
    let enqueued = js.publish(node, &format!("{STREAM}.{queue}"), operation.value.to_string().as_bytes()).await;
    enqueued.map_err(|error| match error {
        StoreError::Refused(why) => operation.fail(why),
        StoreError::Unknown(why) => operation.info(why),
    })?;
    Ok(operation.ok(operation.value.clone()))
}

/// Takes the next element; null if the queue is empty.
pub(super) async fn dequeue(
    js: &JetStream,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Result<Completion, Completion> {
    let queue = opened(js, node, operation, attempt).await?;
    let messages = js.hand_out(node, STREAM, queue, 1).await.map_err(unread(operation))?;
    if messages.is_empty() {
        let standing = js.standing(node, STREAM, queue).await.map_err(unread(operation))?;
        return match standing {
            Standing { num_pending: 0, num_ack_pending: 0 } => Ok(operation.ok(Value::Null)),
            held => Err(operation.fail(format!("nothing is handed out now: {held:?}"))),
        };
    }
    let element = elements(operation, &messages)?.pop().unwrap_or_default();
    attempt.writing("acknowledgement");
    // What comes of it shows in what is handed out later.
    let _ = js.acknowledge(node, &messages).await;
    Ok(operation.ok(element))
}

/// Takes all elements. Until there is none that somebody else holds, none is acknowledged; if that takes longer than the
/// limit, all are given back.
pub(super) async fn drain(
    js: &JetStream,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
    limit: Duration,
) -> Result<Completion, Completion> {
    let queue = opened(js, node, operation, attempt).await?;
    let (began, mut taken) = (Instant::now(), Vec::new());
    let why = loop {
        match take(js, node, queue, &mut taken).await {
            Ok(true) => break None,
            Ok(false) if began.elapsed() < limit => sleep(DRAIN_INTERVAL).await,
            Ok(false) => break Some("somebody else holds elements".to_owned()),
            Err(error) => break Some(error.to_string()),
        }
    };
    match why {
        None => {
            let elements = elements(operation, &taken)?;
            attempt.writing("acknowledgement");
            let _ = js.acknowledge(node, &taken).await;
            Ok(operation.ok(elements.into()))
        }
        Some(why) => {
            let _ = js.give_back(node, &taken).await;
            Err(operation.fail(why))
        }
    }
}

/// Takes what is handed out now; returns whether that is all that there is.
async fn take(js: &JetStream, node: &str, queue: &str, taken: &mut Vec<Message>) -> Result<bool, StoreError> {
    taken.extend(js.hand_out(node, STREAM, queue, DRAIN_BATCH).await?);
    let Standing { num_pending, num_ack_pending } = js.standing(node, STREAM, queue).await?;
    Ok(num_pending == 0 && num_ack_pending == taken.len() as u64)
}

/// The queue of an operation, which is there with its consumer.
async fn opened<'o>(
    js: &JetStream,
    node: &str,
    operation: &'o Operation,
    attempt: &Attempt,
) -> Result<&'o str, Completion> {
    let queue = queue(operation)?;
    attempt.reading("request to hand out elements");
    js.stream(node, STREAM, Retention::WorkQueue).await.map_err(unread(operation))?;
    js.consumer(node, STREAM, queue).await.map_err(unread(operation))?;
    Ok(queue)
}

fn queue(operation: &Operation) -> Result<&str, Completion> {
    operation.key.as_deref().ok_or_else(|| operation.fail(format!("'{}' names no queue", operation.f)))
}

fn elements(operation: &Operation, messages: &[Message]) -> Result<Vec<Value>, Completion> {
    let corrupt = |error| Completion { corrupt: true, ..operation.fail(format!("an element is no JSON: {error}")) };
    messages.iter().map(|message| serde_json::from_slice(&message.payload).map_err(corrupt)).collect()
}

fn unread(operation: &Operation) -> impl Fn(StoreError) -> Completion {
    move |error| operation.fail(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workloads::{Invocation, Outcome};

    use super::super::connection::tests::{answering, handed_out, locally, message, status};
    use super::*;

    /// What an operation on a queue comes to, and what the node was told, if it answers so after the stream and the
    /// consumer were made.
    async fn done(f: &'static str, value: Value, answers: Vec<String>) -> (Completion, Vec<(String, String)>) {
        done_within(Duration::MAX, f, value, answers).await
    }

    async fn done_within(
        limit: Duration,
        f: &'static str,
        value: Value,
        answers: Vec<String>,
    ) -> (Completion, Vec<(String, String)>) {
        done_by(&Attempt::default(), limit, f, value, answers).await
    }

    async fn done_by(
        attempt: &Attempt,
        limit: Duration,
        f: &'static str,
        value: Value,
        answers: Vec<String>,
    ) -> (Completion, Vec<(String, String)>) {
        let made = if f == "enqueue" { vec![message("{}")] } else { vec![message("{}"), message("{}")] };
        locally(async {
            let (connections, told) = answering([made, answers].concat()).await;
            let js = JetStream::new(connections, 1);
            let operation = Invocation::of(f, "queue-0", value).by("queue", 1);
            let done = match f {
                "enqueue" => enqueue(&js, "n1", &operation, attempt).await,
                "dequeue" => dequeue(&js, "n1", &operation, attempt).await,
                _ => drain(&js, "n1", &operation, attempt, limit).await,
            };
            (done.unwrap_or_else(|completion| completion), told.take())
        })
        .await
    }

    fn standing(num_pending: u64, num_ack_pending: u64) -> String {
        message(&json!({"num_pending": num_pending, "num_ack_pending": num_ack_pending}).to_string())
    }

    fn acknowledged(subjects: &[&str], how: &str) -> Vec<(String, String)> {
        subjects.iter().map(|subject| ((*subject).to_owned(), how.to_owned())).collect()
    }

    #[tokio::test]
    async fn an_element_is_enqueued_only_if_the_stream_says_so() {
        for (answer, outcome) in [
            (vec![message(r#"{"stream":"queue","seq":1}"#)], Outcome::Ok),
            (vec![status(503)], Outcome::Fail),
            (vec![message(r#"{"error":{"err_code":10077,"description":"no"},"stream":"queue"}"#)], Outcome::Info),
            (vec![], Outcome::Info),
        ] {
            assert_eq!(done("enqueue", 5.into(), answer.clone()).await.0.outcome, outcome, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_element_that_was_seen_is_dequeued_and_acknowledged() {
        let (completion, told) = done("dequeue", Value::Null, vec![handed_out("5", "ack.1")]).await;
        assert_eq!((completion.outcome, completion.value), (Outcome::Ok, 5.into()));
        assert_eq!(told, acknowledged(&["ack.1"], "+ACK"));
        let (completion, _) = done("dequeue", Value::Null, Vec::new()).await;
        assert_eq!(completion.outcome, Outcome::Fail, "what was not seen is handed out again");
    }

    #[tokio::test]
    async fn a_queue_is_empty_if_nobody_holds_an_element() {
        for (held, outcome) in [(0, Outcome::Ok), (1, Outcome::Fail)] {
            let (completion, told) = done("dequeue", Value::Null, vec![status(404), standing(0, held)]).await;
            assert_eq!((completion.outcome, completion.value, told.len()), (outcome, Value::Null, 0));
        }
    }

    /// A node that was paused when it was told of an acknowledgement took it later: what the client had seen went away by a
    /// dequeue that had failed.
    #[tokio::test]
    async fn regression_a_dequeue_that_timed_out_while_it_acknowledged_had_failed() {
        let taken = || vec![[handed_out("5", "ack.1"), status(408)].concat(), standing(0, 1)];
        for (f, answers, outcome) in [
            ("dequeue", vec![handed_out("5", "ack.1")], Outcome::Info),
            ("drain", taken(), Outcome::Info),
            ("dequeue", vec![status(404), standing(0, 0)], Outcome::Fail),
        ] {
            let attempt = Attempt::default();
            done_by(&attempt, Duration::MAX, f, Value::Null, answers).await;
            let operation = Invocation::of(f, "queue-0", Value::Null).by("queue", 1);
            assert_eq!(attempt.timed_out(&operation, Duration::ZERO).outcome, outcome, "{f}");
        }
    }

    #[tokio::test]
    async fn a_drain_takes_all_or_nothing() {
        let two = || [handed_out("5", "ack.1"), handed_out("6", "ack.2"), status(408)].concat();
        // Somebody else holds one, which comes back.
        let answers = vec![two(), standing(0, 3), [handed_out("7", "ack.3"), status(408)].concat(), standing(0, 3)];
        let (completion, told) = done("drain", Value::Null, answers).await;
        assert_eq!((completion.outcome, completion.value), (Outcome::Ok, json!([5, 6, 7])));
        assert_eq!(told, acknowledged(&["ack.1", "ack.2", "ack.3"], "+ACK"));
        let answers = vec![two(), standing(0, 3)];
        let (completion, told) = done_within(Duration::ZERO, "drain", Value::Null, answers).await;
        assert_eq!(completion.outcome, Outcome::Fail);
        assert_eq!(told, acknowledged(&["ack.1", "ack.2"], "-NAK"));
    }
}

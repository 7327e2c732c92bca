//! Streams and their consumers: requests to subjects that begin with `$JS.API`, with JSON in them.

use std::cell::RefCell;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use workloads::store::StoreError;

use super::connection::Connections;
use super::protocol::Message;

/// A message that was handed out and is not acknowledged within this time is handed out again.
const ACK_WAIT_NS: u64 = 2_000_000_000;
/// The error of a stream that has no such message.
const NO_MESSAGE: u64 = 10_037;

/// What becomes of a stream's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// They stay.
    Limits,
    /// They go away when they are acknowledged.
    WorkQueue,
}

/// The streams of a cluster. Errors are `Refused` if a request certainly has no effect, else `Unknown`.
pub(super) struct JetStream {
    connections: Connections,
    replicas: usize,
    /// Streams and consumers that are known to be there.
    made: RefCell<BTreeSet<String>>,
}

/// What is in a queue, as its consumer knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Standing {
    /// Messages that were never handed out.
    pub num_pending: u64,
    /// Messages that were handed out and are not acknowledged.
    pub num_ack_pending: u64,
}

#[derive(Deserialize)]
struct Acknowledged {
    seq: u64,
}

#[derive(Deserialize)]
struct Got {
    message: Stored,
}

#[derive(Deserialize)]
struct Stored {
    seq: u64,
    #[serde(default)]
    data: String,
}

/// An answer of JetStream.
#[derive(Debug, PartialEq)]
enum Answer<A> {
    Done(A),
    Error { code: u64, description: String },
}

impl JetStream {
    /// Streams with so many replicas.
    pub fn new(connections: Connections, replicas: usize) -> Self {
        Self { connections, replicas, made: RefCell::default() }
    }

    /// Makes a stream of the subjects `NAME.*`, unless it is there.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub async fn stream(&self, node: &str, name: &str, retention: Retention) -> Result<(), StoreError> {
        let retention = match retention {
            Retention::Limits => "limits",
            Retention::WorkQueue => "workqueue",
        };
        let config = json!({
            "name": name,
            "subjects": [format!("{name}.*")],
            "retention": retention,
            "storage": "file",
            "num_replicas": self.replicas,
        });
        self.make(node, &format!("STREAM.CREATE.{name}"), &config).await
    }

    /// Makes the consumer of one subject of a stream, unless it is there; it has the name of the subject's last part.
    ///
    /// # Errors
    /// When it is not known to be there.
    pub async fn consumer(&self, node: &str, stream: &str, name: &str) -> Result<(), StoreError> {
        let config = json!({
            "durable_name": name,
            "filter_subject": format!("{stream}.{name}"),
            "deliver_policy": "all",
            "ack_policy": "explicit",
            "ack_wait": ACK_WAIT_NS,
            "max_ack_pending": -1,
            "num_replicas": self.replicas,
        });
        let request = json!({"stream_name": stream, "config": config});
        self.make(node, &format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &request).await
    }

    /// Appends a message to the stream that has this subject; returns its sequence number, from 1.
    pub async fn publish(&self, node: &str, subject: &str, payload: &[u8]) -> Result<u64, StoreError> {
        match self.answer::<Acknowledged>(node, subject, payload).await? {
            Answer::Done(Acknowledged { seq }) => Ok(seq),
            // Some of its errors are told after the replicas were asked to store it.
            Answer::Error { code, description } => Err(StoreError::Unknown(format!("{description} ({code})"))),
        }
    }

    /// The first message of a subject from this sequence number on, with its own; none if there is none.
    pub async fn message(
        &self,
        node: &str,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let request = json!({"seq": from, "next_by_subj": subject}).to_string();
        let api = format!("$JS.API.STREAM.MSG.GET.{stream}");
        match self.answer::<Got>(node, &api, request.as_bytes()).await? {
            Answer::Done(Got { message: Stored { seq, data } }) => {
                Ok(Some((seq, BASE64.decode(data).map_err(senseless)?)))
            }
            Answer::Error { code: NO_MESSAGE, .. } => Ok(None),
            Answer::Error { code, description } => Err(StoreError::Refused(format!("{description} ({code})"))),
        }
    }

    /// Hands out at most so many messages; they stay until they are acknowledged.
    pub async fn hand_out(
        &self,
        node: &str,
        stream: &str,
        consumer: &str,
        count: usize,
    ) -> Result<Vec<Message>, StoreError> {
        let request = json!({"batch": count, "no_wait": true}).to_string();
        let api = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}");
        let mut messages = self.connections.ask(node, &api, request.as_bytes(), count).await?;
        match messages.pop_if(|last| last.status.is_some()).and_then(|last| last.status) {
            // There are none, or no more.
            None | Some(404 | 408) => Ok(messages),
            Some(status) => Err(StoreError::Unknown(format!("the consumer answers with status {status}"))),
        }
    }

    /// What is in a queue.
    pub async fn standing(&self, node: &str, stream: &str, consumer: &str) -> Result<Standing, StoreError> {
        done(self.answer(node, &format!("$JS.API.CONSUMER.INFO.{stream}.{consumer}"), b"").await?)
    }

    /// Acknowledges messages that were handed out: they go away.
    pub async fn acknowledge(&self, node: &str, messages: &[Message]) -> Result<(), StoreError> {
        self.tell(node, messages, b"+ACK").await
    }

    /// Gives messages back that were handed out.
    pub async fn give_back(&self, node: &str, messages: &[Message]) -> Result<(), StoreError> {
        self.tell(node, messages, b"-NAK").await
    }

    async fn tell(&self, node: &str, messages: &[Message], what: &[u8]) -> Result<(), StoreError> {
        let subjects: Vec<String> = messages.iter().map(|message| message.reply.clone()).collect();
        self.connections.tell(node, &subjects, what).await
    }

    /// It is made once: a stream that has gone must not come back empty.
    async fn make(&self, node: &str, what: &str, config: &Value) -> Result<(), StoreError> {
        if self.made.borrow().contains(what) {
            return Ok(());
        }
        let request = config.to_string();
        let _: Value = done(self.answer(node, &format!("$JS.API.{what}"), request.as_bytes()).await?)?;
        self.made.borrow_mut().insert(what.to_owned());
        Ok(())
    }

    async fn answer<A: DeserializeOwned>(
        &self,
        node: &str,
        subject: &str,
        payload: &[u8],
    ) -> Result<Answer<A>, StoreError> {
        let messages = self.connections.ask(node, subject, payload, 1).await?;
        let [Message { status: None, payload, .. }] = &messages[..] else {
            return Err(StoreError::Unknown(format!("no answer, but {messages:?}")));
        };
        parse(payload)
    }
}

fn parse<A: DeserializeOwned>(payload: &[u8]) -> Result<Answer<A>, StoreError> {
    let answer: Value = serde_json::from_slice(payload).map_err(senseless)?;
    match answer.get("error") {
        Some(error) => {
            let code = error.get("err_code").and_then(Value::as_u64).unwrap_or(0);
            let description = error.get("description").and_then(Value::as_str).unwrap_or("an error without words");
            Ok(Answer::Error { code, description: description.to_owned() })
        }
        None => serde_json::from_value(answer).map(Answer::Done).map_err(senseless),
    }
}

fn done<A>(answer: Answer<A>) -> Result<A, StoreError> {
    match answer {
        Answer::Done(done) => Ok(done),
        Answer::Error { code, description } => Err(StoreError::Refused(format!("{description} ({code})"))),
    }
}

fn senseless(error: impl std::fmt::Display) -> StoreError {
    StoreError::Unknown(format!("the answer makes no sense: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As version 2.9.10 answers.
    #[test]
    fn an_answer_is_told_from_an_error() {
        let read = parse::<Acknowledged>(br#"{"stream":"log", "seq":7}"#).expect("an answer");
        assert!(matches!(read, Answer::Done(Acknowledged { seq: 7 })));
        let error = br#"{"type":"x","error":{"code":404,"err_code":10037,"description":"no message found"}}"#;
        let read = parse::<Value>(error).expect("an answer");
        assert_eq!(read, Answer::Error { code: NO_MESSAGE, description: "no message found".into() });
        assert!(matches!(parse::<Acknowledged>(b"{}"), Err(StoreError::Unknown(_))));
        assert!(matches!(parse::<Acknowledged>(b""), Err(StoreError::Unknown(_))));
    }
}

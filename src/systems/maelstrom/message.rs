//! A message, and the line that it is on. Its body is carried as it was written, byte by byte.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

/// How much of a line is quoted, characters.
const QUOTED_MAX: usize = 200;

/// A message from one node, client or service to another.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Message {
    /// Who says it, by name.
    pub src: String,
    /// To whom, by name.
    pub dest: String,
    /// What: an object in JSON.
    pub body: Box<RawValue>,
}

/// A line that a node wrote to its standard output is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoMessage {
    /// It is not JSON, or has not the fields of a message.
    #[error(
        "it wrote a line to its standard output that is no message ({why}): {line:?}. Only messages belong there, each a line \
         {{\"src\": ..., \"dest\": ..., \"body\": {{...}}}}; everything else goes to standard error"
    )]
    Line {
        /// What is wrong with it.
        why: String,
        /// Its beginning.
        line: String,
    },
    /// It does not end.
    #[error("it wrote a line of more than {0} bytes to its standard output")]
    TooLong(u64),
}

/// As it is written to a node: with a number of the bench's, as Maelstrom does.
#[derive(Serialize)]
struct Numbered<'m> {
    id: u64,
    src: &'m str,
    dest: &'m str,
    body: &'m RawValue,
}

impl Message {
    /// A message of the bench's own.
    pub fn of(src: &str, dest: &str, body: &Value) -> Self {
        let body = serde_json::value::to_raw_value(body).expect("a value is JSON");
        Self { src: src.to_owned(), dest: dest.to_owned(), body }
    }

    /// The message on a line.
    ///
    /// # Errors
    /// When there is none.
    pub fn on_line(line: &[u8]) -> Result<Self, NoMessage> {
        let no_message = |why: String| {
            let line = String::from_utf8_lossy(line).trim_end().chars().take(QUOTED_MAX).collect();
            NoMessage::Line { why, line }
        };
        let message: Self = serde_json::from_slice(line).map_err(|error| no_message(error.to_string()))?;
        match message.body.get().starts_with('{') {
            true => Ok(message),
            false => Err(no_message("its body is no object".to_owned())),
        }
    }

    /// The line for it, with its number.
    pub fn line(&self, id: u64) -> Vec<u8> {
        let numbered = Numbered { id, src: &self.src, dest: &self.dest, body: &self.body };
        let mut line = serde_json::to_vec(&numbered).expect("a message is JSON");
        line.push(b'\n');
        line
    }

    /// How long its body is, bytes.
    pub fn bytes(&self) -> u64 {
        self.body.get().len() as u64
    }

    /// Its body, to be read.
    pub fn parsed(&self) -> Value {
        serde_json::from_str(self.body.get()).expect("it was parsed before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_stays_as_it_was_written() {
        let line =
            br#"{"src":"n1","dest":"n2","body":{"type":"x", "id":340282366920938463463374607431768211455,"f":1.50}}"#;
        let message = Message::on_line(line).expect("it is a message");
        let written = String::from_utf8(message.line(7)).expect("it is text");
        assert_eq!(
            written,
            "{\"id\":7,\"src\":\"n1\",\"dest\":\"n2\",\"body\":{\"type\":\"x\", \
             \"id\":340282366920938463463374607431768211455,\"f\":1.50}}\n"
        );
    }

    #[test]
    fn what_is_no_message_is_quoted() {
        for line in ["hello\n", "{\"src\":\"n1\"}", "{\"src\":\"n1\",\"dest\":\"n2\",\"body\":3}", "\u{fffd}", "[1]"] {
            let why = Message::on_line(line.as_bytes()).expect_err("no message").to_string();
            assert!(why.contains("standard output that is no message"), "{why}");
        }
        let why = Message::on_line(b"hello, I have started").expect_err("no message").to_string();
        assert!(why.contains("\"hello, I have started\""), "{why}");
    }
}

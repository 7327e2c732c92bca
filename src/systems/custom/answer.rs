//! What an answer means, as the file says it: happened (with a result), nothing there, refused; or unknown.
//!
//! What the file does not list and what is no success is *unknown*: nobody may call something failed that may have happened.

use serde_json::Value;
use workloads::store::StoreError;

use super::config::{Answer, Request};

/// What a node answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answered {
    /// It happened. None: the request has no result.
    Happened(Option<Value>),
    /// There is nothing, which is an answer.
    Absent,
}

/// An answer before the file has said what it means.
pub(super) struct Raw {
    /// As a number: a status, an integer.
    pub number: Option<i64>,
    /// As text: a status line, an error.
    pub text: String,
    /// Whether the protocol calls it a success.
    pub is_success: bool,
    /// The protocol's own "nothing".
    pub is_nil: bool,
    /// What it carries.
    pub body: Body,
}

/// What an answer carries.
pub(super) enum Body {
    /// Bytes, which are JSON if a result is wanted of them.
    Bytes(Vec<u8>),
    /// A value already.
    Value(Value),
}

/// What the file says of an answer.
pub(super) fn meaning(request: &Request, raw: Raw) -> Result<Answered, StoreError> {
    let is_in = |answers: &[Answer]| answers.iter().any(|answer| is(answer, &raw));
    if is_in(&request.fail) {
        return Err(StoreError::Refused(raw.text));
    }
    if is_in(&request.absent) || (raw.is_nil && request.ok.is_empty()) {
        return Ok(Answered::Absent);
    }
    let happened = if request.ok.is_empty() { raw.is_success } else { is_in(&request.ok) };
    if !happened {
        return Err(StoreError::Unknown(raw.text));
    }
    let Some(pointer) = &request.result else { return Ok(Answered::Happened(None)) };
    let value =
        result(raw.body, pointer, request.parse).map_err(|why| StoreError::Unknown(format!("{why}: {}", raw.text)))?;
    Ok(Answered::Happened(Some(value)))
}

fn is(answer: &Answer, raw: &Raw) -> bool {
    match answer {
        Answer::Number(number) => raw.number == Some(*number),
        Answer::Text(text) => raw.text.starts_with(text),
    }
}

/// The result in an answer: at a pointer, and read as JSON if it is text to be parsed.
fn result(body: Body, pointer: &str, parse: bool) -> Result<Value, String> {
    let whole = match body {
        Body::Value(value) => value,
        Body::Bytes(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("no JSON ({error})"))?,
    };
    let found = whole.pointer(pointer).ok_or_else(|| format!("nothing at {pointer:?}"))?;
    if parse { parsed(found) } else { Ok(found.clone()) }
}

/// Text read as JSON, also that in a list.
fn parsed(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => serde_json::from_str(text).map_err(|error| format!("{text:?} is no JSON ({error})")),
        Value::Array(values) => values.iter().map(parsed).collect(),
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(status: i64, body: &str) -> Raw {
        let is_success = (200..300).contains(&status);
        Raw {
            number: Some(status),
            text: format!("{status}"),
            is_success,
            is_nil: false,
            body: Body::Bytes(body.into()),
        }
    }

    fn request(text: &str) -> Request {
        toml::from_str(text).expect("it is a request")
    }

    #[test]
    fn what_is_not_listed_and_no_success_is_unknown() {
        let put = request("http = 'PUT /a'\nfail = [409]\nabsent = [404]");
        assert_eq!(meaning(&put, raw(204, "")), Ok(Answered::Happened(None)));
        assert_eq!(meaning(&put, raw(404, "")), Ok(Answered::Absent));
        assert_eq!(meaning(&put, raw(409, "")), Err(StoreError::Refused("409".into())));
        assert_eq!(meaning(&put, raw(503, "")), Err(StoreError::Unknown("503".into())));
    }

    #[test]
    fn a_success_that_is_not_listed_is_unknown_where_some_are() {
        let put = request("http = 'PUT /a'\nok = [201]");
        assert_eq!(meaning(&put, raw(201, "")), Ok(Answered::Happened(None)));
        assert_eq!(meaning(&put, raw(200, "")), Err(StoreError::Unknown("200".into())));
    }

    #[test]
    fn a_result_is_at_its_pointer() {
        let read = |text: &str, body: &str| meaning(&request(&format!("http = 'GET /a'\n{text}")), raw(200, body));
        let value = |value| Ok(Answered::Happened(Some(value)));
        assert_eq!(read("result = ''", "[1, 2]"), value(json!([1, 2])));
        assert_eq!(read("result = '/a/0'", r#"{"a": [null]}"#), value(Value::Null));
        assert_eq!(read("result = '/a'\nparse = true", r#"{"a": ["1", "\"x\""]}"#), value(json!([1, "x"])));
        for (text, body) in
            [("result = '/b'", "{}"), ("result = ''", "oops"), ("result = ''\nparse = true", "\"oops\"")]
        {
            assert!(matches!(read(text, body), Err(StoreError::Unknown(_))), "{text} of {body}");
        }
    }
}

//! The errors of Maelstrom's protocol: what a node says instead of an answer.
//!
//! A *definite* error says that the operation did not happen, and never will. After any other one it may have happened.

use std::fmt;

use serde_json::{Value, json};

/// An error that Maelstrom's documents define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ErrorCode {
    pub code: i64,
    pub name: &'static str,
    pub is_definite: bool,
}

const fn definite(code: i64, name: &'static str) -> ErrorCode {
    ErrorCode { code, name, is_definite: true }
}

const fn indefinite(code: i64, name: &'static str) -> ErrorCode {
    ErrorCode { code, name, is_definite: false }
}

const NOT_SUPPORTED: ErrorCode = definite(10, "not-supported");
pub(super) const MALFORMED_REQUEST: ErrorCode = definite(12, "malformed-request");
pub(super) const KEY_DOES_NOT_EXIST: ErrorCode = definite(20, "key-does-not-exist");
pub(super) const PRECONDITION_FAILED: ErrorCode = definite(22, "precondition-failed");

/// All of them. Codes from 1000 on are the program's own.
const ALL: [ErrorCode; 11] = [
    indefinite(0, "timeout"),
    definite(1, "node-not-found"),
    NOT_SUPPORTED,
    definite(11, "temporarily-unavailable"),
    MALFORMED_REQUEST,
    indefinite(13, "crash"),
    definite(14, "abort"),
    KEY_DOES_NOT_EXIST,
    definite(21, "key-already-exists"),
    PRECONDITION_FAILED,
    definite(30, "txn-conflict"),
];

impl ErrorCode {
    /// The error of this code; none if it is not one of Maelstrom's, and then it is not definite.
    pub fn of(code: i64) -> Option<Self> {
        ALL.into_iter().find(|known| known.code == code)
    }

    /// As the body of a message.
    pub fn body(self, text: impl fmt::Display) -> Value {
        json!({"type": "error", "code": self.code, "text": text.to_string()})
    }
}

/// The answer of a service that has no such request, with those that it has.
pub(super) fn unknown_request(body: &Value, known: &str) -> Value {
    match body["type"].as_str() {
        Some(other) => NOT_SUPPORTED.body(format!("there is no request {other:?} here: there is {known}")),
        None => MALFORMED_REQUEST.body("the body has no type"),
    }
}

/// What an `error` says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RpcError {
    /// Its code; none if it has none, against the protocol.
    pub code: Option<i64>,
    /// Its text, if it has one.
    pub text: Option<String>,
}

impl RpcError {
    /// The error in this body; none if it is no error.
    pub fn in_body(body: &Value) -> Option<Self> {
        let text = || body["text"].as_str().map(str::to_owned);
        (body["type"] == "error").then(|| Self { code: body["code"].as_i64(), text: text() })
    }

    /// Whether the operation certainly did not happen.
    pub fn is_definite(&self) -> bool {
        self.known().is_some_and(|known| known.is_definite)
    }

    /// Whether it is this one.
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == Some(code.code)
    }

    fn known(&self) -> Option<ErrorCode> {
        self.code.and_then(ErrorCode::of)
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.known()) {
            (Some(code), Some(known)) => write!(f, "error {code} ({})", known.name)?,
            (Some(code), None) => write!(f, "error {code} (not one of Maelstrom's, so it may have happened)")?,
            (None, _) => f.write_str("an error without a code")?,
        }
        self.text.as_ref().map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: Value) -> RpcError {
        RpcError::in_body(&body).expect("it is an error")
    }

    #[test]
    fn only_what_the_documents_call_definite_did_not_happen() {
        let definite: Vec<i64> =
            (0..2000).filter(|code| error(json!({"type": "error", "code": code})).is_definite()).collect();
        assert_eq!(definite, [1, 10, 11, 12, 14, 20, 21, 22, 30]);
        assert!(!error(json!({"type": "error"})).is_definite(), "without a code nothing is certain");
        assert_eq!(RpcError::in_body(&json!({"type": "read_ok", "code": 20})), None);
    }

    #[test]
    fn an_error_is_named() {
        let said = error(json!({"type": "error", "code": 22, "text": "it is 5"})).to_string();
        assert_eq!(said, "error 22 (precondition-failed): it is 5");
        let own = error(json!({"type": "error", "code": 1001})).to_string();
        assert!(own.starts_with("error 1001 (not one of Maelstrom's"), "{own}");
    }
}

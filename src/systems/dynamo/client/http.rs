//! Reading a node's HTTP answers: values and refusals.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use workloads::store::{Context, StoreError, Versions};

use crate::systems::http::unknown;

/// The header that carries the context of a read, and of the write that hands it back.
pub const CONTEXT: &str = "x-dynamo-context";

#[derive(Deserialize)]
struct Siblings {
    siblings: Vec<String>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
    happened: String,
}

/// The value of a header; none if it is missing or not text.
pub fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The values that a node's answer to a read holds, with their context.
///
/// # Errors
/// When the answer is not that of a read, or cannot be read to its end.
pub async fn read(response: Response) -> Result<Versions, StoreError> {
    let context = header(&response, CONTEXT).map(Context);
    let values = match response.status() {
        StatusCode::OK => vec![response.bytes().await.map_err(unknown)?.to_vec()],
        StatusCode::MULTIPLE_CHOICES => decode_siblings(response).await?,
        StatusCode::NOT_FOUND => Vec::new(),
        _ => return Err(refusal(response).await),
    };
    Ok(Versions { values, context })
}

async fn decode_siblings(response: Response) -> Result<Vec<Vec<u8>>, StoreError> {
    let body: Siblings = response.json().await.map_err(unknown)?;
    body.siblings.iter().map(|text| decode_base64(text)).collect()
}

/// Decodes a value inside a JSON answer.
///
/// # Errors
/// `Unknown` when the text is not base64.
pub fn decode_base64(text: &str) -> Result<Vec<u8>, StoreError> {
    STANDARD.decode(text).map_err(|error| StoreError::Unknown(format!("the node's answer is not base64: {error}")))
}

/// The error of a status other than success. The node says itself whether a write may have happened.
pub async fn refusal(response: Response) -> StoreError {
    match refused_by(response).await {
        (why, false) => StoreError::Refused(why),
        (why, true) => StoreError::Unknown(why),
    }
}

/// The reason for a status other than success, and whether the request may have happened.
pub async fn refused_by(response: Response) -> (String, bool) {
    let status = response.status();
    match response.json::<Refusal>().await {
        Ok(Refusal { error, happened }) => (format!("{status}: {error}"), happened != "no"),
        Err(_) => (format!("{status} without an explanation"), true),
    }
}

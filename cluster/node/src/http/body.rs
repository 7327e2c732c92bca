//! Reading a request's body, which may be too long, too slow, or never end.

use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use hyper::body::{Body as _, Bytes, Frame};
use tokio::time::timeout;

use super::answer::Problem;

/// Within this the whole body has come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How much more than allowed is read and thrown away, so that the client is still there to read the refusal.
const DISCARD_BYTES_MAX: usize = 8 << 20;

/// The body, if it has at most `bytes_max` bytes and comes in time.
pub(crate) async fn read(request: Request, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let body = collect(request.into_body(), bytes_max);
    timeout(BODY_TIMEOUT, body).await.unwrap_or_else(|_| Err(Problem::half_sent()))
}

async fn collect(mut body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    let announced = body.size_hint().lower();
    if announced > (bytes_max + DISCARD_BYTES_MAX) as u64 {
        return Err(Problem::too_large(bytes_max).closing());
    }
    let mut value = Vec::new();
    let mut bytes = 0;
    while let Some(frame) = next_frame(&mut body).await {
        let frame = frame.map_err(|error| Problem::bad_request(format!("the body broke off: {error}")).closing())?;
        let data = frame.into_data().unwrap_or_default();
        bytes += data.len();
        if bytes <= bytes_max {
            value.extend_from_slice(&data);
        } else if bytes > bytes_max + DISCARD_BYTES_MAX {
            return Err(Problem::too_large(bytes_max).closing());
        }
    }
    if bytes > bytes_max { Err(Problem::too_large(bytes_max)) } else { Ok(value) }
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_limit_itself_is_allowed_and_one_byte_more_is_not() {
        for bytes in [0, 1, 10] {
            assert_eq!(collect(Body::from(vec![7; bytes]), 10).await.ok(), Some(vec![7; bytes]));
        }
        assert!(collect(Body::from(vec![7; 11]), 10).await.is_err());
        assert!(collect(Body::from(vec![7; DISCARD_BYTES_MAX + 11]), 10).await.is_err());
    }
}

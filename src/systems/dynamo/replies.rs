//! Converts between requests and replies of the core and the types of [`workloads::store`] and of the nemesis.

use cluster_core::api::{Failure, MemberStatus, Reply, Request};
use nemesis::surface::Standing;
use workloads::store::{Context, StoreError, Versions};

pub(super) fn get(key: &str) -> Request {
    Request::Get { key: key.as_bytes().to_vec(), r: None, n: None }
}

/// A put; without a value a delete.
pub(super) fn put(key: &str, context: Option<&Context>, value: Option<Vec<u8>>) -> Request {
    let context = context.map(|Context(text)| text.clone());
    Request::Put { key: key.as_bytes().to_vec(), value, context, w: None, n: None }
}

/// A failure is `Refused` only where the request certainly had no effect.
pub(super) fn outcome(reply: Reply) -> Result<Reply, StoreError> {
    match reply {
        Reply::Failed(Failure::Unknown(why)) => Err(StoreError::Unknown(why)),
        Reply::Failed(Failure::BadRequest(why) | Failure::Unavailable(why)) => Err(StoreError::Refused(why)),
        reply => Ok(reply),
    }
}

pub(super) fn got(reply: Reply) -> Result<Versions, StoreError> {
    match reply {
        Reply::Got { values, context } => Ok(Versions { values, context: context.map(Context) }),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn stored(reply: Reply) -> Result<(), StoreError> {
    match reply {
        Reply::Stored => Ok(()),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn unexpected(reply: &Reply) -> StoreError {
    StoreError::Unknown(format!("an answer to something else: {reply:?}"))
}

/// The nemesis's word for it.
pub(super) fn standing(standing: MemberStatus) -> Standing {
    match standing {
        MemberStatus::Member => Standing::Member,
        MemberStatus::Joining => Standing::Joining,
        MemberStatus::Leaving => Standing::Leaving,
        MemberStatus::NoMember => Standing::NoMember,
    }
}

//! Which versions of the protocol the peers speak.

use std::collections::BTreeMap;

use crate::ids::NodeId;

/// What peers speak, as far as they have said so.
#[derive(Debug, Default)]
pub(crate) struct Speakers {
    pub newest: BTreeMap<NodeId, u8>,
    /// Why a message was last refused.
    pub last_refusal: Option<String>,
}

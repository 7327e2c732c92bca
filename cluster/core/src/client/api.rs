//! What goes into a coordinating client and what comes out.

use crate::api::{Reply, Request};
use crate::ids::{NodeId, RequestId};

/// The client's name for a call, unique within its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u64);

/// Something that happened to the client.
#[derive(Clone, Debug)]
pub enum Input {
    /// The application asks: a get or a put.
    Request {
        /// Its name, to be found again in [`Effect::Reply`].
        id: RequestId,
        /// What is asked.
        request: Request,
    },
    /// What came of a call.
    Response {
        /// Which.
        call: CallId,
        /// What came of it.
        response: Response,
    },
    /// The time set by the last [`Effect::SetTimer`] has come (early or late calls do no harm).
    Timer,
}

/// What came of a call to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The node's own words.
    Reply(Reply),
    /// It certainly did not leave: there was no connection.
    NotSent(String),
    /// It left, and no answer will come: the node may have done it.
    Lost(String),
}

/// Something that the driver must do, in the order given.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Make this request of a node, and answer with exactly one [`Input::Response`].
    Call {
        /// Its name.
        call: CallId,
        /// The node.
        node: NodeId,
        /// What to ask.
        request: Request,
    },
    /// Answer the application; exactly one for each request.
    Reply {
        /// Which.
        request: RequestId,
        /// The answer.
        reply: Reply,
    },
    /// Call with [`Input::Timer`] at this monotonic time; replaces the earlier setting.
    SetTimer {
        /// Nanoseconds, monotonic.
        at_ns: u64,
    },
}

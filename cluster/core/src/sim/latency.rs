//! How long a message takes: distributions, and which one a message draws from.
//!
//! The model is WARS (Bailis et al., VLDB 2012): a write and its acknowledgement, a read and its answer are four legs,
//! each with a distribution of its own.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::api::{Reply, Request};
use crate::message::Message;

const NS_PER_MS: f64 = 1e6;

/// A distribution of delays.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Uniform between two bounds, both included, nanoseconds.
    Uniform {
        /// The least.
        min_ns: u64,
        /// The greatest.
        max_ns: u64,
    },
    /// A Pareto body with an exponential tail, mixed: how Bailis et al. fit what they measured.
    Mixture {
        /// The share of draws from the Pareto distribution, 0 to 1.
        pareto: f64,
        /// Its least value, ms.
        xm_ms: f64,
        /// Its shape: the greater, the shorter its tail.
        alpha: f64,
        /// Of the exponential distribution, 1/ms.
        rate_per_ms: f64,
    },
    /// One after the other: the way through a load balancer.
    Sum(Vec<Latency>),
}

impl Latency {
    /// One draw, nanoseconds.
    pub fn draw_ns(&self, rng: &mut ChaCha8Rng) -> u64 {
        match self {
            Latency::Uniform { min_ns, max_ns } => rng.random_range(*min_ns..=*max_ns),
            Latency::Mixture { pareto, xm_ms, alpha, rate_per_ms } => {
                // From (0, 1]: the logarithm of zero would be infinite.
                let u = 1.0 - rng.random::<f64>();
                let ms = match rng.random_bool(*pareto) {
                    true => xm_ms / u.powf(1.0 / alpha),
                    false => -u.ln() / rate_per_ms,
                };
                (ms * NS_PER_MS) as u64
            }
            Latency::Sum(parts) => parts.iter().map(|part| part.draw_ns(rng)).fold(0, u64::saturating_add),
        }
    }
}

/// One way of a message between a coordinator and a replica, or between a client and a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// W: something to be written.
    Write,
    /// A: it has been.
    Ack,
    /// R: a question, and whatever else is small and read only.
    Read,
    /// S: what was read.
    Answer,
}

impl Leg {
    /// That of a message between nodes.
    pub fn of_message(message: &Message) -> Self {
        match message {
            Message::Store { .. } | Message::Forward { .. } => Leg::Write,
            Message::Stored { .. } | Message::StoreRefused { .. } | Message::Forwarded { .. } => Leg::Ack,
            Message::Fetched { .. } => Leg::Answer,
            _ => Leg::Read,
        }
    }

    /// That of a client's request.
    pub fn of_request(request: &Request) -> Self {
        match request {
            Request::InSession { request, .. } => Self::of_request(request),
            Request::Put { .. } | Request::Store { .. } => Leg::Write,
            _ => Leg::Read,
        }
    }

    /// That of a node's reply.
    pub fn of_reply(reply: &Reply) -> Self {
        match reply {
            Reply::Stored | Reply::StoredInSession { .. } => Leg::Ack,
            _ => Leg::Answer,
        }
    }
}

/// A distribution for each leg.
#[derive(Clone, Debug, PartialEq)]
pub struct Legs {
    /// W.
    pub write: Latency,
    /// A.
    pub ack: Latency,
    /// R.
    pub read: Latency,
    /// S.
    pub answer: Latency,
}

impl Legs {
    /// All alike.
    pub fn alike(latency: Latency) -> Self {
        Self { write: latency.clone(), ack: latency.clone(), read: latency.clone(), answer: latency }
    }

    /// One draw of a leg, nanoseconds.
    pub fn draw_ns(&self, leg: Leg, rng: &mut ChaCha8Rng) -> u64 {
        let latency = match leg {
            Leg::Write => &self.write,
            Leg::Ack => &self.ack,
            Leg::Read => &self.read,
            Leg::Answer => &self.answer,
        };
        latency.draw_ns(rng)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn mean_ms(latency: &Latency, draws: u32) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..draws).map(|_| latency.draw_ns(&mut rng) as f64 / NS_PER_MS).sum::<f64>() / f64::from(draws)
    }

    /// The means are known: xm·α/(α−1) of a Pareto distribution, 1/rate of an exponential one.
    #[test]
    fn draws_have_the_mean_of_their_distribution() {
        let pareto = Latency::Mixture { pareto: 1.0, xm_ms: 2.0, alpha: 5.0, rate_per_ms: 1.0 };
        let exponential = Latency::Mixture { pareto: 0.0, xm_ms: 2.0, alpha: 5.0, rate_per_ms: 0.25 };
        let mixed = Latency::Mixture { pareto: 0.3, xm_ms: 2.0, alpha: 5.0, rate_per_ms: 0.25 };
        let uniform = Latency::Uniform { min_ns: 1_000_000, max_ns: 3_000_000 };
        let sum = Latency::Sum(vec![uniform.clone(), uniform.clone()]);
        for (latency, mean) in [(pareto, 2.5), (exponential, 4.0), (mixed, 3.55), (uniform, 2.0), (sum, 4.0)] {
            let found = mean_ms(&latency, 100_000);
            assert!((found / mean - 1.0).abs() < 0.02, "{latency:?}: {found} and not {mean}");
        }
    }
}

//! What a directed link does with packets, as data. The default rule passes them all.
//!
//! A packet meets the parts of a rule in this order: cut, loss, corruption, duplication, rate, delay. A rule holds
//! packets only as long as it is in force: when another one takes its place, what the link holds back is delivered at
//! once, or lost if the new rule cuts the link.

use std::time::Duration;

/// The longest delay of a packet.
pub const DELAY_MAX: Duration = Duration::from_secs(60);

/// The most bytes that may wait for a link with a rate.
pub const RATE_QUEUE_BYTES_MAX: u64 = 1 << 30;

/// The rule of one directed link.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkRule {
    /// Nothing passes, what is under way included.
    pub cut: bool,
    /// How late packets arrive.
    pub delay: Delay,
    /// A packet with a shorter delay overtakes those with longer ones. Otherwise it waits for them, as in a router's
    /// queue, and delays are longer than drawn where packets come faster than delays vary.
    pub overtaking: bool,
    /// Share of packets that are lost, percent.
    pub loss_percent: f64,
    /// Share of packets that arrive twice, percent.
    pub duplicate_percent: f64,
    /// Packets that come behind their successors.
    pub reorder: Option<Reorder>,
    /// Packets that come damaged.
    pub corrupt: Option<Corrupt>,
    /// How much passes in a second.
    pub rate: Option<Rate>,
}

/// How late packets arrive. No delay is longer than [`DELAY_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delay {
    /// At once.
    #[default]
    None,
    /// The same for all.
    Constant(Duration),
    /// Anything from `low` to `high`.
    Uniform {
        /// The shortest.
        low: Duration,
        /// The longest.
        high: Duration,
    },
    /// Normally distributed; what would be negative is no delay.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
    /// Pareto's distribution: most delays are near the least one, few are many times as long.
    Pareto {
        /// The shortest.
        least: Duration,
        /// The exponent of the tail: the smaller, the heavier; 2 to 3 is common.
        shape: f64,
    },
}

/// Packets that are held back, so that later ones overtake them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// Share of packets, percent.
    pub percent: f64,
    /// For how long, in addition to any delay.
    pub hold: Duration,
}

/// Packets in which one bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Corrupt {
    /// Share of packets, percent.
    pub percent: f64,
    /// What becomes of the checksum.
    pub checksum: Checksum,
}

/// What becomes of the checksum of a packet in which a bit is flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// It is made right again: the program meets the flipped bit. Only payload of TCP and UDP is damaged; packets
    /// without any pass as they are, uncounted.
    Repaired,
    /// It stays: the receiving kernel drops the packet.
    Left,
}

/// A link that passes only so much in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Kilobits (1000 bits) of IP packets in a second.
    pub kbit_per_s: u64,
    /// Bytes that wait at most; a packet that comes when as many do is dropped.
    pub queue_bytes_max: u64,
}

/// A rule that cannot be carried out.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum InvalidRule {
    /// A share that is none.
    #[error("{what}: {percent} is not a share in percent, from 0 to 100")]
    Percent {
        /// Of what.
        what: &'static str,
        /// What was given.
        percent: f64,
    },
    /// A delay that is too long.
    #[error("{what}: {delay:?} is longer than the longest delay, {DELAY_MAX:?}")]
    Delay {
        /// Which delay.
        what: &'static str,
        /// What was given.
        delay: Duration,
    },
    /// A range of delays that is empty.
    #[error("delays from {low:?} to {high:?}: the first is longer than the second")]
    Range {
        /// The shortest.
        low: Duration,
        /// The longest.
        high: Duration,
    },
    /// A shape that Pareto's distribution does not have.
    #[error("the shape of a Pareto distribution is a positive number, not {0}")]
    Shape(f64),
    /// A rate that passes nothing or holds without bound.
    #[error(
        "a rate of {kbit_per_s} kbit/s with a queue of {queue_bytes_max} bytes: \
             both are at least 1, the queue at most {RATE_QUEUE_BYTES_MAX}; `cut` is for a link that passes nothing"
    )]
    Rate {
        /// What was given.
        kbit_per_s: u64,
        /// What was given.
        queue_bytes_max: u64,
    },
}

impl LinkRule {
    /// The rule of a link that passes nothing.
    pub fn cut() -> Self {
        Self { cut: true, ..Self::default() }
    }

    /// Packets pass at once, unchanged.
    pub(crate) fn is_transparent(&self) -> bool {
        *self == Self::default()
    }

    /// Whether packets must be as the wire has them: of at most an MTU, with finished checksums. Otherwise one loss
    /// would be 64 KiB, and a flipped bit would reach the program unnoticed. A cut or an orderly delay treats all
    /// alike.
    pub(crate) fn needs_wire_packets(&self) -> bool {
        let wholesale = Self { cut: self.cut, delay: self.delay, ..Self::default() };
        *self != wholesale
    }

    /// Whether it can be carried out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self) -> Result<(), InvalidRule> {
        percent("loss", self.loss_percent)?;
        percent("duplicates", self.duplicate_percent)?;
        self.delay.validate()?;
        if let Some(reorder) = self.reorder {
            percent("reordering", reorder.percent)?;
            bounded("holding back", reorder.hold)?;
        }
        if let Some(corrupt) = self.corrupt {
            percent("corruption", corrupt.percent)?;
        }
        self.rate.map_or(Ok(()), Rate::validate)
    }
}

impl Delay {
    fn validate(self) -> Result<(), InvalidRule> {
        match self {
            Self::None => Ok(()),
            Self::Constant(delay) => bounded("delay", delay),
            Self::Uniform { low, high } if low > high => Err(InvalidRule::Range { low, high }),
            Self::Uniform { high, .. } => bounded("longest delay", high),
            Self::Normal { mean, deviation } => {
                bounded("mean delay", mean).and(bounded("deviation of delays", deviation))
            }
            Self::Pareto { shape, .. } if !(shape.is_finite() && shape > 0.0) => Err(InvalidRule::Shape(shape)),
            Self::Pareto { least, .. } => bounded("least delay", least),
        }
    }
}

impl Rate {
    /// How long the link is busy with this many bytes, ns.
    pub(crate) fn busy_ns(self, bytes: usize) -> u64 {
        let bits = bytes as u128 * 8;
        u64::try_from(bits * 1_000_000 / u128::from(self.kbit_per_s)).unwrap_or(u64::MAX)
    }

    fn validate(self) -> Result<(), InvalidRule> {
        let Self { kbit_per_s, queue_bytes_max } = self;
        let valid = kbit_per_s > 0 && (1..=RATE_QUEUE_BYTES_MAX).contains(&queue_bytes_max);
        if valid { Ok(()) } else { Err(InvalidRule::Rate { kbit_per_s, queue_bytes_max }) }
    }
}

fn percent(what: &'static str, percent: f64) -> Result<(), InvalidRule> {
    if (0.0..=100.0).contains(&percent) { Ok(()) } else { Err(InvalidRule::Percent { what, percent }) }
}

fn bounded(what: &'static str, delay: Duration) -> Result<(), InvalidRule> {
    if delay <= DELAY_MAX { Ok(()) } else { Err(InvalidRule::Delay { what, delay }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_cannot_be_carried_out_are_refused() {
        let second = Duration::from_secs(1);
        let rules = [
            LinkRule { loss_percent: 100.1, ..LinkRule::default() },
            LinkRule { loss_percent: f64::NAN, ..LinkRule::default() },
            LinkRule { duplicate_percent: -1.0, ..LinkRule::default() },
            LinkRule { delay: Delay::Constant(DELAY_MAX + second), ..LinkRule::default() },
            LinkRule { delay: Delay::Uniform { low: second, high: Duration::ZERO }, ..LinkRule::default() },
            LinkRule { delay: Delay::Pareto { least: second, shape: 0.0 }, ..LinkRule::default() },
            LinkRule { delay: Delay::Pareto { least: second, shape: f64::INFINITY }, ..LinkRule::default() },
            LinkRule { delay: Delay::Normal { mean: second, deviation: DELAY_MAX * 2 }, ..LinkRule::default() },
            LinkRule { reorder: Some(Reorder { percent: 1.0, hold: DELAY_MAX * 2 }), ..LinkRule::default() },
            LinkRule { corrupt: Some(Corrupt { percent: 101.0, checksum: Checksum::Left }), ..LinkRule::default() },
            LinkRule { rate: Some(Rate { kbit_per_s: 0, queue_bytes_max: 1 }), ..LinkRule::default() },
            LinkRule { rate: Some(Rate { kbit_per_s: 1, queue_bytes_max: u64::MAX }), ..LinkRule::default() },
        ];
        for rule in rules {
            assert!(rule.validate().is_err(), "{rule:?}");
        }
        assert_eq!(LinkRule::default().validate(), Ok(()));
        assert_eq!(LinkRule::cut().validate(), Ok(()));
    }

    #[test]
    fn only_what_singles_out_packets_needs_them_as_on_the_wire() {
        let delayed = LinkRule { delay: Delay::Constant(Duration::from_millis(1)), ..LinkRule::default() };
        assert!(!LinkRule::default().needs_wire_packets());
        assert!(!LinkRule::cut().needs_wire_packets() && !delayed.needs_wire_packets());
        assert!(LinkRule { overtaking: true, ..delayed }.needs_wire_packets());
        assert!(LinkRule { loss_percent: 1.0, ..LinkRule::default() }.needs_wire_packets());
        let rate = Some(Rate { kbit_per_s: 1000, queue_bytes_max: 1 });
        assert!(LinkRule { rate, ..LinkRule::default() }.needs_wire_packets());
    }

    #[test]
    fn a_link_is_busy_for_as_long_as_its_rate_says() {
        let rate = |kbit_per_s| Rate { kbit_per_s, queue_bytes_max: 1 };
        assert_eq!(rate(1000).busy_ns(1250), 10_000_000);
        assert_eq!(rate(8_000_000).busy_ns(1), 1);
        assert_eq!(rate(1).busy_ns(65535), 524_280_000_000);
    }
}

//! Reset connections: the TCP connections of the links are reset, again and again, as by a firewall that has forgotten
//! them.

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways, every};
use crate::links::drawn;
use crate::measured::{Measured, total};
use crate::problem::{Problem, TIME_MAX_MS, check_amount};
use crate::stage::{Stage, Step};
use crate::surface::{LinkStatistics, SurfaceError};
use crate::words::{count, touching};

/// The TCP connections of the links are reset, at the start and again in every period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetConnections {
    /// The time between two resets, ms.
    pub period_ms: u64,
    /// The links affected.
    pub links: Vec<Link>,
}

impl FaultKind for ResetConnections {
    const FACTS: Facts = Facts {
        name: "reset-connections",
        family: "reset",
        class: Class::Network,
        is_usual: false,
        ways: Ways::TARGETS,
        needs: &[Capability::Reset],
    };

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        Some(Self { links: drawn(way, drawing)?, period_ms: drawing.draw.log_uniform(100, 1000) })
    }
}

impl Effect for ResetConnections {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        format!("{}, every {} ms", touching(&self.links, all), self.period_ms)
    }

    fn check_amounts(&self) -> Result<(), Problem> {
        check_amount("period_ms", self.period_ms, 1..=TIME_MAX_MS as i64, "up to ten days")
    }

    fn begin<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(async move {
            stage.observe_links(&self.links).await;
            self.reset(stage).await
        })
    }

    fn turns_ms(&self, for_ms: u64) -> Vec<u64> {
        every(self.period_ms, for_ms)
    }

    fn turn<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a, Result<(), SurfaceError>> {
        Box::pin(self.reset(stage))
    }

    fn measure<'a>(&'a self, stage: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(stage.measure_links(&self.links))
    }

    /// Nothing is left to heal: a program connects again.
    fn end<'a>(&'a self, _: &'a mut Stage<'_>) -> Step<'a> {
        Box::pin(std::future::ready(()))
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, judge)
    }
}

impl ResetConnections {
    async fn reset(&self, stage: &mut Stage<'_>) -> Result<(), SurfaceError> {
        for link in &self.links {
            stage.surface().reset_link(link).await?;
        }
        Ok(())
    }
}

/// A connection must have been reset.
fn judge(links: &[LinkStatistics]) -> Finding {
    let resets = total(links, |link| link.reset_connections);
    let evidence = match resets {
        0 => format!("{} were to be reset, but no connection was there to reset", count(links.len() as u64, "link")),
        _ => format!("{} reset on {}", count(resets, "connection"), count(links.len() as u64, "link")),
    };
    Finding::new(resets > 0, evidence, [("links", links.len() as u64), ("reset_connections", resets)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_needs_a_connection_that_was_reset() {
        let link = |reset_connections| LinkStatistics { reset_connections, ..Default::default() };
        let finding = judge(&[link(3), link(0)]);
        assert_eq!((finding.proved, finding.evidence.as_str()), (true, "3 connections reset on 2 links"));
        assert!(!judge(&[link(0)]).proved);
    }
}

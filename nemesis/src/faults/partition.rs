//! Partition: the links carry nothing.
//!
//! Partitions are described by the links that are cut, not by the shape that was drawn, so the description of an edited
//! plan is right, too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::capability::Capability;
use crate::evidence::Finding;
use crate::fault::{CLIENTS, Class, Link};
use crate::kind::{Drawing, Effect, Facts, FaultKind, Refinement, Ways};
use crate::measured::{Measured, total};
use crate::shape::{Shape, views};
use crate::stage::Share;
use crate::surface::{LinkRule, LinkStatistics};
use crate::words::{braced, count, enumerate};

/// The links carry nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// How they were chosen.
    pub shape: Shape,
    /// The directed links that are cut.
    pub links: Vec<Link>,
}

impl FaultKind for Partition {
    const FACTS: Facts = Facts {
        name: "partition",
        family: "partition",
        class: Class::Network,
        is_usual: true,
        ways: Ways::Names { usual: &Shape::USUAL_NAMES, others: &Shape::OTHER_NAMES },
        needs: &[Capability::Cut],
    };

    fn needs(way: &Refinement) -> Vec<Capability> {
        needs(Self::FACTS, way)
    }

    fn fits(way: &Refinement, drawing: &Drawing<'_>) -> bool {
        fits(way, drawing)
    }

    fn draw(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<Self> {
        let (shape, links) = cut(way, drawing)?;
        Some(Self { shape, links })
    }
}

/// What a kind that cuts links needs, with what the shape that the way names needs besides.
pub(super) fn needs(facts: Facts, way: &Refinement) -> Vec<Capability> {
    [facts.needs, way.name().and_then(Shape::named).map_or(&[], Shape::needs)].concat()
}

/// Whether the cluster is large enough for the shape that the way names.
pub(super) fn fits(way: &Refinement, drawing: &Drawing<'_>) -> bool {
    way.name().and_then(Shape::named).is_some_and(|shape| drawing.nodes.len() >= shape.nodes_min())
}

/// The shape that the way names, and links that are cut in this shape.
pub(super) fn cut(way: &Refinement, drawing: &mut Drawing<'_>) -> Option<(Shape, Vec<Link>)> {
    let shape = way.name().and_then(Shape::named)?;
    let links = match shape {
        Shape::DataCentre => drawing.layout.cut_data_centre(drawing.draw)?,
        Shape::Owners => drawing.layout.cut_owners(drawing.nodes, drawing.draw)?,
        _ => shape.cut(drawing.nodes, drawing.draw)?,
    };
    Some((shape, links))
}

impl Effect for Partition {
    fn links(&self) -> &[Link] {
        &self.links
    }

    fn detail(&self, all: &[String]) -> String {
        describe(self.shape, &self.links, all)
    }

    fn needs(&self) -> Vec<Capability> {
        self.shape.needs_to_cut().to_vec()
    }

    fn is_proved_by_sending(&self) -> bool {
        true
    }

    fn share(&self) -> Share {
        Share::Link(LinkRule { blocked: true, ..LinkRule::default() })
    }

    fn finding(&self, measured: &Measured) -> Finding {
        measured.judge_links(&self.links, judge)
    }
}

/// From what each link did while it was cut: something must have been blocked, and nothing may have passed.
fn judge(links: &[LinkStatistics]) -> Finding {
    let bytes = total(links, |link| link.blocked_bytes);
    let connections = total(links, |link| link.blocked_connections);
    let passed = total(links, |link| link.forwarded_bytes);
    let measured = format!(
        "{} cut: {} and {} blocked, {} passed",
        count(links.len() as u64, "link"),
        count(bytes, "byte"),
        count(connections, "connection"),
        count(passed, "byte")
    );
    let (proved, evidence) = match (bytes + connections, passed) {
        (1.., 0) => (true, measured),
        (_, 1..) => (false, format!("the links were to be cut, but let traffic through: {measured}")),
        (0, 0) => (false, format!("the links were cut, but nothing was sent over them: {measured}")),
    };
    let used = links.iter().filter(|link| link.blocked_bytes + link.blocked_connections > 0).count() as u64;
    let figures = [
        ("links", links.len() as u64),
        ("links_used", used),
        ("blocked_bytes", bytes),
        ("blocked_connections", connections),
        ("forwarded_bytes", passed),
    ];
    Finding::new(proved, evidence, figures)
}

/// The cut links as the groups that they leave, where there are such groups.
pub(super) fn describe(shape: Shape, links: &[Link], all: &[String]) -> String {
    clients(links)
        .or_else(|| groups(links, all))
        .or_else(|| bridge(links, all))
        .or_else(|| one_way(links, all))
        .unwrap_or_else(|| match shape {
            Shape::MajoritiesRing => ring(links, all),
            _ => enumerate(links),
        })
}

/// `clients | {n1 n2}`, when exactly the links between clients and some nodes are cut.
fn clients(links: &[Link]) -> Option<String> {
    let ends = |link: &Link| match (link.from == CLIENTS, link.to == CLIENTS) {
        (true, false) => Some(link.to.clone()),
        (false, true) => Some(link.from.clone()),
        _ => None,
    };
    let nodes: BTreeSet<String> = links.iter().map(ends).collect::<Option<_>>()?;
    let is_whole = !nodes.is_empty() && links.len() == 2 * nodes.len();
    is_whole.then(|| format!("{CLIENTS} | {}", braced(&nodes.into_iter().collect::<Vec<_>>())))
}

/// `{n1 n2} | {n3}`, when the nodes fall into groups that hear all nodes of their own group and no others.
fn groups(links: &[Link], all: &[String]) -> Option<String> {
    let views: BTreeMap<String, Vec<String>> = views(all, links).into_iter().collect();
    let is_group = |group: &Vec<String>| group.iter().all(|node| views.get(node) == Some(group));
    let mut texts: Vec<String> = Vec::new();
    for group in all.iter().filter_map(|node| views.get(node)) {
        if !is_group(group) {
            return None;
        }
        let text = braced(group);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    Some(texts.join(" | "))
}

/// `{n1 n2} - n3 - {n4 n5}`, when one node is not cut off and the others fall into two groups.
fn bridge(links: &[Link], all: &[String]) -> Option<String> {
    let touched = |node: &String| links.iter().any(|link| link.from == *node || link.to == *node);
    let (rest, bridges): (Vec<String>, Vec<String>) = all.iter().cloned().partition(touched);
    let [bridge] = bridges.as_slice() else { return None };
    let text = groups(links, &rest)?;
    let halves: Vec<&str> = text.split(" | ").collect();
    (halves.len() == 2).then(|| halves.join(&format!(" - {bridge} - ")))
}

/// `n1 n2 heard by nobody else`, when exactly the links from some nodes to all others are cut.
fn one_way(links: &[Link], all: &[String]) -> Option<String> {
    let senders: BTreeSet<&String> = links.iter().map(|link| &link.from).collect();
    let (unheard, rest): (Vec<String>, Vec<String>) = all.iter().cloned().partition(|node| senders.contains(node));
    let cut: BTreeSet<&Link> = links.iter().collect();
    let is_one_way = cut.len() == unheard.len() * rest.len() && cut.iter().all(|link| rest.contains(&link.to));
    is_one_way.then(|| format!("one way: {} heard by nobody else", unheard.join(" ")))
}

fn ring(links: &[Link], all: &[String]) -> String {
    let view = |(node, seen): (String, Vec<String>)| format!("{node} sees {}", seen.join(" "));
    let views: Vec<String> = views(all, links).into_iter().map(view).collect();
    format!("majorities ring: {}", views.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("n{n}")).collect()
    }

    fn cut(shape: Shape, count: usize) -> String {
        let links = shape.cut(&nodes(count), &mut Draw::new(5)).expect("enough nodes");
        Partition { shape, links }.detail(&nodes(count))
    }

    #[test]
    fn every_shape_reads_as_what_it_is() {
        for shape in [Shape::Halves, Shape::Single, Shape::MajorityMinority] {
            let text = cut(shape, 5);
            assert!(text.starts_with("{n1") && text.matches(" | ").count() == 1 && text.matches('n').count() == 5);
        }
        assert_eq!(cut(Shape::Halves, 2), "{n1} | {n2}");
        assert!(cut(Shape::Clients, 5).starts_with("clients | {n"), "{}", cut(Shape::Clients, 5));
        assert!(cut(Shape::Bridge, 5).contains("} - n"), "{}", cut(Shape::Bridge, 5));
        assert!(cut(Shape::OneWay, 5).starts_with("one way: n"), "{}", cut(Shape::OneWay, 5));
        let ring = cut(Shape::MajoritiesRing, 5);
        assert!(ring.starts_with("majorities ring: n1 sees n") && ring.matches("sees").count() == 5, "{ring}");
    }

    #[test]
    fn an_edited_partition_lists_its_links() {
        let links = vec![Link { from: "n1".into(), to: "n2".into() }, Link { from: "n3".into(), to: "n2".into() }];
        assert_eq!(Partition { shape: Shape::Halves, links }.detail(&nodes(4)), "n1→n2 n3→n2");
    }

    #[test]
    fn it_needs_blocked_traffic_and_none_that_passed() {
        let blocked = LinkStatistics { blocked_bytes: 48_210, blocked_connections: 3, ..Default::default() };
        let idle = LinkStatistics::default();
        let finding = judge(&[blocked, LinkStatistics { blocked_bytes: 1, ..idle }, idle]);
        assert_eq!(finding.evidence, "3 links cut: 48,211 bytes and 3 connections blocked, 0 bytes passed");
        assert!(finding.proved && finding.figures["links_used"] == 2 && finding.figures["blocked_bytes"] == 48_211);

        let silent = judge(&[idle, idle]);
        assert!(!silent.proved && silent.evidence.contains("nothing was sent over them"), "{}", silent.evidence);

        let leaking = judge(&[blocked, LinkStatistics { forwarded_bytes: 1, ..idle }]);
        assert!(!leaking.proved && leaking.evidence.contains("1 byte passed"), "{}", leaking.evidence);
    }
}

//! A fault in a few words, as reports show it: `{n1 n2} | {n3 n4 n5}`, `n3 +12.5 s`.
//!
//! Partitions are described by the links that are cut, not by the shape that was drawn, so the description of an edited
//! plan is right, too.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::{Fault, Link, Shape};
use crate::shape::{links_touching, views};

impl Fault {
    /// What it does, and to which nodes, in a few words; `all` are all nodes of the cluster.
    pub fn detail(&self, all: &[String]) -> String {
        match self {
            Fault::Partition { shape, links } => partition(*shape, links, all),
            Fault::Kill { nodes }
            | Fault::Pause { nodes }
            | Fault::Upgrade { nodes }
            | Fault::Wipe { nodes }
            | Fault::Power { nodes }
            | Fault::SyncFail { nodes }
            | Fault::Join { nodes }
            | Fault::Leave { nodes } => nodes.join(" "),
            Fault::Rot { nodes, rows } => format!("{}, {rows} rows each", nodes.join(" ")),
            Fault::LossyLink { links, loss_percent } => format!("{}, {loss_percent} %", touching(links, all)),
            Fault::ClockBump { nodes, offset_ms } => format!("{} {}", nodes.join(" "), offset(*offset_ms)),
            Fault::ClockDrift { nodes, rate_ppm } => {
                format!("{} at {} %", nodes.join(" "), decimal(rate_ppm.saturating_add(1_000_000), 10_000))
            }
            Fault::SlowLink { links, delay_ms, jitter_ms } => {
                let mean = (*delay_ms as i64).saturating_mul(2).saturating_add(*jitter_ms as i64);
                let spread = decimal(*jitter_ms as i64, 2);
                format!("{}, {} ms ± {spread} ms", touching(links, all), decimal(mean, 2))
            }
        }
    }
}

fn partition(shape: Shape, links: &[Link], all: &[String]) -> String {
    groups(links, all).or_else(|| bridge(links, all)).or_else(|| one_way(links, all)).unwrap_or_else(|| match shape {
        Shape::MajoritiesRing => ring(links, all),
        _ => enumerate(links),
    })
}

fn braced(nodes: &[String]) -> String {
    format!("{{{}}}", nodes.join(" "))
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

fn enumerate(links: &[Link]) -> String {
    links.iter().map(|link| format!("{}→{}", link.from, link.to)).collect::<Vec<_>>().join(" ")
}

/// `all links`, `n1 ⇄ others`, or the links one by one.
fn touching(links: &[Link], all: &[String]) -> String {
    let given: BTreeSet<&Link> = links.iter().collect();
    let covers = |targets: &[String]| links_touching(targets, all).iter().collect::<BTreeSet<_>>() == given;
    if covers(all) {
        return "all links".to_owned();
    }
    let owns = |node: &&String| links_touching(&[(*node).clone()], all).iter().all(|link| given.contains(link));
    let targets: Vec<String> = all.iter().filter(owns).cloned().collect();
    if covers(&targets) { format!("{} ⇄ others", targets.join(" ")) } else { enumerate(links) }
}

/// A signed time: `+12.5 s`, `-40 ms`.
fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "+" };
    match ms.unsigned_abs() {
        small @ 0..1000 => format!("{sign}{small} ms"),
        large => format!("{sign}{} s", decimal(i64::try_from(large).unwrap_or(i64::MAX), 1000)),
    }
}

/// `value / unit` with at most three decimals, and no more than it needs.
fn decimal(value: i64, unit: i64) -> String {
    let text = format!("{:.3}", value as f64 / unit as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draw;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("n{n}")).collect()
    }

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn cut(shape: Shape, count: usize) -> String {
        let links = shape.cut(&nodes(count), &mut Draw::new(5)).expect("enough nodes");
        Fault::Partition { shape, links }.detail(&nodes(count))
    }

    #[test]
    fn every_shape_reads_as_what_it_is() {
        for shape in [Shape::Halves, Shape::Single, Shape::MajorityMinority] {
            let text = cut(shape, 5);
            assert!(text.starts_with("{n1") && text.matches(" | ").count() == 1 && text.matches('n').count() == 5);
        }
        assert_eq!(cut(Shape::Halves, 2), "{n1} | {n2}");
        assert!(cut(Shape::Bridge, 5).contains("} - n"), "{}", cut(Shape::Bridge, 5));
        assert!(cut(Shape::OneWay, 5).starts_with("one way: n"), "{}", cut(Shape::OneWay, 5));
        let ring = cut(Shape::MajoritiesRing, 5);
        assert!(ring.starts_with("majorities ring: n1 sees n") && ring.matches("sees").count() == 5, "{ring}");
    }

    #[test]
    fn an_edited_partition_lists_its_links() {
        let links = vec![Link { from: "n1".into(), to: "n2".into() }, Link { from: "n3".into(), to: "n2".into() }];
        assert_eq!(Fault::Partition { shape: Shape::Halves, links }.detail(&nodes(4)), "n1→n2 n3→n2");
    }

    #[test]
    fn processes_and_clocks_and_slow_links() {
        let all = nodes(4);
        let detail = |fault: Fault| fault.detail(&all);
        assert_eq!(detail(Fault::Kill { nodes: names("n2 n4") }), "n2 n4");
        assert_eq!(detail(Fault::ClockBump { nodes: names("n3"), offset_ms: 12_500 }), "n3 +12.5 s");
        assert_eq!(detail(Fault::ClockBump { nodes: names("n3"), offset_ms: -40 }), "n3 -40 ms");
        assert_eq!(detail(Fault::ClockDrift { nodes: names("n3"), rate_ppm: 500_000 }), "n3 at 150 %");
        assert_eq!(detail(Fault::ClockDrift { nodes: names("n3"), rate_ppm: -25_000 }), "n3 at 97.5 %");
        let slow = |targets: &str| {
            let links = links_touching(&names(targets), &all);
            detail(Fault::SlowLink { links, delay_ms: 100, jitter_ms: 40 })
        };
        assert_eq!(slow("n1"), "n1 ⇄ others, 120 ms ± 20 ms");
        assert_eq!(slow("n1 n3"), "n1 n3 ⇄ others, 120 ms ± 20 ms");
        assert_eq!(slow("n1 n2 n3"), "all links, 120 ms ± 20 ms");
        let one =
            Fault::SlowLink { links: vec![Link { from: "n1".into(), to: "n2".into() }], delay_ms: 7, jitter_ms: 0 };
        assert_eq!(detail(one), "n1→n2, 7 ms ± 0 ms");
        let links = links_touching(&names("n2"), &all);
        assert_eq!(detail(Fault::LossyLink { links, loss_percent: 30 }), "n2 ⇄ others, 30 %");
        assert_eq!(detail(Fault::Wipe { nodes: names("n2") }), "n2");
        assert_eq!(detail(Fault::Rot { nodes: names("n2 n3"), rows: 7 }), "n2 n3, 7 rows each");
    }
}

//! The shapes of a partition, made into the directed links that are cut.
//!
//! Sources: Jepsen's `nemesis.clj` for halves, single, bridge (the smaller half first, the bridge taken from the
//! larger) and the majorities ring. One difference: from four nodes on, the ring here is the smallest *symmetric* one
//! (a node sees the same number of neighbours on both sides), so that a node that hears another can also answer it.
//! Three nodes have no such ring; they get Jepsen's directed one, in which each node hears the one before it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::capability::{Capabilities, Capability};
use crate::draw::Draw;
use crate::fault::{CLIENTS, Link};
use crate::target::majority;

/// The pattern by which a partition cuts the links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two random halves.
    Halves,
    /// One node against all others.
    Single,
    /// A random minority against the majority, of any size.
    MajorityMinority,
    /// Every node sees a majority, no two nodes the same one (Jepsen's majorities-ring).
    MajoritiesRing,
    /// Two halves joined by one node that sees both.
    Bridge,
    /// One direction only: what some nodes send is cut, but not what they receive.
    OneWay,
    /// A random third at most, as many as may be byzantine, against the others (Jepsen's minority-third).
    MinorityThird,
    /// A data centre against the others.
    DataCentre,
    /// The nodes that hold a key against the others: then a side has no copy of it, or all.
    Owners,
    /// The clients against some of the nodes, which go on seeing each other.
    Clients,
}

impl Shape {
    /// Every shape, in the order of the command line's help: first those that are drawn where none was asked for.
    pub const ALL: [Shape; 10] = [
        Shape::Halves,
        Shape::Single,
        Shape::MajorityMinority,
        Shape::MajoritiesRing,
        Shape::Bridge,
        Shape::OneWay,
        Shape::MinorityThird,
        Shape::DataCentre,
        Shape::Owners,
        Shape::Clients,
    ];

    /// The names of those that are drawn where none was asked for.
    pub const USUAL_NAMES: [&'static str; 6] = Shape::names(0);

    /// The names of the others.
    pub const OTHER_NAMES: [&'static str; 4] = Shape::names(6);

    const fn names<const N: usize>(first: usize) -> [&'static str; N] {
        let mut names = [""; N];
        let mut place = 0;
        while place < N {
            names[place] = Shape::ALL[first + place].name();
            place += 1;
        }
        names
    }

    /// The shape of this name.
    pub fn named(name: &str) -> Option<Shape> {
        Shape::ALL.into_iter().find(|shape| shape.name() == name)
    }

    /// The name used at the command line and in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Shape::Halves => "halves",
            Shape::Single => "single",
            Shape::MajorityMinority => "majority-minority",
            Shape::MajoritiesRing => "majorities-ring",
            Shape::Bridge => "bridge",
            Shape::OneWay => "one-way",
            Shape::MinorityThird => "minority-third",
            Shape::DataCentre => "data-centre",
            Shape::Owners => "owners",
            Shape::Clients => "clients",
        }
    }

    /// The smallest cluster that can be cut in this shape.
    pub fn nodes_min(self) -> usize {
        match self {
            Shape::Clients => 1,
            Shape::Halves | Shape::Single | Shape::OneWay | Shape::DataCentre | Shape::Owners => 2,
            Shape::MajorityMinority | Shape::MajoritiesRing | Shape::Bridge => 3,
            Shape::MinorityThird => 4,
        }
    }

    /// What a cluster must be able to do for it to be cut, beyond cutting links between nodes.
    pub const fn needs_to_cut(self) -> &'static [Capability] {
        match self {
            Shape::Clients => &[Capability::ClientLinks],
            _ => &[],
        }
    }

    /// What a cluster must be able to do for it to be drawn, beyond cutting links between nodes.
    pub const fn needs(self) -> &'static [Capability] {
        match self {
            Shape::DataCentre => &[Capability::DataCentres],
            Shape::Owners => &[Capability::KeyOwners],
            _ => self.needs_to_cut(),
        }
    }

    /// The links that are cut, sorted; none if there are fewer than [`Shape::nodes_min`] nodes, or for a shape that is cut by
    /// what the system tells (see [`Layout`]).
    pub fn cut(self, nodes: &[String], draw: &mut Draw) -> Option<Vec<Link>> {
        if nodes.len() < self.nodes_min() {
            return None;
        }
        let mut order = nodes.to_vec();
        draw.shuffle(&mut order);
        let count = order.len();
        let minority_max = count - majority(count);
        let links = match self {
            Shape::Halves => between(order.split_at(count / 2)),
            Shape::Single => between(order.split_at(1)),
            Shape::MajorityMinority => between(order.split_at(draw.between(1, minority_max as u64) as usize)),
            Shape::Bridge => {
                let (smaller, larger) = order.split_at(count / 2);
                between((smaller, &larger[1..]))
            }
            Shape::MajoritiesRing => majorities_ring(&order),
            Shape::OneWay => {
                let (unheard, rest) = order.split_at(draw.between(1, minority_max.max(1) as u64) as usize);
                from_to(unheard, rest).collect()
            }
            Shape::MinorityThird => between(order.split_at((count - 1) / 3)),
            Shape::Clients => {
                let cut_off = draw.between(1, count as u64) as usize;
                between((&[CLIENTS.to_owned()], &order[..cut_off]))
            }
            Shape::DataCentre | Shape::Owners => return None,
        };
        Some(links.into_iter().collect())
    }
}

/// Where nodes are and which of them hold a key, as far as a system tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The nodes of each data centre; empty where there are none.
    pub data_centres: Vec<Vec<String>>,
    /// The nodes that hold a key, once for all keys that the same nodes hold; empty where that is not known.
    pub owners: Vec<Vec<String>>,
}

impl Layout {
    /// What can be done to a cluster of these nodes that is laid out so.
    #[must_use]
    pub fn known_to(&self, capabilities: Capabilities, nodes: &[String]) -> Capabilities {
        let with_centres = match self.data_centres.len() {
            0 => capabilities.without([Capability::DataCentres], "it has none"),
            1 => capabilities.without([Capability::DataCentres], "it has only one"),
            2.. => capabilities.with([Capability::DataCentres]),
        };
        match (self.owners.is_empty(), self.owners.iter().any(|owners| owners.len() < nodes.len())) {
            (true, _) => with_centres.without([Capability::KeyOwners], "it does not tell where keys are"),
            (false, false) => with_centres.without([Capability::KeyOwners], "every node holds every key"),
            (false, true) => with_centres.with([Capability::KeyOwners]),
        }
    }

    /// The links between one of the data centres and all other nodes, sorted; none if there are fewer than two.
    pub fn cut_data_centre(&self, draw: &mut Draw) -> Option<Vec<Link>> {
        let all = self.data_centres.concat();
        cut_off(&self.data_centres, &all, draw)
    }

    /// The links between the nodes that hold a key and all others, sorted; none if there is no such key.
    pub fn cut_owners(&self, nodes: &[String], draw: &mut Draw) -> Option<Vec<Link>> {
        cut_off(&self.owners, nodes, draw)
    }
}

/// The links between one of the groups and the nodes that are not in it, sorted; none if each group has all nodes.
fn cut_off(groups: &[Vec<String>], nodes: &[String], draw: &mut Draw) -> Option<Vec<Link>> {
    let possible: Vec<&Vec<String>> = groups.iter().filter(|group| group.len() < nodes.len()).collect();
    if possible.is_empty() {
        return None;
    }
    let group = possible[draw.below(possible.len() as u64) as usize];
    let others: Vec<String> = nodes.iter().filter(|node| !group.contains(node)).cloned().collect();
    Some(between((group, &others)).into_iter().collect())
}

fn link(from: &str, to: &str) -> Link {
    Link { from: from.to_owned(), to: to.to_owned() }
}

fn from_to<'a>(senders: &'a [String], receivers: &'a [String]) -> impl Iterator<Item = Link> + 'a {
    senders.iter().flat_map(move |from| receivers.iter().map(move |to| link(from, to)))
}

/// Every link between two groups, both ways.
fn between((left, right): (&[String], &[String])) -> BTreeSet<Link> {
    from_to(left, right).chain(from_to(right, left)).collect()
}

/// Each node hears the nodes at most `before` positions before it and `after` positions behind it; all else is cut.
fn majorities_ring(order: &[String]) -> BTreeSet<Link> {
    let count = order.len();
    let side = majority(count) / 2;
    let (before, after) = if 2 * side + 1 < count { (side, side) } else { (majority(count) - 1, 0) };
    let hears = |listener: usize, speaker: usize| {
        let behind = (speaker + count - listener) % count;
        behind <= after || count - behind <= before
    };
    let pairs = (0..count).flat_map(|listener| (0..count).map(move |speaker| (listener, speaker)));
    pairs.filter(|(listener, speaker)| !hears(*listener, *speaker)).map(|(l, s)| link(&order[s], &order[l])).collect()
}

/// The nodes that each node hears, itself included, when the links `cut` are cut; both in the order of `nodes`.
pub fn views(nodes: &[String], cut: &[Link]) -> Vec<(String, Vec<String>)> {
    let cut: BTreeSet<(&str, &str)> = cut.iter().map(|link| (link.from.as_str(), link.to.as_str())).collect();
    let heard = |listener: &String| {
        nodes.iter().filter(|speaker| !cut.contains(&(speaker.as_str(), listener.as_str()))).cloned().collect()
    };
    nodes.iter().map(|listener| (listener.clone(), heard(listener))).collect()
}

/// The directed links with at least one end in `targets`, sorted.
pub fn links_touching(targets: &[String], nodes: &[String]) -> Vec<Link> {
    let touches = |link: &Link| link.from != link.to && (targets.contains(&link.from) || targets.contains(&link.to));
    from_to(nodes, nodes).filter(touches).collect::<BTreeSet<Link>>().into_iter().collect()
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("n{n}")).collect()
    }

    fn each_cut(shape: Shape, mut check: impl FnMut(usize, &[Link], &[(String, Vec<String>)])) {
        for count in shape.nodes_min()..=9 {
            for seed in 0..20 {
                let cut = shape.cut(&nodes(count), &mut Draw::new(seed)).expect("enough nodes");
                check(count, &cut, &views(&nodes(count), &cut));
            }
        }
    }

    fn is_symmetric(cut: &[Link]) -> bool {
        cut.iter().all(|l| cut.contains(&link(&l.to, &l.from)))
    }

    #[test]
    fn majorities_ring_shows_every_node_a_majority_of_its_own() {
        each_cut(Shape::MajoritiesRing, |count, cut, views| {
            let distinct: BTreeSet<&Vec<String>> = views.iter().map(|(_, seen)| seen).collect();
            assert_eq!(distinct.len(), count, "{views:?}");
            assert!(views.iter().all(|(node, seen)| seen.len() * 2 > count && seen.contains(node)), "{views:?}");
            assert_eq!(is_symmetric(cut), count != 3, "{cut:?}");
            let seen_size = if count == 3 { 2 } else { majority(count) | 1 };
            assert!(views.iter().all(|(_, seen)| seen.len() == seen_size), "{count}: {views:?}");
        });
    }

    #[test]
    fn halves_single_and_majority_minority_make_two_groups() {
        for shape in [Shape::Halves, Shape::Single, Shape::MajorityMinority] {
            let mut sizes = BTreeSet::new();
            each_cut(shape, |count, cut, views| {
                let groups: BTreeSet<&Vec<String>> = views.iter().map(|(_, seen)| seen).collect();
                assert_eq!(groups.len(), 2);
                let smaller = groups.iter().map(|group| group.len()).min().expect("two groups");
                assert!(is_symmetric(cut) && cut.len() == 2 * smaller * (count - smaller));
                match shape {
                    Shape::Halves => assert_eq!(smaller, count / 2),
                    Shape::Single => assert_eq!(smaller, 1),
                    _ => assert!(smaller * 2 < count && sizes.insert((count, smaller)) | true),
                }
            });
            assert!(shape != Shape::MajorityMinority || (1..=4).all(|size| sizes.contains(&(9, size))), "{sizes:?}");
        }
    }

    #[test]
    fn a_bridge_joins_two_halves_that_do_not_see_each_other() {
        each_cut(Shape::Bridge, |count, cut, views| {
            let bridges: Vec<_> = views.iter().filter(|(_, seen)| seen.len() == count).collect();
            assert!(bridges.len() == 1 && is_symmetric(cut));
            let halves: BTreeSet<_> = views.iter().filter(|(_, seen)| seen.len() < count).map(|(_, s)| s).collect();
            let mut sizes: Vec<usize> = halves.iter().map(|half| half.len() - 1).collect();
            sizes.sort_unstable();
            assert_eq!(sizes, [(count - 1) / 2, count / 2].map(|s| s.min(count - 1)), "{views:?}");
        });
    }

    #[test]
    fn one_way_leaves_the_unheard_hearing_everybody() {
        each_cut(Shape::OneWay, |count, cut, views| {
            let unheard: BTreeSet<&String> = cut.iter().map(|l| &l.from).collect();
            assert!(!unheard.is_empty() && (unheard.len() * 2 < count || count == 2));
            assert!(!cut.is_empty() && cut.iter().all(|l| !cut.contains(&link(&l.to, &l.from))));
            for (node, seen) in views {
                assert_eq!(seen.len(), if unheard.contains(node) { count } else { count - unheard.len() });
            }
        });
    }

    #[test]
    fn a_minority_third_is_as_many_as_may_be_byzantine() {
        each_cut(Shape::MinorityThird, |count, cut, _| {
            let minority = (count - 1) / 3;
            assert!(is_symmetric(cut) && cut.len() == 2 * minority * (count - minority) && 3 * minority < count);
        });
    }

    #[test]
    fn clients_are_cut_from_nodes_that_see_each_other() {
        each_cut(Shape::Clients, |_, cut, _| {
            let is_of_clients = |link: &Link| (link.from == CLIENTS) != (link.to == CLIENTS);
            assert!(!cut.is_empty() && is_symmetric(cut) && cut.iter().all(is_of_clients));
        });
    }

    #[test]
    fn a_data_centre_is_cut_from_all_others() {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let centres = [names("n1 n2"), names("n3"), names("n4 n5")];
        let layout = |data_centres: &[Vec<String>]| Layout { data_centres: data_centres.to_vec(), ..Layout::default() };
        for seed in 0..20 {
            let cut = layout(&centres).cut_data_centre(&mut Draw::new(seed)).expect("three data centres");
            let within =
                |link: &Link| centres.iter().any(|nodes| nodes.contains(&link.from) && nodes.contains(&link.to));
            assert!(is_symmetric(&cut) && !cut.iter().any(within) && [8, 12].contains(&cut.len()), "{cut:?}");
        }
        assert_eq!(layout(&centres[..1]).cut_data_centre(&mut Draw::new(1)), None);
    }

    #[test]
    fn the_owners_of_a_key_are_cut_from_all_others() {
        let owners = vec![nodes(5), nodes(3), vec!["n1".to_owned(), "n4".to_owned(), "n5".to_owned()]];
        let layout = |owners: &[Vec<String>]| Layout { owners: owners.to_vec(), ..Layout::default() };
        let mut alone = BTreeSet::new();
        for seed in 0..20 {
            let cut = layout(&owners).cut_owners(&nodes(5), &mut Draw::new(seed)).expect("keys that some nodes lack");
            let separated = owners.iter().position(|owners| {
                cut.len() == 12 && cut.iter().all(|l| owners.contains(&l.from) != owners.contains(&l.to))
            });
            alone.insert(separated.expect("the owners of a key are one side"));
            assert!(is_symmetric(&cut), "{cut:?}");
        }
        assert_eq!(alone, [1, 2].into(), "each but those who are all");
        assert_eq!(layout(&owners[..1]).cut_owners(&nodes(5), &mut Draw::new(1)), None);
    }

    #[test]
    fn too_few_nodes_give_no_cut() {
        for shape in Shape::ALL {
            assert_eq!(shape.cut(&nodes(shape.nodes_min() - 1), &mut Draw::new(0)), None);
            assert_eq!(Shape::named(shape.name()), Some(shape));
        }
        assert_eq!(Shape::named("ring"), None);
    }
}

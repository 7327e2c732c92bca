//! The target of a fault: which nodes it affects, before they are drawn at random.

use std::fmt;
use std::str::FromStr;

use crate::draw::Draw;

/// Which nodes a fault affects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One node at random.
    One,
    /// Random nodes, at least one and fewer than half.
    Minority,
    /// Random nodes, more than half, but not all where that is possible.
    Majority,
    /// Every node.
    All,
    /// These nodes; written `n1+n3`.
    Named(Vec<String>),
}

/// Why a target cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Too few nodes for it.
    #[error("{nodes} node(s) have no {target}: choose another target or start more nodes")]
    TooFewNodes {
        /// The target.
        target: Target,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A name that is neither a node's nor a target's.
    #[error("unknown target '{name}': known are one, minority, majority, all and the nodes {}", known.join(", "))]
    UnknownNode {
        /// The name given.
        name: String,
        /// The nodes that there are.
        known: Vec<String>,
    },
}

/// The smallest number that is more than half of `nodes`.
pub(crate) fn majority(nodes: usize) -> usize {
    nodes / 2 + 1
}

impl Target {
    /// The random targets, smallest first; without `Named`.
    pub const RANDOM: [Target; 4] = [Target::One, Target::Minority, Target::Majority, Target::All];

    /// The random targets weighted as in practice: a few nodes fail more often than most of them at once.
    pub const USUAL: [Target; 6] =
        [Target::One, Target::One, Target::Minority, Target::Minority, Target::Majority, Target::All];

    /// The nodes of this target, in the order of `nodes`.
    ///
    /// # Errors
    /// When there are too few nodes for the target, or a name is not among them.
    pub fn resolve(&self, nodes: &[String], draw: &mut Draw) -> Result<Vec<String>, TargetError> {
        self.check(nodes)?;
        let count = nodes.len();
        let wanted = match self {
            Target::Named(names) => return Ok(nodes.iter().filter(|node| names.contains(node)).cloned().collect()),
            Target::One => 1,
            Target::Minority => draw.between(1, (count - majority(count)) as u64) as usize,
            Target::Majority => draw.between(majority(count) as u64, count as u64 - 1) as usize,
            Target::All => count,
        };
        Ok(draw.pick(nodes, wanted))
    }

    /// Checks that it can be resolved among `nodes`.
    ///
    /// # Errors
    /// As for [`Target::resolve`].
    pub fn check(&self, nodes: &[String]) -> Result<(), TargetError> {
        if let Target::Named(names) = self
            && let Some(name) = names.iter().find(|name| !nodes.contains(name))
        {
            return Err(TargetError::UnknownNode { name: name.clone(), known: nodes.to_vec() });
        }
        let least = if *self == Target::Minority { 3 } else { 1 };
        match nodes.len() < least {
            true => Err(TargetError::TooFewNodes { target: self.clone(), nodes: nodes.len() }),
            false => Ok(()),
        }
    }
}

/// One node, or a minority where the cluster has one.
pub(crate) fn few(nodes: &[String], draw: &mut Draw) -> Vec<String> {
    let target = if draw.coin() { Target::Minority } else { Target::One };
    let target = if target.check(nodes).is_ok() { target } else { Target::One };
    target.resolve(nodes, draw).unwrap_or_default()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::One => f.pad("one"),
            Target::Minority => f.pad("minority"),
            Target::Majority => f.pad("majority"),
            Target::All => f.pad("all"),
            Target::Named(names) => f.pad(&names.join("+")),
        }
    }
}

/// The text can be neither a target nor a node's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no target: known are one, minority, majority, all, a node's name, or several joined by '+'")]
pub struct NotATarget(pub String);

impl FromStr for Target {
    type Err = NotATarget;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(target) = Target::RANDOM.into_iter().find(|target| target.to_string() == text) {
            return Ok(target);
        }
        let mut names: Vec<String> = text.split('+').map(str::to_owned).collect();
        let is_name = |name: &String| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        if !names.iter().all(is_name) {
            return Err(NotATarget(text.to_owned()));
        }
        names.sort();
        names.dedup();
        Ok(Target::Named(names))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(count: usize) -> Vec<String> {
        (1..=count).map(|n| format!("n{n}")).collect()
    }

    #[test]
    fn sizes_are_what_the_names_say_for_every_cluster_size() {
        let mut draw = Draw::new(11);
        for count in 1..=9 {
            for _ in 0..50 {
                let mut size = |target: Target| target.resolve(&nodes(count), &mut draw).map(|chosen| chosen.len());
                assert_eq!(size(Target::One), Ok(1));
                assert_eq!(size(Target::All), Ok(count));
                let majority = size(Target::Majority).expect("every cluster has a majority");
                assert!(majority * 2 > count && (majority < count || count < 3), "{majority} of {count}");
                match size(Target::Minority) {
                    Ok(minority) => assert!(minority > 0 && minority * 2 < count),
                    Err(error) => assert!(count < 3, "{error}"),
                }
            }
        }
    }

    #[test]
    fn names_resolve_in_node_order_or_the_error_lists_the_nodes() {
        let target: Target = "n3+n1+n3".parse().expect("names");
        assert_eq!(target.to_string(), "n1+n3");
        assert_eq!(target.resolve(&nodes(3), &mut Draw::new(0)), Ok(vec!["n1".to_owned(), "n3".to_owned()]));
        let error = "n7".parse::<Target>().expect("a name").check(&nodes(3)).expect_err("no such node");
        assert!(error.to_string().contains("'n7'") && error.to_string().contains("n1, n2, n3"), "{error}");
        assert!("n1+".parse::<Target>().is_err() && "".parse::<Target>().is_err() && "n 1".parse::<Target>().is_err());
    }
}

//! `--nemesis LIST`: the requested families of faults, each as a whole or narrowed down by refinements.
//!
//! An item of the list is a [`Family`]: one or several kinds that are asked for together, as `clock` is for `clock-bump`
//! and `clock-drift`. What families there are, and what may stand behind the colon, is said by the kinds themselves. Faults
//! that a cluster offers by commands are asked for by their names alone, too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::capability::{Capabilities, CommandOffer, Unmet};
use crate::fault::Class;
use crate::faults::{KINDS, Kind};
use crate::kind::{Refinement, Ways};
use crate::target::NotATarget;
use crate::words::listed;

/// A family of kinds: an item of the list. Ordered as in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// The place of its first kind in the registry.
    place: usize,
    name: &'static str,
}

impl Family {
    /// Every family, in canonical order.
    pub fn all() -> Vec<Family> {
        let mut all: Vec<Family> = Vec::new();
        for (place, kind) in KINDS.iter().enumerate() {
            if all.iter().all(|family| family.name != kind.facts.family) {
                all.push(Family { place, name: kind.facts.family });
            }
        }
        all
    }

    /// The families that `all` stands for.
    pub fn usual() -> Vec<Family> {
        Family::all().into_iter().filter(|family| family.first().facts.is_usual).collect()
    }

    /// The family of this name.
    pub fn named(name: &str) -> Option<Family> {
        Family::all().into_iter().find(|family| family.name == name)
    }

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        self.name
    }

    /// What its faults affect.
    pub fn class(self) -> Class {
        self.first().facts.class
    }

    fn first(self) -> &'static Kind {
        &KINDS[self.place]
    }

    fn kinds(self) -> impl Iterator<Item = &'static Kind> {
        KINDS.iter().filter(move |kind| kind.facts.family == self.name)
    }

    /// The names that may stand behind the colon, as refinements.
    fn names(self) -> Vec<Refinement> {
        let names = self.kinds().flat_map(|kind| kind.facts.ways.names());
        names.enumerate().map(|(place, name)| Refinement::Name(place, name)).collect()
    }

    /// The ways to draw from when none was asked for, the more usual ones several times.
    fn usual_ways(self) -> Vec<Refinement> {
        let is_usual =
            |way: &Refinement| way.name().is_some_and(|name| self.kinds().any(|kind| kind.facts.ways.is_usual(name)));
        let targets = self.kinds().flat_map(|kind| kind.facts.ways.usual_targets());
        self.names().into_iter().filter(is_usual).chain(targets).collect()
    }

    /// The kind that a refinement of this family stands for.
    pub(crate) fn kind(self, way: &Refinement) -> &'static Kind {
        let stands_for = |kind: &&Kind| match way.name() {
            Some(name) => kind.facts.ways.names().any(|known| known == name),
            None => !matches!(kind.facts.ways, Ways::Names { .. }),
        };
        self.kinds().find(stands_for).unwrap_or(self.first())
    }

    /// Whether the names of commands may stand behind the colon.
    fn takes_commands(self) -> bool {
        matches!(self.first().facts.ways, Ways::Commands)
    }

    /// Reads what stands behind the colon.
    fn parse_way(self, way: &str) -> Result<Refinement, SpecError> {
        let names = self.names();
        if let Some(named) = names.iter().find(|known| known.name() == Some(way)) {
            return Ok(named.clone());
        }
        if self.kinds().any(|kind| kind.facts.ways.takes_targets()) {
            let item = format!("{self}:{way}");
            return way.parse().map(Refinement::Target).map_err(|source| SpecError::Target { item, source });
        }
        if self.takes_commands() {
            return Ok(Refinement::Command(way.to_owned()));
        }
        if names.is_empty() {
            return Err(SpecError::StandsAlone(self.name.to_owned()));
        }
        let known: Vec<&str> = names.iter().filter_map(Refinement::name).collect();
        Err(SpecError::UnknownWay { family: self, way: way.to_owned(), known: listed(&known) })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// The requested families, each with the refinements allowed; no refinement means any. Its text form is canonical and
/// parses back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NemesisSpec {
    families: BTreeMap<Family, BTreeSet<Refinement>>,
}

impl NemesisSpec {
    /// The usual families, with every refinement.
    pub fn all() -> Self {
        Self { families: Family::usual().into_iter().map(|family| (family, BTreeSet::new())).collect() }
    }

    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether nothing was requested.
    pub fn is_none(&self) -> bool {
        self.families.is_empty()
    }

    /// The requested families, in canonical order.
    pub fn families(&self) -> impl Iterator<Item = Family> + '_ {
        self.families.keys().copied()
    }

    /// Whether the family of this name was requested.
    pub fn asks_for(&self, family: &str) -> bool {
        self.families().any(|asked| asked.name == family)
    }

    /// Checks that whatever was requested by name can be done to a cluster.
    ///
    /// # Errors
    /// The first kind that needs what the cluster cannot do.
    pub fn check_needs(&self, capabilities: &Capabilities) -> Result<(), Unmet> {
        self.families().try_for_each(|family| self.able(family, capabilities).map(drop))
    }

    /// The refinements allowed for `family` whose needs are met, as [`NemesisSpec::refinements`] gives them.
    ///
    /// # Errors
    /// When a refinement was requested by name that needs what the cluster cannot do, or a family of which nothing is
    /// left.
    pub fn able(&self, family: Family, capabilities: &Capabilities) -> Result<Vec<Refinement>, Unmet> {
        let is_chosen = self.families.get(&family).is_some_and(|chosen| !chosen.is_empty());
        let (mut able, mut unmet) = (Vec::new(), None);
        for way in self.refinements(family) {
            match family.kind(&way).check_needs(&way, capabilities) {
                Ok(()) => able.push(way),
                Err(missing) if is_chosen => return Err(missing),
                Err(missing) => unmet = unmet.or(Some(missing)),
            }
        }
        match unmet {
            Some(missing) if able.is_empty() && self.names(family) => Err(missing),
            _ => Ok(able),
        }
    }

    /// Whether `family` was requested by its name, and not as one of those that `all` stands for.
    fn names(&self, family: Family) -> bool {
        let all = NemesisSpec::all();
        let is_among_all = all.families.get(&family) == self.families.get(&family);
        let has_all = all.families.iter().all(|(usual, ways)| self.families.get(usual) == Some(ways));
        self.families.contains_key(&family) && !(is_among_all && has_all)
    }

    /// The refinements allowed for `family`; where any is allowed, all of them, the more usual ones several times. Empty
    /// if the family was not requested.
    pub fn refinements(&self, family: Family) -> Vec<Refinement> {
        match self.families.get(&family) {
            None => Vec::new(),
            Some(chosen) if !chosen.is_empty() => chosen.iter().cloned().collect(),
            Some(_) => family.usual_ways(),
        }
    }

    /// Adds one item. A family that is requested once without a refinement allows every refinement.
    fn add(&mut self, family: Family, refinement: Option<Refinement>) {
        match (self.families.get_mut(&family), refinement) {
            (Some(chosen), Some(refinement)) if !chosen.is_empty() => drop(chosen.insert(refinement)),
            (Some(chosen), _) => chosen.clear(),
            (None, refinement) => drop(self.families.insert(family, refinement.into_iter().collect())),
        }
    }
}

impl fmt::Display for NemesisSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_none() {
            return f.pad("none");
        }
        if *self == NemesisSpec::all() {
            return f.pad("all");
        }
        let item = |(family, chosen): (&Family, &BTreeSet<Refinement>)| match chosen.is_empty() {
            true => family.to_string(),
            false => chosen.iter().map(|way| format!("{family}:{way}")).collect::<Vec<_>>().join(","),
        };
        f.pad(&self.families.iter().map(item).collect::<Vec<_>>().join(","))
    }
}

/// What is wrong with a `--nemesis` list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Nothing between two commas, or nothing at all.
    #[error("empty item in the nemesis list '{0}': write kinds separated by commas, or 'none'")]
    Empty(String),
    /// No such family.
    #[error("unknown fault '{name}': known are {known}")]
    UnknownFamily {
        /// The name given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// `all`, `none` or a family without ways with a refinement, or `none` beside others.
    #[error("'{0}' stands alone: it takes no refinement, and 'none' no other fault beside it")]
    StandsAlone(String),
    /// Not a target.
    #[error("in '{item}': {source}")]
    Target {
        /// The item of the list.
        item: String,
        /// Why.
        source: NotATarget,
    },
    /// No such way of a family.
    #[error("unknown way '{way}' of {family}: known are {known}")]
    UnknownWay {
        /// The family.
        family: Family,
        /// The way given.
        way: String,
        /// The names that there are.
        known: String,
    },
}

impl NemesisSpec {
    /// Reads a list, in which these faults by commands may stand by their names alone.
    ///
    /// # Errors
    /// When an item is not understood.
    pub fn read(text: &str, commands: &[CommandOffer]) -> Result<Self, SpecError> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let mut spec = NemesisSpec::none();
        for item in &items {
            match *item {
                "" => return Err(SpecError::Empty(text.to_owned())),
                "none" if items.len() == 1 => {}
                "none" => return Err(SpecError::StandsAlone("none".to_owned())),
                "all" => Family::usual().into_iter().for_each(|family| spec.add(family, None)),
                item => {
                    let (family, refinement) = parse_item(item, commands)?;
                    spec.add(family, refinement);
                }
            }
        }
        Ok(spec)
    }
}

impl FromStr for NemesisSpec {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NemesisSpec::read(text, &[])
    }
}

fn parse_item(item: &str, commands: &[CommandOffer]) -> Result<(Family, Option<Refinement>), SpecError> {
    let (name, way) = item.split_once(':').map_or((item, None), |(name, way)| (name, Some(way)));
    if way.is_some() && matches!(name, "all" | "none") {
        return Err(SpecError::StandsAlone(name.to_owned()));
    }
    if way.is_none()
        && commands.iter().any(|command| command.name == item)
        && let Some(family) = Family::all().into_iter().find(|family| family.takes_commands())
    {
        return Ok((family, Some(Refinement::Command(item.to_owned()))));
    }
    let family = Family::named(name).ok_or_else(|| {
        let names = Family::all().into_iter().map(|family| -> &str { family.name });
        let named = commands.iter().map(|command| &*command.name);
        let known = listed(&names.chain(named).chain(["all", "none"]).collect::<Vec<_>>());
        SpecError::UnknownFamily { name: name.to_owned(), known }
    })?;
    Ok((family, way.map(|way| family.parse_way(way)).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn canonical(text: &str) -> String {
        text.parse::<NemesisSpec>().expect("a good list").to_string()
    }

    #[test]
    fn lists_have_a_canonical_form() {
        for (text, wanted) in [
            ("none", "none"),
            ("all", "all"),
            ("slow, kill,partition ,clock,lossy,pause", "all"),
            ("all,wipe,disk:rot", "partition,kill,pause,clock,slow,lossy,wipe,disk:rot"),
            ("disk:sync-fail,disk:power,wipe:n2,lossy:minority", "lossy:minority,wipe:n2,disk:power,disk:sync-fail"),
            ("kill,partition", "partition,kill"),
            ("kill:n2,kill:one,kill:one", "kill:one,kill:n2"),
            ("kill:one,kill", "kill"),
            ("kill,kill:one", "kill"),
            ("partition:one-way,partition:majorities-ring", "partition:majorities-ring,partition:one-way"),
            ("clock:drift,pause:majority,slow:n2+n1", "pause:majority,clock:drift,slow:n1+n2"),
            ("all,kill:one", "all"),
            ("upgrade,kill", "kill,upgrade"),
            ("slow:pareto,slow:one,slow:normal", "slow:normal,slow:pareto,slow:one"),
            ("disk:torn,clock:strobe,clock:bump", "clock:bump,clock:strobe,disk:torn"),
        ] {
            assert_eq!(canonical(text), wanted, "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_known() {
        for (text, wanted) in [
            ("", "empty item"),
            ("kill,,pause", "empty item"),
            ("crash", "known are partition, kill, pause, clock, slow, upgrade, lossy, wipe, disk"),
            ("disk:full", "power, sync-fail, rot, torn and bit-flip"),
            ("membership:stay", "known are join and leave"),
            ("partition:ring", "majority-minority"),
            ("clock:back", "unknown way 'back' of clock: known are bump, bump-all, drift, drift-all, strobe"),
            ("kill:n 1", "one, minority, majority, all, a node's name"),
            ("none,kill", "'none' stands alone"),
            ("all:one", "'all' stands alone"),
            ("upgrade:n1", "'upgrade' stands alone"),
        ] {
            let error = text.parse::<NemesisSpec>().expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    /// A family is of one class, is among `all` as a whole, and no way has two meanings.
    #[test]
    fn the_kinds_of_a_family_agree() {
        for family in Family::all() {
            let facts: Vec<_> = family.kinds().map(|kind| kind.facts).collect();
            let agree = facts.iter().all(|one| (one.class, one.is_usual) == (facts[0].class, facts[0].is_usual));
            assert!(agree, "{family}: {facts:?}");
            let names: Vec<&str> = facts.iter().flat_map(|facts| facts.ways.names()).collect();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{family}: {names:?}");
            let unnamed = facts.iter().filter(|facts| !matches!(facts.ways, Ways::Names { .. })).count();
            assert!(unnamed <= 1 && facts.iter().all(|facts| !facts.needs.is_empty()), "{family}");
        }
    }

    proptest! {
        #[test]
        fn the_text_form_parses_back(items in proptest::collection::vec(any_item(), 1..8)) {
            let spec: NemesisSpec = items.join(",").parse().expect("good items");
            prop_assert_eq!(spec.to_string().parse::<NemesisSpec>(), Ok(spec));
        }
    }

    fn any_item() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("all".to_owned()),
            "partition(:(halves|single|majority-minority|majorities-ring|bridge|one-way))?",
            "disk(:(power|sync-fail|rot))?",
            "membership(:(join|leave))?",
            "(kill|pause|slow|lossy|wipe)(:(one|minority|majority|all|n[1-3](\\+n[4-5])?))?",
            "clock(:(bump|drift|strobe|drift-all))?",
            "slow:(normal|pareto)",
            "corrupt(:(left|repaired))?",
            "(rate|cpu|lying-sync)(:(one|all|n1))?",
        ]
    }
}

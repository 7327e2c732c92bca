//! `--nemesis LIST`: the requested kinds of fault, each as a whole or narrowed down by refinements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::fault::Shape;
use crate::shape::UnknownShape;
use crate::target::{NotATarget, Target};

/// A kind of fault at the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Links are cut.
    Partition,
    /// Nodes die and start again.
    Kill,
    /// Nodes are paused and resumed.
    Pause,
    /// Wall clocks jump or drift.
    Clock,
    /// Links deliver late.
    Slow,
    /// Nodes are started again with the next version of their protocol, one after the other. Not among [`Kind::USUAL`]:
    /// the cluster has to be started with a version that has a successor.
    Upgrade,
    /// Links lose a part of what is sent.
    Lossy,
    /// A node dies and its disk is emptied.
    Wipe,
    /// Disks lose what is not synced, fail or rot.
    Disk,
    /// Nodes join and leave the cluster.
    Membership,
}

impl Kind {
    /// Every kind, in canonical order.
    pub const ALL: [Kind; 10] = [
        Kind::Partition,
        Kind::Kill,
        Kind::Pause,
        Kind::Clock,
        Kind::Slow,
        Kind::Upgrade,
        Kind::Lossy,
        Kind::Wipe,
        Kind::Disk,
        Kind::Membership,
    ];

    /// The kinds that `all` stands for: faults that a store should survive without breaking a claim, and that both
    /// arenas can inject. A disk that loses data breaks claims that no store can keep, so it has to be requested by
    /// name.
    pub const USUAL: [Kind; 6] = [Kind::Partition, Kind::Kill, Kind::Pause, Kind::Clock, Kind::Slow, Kind::Lossy];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Partition => "partition",
            Kind::Kill => "kill",
            Kind::Pause => "pause",
            Kind::Clock => "clock",
            Kind::Slow => "slow",
            Kind::Upgrade => "upgrade",
            Kind::Lossy => "lossy",
            Kind::Wipe => "wipe",
            Kind::Disk => "disk",
            Kind::Membership => "membership",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a clock is made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClockChange {
    /// It jumps.
    Bump,
    /// It runs fast or slow.
    Drift,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskChange {
    /// A power failure, of most nodes at once or of all.
    Power,
    /// Its syncs fail.
    SyncFail,
    /// Rows rot.
    Rot,
}

impl DiskChange {
    /// Each.
    pub const ALL: [DiskChange; 3] = [DiskChange::Power, DiskChange::SyncFail, DiskChange::Rot];

    /// The name used at the command line.
    pub fn name(self) -> &'static str {
        match self {
            DiskChange::Power => "power",
            DiskChange::SyncFail => "sync-fail",
            DiskChange::Rot => "rot",
        }
    }
}

/// A change of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberChange {
    /// A spare becomes a member.
    Join,
    /// A member leaves.
    Leave,
}

/// What narrows down a kind of fault: the part after the colon.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refinement {
    /// Of a partition.
    Shape(Shape),
    /// Of kill, pause, slow, lossy and wipe.
    Target(Target),
    /// Of clock.
    Clock(ClockChange),
    /// Of disk.
    Disk(DiskChange),
    /// Of membership.
    Member(MemberChange),
    /// Of wipe, by default: one node, the same for the whole run. What two replicas have acknowledged is then still on
    /// the other one.
    Victim,
}

impl fmt::Display for Refinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refinement::Shape(shape) => shape.fmt(f),
            Refinement::Target(target) => target.fmt(f),
            Refinement::Clock(ClockChange::Bump) => f.pad("bump"),
            Refinement::Clock(ClockChange::Drift) => f.pad("drift"),
            Refinement::Disk(change) => f.pad(change.name()),
            Refinement::Member(MemberChange::Join) => f.pad("join"),
            Refinement::Member(MemberChange::Leave) => f.pad("leave"),
            Refinement::Victim => f.pad("always the same node"),
        }
    }
}

/// The requested kinds, each with the refinements allowed; no refinement means any. Its text form is canonical and
/// parses back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NemesisSpec {
    kinds: BTreeMap<Kind, BTreeSet<Refinement>>,
}

impl NemesisSpec {
    /// The usual kinds, with every refinement.
    pub fn all() -> Self {
        Self { kinds: Kind::USUAL.into_iter().map(|kind| (kind, BTreeSet::new())).collect() }
    }

    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether no faults are requested.
    pub fn is_none(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The requested kinds, in canonical order.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.kinds.keys().copied()
    }

    /// The refinements allowed for `kind`; where any is allowed, all of them, the more usual ones several times. Empty
    /// if the kind was not requested.
    pub fn refinements(&self, kind: Kind) -> Vec<Refinement> {
        match self.kinds.get(&kind) {
            None => Vec::new(),
            Some(chosen) if !chosen.is_empty() => chosen.iter().cloned().collect(),
            Some(_) => match kind {
                Kind::Partition => Shape::ALL.into_iter().map(Refinement::Shape).collect(),
                Kind::Upgrade => vec![Refinement::Target(Target::One)],
                Kind::Kill | Kind::Pause | Kind::Slow | Kind::Lossy => {
                    Target::USUAL.into_iter().map(Refinement::Target).collect()
                }
                Kind::Wipe => vec![Refinement::Victim],
                Kind::Membership => [MemberChange::Join, MemberChange::Leave].map(Refinement::Member).to_vec(),
                Kind::Disk => DiskChange::ALL.map(Refinement::Disk).to_vec(),
                Kind::Clock => [ClockChange::Bump, ClockChange::Drift].map(Refinement::Clock).to_vec(),
            },
        }
    }

    /// Adds one item. A kind that is requested once without a refinement allows every refinement.
    fn add(&mut self, kind: Kind, refinement: Option<Refinement>) {
        match (self.kinds.get_mut(&kind), refinement) {
            (Some(chosen), Some(refinement)) if !chosen.is_empty() => drop(chosen.insert(refinement)),
            (Some(chosen), _) => chosen.clear(),
            (None, refinement) => drop(self.kinds.insert(kind, refinement.into_iter().collect())),
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
        let item = |(kind, chosen): (&Kind, &BTreeSet<Refinement>)| match chosen.is_empty() {
            true => kind.to_string(),
            false => chosen.iter().map(|way| format!("{kind}:{way}")).collect::<Vec<_>>().join(","),
        };
        f.pad(&self.kinds.iter().map(item).collect::<Vec<_>>().join(","))
    }
}

/// What is wrong with a `--nemesis` list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Nothing between two commas, or nothing at all.
    #[error("empty item in the nemesis list '{0}': write kinds separated by commas, or 'none'")]
    Empty(String),
    /// No such kind.
    #[error(
        "unknown fault '{0}': known are partition, kill, pause, clock, slow, lossy, upgrade, wipe, disk, membership, all and \
         none"
    )]
    UnknownKind(String),
    /// `all` or `none` with a refinement, or `none` beside others.
    #[error("'{0}' stands alone: it takes no refinement, and 'none' no other fault beside it")]
    StandsAlone(String),
    /// No such shape of partition.
    #[error(transparent)]
    Shape(#[from] UnknownShape),
    /// Not a target.
    #[error("in '{item}': {source}")]
    Target {
        /// The item of the list.
        item: String,
        /// Why.
        source: NotATarget,
    },
    /// No such change of a clock.
    #[error("unknown clock fault '{0}': known are bump and drift")]
    UnknownClock(String),
    /// No such fault of a disk.
    #[error("unknown disk fault '{0}': known are power, sync-fail and rot")]
    UnknownDisk(String),
    /// No such change of the membership.
    #[error("unknown change of the membership '{0}': known are join and leave")]
    UnknownChange(String),
}

impl FromStr for NemesisSpec {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let items: Vec<&str> = text.split(',').map(str::trim).collect();
        let mut spec = NemesisSpec::none();
        for item in &items {
            match *item {
                "" => return Err(SpecError::Empty(text.to_owned())),
                "none" if items.len() == 1 => {}
                "none" => return Err(SpecError::StandsAlone("none".to_owned())),
                "all" => Kind::USUAL.into_iter().for_each(|kind| spec.add(kind, None)),
                item => {
                    let (kind, refinement) = parse_item(item)?;
                    spec.add(kind, refinement);
                }
            }
        }
        Ok(spec)
    }
}

fn parse_item(item: &str) -> Result<(Kind, Option<Refinement>), SpecError> {
    let (name, way) = item.split_once(':').map_or((item, None), |(name, way)| (name, Some(way)));
    if way.is_some() && matches!(name, "all" | "none" | "upgrade") {
        return Err(SpecError::StandsAlone(name.to_owned()));
    }
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    let kind = kind.ok_or_else(|| SpecError::UnknownKind(name.to_owned()))?;
    let Some(way) = way else { return Ok((kind, None)) };
    let refinement = match kind {
        Kind::Partition => Refinement::Shape(way.parse()?),
        Kind::Clock => Refinement::Clock(match way {
            "bump" => ClockChange::Bump,
            "drift" => ClockChange::Drift,
            other => return Err(SpecError::UnknownClock(other.to_owned())),
        }),
        Kind::Membership => Refinement::Member(match way {
            "join" => MemberChange::Join,
            "leave" => MemberChange::Leave,
            other => return Err(SpecError::UnknownChange(other.to_owned())),
        }),
        Kind::Disk => {
            let change = DiskChange::ALL.into_iter().find(|change| change.name() == way);
            Refinement::Disk(change.ok_or_else(|| SpecError::UnknownDisk(way.to_owned()))?)
        }
        Kind::Kill | Kind::Pause | Kind::Slow | Kind::Lossy | Kind::Wipe | Kind::Upgrade => {
            let target = way.parse().map_err(|source| SpecError::Target { item: item.to_owned(), source })?;
            Refinement::Target(target)
        }
    };
    Ok((kind, Some(refinement)))
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
        ] {
            assert_eq!(canonical(text), wanted, "{text}");
        }
    }

    #[test]
    fn errors_say_what_is_known() {
        for (text, wanted) in [
            ("", "empty item"),
            ("kill,,pause", "empty item"),
            ("crash", "known are partition, kill, pause, clock, slow, lossy, upgrade, wipe, disk"),
            ("disk:full", "power, sync-fail and rot"),
            ("membership:stay", "known are join and leave"),
            ("partition:ring", "majority-minority"),
            ("clock:back", "bump and drift"),
            ("kill:n 1", "one, minority, majority, all, a node's name"),
            ("none,kill", "'none' stands alone"),
            ("all:one", "'all' stands alone"),
            ("upgrade:n1", "'upgrade' stands alone"),
        ] {
            let error = text.parse::<NemesisSpec>().expect_err(text).to_string();
            assert!(error.contains(wanted), "{text}: {error}");
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
            "clock(:(bump|drift))?",
        ]
    }
}

//! Dependency graphs in two arrays, and their strongly connected components.
//!
//! Nodes are numbers; an edge is its target with its kind in the highest three bits, so a graph of a million
//! transactions with seven million edges takes 60 MB. Besides transactions there are *hidden* nodes that stand for no
//! transaction: hubs, through which every one of many sources precedes every one of many targets without the product
//! of both, and moments of time. Tarjan's algorithm (1972), with a stack of its own: linear, no recursion.

/// Why one transaction goes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    /// An edge out of a hidden node: the edge into that node has the reason.
    Pass = 0,
    /// It wrote a version, the other a later one.
    Ww = 1,
    /// It wrote what the other read.
    Wr = 2,
    /// It read a version, the other wrote a later one.
    Rw = 3,
    /// Both are of one process, in this order.
    Process = 4,
    /// It had completed when the other was invoked.
    RealTime = 5,
}

impl Kind {
    /// Its bit in a [`Kinds`].
    pub(crate) const fn bit(self) -> Kinds {
        Kinds(1 << self as u8)
    }

    fn from_bits(bits: u32) -> Kind {
        match bits {
            1 => Kind::Ww,
            2 => Kind::Wr,
            3 => Kind::Rw,
            4 => Kind::Process,
            5 => Kind::RealTime,
            _ => Kind::Pass,
        }
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(pub u8);

impl Kinds {
    /// Whether the kind is one of them; [`Kind::Pass`] always is.
    pub(crate) const fn has(self, kind: Kind) -> bool {
        kind as u8 == 0 || self.0 & kind.bit().0 != 0
    }

    /// Both together.
    pub(crate) const fn and(self, kind: Kind) -> Kinds {
        Kinds(self.0 | kind.bit().0)
    }
}

const KIND_SHIFT: u32 = 29;
const TARGET_MASK: u32 = (1 << KIND_SHIFT) - 1;

/// Nodes that a graph can have.
pub(crate) const NODES_MAX: usize = TARGET_MASK as usize;

/// Edges before they are a [`Graph`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Edges {
    from: Vec<u32>,
    to: Vec<u32>,
    nodes: u32,
}

impl Edges {
    /// No edges between so many nodes.
    pub(crate) fn new(nodes: usize) -> Self {
        Self { from: Vec::new(), to: Vec::new(), nodes: nodes as u32 }
    }

    /// Adds an edge; one from a node to itself is passed over.
    pub(crate) fn add(&mut self, from: u32, to: u32, kind: Kind) {
        if from != to {
            self.from.push(from);
            self.to.push(to | (kind as u32) << KIND_SHIFT);
        }
    }

    /// A new hidden node.
    pub(crate) fn hidden(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    /// How many nodes there are by now.
    pub(crate) fn nodes(&self) -> usize {
        self.nodes as usize
    }

    /// How many edges there are by now.
    pub(crate) fn len(&self) -> usize {
        self.to.len()
    }

    /// Every source goes before every target but itself, in linear space.
    ///
    /// Sources that are targets too (`both`) must not reach themselves through a hub: the others go through one hub to
    /// all targets, `both` through a second one to the targets that are not among them, and among themselves along two
    /// chains. Sources and targets must each be without repetition.
    pub(crate) fn all_to_all(&mut self, sources: &[(u32, Kind)], targets: &[u32]) {
        if sources.len() <= 1 || targets.len() <= 1 || sources.len() * targets.len() <= 8 {
            for (source, kind) in sources {
                targets.iter().for_each(|target| self.add(*source, *target, *kind));
            }
            return;
        }
        let is_target: rustc_hash::FxHashSet<u32> = targets.iter().copied().collect();
        let (both, others): (Vec<(u32, Kind)>, Vec<_>) =
            sources.iter().copied().partition(|(source, _)| is_target.contains(source));
        self.through_a_hub(&others, targets.iter().copied());
        if both.is_empty() {
            return;
        }
        let in_both: rustc_hash::FxHashSet<u32> = both.iter().map(|(source, _)| *source).collect();
        self.through_a_hub(&both, targets.iter().copied().filter(|target| !in_both.contains(target)));
        self.among_themselves(&both);
    }

    /// Each goes before all others. Two chains of hidden nodes lead to all up to one and to all from one on: a node enters the
    /// one before itself and the other behind itself, so that it reaches all but itself, each by one edge of its kind.
    fn among_themselves(&mut self, nodes: &[(u32, Kind)]) {
        for backwards in [false, true] {
            let mut link: Option<u32> = None;
            for at in 0..nodes.len() {
                let (node, kind) = nodes[if backwards { nodes.len() - 1 - at } else { at }];
                let next = self.hidden();
                self.add(next, node, Kind::Pass);
                if let Some(before) = link.replace(next) {
                    self.add(node, before, kind);
                    self.add(next, before, Kind::Pass);
                }
            }
        }
    }

    fn through_a_hub(&mut self, sources: &[(u32, Kind)], targets: impl Iterator<Item = u32>) {
        let mut targets = targets.peekable();
        if sources.is_empty() || targets.peek().is_none() {
            return;
        }
        let hub = self.hidden();
        sources.iter().for_each(|(source, kind)| self.add(*source, hub, *kind));
        targets.for_each(|target| self.add(hub, target, Kind::Pass));
    }

    /// Sorts the edges by their source.
    pub(crate) fn finish(self) -> Graph {
        let mut offsets = vec![0u32; self.nodes as usize + 1];
        for from in &self.from {
            offsets[*from as usize + 1] += 1;
        }
        for node in 0..self.nodes as usize {
            offsets[node + 1] += offsets[node];
        }
        let mut next = offsets.clone();
        let mut targets = vec![0u32; self.to.len()];
        for (from, to) in self.from.iter().zip(&self.to) {
            let slot = &mut next[*from as usize];
            targets[*slot as usize] = *to;
            *slot += 1;
        }
        Graph { offsets, targets }
    }
}

/// A directed graph whose edges have kinds.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

impl Graph {
    /// How many nodes there are, hidden ones included.
    pub(crate) fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The edges out of a node.
    pub(crate) fn out(&self, node: u32) -> impl Iterator<Item = (u32, Kind)> {
        let span = self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize;
        self.targets[span].iter().map(|packed| (packed & TARGET_MASK, Kind::from_bits(packed >> KIND_SHIFT)))
    }

    /// By node a number that no node which it reaches exceeds, following edges of these kinds only; nodes that reach each
    /// other have the same.
    pub(crate) fn ranks(&self, kinds: Kinds) -> Vec<u32> {
        let mut tarjan = Tarjan::new(self, kinds);
        tarjan.ranks = Some(vec![0; self.nodes()]);
        (0..self.nodes() as u32).for_each(|root| tarjan.visit(root));
        tarjan.ranks.unwrap_or_default()
    }

    /// The strongly connected components of more than one node, following edges of these kinds only.
    pub(crate) fn components(&self, kinds: Kinds) -> Vec<Vec<u32>> {
        let mut tarjan = Tarjan::new(self, kinds);
        (0..self.nodes() as u32).for_each(|root| tarjan.visit(root));
        tarjan.found
    }
}

/// A node that is being visited, and which of its edges comes next.
type Frame = (u32, u32);

struct Tarjan<'g> {
    graph: &'g Graph,
    kinds: Kinds,
    /// 0: not seen. While on the stack: the least number reached. `DONE`: its component is complete.
    low: Vec<u32>,
    counter: u32,
    stack: Vec<u32>,
    frames: Vec<Frame>,
    /// The number of each frame's node.
    numbers: Vec<u32>,
    found: Vec<Vec<u32>>,
    /// By node, how many components were complete before its own, if that is asked for.
    ranks: Option<Vec<u32>>,
    complete: u32,
}

const DONE: u32 = u32::MAX;

impl<'g> Tarjan<'g> {
    fn new(graph: &'g Graph, kinds: Kinds) -> Self {
        let low = vec![0; graph.nodes()];
        Self {
            graph,
            kinds,
            low,
            counter: 0,
            stack: Vec::new(),
            frames: Vec::new(),
            numbers: Vec::new(),
            found: Vec::new(),
            ranks: None,
            complete: 0,
        }
    }

    fn visit(&mut self, root: u32) {
        if self.low[root as usize] != 0 {
            return;
        }
        self.enter(root);
        while let Some((node, edge)) = self.frames.last_mut() {
            let (node, at) = (*node, *edge);
            if at == self.graph.offsets[node as usize + 1] {
                self.leave(node);
                continue;
            }
            *edge += 1;
            let packed = self.graph.targets[at as usize];
            let target = packed & TARGET_MASK;
            if !self.kinds.has(Kind::from_bits(packed >> KIND_SHIFT)) {
                continue;
            }
            match self.low[target as usize] {
                0 => self.enter(target),
                DONE => {}
                reached => self.lower(node, reached),
            }
        }
    }

    fn enter(&mut self, node: u32) {
        self.counter += 1;
        self.low[node as usize] = self.counter;
        self.stack.push(node);
        self.numbers.push(self.counter);
        self.frames.push((node, self.graph.offsets[node as usize]));
    }

    fn lower(&mut self, node: u32, reached: u32) {
        let low = &mut self.low[node as usize];
        *low = (*low).min(reached);
    }

    fn leave(&mut self, node: u32) {
        self.frames.pop();
        let number = self.numbers.pop().unwrap_or(DONE);
        let low = self.low[node as usize];
        if low == number {
            self.complete(node);
        } else if let Some((parent, _)) = self.frames.last() {
            self.lower(*parent, low);
        }
    }

    fn complete(&mut self, node: u32) {
        let from = self.stack.iter().rposition(|member| *member == node).unwrap_or(0);
        for member in &self.stack[from..] {
            self.low[*member as usize] = DONE;
        }
        if let Some(ranks) = &mut self.ranks {
            self.stack[from..].iter().for_each(|member| ranks[*member as usize] = self.complete);
        }
        self.complete += 1;
        if self.stack.len() - from > 1 {
            self.found.push(self.stack[from..].to_vec());
        }
        self.stack.truncate(from);
    }
}

/// A shortest cycle within a component, its steps in order: source, target, kind. Several steps of the kind `chained`
/// in a row count as one and are given as one: that relation is transitive, but only its neighbours are edges. Tries so
/// many starts that small components are searched completely; each costs time linear in the component, and all of them
/// together no more than a bound.
pub(crate) fn shortest_cycle(graph: &Graph, component: &[u32], chained: Kind) -> Vec<(u32, u32, Kind)> {
    const STARTS_MAX: usize = 200;
    const NODES_ALL: usize = 1 << 20;
    let starts_max = (NODES_ALL / component.len().max(1)).clamp(1, STARTS_MAX);
    let inside: rustc_hash::FxHashSet<u32> = component.iter().copied().collect();
    let mut starts = component.to_vec();
    starts.sort_unstable();
    let mut best: Vec<(u32, u32, Kind)> = Vec::new();
    for start in starts.into_iter().take(starts_max) {
        let found = joined(round_trip(graph, start, &inside, chained), chained);
        if !found.is_empty() && (best.is_empty() || found.len() < best.len()) {
            best = found;
        }
        if best.len() == 2 {
            break;
        }
    }
    best
}

/// A node, and whether the last step to it was of the chained kind.
type At = (u32, bool);

/// A shortest path from a node back to itself: breadth-first, where continuing along a chain costs nothing.
fn round_trip(graph: &Graph, start: u32, inside: &rustc_hash::FxHashSet<u32>, chained: Kind) -> Vec<(u32, u32, Kind)> {
    let mut came: rustc_hash::FxHashMap<At, (At, Kind)> = rustc_hash::FxHashMap::default();
    let mut queue = std::collections::VecDeque::from([(start, false)]);
    while let Some(at) = queue.pop_front() {
        for (target, kind) in graph.out(at.0).filter(|(target, _)| inside.contains(target)) {
            let next = (target, kind == chained);
            if came.contains_key(&next) {
                continue;
            }
            came.insert(next, (at, kind));
            if target == start {
                return backwards(start, next, &came);
            }
            if at.1 && next.1 { queue.push_front(next) } else { queue.push_back(next) }
        }
    }
    Vec::new()
}

fn backwards(start: u32, end: At, came: &rustc_hash::FxHashMap<At, (At, Kind)>) -> Vec<(u32, u32, Kind)> {
    let (mut steps, mut at) = (Vec::new(), end);
    while let Some((before, kind)) = came.get(&at) {
        steps.push((before.0, at.0, *kind));
        at = *before;
        if at.0 == start {
            break;
        }
    }
    steps.reverse();
    steps
}

/// Runs of chained steps as one; also one that goes over the start.
fn joined(mut steps: Vec<(u32, u32, Kind)>, chained: Kind) -> Vec<(u32, u32, Kind)> {
    let split = steps.iter().position(|step| step.2 != chained).unwrap_or(0);
    steps.rotate_left(split);
    let mut short: Vec<(u32, u32, Kind)> = Vec::new();
    for step in steps {
        match short.last_mut() {
            Some(last) if last.2 == chained && step.2 == chained => last.1 = step.1,
            _ => short.push(step),
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The nodes that one edge of a kind leads to, through whatever hidden nodes.
    fn one_edge_from(graph: &Graph, node: u32, visible: u32) -> BTreeSet<u32> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<u32> = graph.out(node).map(|(to, _)| to).collect();
        while let Some(at) = open.pop() {
            match at < visible {
                true => drop(reached.insert(at)),
                false => open.extend(graph.out(at).map(|(to, _)| to)),
            }
        }
        reached
    }

    /// Between those that are sources and targets there were paths of several edges, so that cycles with one overlooked write were
    /// taken for others.
    #[test]
    fn regression_every_source_reaches_every_other_target_by_one_edge() {
        const NODES: u32 = 12;
        for seed in 0..500u64 {
            let is_in = |node: &u32, of: u64| {
                (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (of * 20 + u64::from(*node))) & 1 == 1
            };
            let sources: Vec<(u32, Kind)> =
                (0..NODES).filter(|node| is_in(node, 0)).map(|node| (node, Kind::Rw)).collect();
            let targets: Vec<u32> = (0..NODES).filter(|node| is_in(node, 1)).collect();
            let mut edges = Edges::new(NODES as usize);
            edges.all_to_all(&sources, &targets);
            assert!(edges.len() <= 8 + 8 * (sources.len() + targets.len()), "it is linear: {}", edges.len());
            let graph = edges.finish();
            for (source, _) in &sources {
                let others: BTreeSet<u32> = targets.iter().copied().filter(|target| target != source).collect();
                assert_eq!(one_edge_from(&graph, *source, NODES), others, "{source} of {sources:?} to {targets:?}");
            }
        }
    }
}

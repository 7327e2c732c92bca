//! Cycles of dependencies: which anomalies a graph shows, with a shortest cycle for each.
//!
//! Each cyclic anomaly is a cycle in the graph whose edges are of certain kinds (Adya, "Weak consistency", MIT 1999,
//! chapter 3; Adya, Liskov, O'Neil, ICDE 2000). Every cycle lies within a strongly connected component. So one run of
//! Tarjan's algorithm over the whole graph, real time included, decides the common case: no component, no anomaly.
//! Otherwise each component is searched on its own, from the gravest anomaly to the least, first with dependencies
//! alone, then with session order, then with real time. An anomaly that is implied by one found in the same component
//! is skipped, as in Elle (Kingsbury, Alvaro, VLDB 2020, section 6).
//!
//! A cycle with one missed read goes back along that read: of an order of the transactions that agrees with all other
//! edges only the reads that go against it are looked at. Cycles with several missed reads are first sought as cycles of
//! states (a transaction, and by which kind of edge it was reached), in linear time: only transactions on such are looked at.
//!
//! A search is breadth-first from every transaction that has an edge of the anomaly's own kind. Its states are pairs of
//! a transaction and the kinds of edges on the path so far, and it stops at the length of the best cycle known. Session
//! order and real time are not stored as edges, of which there would be O(n^2): the successors of a transaction are a
//! suffix of the component sorted by invocation, and each is visited once. A search costs O(transactions x (edges +
//! transactions)) in the worst case and has a budget; the first cycle of a component is found within linear time.

use super::graph::{Edges, Graph, Kind, Kinds};
use super::input::Transactions;
use super::order::{self, Span};

/// What shapes a cycle has, the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    /// Writes alone: dirty write.
    G0,
    /// Writes and reads of what was written: circular information flow.
    G1c,
    /// One read that missed a later write.
    GSingle,
    /// Several such reads, no two in succession.
    GNonadjacent,
    /// Several such reads, two of them in succession: write skew.
    G2Item,
    /// Such reads, each by a transaction that had read from the one before it: no prefix of one order is what both saw.
    LongFork,
}

/// Which order besides dependencies a cycle needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Order {
    /// None.
    Data,
    /// The order of a process's transactions.
    Process,
    /// Completed before invoked.
    RealTime,
}

/// A cyclic anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Class {
    /// Its dependencies.
    pub shape: Shape,
    /// What else it needs.
    pub order: Order,
}

impl Shape {
    const ALL: [Shape; 6] =
        [Shape::G0, Shape::G1c, Shape::GSingle, Shape::GNonadjacent, Shape::G2Item, Shape::LongFork];

    /// The kinds of edges in its cycles.
    fn kinds(self) -> Kinds {
        let writes = Kinds(0).and(Kind::Ww);
        match self {
            Shape::G0 => writes,
            Shape::G1c => writes.and(Kind::Wr),
            _ => writes.and(Kind::Wr).and(Kind::Rw),
        }
    }

    /// Its characteristic kind of edge, with which a search begins.
    fn own(self) -> Kind {
        match self {
            Shape::G0 => Kind::Ww,
            Shape::G1c => Kind::Wr,
            _ => Kind::Rw,
        }
    }

    fn implies(self, other: Shape) -> bool {
        let anti = |shape| matches!(shape, Shape::GSingle | Shape::GNonadjacent | Shape::G2Item);
        self == other || (self == Shape::G0 && other == Shape::G1c) || (anti(self) && anti(other) && self <= other)
    }
}

impl Order {
    const ALL: [Order; 3] = [Order::Data, Order::Process, Order::RealTime];

    fn kind(self) -> Kind {
        match self {
            Order::Data => Kind::Pass,
            Order::Process => Kind::Process,
            Order::RealTime => Kind::RealTime,
        }
    }
}

impl Class {
    /// The name that Adya and Elle give it.
    pub(crate) fn name(self) -> &'static str {
        const NAMES: [[&str; 3]; 6] = [
            ["G0", "G0-process", "G0-realtime"],
            ["G1c", "G1c-process", "G1c-realtime"],
            ["G-single", "G-single-process", "G-single-realtime"],
            ["G-nonadjacent", "G-nonadjacent-process", "G-nonadjacent-realtime"],
            ["G2-item", "G2-item-process", "G2-item-realtime"],
            // Only with dependencies alone: no level asks for more.
            ["long-fork"; 3],
        ];
        NAMES[self.shape as usize][self.order as usize]
    }

    fn implies(self, other: Class) -> bool {
        self.shape.implies(other.shape) && self.order <= other.order
    }
}

/// An edge of a cycle, between transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The earlier.
    pub from: u32,
    /// The later.
    pub to: u32,
    /// Why.
    pub kind: Kind,
}

/// A cycle: each step ends where the next begins, the last where the first does.
#[derive(Clone, Debug)]
pub(crate) struct Cycle {
    /// Which anomaly it is.
    pub class: Class,
    /// Its edges.
    pub steps: Vec<Step>,
}

/// What the search found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// One shortest cycle for each class and component.
    pub cycles: Vec<Cycle>,
    /// Components of more than one transaction.
    pub components: usize,
    /// Searches that used up their budget: their cycles may be longer than necessary, or missing.
    pub cut: u64,
    /// The transactions of each component, ascending.
    pub parts: Vec<Vec<u32>>,
}

/// The most states that one search visits until it finds a cycle.
const BUDGET: u64 = 20_000_000;

/// The most states that one search visits to find a shorter cycle than the first: enough to try every start of a small
/// component, and never much more than linear.
fn budget_for_shorter(transactions: usize) -> u64 {
    (64 * transactions as u64).clamp(20_000, 500_000)
}

/// Finds the cycles of dependencies between transactions. `edges` has a node for each transaction and hubs after them;
/// `takes_part` says which transactions are in the graph at all.
pub(crate) fn find(mut edges: Edges, transactions: &Transactions, takes_part: impl Fn(u32) -> bool) -> Found {
    let spans: Vec<Span> = (0..transactions.len() as u32)
        .filter(|node| takes_part(*node))
        .map(|node| span(transactions, node, node))
        .collect();
    let dependencies = edges.nodes() as u32;
    order::real_time(&mut edges, &spans);
    order::sessions(&mut edges, &spans);
    drop(spans);
    let graph = edges.finish();
    let components = graph.components(Kinds(u8::MAX));
    let mut found = Found { components: components.len(), ..Found::default() };
    for mut component in components {
        component.retain(|node| *node < dependencies);
        component.sort_unstable();
        found.parts.push(component.iter().copied().filter(|node| (*node as usize) < transactions.len()).collect());
        Part::new(&graph, transactions, component).search(&mut found);
    }
    found.cycles.sort_by_key(|cycle| (cycle.class, cycle.steps.len()));
    found
}

fn span(transactions: &Transactions, transaction: u32, node: u32) -> Span {
    let row = transactions.row(transaction);
    Span { node, process: row.process, call: row.call, ret: row.ret }
}

/// A component by itself, its nodes renumbered: transactions by invocation, then hubs.
struct Part {
    members: Vec<u32>,
    edges: Edges,
    graph: Graph,
    spans: Vec<Span>,
}

impl Part {
    fn new(graph: &Graph, transactions: &Transactions, members: Vec<u32>) -> Self {
        let local = |node: u32| members.binary_search(&node).ok().map(|at| at as u32);
        let mut edges = Edges::new(members.len());
        for (at, member) in members.iter().enumerate() {
            for (target, kind) in graph.out(*member) {
                let dependency = !matches!(kind, Kind::Process | Kind::RealTime);
                if let Some(target) = local(target).filter(|_| dependency) {
                    edges.add(at as u32, target, kind);
                }
            }
        }
        let of_transactions = members.iter().take_while(|member| (**member as usize) < transactions.len());
        let spans = of_transactions.zip(0..).map(|(member, at)| span(transactions, *member, at)).collect();
        let graph = edges.clone().finish();
        Self { members, edges, graph, spans }
    }

    fn search(&self, found: &mut Found) {
        let mut here: Vec<Class> = Vec::new();
        for order in Order::ALL {
            let ordered = self.with_order(order);
            for shape in Shape::ALL.into_iter().filter(|shape| *shape != Shape::LongFork || order == Order::Data) {
                let class = Class { shape, order };
                if here.iter().any(|earlier| earlier.implies(class)) {
                    continue;
                }
                let parts = ordered.components(shape.kinds().and(order.kind()));
                if parts.is_empty() {
                    continue;
                }
                let mut search = Search::new(self, class, &parts, &ordered);
                for (number, part) in parts.iter().enumerate() {
                    if let Some(steps) = search.best(number as u32, part, &mut found.cut) {
                        here.push(class);
                        found.cycles.push(Cycle { class, steps });
                    }
                }
            }
        }
    }

    /// Whether a transaction missed what somebody wrote who may lead back to it without another missed read.
    fn goes_back(&self, start: u32, ranks: &[u32]) -> bool {
        let is_back = |target: u32| ranks[target as usize] >= ranks[start as usize];
        let transactions = self.spans.len() as u32;
        self.graph.out(start).filter(|(_, kind)| *kind == Kind::Rw).any(|(target, _)| match target < transactions {
            true => is_back(target),
            false => self.graph.out(target).any(|(beyond, _)| is_back(beyond)),
        })
    }

    fn with_order(&self, order: Order) -> Graph {
        let mut edges = self.edges.clone();
        match order {
            Order::Data => return self.graph.clone(),
            Order::Process => order::sessions(&mut edges, &self.spans),
            Order::RealTime => order::real_time(&mut edges, &self.spans),
        }
        edges.finish()
    }
}

/// For a class by transaction whether a cycle may begin there, and for one missed read the ranks without it.
fn worth_beginning(part: &Part, class: Class, ordered: &Graph) -> (Vec<u32>, Vec<bool>) {
    let transactions = 0..part.spans.len() as u32;
    match class.shape {
        Shape::GSingle => {
            let others = Kinds(0).and(Kind::Ww).and(Kind::Wr).and(class.order.kind());
            let ranks = ordered.ranks(others);
            let is_start = transactions.map(|start| part.goes_back(start, &ranks)).collect();
            (ranks, is_start)
        }
        Shape::GNonadjacent | Shape::LongFork => (Vec::new(), on_cycles_of_states(ordered, class.shape)),
        Shape::G0 | Shape::G1c | Shape::G2Item => (Vec::new(), vec![true; part.spans.len()]),
    }
}

/// By node, whether it is on a closed walk of the states of a shape: without two missed reads in succession, or with each
/// after a read of what was written.
fn on_cycles_of_states(graph: &Graph, shape: Shape) -> Vec<bool> {
    let mut states = Edges::new(2 * graph.nodes());
    for node in 0..graph.nodes() as u32 {
        for (target, kind) in graph.out(node) {
            for marked in [0, 1] {
                // A step out of a hub is of the kind of the step into it.
                let (may, then) = match (kind, shape) {
                    (Kind::Pass, _) => (true, marked),
                    (Kind::Rw, Shape::LongFork) => (marked == 1, 0),
                    (Kind::Rw, _) => (marked == 0, 1),
                    (Kind::Wr, Shape::LongFork) => (true, 1),
                    _ => (true, 0),
                };
                if may {
                    states.add(2 * node + marked, 2 * target + then, Kind::Ww);
                }
            }
        }
    }
    let mut on_cycles = vec![false; graph.nodes()];
    for state in states.finish().components(Kinds(u8::MAX)).into_iter().flatten() {
        on_cycles[state as usize / 2] = true;
    }
    on_cycles
}

/// What a path has met; a bit each.
type Flags = u32;
const LAST_RW: Flags = 1;
/// In place of it where the last read of what was written matters.
const LAST_WR: Flags = 1;
const MORE_RW: Flags = 2;
const SEEN_ORDER: Flags = 4;
const FLAG_BITS: u32 = 3;

/// Breadth-first searches for one class in the components of a part.
struct Search<'p> {
    part: &'p Part,
    class: Class,
    /// By transaction and hub the component that it is in, and the one at hand.
    component_of: Vec<u32>,
    component: u32,
    /// By transaction whether it is worth beginning there.
    is_start: Vec<bool>,
    /// By state: the search that visited it last, and how it came there.
    visited: Vec<u32>,
    came: Vec<(u32, Kind)>,
    round: u32,
    queue: Vec<u32>,
    successors: Successors,
    steps_left: u64,
    /// For one missed read: by transaction and hub its rank ([`Graph::ranks`]) without missed reads. Empty for others.
    ranks: Vec<u32>,
    /// The rank of the start: whatever is below it does not lead back.
    floor: u32,
}

/// The transactions of a component sorted by process and invocation, or by invocation alone: those after a transaction
/// are a run of it, of which each search visits every place once.
struct Successors {
    sorted: Vec<u32>,
    /// By transaction: where its successors begin and end, and its group.
    runs: Vec<(u32, u32, u32)>,
    /// By group, without and with `MORE_RW`: from here on all were visited.
    reached: Vec<[u32; 2]>,
    /// The ends of the groups, which are the values of `reached` at the start.
    ends: Vec<u32>,
}

impl Successors {
    fn new(transactions: usize) -> Self {
        let (sorted, reached, ends) = Default::default();
        Self { sorted, runs: vec![(0, 0, 0); transactions], reached, ends }
    }

    /// Those within a component, whose transactions ascend.
    fn within(&mut self, spans: &[Span], order: Order, component: &[u32]) {
        self.ends.clear();
        let mut sorted: Vec<Span> = component.iter().map(|node| spans[*node as usize]).collect();
        match order {
            Order::Data => return,
            Order::Process => {
                sorted.sort_by_key(|span| (span.process, span.call));
                for group in sorted.chunk_by(|a, b| a.process == b.process) {
                    let begin = self.ends.last().copied().unwrap_or(0);
                    let end = begin + group.len() as u32;
                    for (span, after) in group.iter().zip(begin + 1..) {
                        self.runs[span.node as usize] = (after, end, self.ends.len() as u32);
                    }
                    self.ends.push(end);
                }
            }
            Order::RealTime => {
                self.ends.push(sorted.len() as u32);
                for span in &sorted {
                    let after = sorted.partition_point(|later| later.call <= span.ret) as u32;
                    self.runs[span.node as usize] = (after, sorted.len() as u32, 0);
                }
            }
        }
        self.sorted.clear();
        self.sorted.extend(sorted.iter().map(|span| span.node));
        self.reached.clear();
        self.reached.resize(self.ends.len(), [0; 2]);
    }

    fn reset(&mut self) {
        for (reached, end) in self.reached.iter_mut().zip(&self.ends) {
            *reached = [*end; 2];
        }
    }

    /// The successors of a transaction that were not visited with these flags before.
    fn take(&mut self, node: u32, more: bool) -> std::ops::Range<usize> {
        let (from, end, group) = self.runs[node as usize];
        let Some(reached) = self.reached.get_mut(group as usize).map(|pair| &mut pair[usize::from(more)]) else {
            return 0..0;
        };
        let range = from.min(end)..(*reached).min(end);
        *reached = (*reached).min(from);
        range.start as usize..range.end.max(range.start) as usize
    }
}

impl<'p> Search<'p> {
    fn new(part: &'p Part, class: Class, components: &[Vec<u32>], ordered: &Graph) -> Self {
        let (count, transactions) = (part.members.len(), part.spans.len());
        let mut component_of = vec![u32::MAX; count];
        for (component, number) in components.iter().zip(0..) {
            // Moments of real time have numbers beyond those of the part.
            for node in component.iter().filter(|node| (**node as usize) < count) {
                component_of[*node as usize] = number;
            }
        }
        let (ranks, is_start) = worth_beginning(part, class, ordered);
        let states = count << FLAG_BITS;
        Self {
            part,
            class,
            component_of,
            component: 0,
            is_start,
            visited: vec![0; states],
            came: vec![(0, Kind::Pass); states],
            round: 0,
            queue: Vec::new(),
            successors: Successors::new(transactions),
            steps_left: 0,
            ranks,
            floor: 0,
        }
    }

    fn is_inside(&self, node: u32) -> bool {
        self.component_of[node as usize] == self.component
    }

    /// A shortest cycle of a component; the first found once the budget is spent.
    fn best(&mut self, number: u32, component: &[u32], cut: &mut u64) -> Option<Vec<Step>> {
        let transactions = self.part.spans.len() as u32;
        let mut nodes: Vec<u32> = component.iter().copied().filter(|node| *node < transactions).collect();
        nodes.sort_unstable();
        self.component = number;
        self.successors.within(&self.part.spans, self.class.order, &nodes);
        self.steps_left = BUDGET;
        let mut best: Option<Vec<Step>> = None;
        for start in nodes.iter().copied() {
            if !self.is_start[start as usize] {
                continue;
            }
            let limit = best.as_ref().map_or(usize::MAX, Vec::len);
            if limit == 2 {
                break;
            }
            if let Some(shorter) = self.from(start, limit) {
                best = Some(shorter);
                self.steps_left = self.steps_left.min(budget_for_shorter(nodes.len()));
            }
            if self.steps_left == 0 {
                *cut += u64::from(best.is_none());
                break;
            }
        }
        best
    }

    /// A shortest cycle through `start` that begins with an edge of the class's own kind and is shorter than `limit`.
    fn from(&mut self, start: u32, limit: usize) -> Option<Vec<Step>> {
        self.round += 1;
        self.floor = self.ranks.get(start as usize).copied().unwrap_or(0);
        self.queue.clear();
        self.successors.reset();
        let mut layer = vec![start << FLAG_BITS];
        for depth in 0.. {
            if layer.is_empty() || depth + 1 >= limit {
                return None;
            }
            for state in &layer {
                if let Some(end) = self.expand(start, *state, depth) {
                    return Some(self.path(start, end));
                }
            }
            layer.clear();
            std::mem::swap(&mut layer, &mut self.queue);
        }
        None
    }

    /// Visits what follows a state; returns the state that closes a cycle.
    fn expand(&mut self, start: u32, state: u32, depth: usize) -> Option<u32> {
        let (node, flags) = (state >> FLAG_BITS, state & ((1 << FLAG_BITS) - 1));
        let graph = &self.part.graph;
        let transactions = self.part.spans.len() as u32;
        for (target, kind) in graph.out(node) {
            let Some(next) = self.follow(kind, flags, depth).filter(|_| self.is_inside(target)) else { continue };
            let end = match target < transactions {
                true => self.visit(start, target, next, (state, kind)),
                false => self.visit_beyond(start, target, next, (state, kind)),
            };
            if end.is_some() {
                return end;
            }
        }
        self.expand_order(start, state, depth)
    }

    /// Visits the transactions that a hub leads to, which may be through further hubs.
    fn visit_beyond(&mut self, start: u32, hub: u32, flags: Flags, came: (u32, Kind)) -> Option<u32> {
        let graph = &self.part.graph;
        let transactions = self.part.spans.len() as u32;
        let mut open = vec![hub];
        while let Some(hub) = open.pop() {
            if !self.fresh(hub << FLAG_BITS | flags) {
                continue;
            }
            for (beyond, _) in graph.out(hub) {
                if !self.is_inside(beyond) {
                    continue;
                }
                if beyond >= transactions {
                    open.push(beyond);
                } else if let Some(end) = self.visit(start, beyond, flags, came) {
                    return Some(end);
                }
            }
        }
        None
    }

    fn expand_order(&mut self, start: u32, state: u32, depth: usize) -> Option<u32> {
        let (node, flags) = (state >> FLAG_BITS, state & ((1 << FLAG_BITS) - 1));
        let must_be_own = depth == 0 || (depth == 1 && self.class.shape == Shape::G2Item);
        if self.class.order == Order::Data || must_be_own {
            return None;
        }
        let next = (flags & MORE_RW) | SEEN_ORDER;
        let kind = self.class.order.kind();
        for at in self.successors.take(node, flags & MORE_RW != 0) {
            let target = self.successors.sorted[at];
            if let Some(end) = self.visit(start, target, next, (state, kind)) {
                return Some(end);
            }
        }
        None
    }

    /// The properties of a path after an edge of this kind; none if its class does not allow the edge here.
    fn follow(&self, kind: Kind, flags: Flags, depth: usize) -> Option<Flags> {
        let shape = self.class.shape;
        let allowed = match (depth, shape) {
            (0, _) => kind == shape.own(),
            (1, Shape::G2Item) => kind == Kind::Rw,
            (_, Shape::G0) => kind == Kind::Ww,
            (_, Shape::G1c | Shape::GSingle) => matches!(kind, Kind::Ww | Kind::Wr),
            (_, Shape::GNonadjacent) => kind != Kind::Rw || flags & LAST_RW == 0,
            (_, Shape::G2Item) => true,
            (_, Shape::LongFork) => kind != Kind::Rw || flags & LAST_WR != 0,
        };
        let seen = flags & (MORE_RW | SEEN_ORDER);
        // Only the shape that forbids neighbours has to remember them: fewer states.
        let remembers = shape == Shape::GNonadjacent && kind == Kind::Rw;
        let more = if remembers && depth > 0 { MORE_RW } else { 0 };
        let read = if shape == Shape::LongFork && kind == Kind::Wr { LAST_WR } else { 0 };
        allowed.then_some(seen | more | read | if remembers { LAST_RW } else { 0 })
    }

    fn fresh(&mut self, state: u32) -> bool {
        if self.ranks.get((state >> FLAG_BITS) as usize).is_some_and(|rank| *rank < self.floor) {
            return false;
        }
        self.steps_left = self.steps_left.saturating_sub(1);
        let visited = &mut self.visited[state as usize];
        let fresh = *visited != self.round && self.steps_left > 0;
        *visited = self.round;
        fresh
    }

    fn visit(&mut self, start: u32, node: u32, flags: Flags, came: (u32, Kind)) -> Option<u32> {
        let state = node << FLAG_BITS | flags;
        if !self.fresh(state) {
            return None;
        }
        self.came[state as usize] = came;
        if node != start {
            self.queue.push(state);
            return None;
        }
        let ordered = self.class.order == Order::Data || flags & SEEN_ORDER != 0;
        let apart = self.class.shape != Shape::GNonadjacent || flags & (MORE_RW | LAST_RW) == MORE_RW;
        let apart = apart && (self.class.shape != Shape::LongFork || flags & LAST_WR != 0);
        (ordered && apart && self.is_simple(start, state)).then_some(state)
    }

    /// Whether no transaction occurs twice: a walk in which one does is made of smaller cycles, which are found by themselves.
    fn is_simple(&self, start: u32, end: u32) -> bool {
        let mut met = rustc_hash::FxHashSet::default();
        let mut state = self.came[end as usize].0;
        while state >> FLAG_BITS != start {
            if !met.insert(state >> FLAG_BITS) {
                return false;
            }
            state = self.came[state as usize].0;
        }
        true
    }

    fn path(&self, start: u32, end: u32) -> Vec<Step> {
        let member = |state: u32| self.part.members[(state >> FLAG_BITS) as usize];
        let (mut steps, mut state) = (Vec::new(), end);
        loop {
            let (before, kind) = self.came[state as usize];
            steps.push(Step { from: member(before), to: member(state), kind });
            state = before;
            if state >> FLAG_BITS == start {
                steps.reverse();
                return steps;
            }
        }
    }
}

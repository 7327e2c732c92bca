//! What holds of every ring, and what of each strategy.

use proptest::prelude::*;

use super::*;

const STRATEGIES: [Partitioning; 3] = [
    Partitioning::Random { tokens: 32 },
    Partitioning::FixedRanges { tokens: 32, ranges: 240 },
    Partitioning::EqualTokens { ranges: 160 },
];

fn ring(nodes: u16, how: Partitioning, seed: u64) -> Ring {
    Ring::new(nodes, how, &[], seed).expect("the ring can be made")
}

fn random(nodes: u16, tokens: u32, seed: u64) -> Ring {
    ring(nodes, Partitioning::Random { tokens }, seed)
}

fn partitioning() -> impl Strategy<Value = Partitioning> {
    prop_oneof![
        (1..20u32).prop_map(|tokens| Partitioning::Random { tokens }),
        (1..20u32, 12..200u32).prop_map(|(tokens, ranges)| Partitioning::FixedRanges { tokens, ranges }),
        (12..200u32).prop_map(|ranges| Partitioning::EqualTokens { ranges }),
    ]
}

proptest! {
    #[test]
    fn every_range_has_every_node_once(nodes in 1..12u16, how in partitioning(), seed: u64) {
        let ring = ring(nodes, how, seed);
        for range in 0..ring.ranges() {
            let mut found = ring.range_preference(range).to_vec();
            found.sort();
            prop_assert_eq!(found, (0..nodes).map(NodeId).collect::<Vec<_>>());
        }
    }

    #[test]
    fn ranges_share_the_whole_circle(nodes in 1..12u16, how in partitioning(), seed: u64) {
        let ring = ring(nodes, how, seed);
        let whole: f64 = (0..ring.ranges()).map(|range| ring.range_share(range)).sum();
        prop_assert!((whole - 1.0).abs() < 1e-9, "{}", whole);
        prop_assert!(ring.ends.is_sorted_by(|before, end| before < end));
    }

    #[test]
    fn a_key_lies_in_the_range_that_ends_next(how in partitioning(), seed: u64, position: u128) {
        let ring = ring(5, how, seed);
        let next = ring.ends.iter().position(|end| *end >= position).unwrap_or(0);
        prop_assert_eq!(ring.range_at(position), next as RangeId);
    }

    #[test]
    fn the_same_arguments_make_the_same_ring(nodes in 2..12u16, how in partitioning(), seed: u64) {
        let (one, again) = (ring(nodes, how, seed), ring(nodes, how, seed));
        prop_assert_eq!((&one.ends, &one.preference), (&again.ends, &again.preference));
        prop_assert_eq!(one.fingerprint(), again.fingerprint());
    }

    /// Strategy 3: Q/S tokens a node, whatever Q and S, and each is the first choice for as many ranges.
    #[test]
    fn equal_tokens_are_equally_many(nodes in 1..12u16, ranges in 12..300u32, seed: u64) {
        let ring = ring(nodes, Partitioning::EqualTokens { ranges }, seed);
        let mut first = vec![0u32; usize::from(nodes)];
        for range in 0..ring.ranges() {
            first[usize::from(ring.range_preference(range)[0].0)] += 1;
        }
        prop_assert_eq!(&first, ring.tokens());
        prop_assert_eq!(first.iter().sum::<u32>(), ranges);
        let floor = ranges / u32::from(nodes);
        prop_assert!(first.iter().all(|&count| count == floor || count == floor + 1), "{:?}", first);
    }

    /// 4.6: any first n replicas cover as many data centres as they can, each as often as any other but for one.
    #[test]
    fn replicas_are_spread_over_data_centres(
        data_centres in prop::collection::vec(0..4u16, 1..12), how in partitioning(), seed: u64
    ) {
        let plain = ring(data_centres.len() as u16, how, seed);
        let spread = plain.clone().spread_over(&data_centres);
        let mut named = data_centres.clone();
        named.sort_unstable();
        named.dedup();
        for range in 0..spread.ranges() {
            let list = spread.range_preference(range);
            prop_assert_eq!(list[0], plain.range_preference(range)[0]);
            for n in 1..=list.len() {
                let mut covered: Vec<u16> = list[..n].iter().map(|node| data_centres[usize::from(node.0)]).collect();
                covered.sort_unstable();
                covered.dedup();
                prop_assert_eq!(covered.len(), n.min(named.len()));
            }
            let mut nodes = list.to_vec();
            nodes.sort();
            prop_assert_eq!(nodes, (0..data_centres.len() as u16).map(NodeId).collect::<Vec<_>>());
        }
        prop_assert_ne!(spread.fingerprint(), plain.fingerprint());
    }

    /// One data centre, or none named: exactly the walk.
    #[test]
    fn without_data_centres_the_lists_are_the_walks(nodes in 1..12u16, how in partitioning(), seed: u64) {
        let plain = ring(nodes, how, seed);
        for data_centres in [vec![], vec![7; usize::from(nodes)]] {
            prop_assert_eq!(&plain.clone().spread_over(&data_centres).preference, &plain.preference);
        }
        prop_assert_eq!(plain.clone().spread_over(&[]).fingerprint(), plain.fingerprint());
    }

    /// The order of preference is that of a walk that skips the hosts it has met.
    #[test]
    fn walks_are_walks(circle in prop::collection::vec((0..6u16).prop_map(NodeId), 1..40)) {
        let walks = walks(&circle, (0..6).map(NodeId).collect());
        for start in 0..circle.len() {
            let mut met: Vec<NodeId> = Vec::new();
            for host in circle[start..].iter().chain(&circle[..start]) {
                if !met.contains(host) {
                    met.push(*host);
                }
            }
            prop_assert_eq!(&walks[start * 6..][..met.len()], &met[..]);
        }
    }
}

/// Existing data directories, and seeds that people have noted, are of this ring.
#[test]
fn the_default_ring_stays_what_it_is() {
    let ring = ring(5, Partitioning::default(), 1);
    assert_eq!((ring.ranges(), ring.fingerprint()), (80, 4_224_957_182_345_972_999));
    let list = |key: &[u8]| ring.preference_list(key).iter().map(|node| node.0).collect::<Vec<_>>();
    assert_eq!((list(b"set-0"), list(b"cart-1")), (vec![0, 4, 1, 3, 2], vec![3, 1, 4, 2, 0]));
}

/// Three tokens in a row may belong to one host, and three copies on it are one copy.
#[test]
fn tokens_of_a_host_already_met_are_skipped() {
    let walks = walks(&[0, 0, 1, 0, 0, 2, 1].map(NodeId), (0..3).map(NodeId).collect());
    let from = |start: usize| walks[start * 3..][..3].iter().map(|node| node.0).collect::<Vec<_>>();
    assert_eq!((from(0), from(3), from(6)), (vec![0, 1, 2], vec![0, 2, 1], vec![1, 0, 2]));
}

#[test]
fn different_rings_have_different_fingerprints() {
    let capable = Ring::new(5, STRATEGIES[0], &[1, 1, 2, 1, 1], 1).expect("the ring can be made");
    let mut prints: Vec<u64> = STRATEGIES.iter().map(|how| ring(5, *how, 1).fingerprint()).collect();
    let fixed = |tokens, ranges| ring(5, Partitioning::FixedRanges { tokens, ranges }, 1);
    let equal = |ranges, seed| ring(5, Partitioning::EqualTokens { ranges }, seed);
    let others = [random(4, 32, 1), random(5, 33, 1), random(5, 32, 2), fixed(32, 241), fixed(31, 240)];
    prints.extend(others.iter().chain([&equal(161, 1), &equal(160, 2), &capable]).map(Ring::fingerprint));
    let count = prints.len();
    prints.sort_unstable();
    prints.dedup();
    assert_eq!(prints.len(), count);
}

#[test]
fn a_range_ends_with_its_last_position() {
    for how in STRATEGIES {
        let ring = ring(3, how, 1);
        for (range, end) in (0..).zip(ring.ends.clone()) {
            assert_eq!(ring.range_at(end), range, "{how:?}: a key exactly at the end belongs to the range");
            assert_eq!(
                ring.range_at(end.wrapping_add(1)),
                (range + 1) % ring.ranges(),
                "{how:?}: and the next does not"
            );
        }
    }
}

#[test]
fn a_key_behind_the_last_token_wraps_to_the_first() {
    let ring = random(2, 1, 3);
    let last = *ring.ends.last().expect("two tokens");
    let key = (0u32..).map(|i| i.to_be_bytes()).find(|key| key_position(key) > last).expect("some key lies behind");
    assert_eq!(ring.range_of(&key), 0);
}

/// Strategy 2: the walk begins at the first token at or after the range's end, round the circle if need be.
#[test]
fn fixed_ranges_lie_on_the_hosts_met_from_their_end_on() {
    let (tokens, fixed) = (random(6, 2, 5), ring(6, Partitioning::FixedRanges { tokens: 2, ranges: 100 }, 5));
    let last = *tokens.ends.last().expect("twelve tokens");
    let wrapped = (0..fixed.ranges()).filter(|range| {
        let end = fixed.ends[*range as usize];
        assert_eq!(fixed.range_preference(*range), tokens.range_preference(tokens.range_at(end)));
        end > last
    });
    assert!(wrapped.count() > 0, "some range ends behind the last token");
}

#[test]
fn twice_the_capacity_is_twice_the_tokens_and_about_twice_the_load() {
    for how in [
        Partitioning::Random { tokens: 256 },
        Partitioning::FixedRanges { tokens: 256, ranges: 3840 },
        Partitioning::EqualTokens { ranges: 1280 },
    ] {
        let ring = Ring::new(5, how, &[10, 10, 20, 10, 10], 4).expect("the ring can be made");
        let tokens = ring.tokens();
        assert!(tokens[2].abs_diff(2 * tokens[0]) <= 2, "{how:?}: {tokens:?}");
        assert_eq!(tokens.iter().sum::<u32>(), 1280, "{how:?}");
        let mut load = [0.0; 5];
        for range in 0..ring.ranges() {
            load[usize::from(ring.range_preference(range)[0].0)] += ring.range_share(range);
        }
        assert!((0.28..0.39).contains(&load[2]), "{how:?}: a third is expected of {load:?}");
    }
}

#[test]
fn virtual_nodes_even_out_the_load() {
    let ring = random(5, 64, 11);
    let mut load = [0u32; 5];
    for key in 0u32..10_000 {
        for node in &ring.preference_list(&key.to_be_bytes())[..3] {
            load[usize::from(node.0)] += 1;
        }
    }
    let max = f64::from(*load.iter().max().expect("five nodes"));
    assert!(6000.0 / max > 0.75, "load efficiency mean/max is {}", 6000.0 / max);
}

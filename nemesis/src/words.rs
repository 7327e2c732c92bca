//! Faults in a few words, as reports show them: `n1 ⇄ others`, `+12.5 s`, `48,211 bytes`.

use std::collections::BTreeSet;

use crate::fault::Link;
use crate::shape::links_touching;

/// `{n1 n2}`.
pub(crate) fn braced(nodes: &[String]) -> String {
    format!("{{{}}}", nodes.join(" "))
}

/// The links one by one: `n1→n2 n3→n2`.
pub(crate) fn enumerate(links: &[Link]) -> String {
    links.iter().map(|link| format!("{}→{}", link.from, link.to)).collect::<Vec<_>>().join(" ")
}

/// `all links`, `n1 ⇄ others`, or the links one by one.
pub(crate) fn touching(links: &[Link], all: &[String]) -> String {
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
pub(crate) fn offset(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "+" };
    match ms.unsigned_abs() {
        small @ 0..1000 => format!("{sign}{small} ms"),
        large => format!("{sign}{} s", decimal(i64::try_from(large).unwrap_or(i64::MAX), 1000)),
    }
}

/// `value / unit` with at most three decimals, and no more than it needs.
pub(crate) fn decimal(value: i64, unit: i64) -> String {
    let text = format!("{:.3}", value as f64 / unit as f64);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `1 byte`, `48,211 bytes`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A signed number in groups of three digits: `-12,500`.
pub(crate) fn signed(number: i64) -> String {
    format!("{}{}", if number < 0 { "-" } else { "+" }, grouped(number.unsigned_abs()))
}

/// Digits in groups of three: `48,211`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let head = digits.len() % 3;
    let mut groups: Vec<&str> = if head > 0 { vec![&digits[..head]] } else { vec![] };
    groups.extend((head..digits.len()).step_by(3).map(|at| &digits[at..at + 3]));
    groups.join(",")
}

/// A list as in a sentence: `bump and drift`, `power, sync-fail and rot`.
pub(crate) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_well() {
        assert_eq!((grouped(0), grouped(999), grouped(1_000_000)), ("0".into(), "999".into(), "1,000,000".into()));
        assert_eq!((count(1, "byte"), signed(-12_500)), ("1 byte".into(), "-12,500".into()));
        assert_eq!((offset(12_500), offset(-40)), ("+12.5 s".into(), "-40 ms".into()));
        assert_eq!((listed(&["a"]), listed(&["a", "b", "c"])), ("a".into(), "a, b and c".into()));
    }
}

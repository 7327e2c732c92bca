//! A cluster that runs already: where its nodes are, and its faults as commands of the user's.
//!
//! ```text
//!   attach = ["10.0.0.1:6379", ...]            n1, n2, ... in their order
//!   [[faults]] name, begin, end, measure       placeholders: {node} {number} {host} {port} {address} {others} {directory}
//! ```
//! A fault whose commands name no node is of all its nodes at once, and its commands are run once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use nemesis::{CommandOffer, Family};
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, wrong};
use super::template::{self, Template};
use crate::arena::command::{CommandLine, CommandStep};

/// Longer than any command of a fault.
const LIMIT_SECONDS_MAX: u64 = 600;
/// The longest name of a fault.
const NAME_BYTES_MAX: usize = 40;

/// A fault as commands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FaultConfig {
    /// As `--nemesis` names it.
    pub name: String,
    /// Puts it in force.
    pub begin: Vec<Template>,
    /// Takes it out of force, also where it was not wholly begun.
    pub end: Vec<Template>,
    /// Ends with exit code 0 while it is in force, and with another one while it is not.
    pub measure: Vec<Template>,
    /// The nodes that it may affect; all if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Each of its commands must end within so many seconds.
    #[serde(default = "limit_usual")]
    pub limit_seconds: u64,
}

fn limit_usual() -> u64 {
    30
}

/// The node in this place, from 0.
pub(super) fn node(index: usize) -> String {
    format!("n{}", index + 1)
}

/// The host and the port of an address; none if it is not written as both. A host of IPv6 stands in brackets.
pub(super) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let is_host = !host.is_empty() && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')));
    let port = port.parse().ok().filter(|port| *port != 0)?;
    is_host.then(|| (host.trim_matches(['[', ']']), port))
}

/// Refuses faults that cannot be.
///
/// # Errors
/// With the key that is wrong.
pub(super) fn check_faults(faults: &[FaultConfig], attach: &[String]) -> Result<(), ConfigError> {
    if !faults.is_empty() && attach.is_empty() {
        let why =
            "they are for a cluster of `attach`: to one that the bench starts, its own faults can be done (--nemesis)";
        return Err(wrong("faults", why));
    }
    let mut seen = BTreeSet::new();
    faults.iter().try_for_each(|fault| match seen.insert(&fault.name) {
        true => fault.check(attach.len()),
        false => Err(wrong("faults.name", format!("{} is there twice", fault.name))),
    })
}

impl FaultConfig {
    fn check(&self, count: usize) -> Result<(), ConfigError> {
        let name = &self.name;
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=NAME_BYTES_MAX).contains(&name.len()) || !name.bytes().all(is_plain) || name.starts_with('-') {
            let why = format!("{name:?}: give it lower-case letters, digits and hyphens, at most {NAME_BYTES_MAX}");
            return Err(wrong("faults.name", why));
        }
        if Family::named(name).is_some() || ["all", "none"].contains(&&**name) {
            return Err(wrong("faults.name", format!("--nemesis {name} means something else already: choose another")));
        }
        let key = |part: &str| format!("faults.{name}.{part}");
        for (part, words) in [("begin", &self.begin), ("end", &self.end), ("measure", &self.measure)] {
            if words.first().is_none_or(|program| program.to_string().is_empty()) {
                return Err(wrong(key(part), "it is empty: name a program"));
            }
            words.iter().try_for_each(|word| word.check(template::OF_FAULTS).map_err(|why| wrong(key(part), why)))?;
        }
        let known: Vec<String> = (0..count).map(node).collect();
        if let Some(stranger) = self.nodes.iter().find(|node| !known.contains(node)) {
            return Err(wrong(key("nodes"), format!("there is no {stranger}, but {}", known.join(", "))));
        }
        match (1..=LIMIT_SECONDS_MAX).contains(&self.limit_seconds) {
            true => Ok(()),
            false => Err(wrong(key("limit-seconds"), format!("give 1 to {LIMIT_SECONDS_MAX}"))),
        }
    }

    /// What the nemesis has to know of it, in a cluster of so many nodes.
    pub(super) fn offer(&self, count: usize) -> CommandOffer {
        let all = (0..count).map(node);
        let nodes = all.filter(|node| self.nodes.is_empty() || self.nodes.contains(node)).collect();
        CommandOffer { name: self.name.clone(), nodes, is_of_all: self.is_of_all() }
    }

    /// Whether none of its commands says where.
    fn is_of_all(&self) -> bool {
        let mut words = self.begin.iter().chain(&self.end).chain(&self.measure);
        let is_of_node = |name: &&&str| !template::OF_FAULTS_OF_ALL.contains(*name);
        words.all(|word| !template::OF_FAULTS.iter().filter(is_of_node).any(|name| word.has(name)))
    }

    /// The command of a step on a node, or on all of its nodes; none if there is no such node.
    pub(super) fn line(
        &self,
        step: CommandStep,
        nodes: &[String],
        attach: &[String],
        directory: &Path,
    ) -> Option<CommandLine> {
        let words = match step {
            CommandStep::Begin => &self.begin,
            CommandStep::End => &self.end,
            CommandStep::Measure => &self.measure,
        };
        let index = (0..attach.len()).find(|index| nodes.first() == Some(&node(*index)))?;
        let hosts = || attach.iter().filter_map(|address| host_and_port(address)).map(|(host, _)| host);
        let (host, port) = host_and_port(&attach[index])?;
        let others: Vec<&str> = hosts().enumerate().filter(|(at, _)| *at != index).map(|(_, host)| host).collect();
        let value = |name: &str| {
            Some(match name {
                "node" => node(index),
                "number" => (index + 1).to_string(),
                "host" => host.to_owned(),
                "port" => port.to_string(),
                "address" => attach[index].clone(),
                "others" => others.join(" "),
                "directory" => directory.display().to_string(),
                _ => return None,
            })
        };
        Some(CommandLine {
            words: words.iter().map(|word| word.fill(value)).collect(),
            directory: directory.to_owned(),
            limit: Duration::from_secs(self.limit_seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attach() -> [String; 3] {
        ["a.example:7001", "10.0.0.2:7002", "[::1]:7003"].map(str::to_owned)
    }

    fn fault(text: &str) -> FaultConfig {
        toml::from_str(text).expect("it is a fault")
    }

    const CUT: &str = r#"
        name = "cut-off"
        begin = ["sh", "{directory}/cut.sh", "{node}", "{host}", "{others}"]
        end = ["sh", "heal.sh", "{number}"]
        measure = ["./is-cut", "--port={port}", "{address}"]
        nodes = ["n3", "n1"]
    "#;

    #[test]
    fn a_command_knows_its_node_and_the_others() {
        let fault = fault(CUT);
        assert_eq!(check_faults(std::slice::from_ref(&fault), &attach()).map_err(|error| error.to_string()), Ok(()));
        let line = |step, node: &str| fault.line(step, &[node.to_owned()], &attach(), Path::new("/etc/lab"));
        let words = |step, node| line(step, node).map(|line| line.words);
        let begin = ["sh", "/etc/lab/cut.sh", "n1", "a.example", "10.0.0.2 ::1"].map(str::to_owned).to_vec();
        assert_eq!(words(CommandStep::Begin, "n1"), Some(begin));
        assert_eq!(words(CommandStep::End, "n3"), Some(["sh", "heal.sh", "3"].map(str::to_owned).to_vec()));
        let measure = ["./is-cut", "--port=7003", "[::1]:7003"].map(str::to_owned).to_vec();
        assert_eq!(words(CommandStep::Measure, "n3"), Some(measure));
        assert_eq!(words(CommandStep::Measure, "n4"), None);
        let offer = fault.offer(3);
        assert_eq!((offer.nodes, offer.is_of_all), (vec!["n1".to_owned(), "n3".to_owned()], false));
    }

    #[test]
    fn commands_that_name_no_node_are_of_all() {
        let dark = "name = 'dark'\nbegin = ['./dark']\nend = ['./light', '{directory}']\nmeasure = ['./is-dark']";
        let offer = fault(dark).offer(3);
        assert_eq!((offer.nodes.len(), offer.is_of_all), (3, true));
        assert!(!fault(&dark.replace("'./is-dark'", "'./is-dark', '{node}'")).offer(3).is_of_all);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_key() {
        for (from, to, says) in [
            ("\"cut-off\"", "\"kill\"", "faults.name: --nemesis kill means something else"),
            ("\"cut-off\"", "\"Cut off\"", "faults.name: \"Cut off\""),
            ("{node}", "{name}", "faults.cut-off.begin: unknown placeholder {name}"),
            ("[\"sh\", \"heal.sh\", \"{number}\"]", "[]", "faults.cut-off.end: it is empty"),
            ("\"n3\"", "\"n4\"", "faults.cut-off.nodes: there is no n4, but n1, n2, n3"),
            ("nodes =", "limit-seconds = 0\nnodes =", "faults.cut-off.limit-seconds: give 1 to 600"),
        ] {
            assert!(CUT.contains(from), "{from}");
            let error = check_faults(&[fault(&CUT.replace(from, to))], &attach()).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
        let twice = check_faults(&[fault(CUT), fault(CUT)], &attach()).expect_err("twice").to_string();
        assert!(twice.contains("cut-off is there twice"), "{twice}");
        let started = check_faults(&[fault(CUT)], &[]).expect_err("not attached").to_string();
        assert!(started.contains("for a cluster of `attach`"), "{started}");
    }
}

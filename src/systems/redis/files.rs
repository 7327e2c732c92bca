//! The configuration files of a node and of a Sentinel.
//!
//! Both are of the program as well: when a master is replaced, a node writes down whom it follows now, and a Sentinel
//! what it has seen. So a file is written once, not at every start: a node that comes back is what it was last.
//!
//! A Sentinel finds the replicas and the other Sentinels by itself, but needs seconds for it, in which no master can be
//! replaced. Its first file already has what it would find.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::settings::{AppendFsync, RedisSettings};

/// The ports of Redis's documents: of a node, and of a Sentinel.
pub(super) const PORT: u16 = 6379;
pub(super) const SENTINEL_PORT: u16 = 26379;

/// By what name Sentinels know the master, whichever node it is.
pub(super) const MASTER: &str = "dissensus";

/// A Sentinel takes a node for down that has not answered for so long, ms.
const DOWN_AFTER_MS: u64 = 1_000;
/// How long a Sentinel lets the replacement of a master take, ms.
const FAILOVER_TIMEOUT_MS: u64 = 3_000;

/// Where a node's configuration is.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("redis.conf")
}

/// The configuration of a node that listens at this address; without a master it is one.
pub(super) fn of_node(settings: &RedisSettings, own: SocketAddr, dir: &Path, master: Option<SocketAddr>) -> String {
    let (append, sync) = match settings.appendfsync {
        AppendFsync::Always => ("yes", "always"),
        AppendFsync::Everysec => ("yes", "everysec"),
        AppendFsync::No => ("yes", "no"),
        AppendFsync::Off => ("no", "no"),
    };
    let mut lines = common(own, dir);
    // No snapshots: what survives is what the append-only file has. A replica need not wait for others to come.
    lines.extend([
        "save \"\"".to_owned(),
        format!("appendonly {append}"),
        format!("appendfsync {sync}"),
        "repl-diskless-sync-delay 0".to_owned(),
        format!("min-replicas-to-write {}", settings.min_replicas_to_write),
        format!("min-replicas-max-lag {}", settings.min_replicas_max_lag),
    ]);
    lines.extend(master.map(|at| format!("replicaof {} {}", at.ip(), at.port())));
    text(lines)
}

/// The configuration of a Sentinel that listens at this address. The hosts are those of all: first the nodes, of
/// which the first is the master, then as many Sentinels.
pub(super) fn of_sentinel(own: SocketAddr, dir: &Path, hosts: &BTreeMap<usize, IpAddr>) -> String {
    let nodes = hosts.len() / 2;
    let (of_nodes, of_sentinels): (Vec<_>, Vec<_>) = hosts.iter().partition(|(index, _)| **index < nodes);
    let id = |index: usize| format!("{index:040x}");
    let mut lines = common(own, dir);
    lines.extend(
        of_sentinels
            .iter()
            .filter(|(_, host)| **host == own.ip())
            .map(|(index, _)| format!("sentinel myid {}", id(**index))),
    );
    let majority = nodes / 2 + 1;
    lines
        .extend(of_nodes.iter().take(1).map(|(_, host)| format!("sentinel monitor {MASTER} {host} {PORT} {majority}")));
    lines.push(format!("sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}"));
    lines.push(format!("sentinel failover-timeout {MASTER} {FAILOVER_TIMEOUT_MS}"));
    lines.extend(of_nodes.iter().skip(1).map(|(_, host)| format!("sentinel known-replica {MASTER} {host} {PORT}")));
    let others = of_sentinels.iter().filter(|(_, host)| **host != own.ip());
    lines.extend(
        others.map(|(index, host)| format!("sentinel known-sentinel {MASTER} {host} {SENTINEL_PORT} {}", id(**index))),
    );
    text(lines)
}

/// Clients of other hosts are let in although there is no password.
fn common(own: SocketAddr, dir: &Path) -> Vec<String> {
    let dir = serde_json::Value::from(dir.display().to_string());
    vec![
        format!("bind {}", own.ip()),
        format!("port {}", own.port()),
        "protected-mode no".to_owned(),
        format!("dir {dir}"),
    ]
}

fn text(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn own(last: u8) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, last).into()
    }

    #[test]
    fn a_replica_follows_the_master() {
        let settings = RedisSettings { min_replicas_to_write: 1, ..RedisSettings::default() };
        let (at, master) = (SocketAddr::new(own(2), PORT), SocketAddr::new(own(1), PORT));
        let expected = r#"bind 10.77.0.2
port 6379
protected-mode no
dir "da\"ta"
save ""
appendonly yes
appendfsync always
repl-diskless-sync-delay 0
min-replicas-to-write 1
min-replicas-max-lag 10
replicaof 10.77.0.1 6379
"#;
        assert_eq!(of_node(&settings, at, Path::new("da\"ta"), Some(master)), expected);
        assert!(
            !of_node(&settings, master, Path::new("data"), None).contains("replicaof"),
            "the master follows nobody"
        );
    }

    #[test]
    fn each_way_to_keep_writes_is_said() {
        for (appendfsync, said) in [
            (AppendFsync::Always, "appendonly yes\nappendfsync always\n"),
            (AppendFsync::Everysec, "appendonly yes\nappendfsync everysec\n"),
            (AppendFsync::No, "appendonly yes\nappendfsync no\n"),
            (AppendFsync::Off, "appendonly no\nappendfsync no\n"),
        ] {
            let settings = RedisSettings { appendfsync, ..RedisSettings::default() };
            let file = of_node(&settings, SocketAddr::new(own(1), PORT), Path::new("data"), None);
            assert!(file.contains(said), "{file}");
        }
    }

    #[test]
    fn a_sentinel_knows_all_from_the_beginning() {
        let hosts = (0..6).map(|index: u8| (index.into(), own(index + 1))).collect();
        let expected = "bind 10.77.0.5
port 26379
protected-mode no
dir \"data\"
sentinel myid 0000000000000000000000000000000000000004
sentinel monitor dissensus 10.77.0.1 6379 2
sentinel down-after-milliseconds dissensus 1000
sentinel failover-timeout dissensus 3000
sentinel known-replica dissensus 10.77.0.2 6379
sentinel known-replica dissensus 10.77.0.3 6379
sentinel known-sentinel dissensus 10.77.0.4 26379 0000000000000000000000000000000000000003
sentinel known-sentinel dissensus 10.77.0.6 26379 0000000000000000000000000000000000000005
";
        assert_eq!(of_sentinel(SocketAddr::new(own(5), SENTINEL_PORT), Path::new("data"), &hosts), expected);
    }
}

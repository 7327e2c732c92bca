//! How a MariaDB node is started and asked.
//!
//! A server starts programs that copy its data to a node that joins, so even a single node lives in namespaces of its own.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;
use workloads::Client;

use super::claims;
use super::nodes::{Nodes, USER};
use super::settings::{GaleraSettings, SettingsError};
use super::starter::{DATABASE, Starter};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready, Sign};
use crate::arena::processes::programs;
use crate::sql::client::{self, SqlClient};
use crate::sql::mysql::MysqlSession;
use crate::sql::session::Session;
use crate::sql::transactions::Transactions;
use crate::systems::system::{Answer, Claims, System, answered_in_time};

/// The hidden command of the bench that becomes a node.
pub(super) const STARTER_COMMAND: &str = "__mariadb";

/// The ports of MariaDB's and Galera's documents: for clients, and for other nodes.
const PORT: u16 = 3306;
const GROUP_PORT: u16 = 4567;

const PACKAGE: &str =
    "the packages mariadb-server-core, mariadb-server, mariadb-client-core, galera-4, rsync and lsof of Debian";
/// The library by which a server replicates.
const PROVIDER: &str = "lib/galera/libgalera_smm.so";

/// Tables are made, or all data are copied from another node, before a node is ready.
const START_LIMIT: Duration = Duration::from_secs(120);

/// MariaDB, configured.
#[derive(Clone, Debug)]
pub struct Galera {
    settings: GaleraSettings,
}

impl Galera {
    /// A configured node, or cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: GaleraSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { settings })
    }

    /// Below which everything of MariaDB's is: a directory that the user names, or the machine's.
    fn prefix(&self) -> Option<PathBuf> {
        let named = self.settings.binaries.iter().flat_map(|dir| [dir.join("usr"), dir.clone()]);
        let mut all = named.chain([PathBuf::from("/usr")]);
        all.find(|prefix| prefix.join("sbin/mariadbd").is_file())
    }

    /// Everybody is let in; the socket that it cannot do without lies in its data directory.
    fn arguments(&self, place: &Place, own: SocketAddr) -> Vec<String> {
        let options = [
            "--skip-grant-tables".to_owned(),
            format!("--bind-address={}", own.ip()),
            format!("--port={}", own.port()),
            "--socket=mysqld.sock".to_owned(),
            "--pid-file=mysqld.pid".to_owned(),
            "--skip-name-resolve".to_owned(),
            "--max-connections=200".to_owned(),
            "--binlog-format=ROW".to_owned(),
            "--innodb-autoinc-lock-mode=2".to_owned(),
            format!("--innodb-flush-log-at-trx-commit={}", self.settings.flush_log.number()),
            format!("--server-id={}", place.index + 1),
        ];
        options.into()
    }

    /// What a node is told of the others. The first one that is started begins a cluster, which the others join.
    fn of_cluster(&self, place: &Place, hosts: &BTreeMap<usize, IpAddr>, provider: &str) -> Vec<String> {
        let (own, all): (IpAddr, Vec<String>) = (place.host, hosts.values().map(IpAddr::to_string).collect());
        let mut options = vec![
            "--wsrep-on=ON".to_owned(),
            format!("--wsrep-provider={provider}"),
            "--wsrep-cluster-name=dissensus".to_owned(),
            format!("--wsrep-cluster-address=gcomm://{}", all.join(",")),
            format!("--wsrep-node-name={}", place.name),
            format!("--wsrep-node-address={own}"),
            "--wsrep-sst-method=rsync".to_owned(),
            format!(
                "--wsrep-provider-options=gcache.size=32M;gmcast.listen_addr=tcp://{own}:{GROUP_PORT};ist.recv_addr={own}"
            ),
        ];
        options.extend((place.index == 0 && place.starts == 0).then(|| "--wsrep-new-cluster".to_owned()));
        options
    }

    fn starter(&self, place: &Place, own: SocketAddr) -> Result<Starter, LaunchError> {
        let prefix = self.prefix().ok_or_else(|| LaunchError(format!("no mariadbd: it is in {PACKAGE}")))?;
        let mut arguments = self.arguments(place, own);
        if self.settings.nodes > 1 {
            let provider = prefix.join(PROVIDER);
            if !provider.is_file() {
                return Err(LaunchError(format!("{} is not there: it is in {PACKAGE}", provider.display())));
            }
            arguments.extend(self.of_cluster(place, &place.hosts()?, &provider.display().to_string()));
        }
        Ok(Starter { prefix, dir: place.data_dir.clone(), arguments })
    }

    /// Where a server finds its libraries, and the programs that copy its data to others.
    fn environment(&self, prefix: &std::path::Path) -> Vec<(String, String)> {
        let libraries = self.settings.binaries.as_deref().and_then(programs::library_path);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = [prefix.join("bin"), prefix.join("sbin")].into_iter().chain(std::env::split_paths(&path));
        let path = std::env::join_paths(dirs).ok().map(|path| ("PATH", path));
        libraries.into_iter().chain(path).filter_map(programs::variable).collect()
    }
}

impl System for Galera {
    fn name(&self) -> &'static str {
        "galera"
    }

    fn nodes(&self) -> Vec<String> {
        (1..=self.settings.nodes).map(|number| format!("n{number}")).collect()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        let own = SocketAddr::new(place.host, place.ports.instead_of(PORT)?);
        let starter = self.starter(place, own)?;
        let environment = self.environment(&starter.prefix);
        let line = serde_json::to_string(&starter).map_err(|error| LaunchError(error.to_string()))?;
        let sign = Sign::LogLine("mariadbd: ready for connections".into());
        Ok(Launch {
            arguments: vec![STARTER_COMMAND.to_owned()],
            environment,
            stdin_line: Some(line),
            start_limit: START_LIMIT,
            stop_signal: Signal::SIGKILL,
            ..Launch::new(Program::Own, Ready::At { client: own, peer: None, sign })
        })
    }

    fn programs(&self) -> Vec<Program> {
        let binaries = self.prefix().or_else(|| self.settings.binaries.clone());
        vec![Program::Installed { name: "mariadbd".into(), binaries, package: PACKAGE.into() }]
    }

    fn client(&self, addresses: Addresses) -> Box<dyn Client> {
        let transactions = Transactions::new(Box::new(Nodes::new(addresses, self.settings.clone())));
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

    /// Notes and warnings name the errors of whatever could not be reached.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["[Note]", "[Warning]"]
    }

    fn status(&self, address: SocketAddr) -> Answer<'_, String> {
        Box::pin(answered_in_time(status(address)))
    }

    fn example(&self, address: SocketAddr) -> Option<String> {
        Some(format!("mariadb -h {} -P {} {DATABASE}", address.ip(), address.port()))
    }
}

/// What the node at this address says of itself.
async fn status(address: SocketAddr) -> Result<String, String> {
    let mut session = MysqlSession::open(address, USER, DATABASE).await?;
    let mut ask = async |statement| session.run(statement).await.map_err(|failure| failure.to_string());
    let version = ask("SELECT VERSION()").await?.rows.concat().concat();
    let state = ask("SHOW STATUS LIKE 'wsrep_local_state_comment'").await?.rows.concat();
    let size = ask("SHOW STATUS LIKE 'wsrep_cluster_size'").await?.rows.concat();
    match (state.get(1), size.get(1)) {
        (Some(state), Some(size)) => Ok(format!("MariaDB {version}, {state}, sees {size} nodes")),
        _ => Ok(format!("MariaDB {version}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(nodes: usize, index: usize, starts: u64) -> Place {
        Place { starts, ..Place::example(nodes, index) }
    }

    /// The arguments of a node whose packages are unpacked, with the library or without.
    fn arguments(nodes: usize, place: &Place, has_provider: bool) -> Result<Vec<String>, LaunchError> {
        let dir = tempfile::tempdir().expect("a directory");
        let files = ["usr/sbin/mariadbd", "usr/lib/galera/libgalera_smm.so"];
        for file in files.into_iter().take(if has_provider { 2 } else { 1 }) {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            std::fs::write(path, "").expect("it can be written");
        }
        let settings = GaleraSettings { nodes, binaries: Some(dir.path().into()), ..GaleraSettings::default() };
        let launch = Galera::new(settings).expect("they can work").launch(place)?;
        let starter: Starter = serde_json::from_str(&launch.stdin_line.expect("a line")).expect("what it reads");
        Ok(starter.arguments)
    }

    #[test]
    fn the_first_node_begins_a_cluster_once() {
        let begins = |place: &Place| {
            let arguments = arguments(3, place, true).expect("it can be started");
            arguments.contains(&"--wsrep-new-cluster".to_owned())
        };
        assert!(begins(&place(3, 0, 0)) && !begins(&place(3, 1, 0)) && !begins(&place(3, 0, 1)));
    }

    #[test]
    fn a_node_knows_all_others_and_one_alone_needs_no_library() {
        let of_three = arguments(3, &place(3, 1, 0), true).expect("it can be started");
        let all = "--wsrep-cluster-address=gcomm://10.77.0.1,10.77.0.2,10.77.0.3".to_owned();
        assert!(of_three.contains(&all), "{of_three:?}");
        let alone = arguments(1, &place(1, 0, 0), false).expect("it can be started");
        assert!(alone.iter().all(|argument| !argument.contains("wsrep")), "{alone:?}");
        let refused = arguments(3, &place(3, 0, 0), false).expect_err("nothing replicates").to_string();
        assert!(refused.contains("libgalera_smm.so is not there"), "{refused}");
    }
}

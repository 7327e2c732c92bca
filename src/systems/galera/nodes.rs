//! Sessions of clients: each at its client's own node, as every node takes writes.

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::settings::GaleraSettings;
use super::starter::DATABASE;
use crate::arena::addresses::Addresses;
use crate::sql::mysql::MysqlSession;
use crate::sql::session::{Access, Database, Session};

/// Who the clients are. Servers let everybody in.
pub(super) const USER: &str = "dissensus";

/// The nodes of a cluster.
pub(super) struct Nodes {
    addresses: Addresses,
    settings: GaleraSettings,
}

impl Nodes {
    /// Those at these addresses.
    pub fn new(addresses: Addresses, settings: GaleraSettings) -> Self {
        Self { addresses, settings }
    }

    /// What a session is told before its first transaction. What waits for a lock gives up about when its client does.
    fn greeting(&self) -> Vec<String> {
        let mut statements = vec![
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')".to_owned(),
            "SET SESSION innodb_lock_wait_timeout = 1".to_owned(),
            "SET SESSION idle_transaction_timeout = 2".to_owned(),
            format!("SET SESSION TRANSACTION ISOLATION LEVEL {}", self.settings.isolation.sql()),
        ];
        statements
            .extend(self.settings.snapshot_isolation.then(|| "SET SESSION innodb_snapshot_isolation = ON".into()));
        statements.extend(self.settings.sync_wait.then(|| "SET SESSION wsrep_sync_wait = 1".into()));
        statements
    }

    async fn session(&self, node: &str) -> Result<Box<dyn Session>, String> {
        let address = self.addresses.of(node).ok_or_else(|| format!("{node} is not running"))?;
        let mut session = MysqlSession::open(address, USER, DATABASE).await?;
        for statement in self.greeting() {
            session.run(&statement).await.map_err(|failure| failure.to_string())?;
        }
        Ok(Box::new(session))
    }
}

impl Database for Nodes {
    fn open<'a>(&'a self, node: &'a str, _: Access) -> LocalBoxFuture<'a, Result<Box<dyn Session>, String>> {
        self.session(node).boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::options::Isolation;

    fn greeting(settings: GaleraSettings) -> String {
        Nodes::new(Addresses::default(), settings).greeting().join("; ")
    }

    #[test]
    fn a_session_is_told_what_the_configuration_says() {
        let usual = greeting(GaleraSettings::default());
        assert!(usual.contains("LEVEL REPEATABLE READ") && !usual.contains("wsrep") && !usual.contains("snapshot"));
        let isolation = Isolation::Serializable;
        let all = GaleraSettings { isolation, snapshot_isolation: true, sync_wait: true, ..GaleraSettings::default() };
        let told = greeting(all);
        for part in ["LEVEL SERIALIZABLE", "innodb_snapshot_isolation = ON", "wsrep_sync_wait = 1"] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[tokio::test]
    async fn without_a_node_nothing_is_asked() {
        let nodes = Nodes::new(Addresses::default(), GaleraSettings::default());
        assert_eq!(nodes.session("n1").await.err().as_deref(), Some("n1 is not running"));
    }
}

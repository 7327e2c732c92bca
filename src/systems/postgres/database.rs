//! At which node a session of a client is.
//!
//! Clients do what PostgreSQL's own library does for `target_session_attrs=read-write`: they try the nodes, their own
//! first, and stay with the first that lets them write for as long as the session lasts. With `--reads standby` what only
//! reads stays at the client's own node.

use std::net::SocketAddr;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::server::{DATABASE, USER};
use super::settings::{PostgresSettings, Reads};
use crate::arena::addresses::Addresses;
use crate::sql::options::Isolation;
use crate::sql::postgresql::{Connect, PostgresSession};
use crate::sql::session::{Access, Database, Session};

/// The servers of a cluster.
pub(super) struct Servers {
    addresses: Addresses,
    nodes: Vec<String>,
    settings: PostgresSettings,
}

impl Servers {
    /// Those of these nodes.
    pub fn new(addresses: Addresses, nodes: Vec<String>, settings: PostgresSettings) -> Self {
        Self { addresses, nodes, settings }
    }

    fn is_local(&self, access: Access) -> bool {
        self.settings.reads == Reads::Standby && access == Access::Read
    }

    /// Which nodes are tried, in this order: those that run.
    fn tried(&self, node: &str, access: Access) -> Vec<SocketAddr> {
        let others = self.nodes.iter().map(String::as_str).filter(|other| *other != node && !self.is_local(access));
        std::iter::once(node).chain(others).filter_map(|node| self.addresses.of(node)).collect()
    }

    /// A standby does not know which transactions conflict with others at the primary.
    fn isolation(&self, access: Access) -> Isolation {
        match self.settings.isolation {
            Isolation::Serializable if self.is_local(access) => Isolation::RepeatableRead,
            isolation => isolation,
        }
    }

    async fn session(&self, node: &str, access: Access) -> Result<Box<dyn Session>, String> {
        let nodes = self.tried(node, access);
        if nodes.is_empty() {
            return Err(format!("{node} is not running"));
        }
        let to_write = self.settings.nodes > 1 && !self.is_local(access);
        let connect = Connect { nodes: &nodes, user: USER, database: DATABASE, to_write };
        let mut session = PostgresSession::open(&connect).await?;
        let level = self.isolation(access).sql();
        let set = format!("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}");
        session.run(&set).await.map_err(|failure| failure.to_string())?;
        Ok(Box::new(session))
    }
}

impl Database for Servers {
    fn open<'a>(&'a self, node: &'a str, access: Access) -> LocalBoxFuture<'a, Result<Box<dyn Session>, String>> {
        self.session(node, access).boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(reads: Reads) -> Servers {
        let addresses = Addresses::default();
        for (node, port) in [("n1", 1), ("n2", 2)] {
            addresses.set(node, Some(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        let nodes = ["n1", "n2", "n3"].map(str::to_owned).to_vec();
        Servers::new(addresses, nodes, PostgresSettings { nodes: 3, reads, ..PostgresSettings::default() })
    }

    fn ports(servers: &Servers, node: &str, access: Access) -> Vec<u16> {
        servers.tried(node, access).iter().map(SocketAddr::port).collect()
    }

    #[test]
    fn the_clients_node_is_tried_first_and_what_does_not_run_is_not() {
        let primary = servers(Reads::Primary);
        assert_eq!(ports(&primary, "n2", Access::Write), [2, 1]);
        assert_eq!(ports(&primary, "n3", Access::Read), [1, 2]);
    }

    #[test]
    fn reads_of_standbys_stay_where_they_are() {
        let standby = servers(Reads::Standby);
        assert_eq!(ports(&standby, "n2", Access::Read), [2]);
        assert_eq!(ports(&standby, "n2", Access::Write), [2, 1]);
        assert!(ports(&standby, "n3", Access::Read).is_empty(), "it does not run");
        let isolations = [Access::Write, Access::Read].map(|access| standby.isolation(access));
        assert_eq!(isolations, [Isolation::Serializable, Isolation::RepeatableRead]);
    }

    #[tokio::test]
    async fn without_a_node_nothing_is_asked() {
        let opened = servers(Reads::Standby).session("n3", Access::Read).await;
        assert_eq!(opened.err().as_deref(), Some("n3 is not running"));
    }
}

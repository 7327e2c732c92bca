//! MySQL's protocol, by `mysql_async`: statements and answers as texts.

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, OptsBuilder, Row, Value};

use super::session::{Answer, Failure, Session, SessionFuture};

/// How long a connection may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// A session of MySQL or MariaDB.
pub struct MysqlSession(Conn);

impl MysqlSession {
    /// A new one at this node, of a user who needs no password.
    ///
    /// # Errors
    /// When the node gives none; nothing was asked then.
    pub async fn open(node: SocketAddr, user: &str, database: &str) -> Result<Self, String> {
        let options = OptsBuilder::default()
            .ip_or_hostname(node.ip().to_string())
            .tcp_port(node.port())
            .user(Some(user))
            .db_name(Some(database))
            // Else a row that is set to what it has counts as not found.
            .client_found_rows(true)
            .prefer_socket(false)
            .stmt_cache_size(0);
        let connected = tokio::time::timeout(CONNECT_LIMIT, Conn::new(options)).await;
        match connected {
            Ok(Ok(connection)) => Ok(Self(connection)),
            Ok(Err(error)) => Err(format!("no connection: {error}")),
            Err(_) => Err(format!("no connection within {} ms", CONNECT_LIMIT.as_millis())),
        }
    }

    async fn answer(&mut self, statement: &str) -> Result<Answer, Error> {
        let mut result = self.0.query_iter(statement).await?;
        let changed = result.affected_rows();
        let rows: Vec<Row> = result.collect().await?;
        Ok(Answer { rows: rows.into_iter().map(texts).collect(), changed })
    }
}

impl Session for MysqlSession {
    fn run<'a>(&'a mut self, statement: &'a str) -> SessionFuture<'a, Answer> {
        async move { self.answer(statement).await.map_err(failure) }.boxed_local()
    }
}

/// The values of a row, which this protocol sends as texts.
fn texts(row: Row) -> Vec<String> {
    let text = |value: Value| match value {
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::NULL => String::new(),
        other => other.as_sql(true),
    };
    row.unwrap().into_iter().map(text).collect()
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Server(said) => Failure::Refused { state: said.state, why: said.message },
        other => Failure::Lost(other.to_string()),
    }
}

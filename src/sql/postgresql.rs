//! PostgreSQL's protocol, by `tokio-postgres`: statements and answers as texts (its simple query).

use std::net::SocketAddr;
use std::time::Duration;

use futures::FutureExt;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use super::session::{Answer, Failure, Session, SessionFuture};

/// How long a connection to one node may take.
const CONNECT_LIMIT: Duration = Duration::from_millis(500);

/// A database's nodes, and who asks them.
#[derive(Clone, Debug)]
pub struct Connect<'a> {
    /// Its nodes, in the order in which they are tried.
    pub nodes: &'a [SocketAddr],
    /// The user, who needs no password.
    pub user: &'a str,
    /// The database's name.
    pub database: &'a str,
    /// The first of the nodes that lets its sessions write is taken; else the first that answers.
    pub to_write: bool,
}

/// A session of PostgreSQL.
pub struct PostgresSession(Client);

impl PostgresSession {
    /// A new one.
    ///
    /// # Errors
    /// When none of the nodes gives one; nothing was asked then.
    pub async fn open(connect: &Connect<'_>) -> Result<Self, String> {
        let mut config = Config::new();
        config.user(connect.user).dbname(connect.database).connect_timeout(CONNECT_LIMIT);
        config.application_name("dissensus");
        for node in connect.nodes {
            config.hostaddr(node.ip()).port(node.port());
        }
        if connect.to_write {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let (client, connection) = config.connect(NoTls).await.map_err(|error| in_words(&error))?;
        // It ends with the client, and its errors are those of the client's requests.
        tokio::spawn(connection.map(drop));
        Ok(Self(client))
    }
}

impl Session for PostgresSession {
    fn run<'a>(&'a mut self, statement: &'a str) -> SessionFuture<'a, Answer> {
        async move {
            let messages = self.0.simple_query(statement).await.map_err(|error| failure(&error))?;
            Ok(answer(&messages))
        }
        .boxed_local()
    }
}

fn answer(messages: &[SimpleQueryMessage]) -> Answer {
    let mut answer = Answer::default();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let value = |index| row.get(index).unwrap_or_default().to_owned();
                answer.rows.push((0..row.len()).map(value).collect());
            }
            SimpleQueryMessage::CommandComplete(rows) => answer.changed = *rows,
            _ => {}
        }
    }
    answer
}

fn failure(error: &Error) -> Failure {
    match error.as_db_error() {
        Some(said) => Failure::Refused { state: said.code().code().to_owned(), why: said.message().to_owned() },
        None => Failure::Lost(in_words(error)),
    }
}

/// An error with what caused it.
fn in_words(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

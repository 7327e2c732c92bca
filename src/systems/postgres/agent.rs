//! The first process of a node's own: it makes the node's database, or a copy of the primary's, starts the server, and
//! ends with it. Where there are standbys it looks at all servers twice a second, and does what [`Failover`] says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use futures::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::process::Child;
use tokio::time::{interval, sleep, timeout};

use super::failover::{Failover, Role, Step, primary};
use super::server::{DATABASE, PORT, Server, ServerError, USER};
use crate::sql::postgresql::{Connect, PostgresSession};
use crate::sql::session::Session;
use crate::systems::node_process::told;

/// How often a node looks at the others.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How long an answer to that may take.
const LOOK_LIMIT: Duration = Duration::from_millis(400);

/// What a server says of itself: whether it copies another one; its timeline if not (the first eight digits of its log
/// file's name), else how far its log goes; and whom it would copy.
const ROLE: &str = "SELECT pg_is_in_recovery(), \
                    CASE WHEN pg_is_in_recovery() \
                    THEN (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn)::text \
                    ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END, \
                    current_setting('primary_conninfo')";

/// What an agent is told of its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agent {
    /// The server that it starts.
    pub server: Server,
    /// The node's position.
    pub index: usize,
    /// Where each node's server is, its own included, by position.
    pub hosts: BTreeMap<usize, IpAddr>,
    /// It makes a database if it has none; else it copies the primary's.
    pub founds: bool,
}

/// The whole process: a line on its standard input says what the agent is to do.
pub(super) fn main_from_stdin() -> ExitCode {
    let agent: Agent = match told(std::io::stdin().lock()) {
        Ok(agent) => agent,
        Err(why) => return failed(&why),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(agent.live()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("agent: fatal: {why}");
    ExitCode::FAILURE
}

impl Agent {
    /// Returns when its server has ended by itself.
    async fn live(self) -> Result<(), ServerError> {
        self.prepare().await?;
        let mut running = self.server.start()?;
        let (mut failover, mut looks) = (Failover::of(self.index), interval(LOOK_INTERVAL));
        loop {
            tokio::select! {
                ended = running.wait() => {
                    let status = ended.map_err(|source| ServerError::Io { what: "postgres".into(), source })?;
                    return if status.success() { Ok(()) } else { Err(ServerError::Failed { program: "postgres", status }) };
                }
                _ = looks.tick(), if self.hosts.len() > 1 => running = self.look(&mut failover, running).await?,
            }
        }
    }

    /// Sees to it that there are data. Where another primary serves, one that was a primary has been replaced.
    async fn prepare(&self) -> Result<(), ServerError> {
        match (self.server.is_there(), self.founds) {
            (false, true) => self.server.make().await,
            (false, false) => self.copy_whoever_is_primary().await,
            (true, _) if self.server.is_standby() || self.hosts.len() == 1 => Ok(()),
            (true, _) => match primary(&self.others().await) {
                Some(_) => self.copy_whoever_is_primary().await,
                None => Ok(()),
            },
        }
    }

    /// Looks at all servers, and does what follows; returns the server that runs then.
    async fn look(&self, failover: &mut Failover, running: Child) -> Result<Child, ServerError> {
        let own = self.role_of(self.index);
        let (own, others) = futures::future::join(own, self.others()).await;
        // A server that is about to start, or too busy, says nothing of itself.
        let Some(own) = own else { return Ok(running) };
        match failover.step(&own, &others) {
            Step::Stay => Ok(running),
            Step::Promote => {
                eprintln!("agent: no primary is seen any more: this standby is promoted");
                if let Err(why) = self.promote().await {
                    eprintln!("agent: it is not promoted yet: {why}");
                }
                Ok(running)
            }
            Step::Follow(primary) => {
                eprintln!("agent: {own:?} becomes a copy of the server at {}", self.hosts[&primary]);
                Server::stop(running).await?;
                self.copy_whoever_is_primary().await?;
                self.server.start()
            }
        }
    }

    /// Copies the primary, as soon as one is seen and can be copied.
    async fn copy_whoever_is_primary(&self) -> Result<(), ServerError> {
        loop {
            if let Some((_, at)) = primary(&self.others().await) {
                match self.server.copy(self.hosts[&at]).await {
                    Ok(()) => return Ok(()),
                    Err(why) => eprintln!("agent: no copy of {} yet: {why}", self.hosts[&at]),
                }
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// What each other server says of itself; none where it does not answer in time.
    async fn others(&self) -> BTreeMap<usize, Option<Role>> {
        let others = self.hosts.keys().copied().filter(|at| *at != self.index);
        let looks = others.map(|at| async move { (at, self.role_of(at).await) });
        join_all(looks).await.into_iter().collect()
    }

    async fn role_of(&self, at: usize) -> Option<Role> {
        let answer = timeout(LOOK_LIMIT, ask(self.hosts[&at], ROLE)).await.ok()?.ok()?;
        role(&answer, &self.hosts)
    }

    /// Returns when the server is told; it serves as a primary a little later.
    async fn promote(&self) -> Result<(), String> {
        let asked = timeout(LOOK_LIMIT, ask(self.hosts[&self.index], "SELECT pg_promote(false)"));
        asked.await.map_err(|_| "no answer".to_owned())?.map(drop)
    }
}

/// The first row that a server returns to a query.
async fn ask(host: IpAddr, query: &str) -> Result<Vec<String>, String> {
    let nodes = [SocketAddr::new(host, PORT)];
    let connect = Connect { nodes: &nodes, user: USER, database: DATABASE, to_write: false };
    let mut session = PostgresSession::open(&connect).await?;
    let answer = session.run(query).await.map_err(|failure| failure.to_string())?;
    answer.rows.into_iter().next().ok_or_else(|| "no row".to_owned())
}

/// What a server has said of itself to [`ROLE`].
fn role(said: &[String], hosts: &BTreeMap<usize, IpAddr>) -> Option<Role> {
    match said {
        [is_copy, timeline, _] if is_copy == "f" => {
            Some(Role::Primary { timeline: u32::from_str_radix(timeline, 16).ok()? })
        }
        [is_copy, received, of] if is_copy == "t" => {
            Some(Role::Standby { follows: followed(of, hosts), received: received.parse().ok()? })
        }
        _ => None,
    }
}

/// Which node a connection string names: `host=10.77.0.1 port=5432 ...`, its values quoted or not.
fn followed(connection: &str, hosts: &BTreeMap<usize, IpAddr>) -> Option<usize> {
    let host = connection.split_ascii_whitespace().find_map(|word| word.strip_prefix("host="))?;
    let host: IpAddr = host.trim_matches('\'').parse().ok()?;
    hosts.iter().find(|(_, at)| **at == host).map(|(index, _)| *index)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn hosts() -> BTreeMap<usize, IpAddr> {
        (0..3).map(|index| (index, Ipv4Addr::new(10, 77, 0, index as u8 + 1).into())).collect()
    }

    fn said(words: [&str; 3]) -> Option<Role> {
        role(&words.map(str::to_owned), &hosts())
    }

    #[test]
    fn a_server_says_what_it_is() {
        assert_eq!(said(["f", "0000000A", ""]), Some(Role::Primary { timeline: 10 }));
        let copies = "user=dissensus passfile='/x/.pgpass' channel_binding=prefer host=10.77.0.2 port=5432";
        let standby = |follows| Some(Role::Standby { follows, received: 16_777_216 });
        assert_eq!(said(["t", "16777216", copies]), standby(Some(1)));
        assert_eq!(said(["t", "16777216", "host='10.77.0.1'"]), standby(Some(0)));
        assert_eq!(said(["t", "16777216", "host=10.77.0.9"]), standby(None));
        assert_eq!(said(["f", "x", ""]), None);
    }

    #[test]
    fn an_agent_is_told_in_a_line() {
        let server = Server { programs: "/bin".into(), dir: "/data".into(), arguments: vec!["-c".into()] };
        let agent = Agent { server, index: 1, hosts: hosts(), founds: false };
        let line = serde_json::to_string(&agent).expect("it is plain data");
        assert_eq!(told(line.as_bytes()), Ok(agent));
        assert!(!line.contains('\n') && told::<Agent>("{}".as_bytes()).is_err());
    }
}

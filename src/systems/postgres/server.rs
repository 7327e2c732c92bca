//! A PostgreSQL server and its data directory: made empty, or as a copy of another server's, started and stopped.
//!
//! A directory is complete when it has its name: it is made beside that and renamed, and the rename is synced, so that
//! neither an end in the middle nor a loss of power leaves half of one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};
use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};

use crate::sql::SCHEMA;
use crate::systems::node_process::remove;

/// The port of PostgreSQL's documents.
pub(super) const PORT: u16 = 5432;
/// Who owns the database, and is all its clients.
pub(super) const USER: &str = "dissensus";
/// The database that each server begins with.
pub(super) const DATABASE: &str = "postgres";

/// Any host of the cluster's network may connect, as any user, and for replication.
const HOSTS_ALLOWED: &str = "host all all all trust\nhost replication all all trust\n";
/// Segments of the log as small as they can be: a copy has one at least.
const SEGMENT_MB: &str = "1";
/// A user that each machine has a name for.
const NOBODY: &str = "65534";
/// An empty database, whose data have checksums. Comparisons are those of bytes.
const EMPTY: [&str; 11] = [
    "--username",
    USER,
    "--auth",
    "trust",
    "--encoding",
    "UTF8",
    "--locale",
    "C",
    "--data-checksums",
    "--no-instructions",
    "--wal-segsize",
];

/// A server, which may run or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Server {
    /// Where `postgres` is, and what comes with it.
    pub programs: PathBuf,
    /// Below which its data directory is.
    pub dir: PathBuf,
    /// What its configuration is, as arguments.
    pub arguments: Vec<String>,
}

/// Why a server could not be made or started.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServerError {
    /// A program of PostgreSQL's failed; it has said why.
    #[error("{program} failed: {status}")]
    Failed {
        /// Which.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
    },
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it was refused.
        source: io::Error,
    },
}

fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ServerError {
    let what = what.into();
    move |source| ServerError::Io { what, source }
}

impl Server {
    /// Whether it has data.
    pub fn is_there(&self) -> bool {
        self.data().join("PG_VERSION").exists()
    }

    /// Whether it follows another server when it starts.
    pub fn is_standby(&self) -> bool {
        self.data().join("standby.signal").exists()
    }

    /// Makes an empty database with the tables of the workloads.
    ///
    /// # Errors
    /// When a program fails, or a file cannot be written.
    pub async fn make(&self) -> Result<(), ServerError> {
        let new = self.cleared()?;
        let mut command = self.command_of_somebody("initdb");
        command.arg("--pgdata").arg(&new).args(EMPTY).arg(SEGMENT_MB);
        ended_well("initdb", command.stdin(Stdio::null()).spawn()).await?;
        append_synced(&new.join("pg_hba.conf"), HOSTS_ALLOWED).map_err(io("pg_hba.conf"))?;
        self.execute_alone(&new).await?;
        self.take(&new)
    }

    /// Makes a copy of a server, which follows it when it starts.
    ///
    /// # Errors
    /// When that cannot be copied, in which case the data that were here stay.
    pub async fn copy(&self, of: IpAddr) -> Result<(), ServerError> {
        let new = self.cleared()?;
        let mut command = self.command("pg_basebackup");
        command.arg("--pgdata").arg(&new).args(["--host", &of.to_string(), "--port", &PORT.to_string()]);
        command.args(["--username", USER, "--no-password", "--checkpoint", "fast", "--wal-method", "stream"]);
        let copying = command.arg("--write-recovery-conf").stdin(Stdio::null()).spawn();
        ended_well("pg_basebackup", copying).await?;
        self.take(&new)
    }

    /// Starts it.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(&self) -> Result<Child, ServerError> {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).args(&self.arguments).stdin(Stdio::null());
        command.spawn().map_err(io("postgres"))
    }

    /// Stops it; its clients' transactions are rolled back.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn stop(mut running: Child) -> Result<(), ServerError> {
        if let Some(pid) = running.id() {
            // It may have ended meanwhile, which is what is wanted.
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGINT);
        }
        running.wait().await.map(drop).map_err(io("postgres"))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Where a data directory is made. Nothing is there.
    fn cleared(&self) -> Result<PathBuf, ServerError> {
        let new = self.dir.join("new");
        remove(&new).map_err(io(format!("{}", new.display())))?;
        Ok(new)
    }

    /// Puts a data directory that is complete in its place.
    fn take(&self, new: &Path) -> Result<(), ServerError> {
        let (data, old) = (self.data(), self.dir.join("old"));
        let taken = || {
            remove(&old)?;
            if data.exists() {
                fs::rename(&data, &old)?;
            }
            fs::rename(new, &data)?;
            File::open(&self.dir)?.sync_all()?;
            remove(&old)
        };
        taken().map_err(io(format!("{}", data.display())))
    }

    /// Makes the tables by a server that serves nobody else, and ends.
    async fn execute_alone(&self, data: &Path) -> Result<(), ServerError> {
        let script = self.dir.join("schema.sql");
        // To a server alone each line is a statement. It must not go on after one that fails.
        fs::write(&script, SCHEMA.map(|statement| format!("{statement}\n")).concat()).map_err(io("schema.sql"))?;
        let input = File::open(&script).map_err(io("schema.sql"))?;
        let mut command = self.command_of_somebody("postgres");
        command.args(["--single", "-c", "exit_on_error=on", "-D"]).arg(data).arg(DATABASE);
        ended_well("postgres", command.stdin(input).stdout(Stdio::null()).spawn()).await
    }

    /// For programs that end where their user has no name, which may be so in a node's namespaces: such a one is `nobody` in a
    /// further user namespace.
    fn command_of_somebody(&self, program: &str) -> Command {
        if !matches!(User::from_uid(geteuid()), Ok(None)) {
            return self.command(program);
        }
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-user", NOBODY, "--map-group", NOBODY]).arg(self.programs.join(program));
        command.kill_on_drop(true);
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.kill_on_drop(true);
        command
    }
}

async fn ended_well(program: &'static str, running: io::Result<Child>) -> Result<(), ServerError> {
    let status = running.map_err(io(program))?.wait().await.map_err(io(program))?;
    if status.success() { Ok(()) } else { Err(ServerError::Failed { program, status }) }
}

fn append_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(dir: &Path) -> Server {
        Server { programs: PathBuf::from("/nonexistent"), dir: dir.to_owned(), arguments: Vec::new() }
    }

    #[test]
    fn a_new_directory_takes_the_place_of_the_old_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let server = server(dir.path());
        assert!(!server.is_there());
        for version in ["15", "16"] {
            let new = server.cleared().expect("nothing is there");
            fs::create_dir(&new).expect("it can be made");
            fs::write(new.join("PG_VERSION"), version).expect("it can be written");
            assert_ne!(fs::read(server.data().join("PG_VERSION")).ok().as_deref(), Some(version.as_bytes()));
            server.take(&new).expect("it takes its place");
            assert_eq!(fs::read(server.data().join("PG_VERSION")).expect("it is there"), version.as_bytes());
        }
        assert!(server.is_there() && !server.is_standby());
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 1, "nothing else is left");
    }

    #[tokio::test]
    async fn what_could_not_be_copied_leaves_what_was_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let server = server(dir.path());
        fs::create_dir(server.data()).expect("it can be made");
        fs::write(server.data().join("PG_VERSION"), "15").expect("it can be written");
        let refused = server.copy(std::net::Ipv4Addr::LOCALHOST.into()).await.expect_err("there is no program");
        assert!(refused.to_string().contains("pg_basebackup"), "{refused}");
        assert!(server.is_there());
    }
}

//! The first process of a node's own: it makes the node's system tables and those of the workloads, and becomes `mariadbd`.
//!
//! A data directory is complete when it has its name: it is made beside that and renamed, and the rename is synced. A node
//! that joins others gets their data in place of its own.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};

use serde::{Deserialize, Serialize};

use crate::sql::SCHEMA;
use crate::systems::node_process::{remove, told};

/// The database of the workloads.
pub(super) const DATABASE: &str = "dissensus";

/// What MariaDB's own script for a new data directory executes, in this order.
const SYSTEM_TABLES: [&str; 3] =
    ["mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"];

/// What a starter is told of its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Starter {
    /// Below which `sbin/mariadbd` is, and what comes with it.
    pub prefix: PathBuf,
    /// Below which its data directory is.
    pub dir: PathBuf,
    /// Its configuration, as arguments.
    pub arguments: Vec<String>,
}

/// Why a node cannot be started.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("mariadbd made no tables: {0}")]
    Bootstrap(ExitStatus),
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
}

fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> StartError {
    let what = what.into();
    move |source| StartError::Io { what, source }
}

/// The whole process: a line on its standard input says which node it is.
pub(super) fn main_from_stdin() -> ExitCode {
    let why = match told::<Starter>(io::stdin().lock()) {
        Ok(starter) => starter.start().to_string(),
        Err(why) => why,
    };
    eprintln!("starter: fatal: {why}");
    ExitCode::FAILURE
}

impl Starter {
    /// Becomes the server; returns only if that cannot be.
    fn start(mut self) -> StartError {
        // Its scripts work in its data directory, and have to find it.
        match fs::canonicalize(&self.dir) {
            Ok(dir) => self.dir = dir,
            Err(error) => return io(self.dir.display().to_string())(error),
        }
        if let Err(why) = self.prepare() {
            return why;
        }
        let error = self.server(&self.data()).args(&self.arguments).stdin(Stdio::null()).exec();
        io("mariadbd")(error)
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Makes the data directory, if it is not there.
    fn prepare(&self) -> Result<(), StartError> {
        let (data, new) = (self.data(), self.dir.join("new"));
        if data.exists() {
            return Ok(());
        }
        remove(&new).and_then(|()| fs::create_dir(&new)).map_err(io(new.display().to_string()))?;
        let script = self.dir.join("tables.sql");
        let tables = self.tables().map_err(io("the scripts of the system tables"))?;
        fs::write(&script, tables).map_err(io(script.display().to_string()))?;
        let input = File::open(&script).map_err(io(script.display().to_string()))?;
        let made = self.server(&new).arg("--bootstrap").stdin(input).status().map_err(io("mariadbd"))?;
        if !made.success() {
            return Err(StartError::Bootstrap(made));
        }
        let taken = fs::rename(&new, &data).and_then(|()| File::open(&self.dir)?.sync_all());
        taken.map_err(io(data.display().to_string()))
    }

    /// The statements that make all tables, a line each where they are this program's.
    fn tables(&self) -> io::Result<String> {
        let mut text = "CREATE DATABASE mysql;\nUSE mysql;\n".to_owned();
        for script in SYSTEM_TABLES {
            text += &fs::read_to_string(self.share().join(script))?;
            text.push('\n');
        }
        text += &format!("CREATE DATABASE {DATABASE};\nUSE {DATABASE};\n");
        Ok(text + &SCHEMA.map(|statement| format!("{statement};\n")).concat())
    }

    fn share(&self) -> PathBuf {
        self.prefix.join("share/mysql")
    }

    /// The server on this data directory, with what it has to know of where it was unpacked. No configuration file of
    /// the machine's is read.
    fn server(&self, data: &Path) -> Command {
        let mut command = Command::new(self.prefix.join("sbin/mariadbd"));
        command.arg("--no-defaults");
        for (option, path) in [
            ("datadir", data.to_owned()),
            ("tmpdir", data.to_owned()),
            ("lc-messages-dir", self.share()),
            ("character-sets-dir", self.share().join("charsets")),
            ("plugin-dir", self.prefix.join("lib/mysql/plugin")),
        ] {
            command.arg(format!("--{option}={}", path.display()));
        }
        // Small files, and names and values that are compared byte by byte.
        command.args(["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", "--innodb-use-native-aio=OFF"]);
        command.args(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin"]);
        command
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A starter whose server is this script.
    fn starter(dir: &Path, script: &str) -> Starter {
        let prefix = dir.join("usr");
        fs::create_dir_all(prefix.join("sbin")).expect("it can be made");
        fs::create_dir_all(prefix.join("share/mysql")).expect("it can be made");
        for script in SYSTEM_TABLES {
            fs::write(prefix.join("share/mysql").join(script), "SELECT 1;").expect("it can be written");
        }
        let server = prefix.join("sbin/mariadbd");
        fs::write(&server, format!("#!/bin/sh\n{script}\n")).expect("it can be written");
        fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).expect("its mode");
        fs::create_dir(dir.join("node")).expect("it can be made");
        Starter { prefix, dir: dir.join("node"), arguments: Vec::new() }
    }

    #[test]
    fn tables_are_made_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let starter = starter(dir.path(), &format!("cat >> {}/executed", dir.path().display()));
        for _ in 0..2 {
            starter.prepare().expect("the data are there");
            assert!(starter.data().is_dir());
        }
        let executed = fs::read_to_string(dir.path().join("executed")).expect("they were executed");
        assert_eq!(executed.matches("CREATE DATABASE dissensus;").count(), 1, "{executed}");
        assert!(executed.contains("CREATE TABLE registers") && executed.starts_with("CREATE DATABASE mysql;"));
    }

    #[test]
    fn half_a_data_directory_is_none() {
        let dir = tempfile::tempdir().expect("a directory");
        let starter = starter(dir.path(), "exit 3");
        let refused = starter.prepare().expect_err("it failed").to_string();
        assert!(refused.contains("no tables") && !starter.data().exists(), "{refused}");
    }
}

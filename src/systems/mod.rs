//! Systems under test. What the bench knows of a particular store is in its folder, and nothing else names it.
//!
//! ```text
//!   SYSTEMS ─► Row (row.rs: name, arguments, open) ─► System (system.rs: nodes, launch, client, claims, capabilities)
//! ```
//! A new system is a folder and a row here.

pub mod custom;
pub mod dynamo;
pub mod etcd;
pub mod galera;
pub mod http;
pub mod maelstrom;
pub mod nats;
mod node_process;
pub mod outcomes;
pub mod postgres;
pub mod redis;
pub mod resp;
pub mod row;
pub mod settings;
pub mod system;
pub mod versions;

use crate::exit::Problem;
use custom::CustomSettings;
use dynamo::DynamoSettings;
use etcd::EtcdSettings;
use galera::GaleraSettings;
use maelstrom::MaelstromSettings;
use nats::NatsSettings;
use postgres::PostgresSettings;
use redis::RedisSettings;
use row::Row;

pub use settings::SystemSettings;
pub use system::System;

/// Every system; the first one is tested unless the user names another.
pub static SYSTEMS: [Row; 8] = [
    Row::of::<DynamoSettings>(),
    Row::of::<RedisSettings>(),
    Row::of::<EtcdSettings>(),
    Row::of::<NatsSettings>(),
    Row::of::<PostgresSettings>(),
    Row::of::<GaleraSettings>(),
    Row::of::<CustomSettings>(),
    Row::of::<MaelstromSettings>(),
];

/// The system that is tested unless the user names another.
pub fn usual() -> &'static Row {
    &SYSTEMS[0]
}

/// The system of this name.
///
/// # Errors
/// When there is none, with those that there are.
pub fn find(name: &str) -> Result<&'static Row, Problem> {
    let unknown = || {
        let names: Vec<&str> = SYSTEMS.iter().map(|row| row.name).collect();
        Problem::BadArguments(format!("unknown system '{name}': there are {}", names.join(", ")))
    };
    SYSTEMS.iter().find(|row| row.name == name).ok_or_else(unknown)
}

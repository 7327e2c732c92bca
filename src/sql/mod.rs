//! SQL, for systems that speak it, whatever their protocol: no system is named here.
//!
//! ```text
//!   client.rs: which operation is done by what ─┬─ registers.rs   one row: registers, elements of sets, counters
//!                                               ├─ lists.rs       transactions on several lists
//!                                               └─ banks.rs       transfers between accounts
//!              each in a transaction of transactions.rs ─► session.rs: a session of a database, as a trait
//!                                                             ├─ postgresql.rs   PostgreSQL's protocol
//!                                                             └─ mysql.rs        MySQL's, and MariaDB's
//! ```
//! Statements are texts with their values in them, and answers are texts, as its protocols have them: so the same
//! statements serve all databases, and [`SCHEMA`] makes the tables that they need.

pub mod client;
pub mod mysql;
pub mod options;
pub mod postgresql;
pub mod session;
pub mod transactions;

mod banks;
mod lists;
mod registers;

/// The tables of the workloads. Values are JSON.
pub const SCHEMA: [&str; 5] = [
    "CREATE TABLE registers (name VARCHAR(100) PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE elements (name VARCHAR(100), value VARCHAR(100), PRIMARY KEY (name, value))",
    "CREATE TABLE counters (name VARCHAR(100) PRIMARY KEY, value BIGINT NOT NULL)",
    "CREATE TABLE lists (name VARCHAR(100) PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE accounts (name VARCHAR(100), account VARCHAR(20), balance BIGINT NOT NULL, PRIMARY KEY (name, account))",
];

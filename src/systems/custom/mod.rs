//! Any store, described by a file: how its nodes are started, how operations reach them, what is promised.
//!
//! ```text
//!   --config FILE ─► config.rs (TOML, checked) ─► system.rs: how a node is started, what is promised
//!                        │ template.rs (placeholders), attach.rs (a cluster that runs already, and its faults)
//!                        ▼
//!   client.rs: which operation is done by what ─┬─ ask.rs ─┬─ HTTP
//!                                               │          └─ commands.rs   RESP
//!                                               └─ driver.rs   a program in any language, JSON lines
//! ```

mod answer;
mod ask;
mod attach;
mod client;
mod commands;
mod config;
pub mod driver;
mod driver_test;
mod error;
mod row;
mod system;
mod template;

pub use config::Config;
pub use error::ConfigError;
pub use row::CustomSettings;
pub use system::Custom;

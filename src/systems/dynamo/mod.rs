//! The bundled Dynamo: its settings, its claims, how its nodes are started, and its client, over HTTP and in simulation.
//!
//! ```text
//!   arguments.rs ─► settings.rs ─► system.rs ─┬─ client.rs: HTTP, to processes
//!       bugs.rs ────────┘     claims.rs ──────┴─ simulation/: the same requests, to a simulated world
//! ```

mod arguments;
pub mod bugs;
mod calls;
mod claims;
mod client;
mod coordinating;
pub mod paper;
mod placement;
mod replies;
mod row;
mod sessions;
mod settings;
mod simulation;
mod system;

pub use settings::{Coordination, DynamoSettings, Mode, SettingsError, Strategy};
pub use simulation::SimulatedCluster;
pub use system::Dynamo;

//! Programs that speak Maelstrom's protocol: each node reads messages from its standard input and writes messages to its standard
//! output, a line of JSON each (`docs/maelstrom.md`).
//!
//! ```text
//!              client.rs (clients; requests.rs: which operation is which request)
//!                  │
//!   n1 ═ pipes ═ network/ (routes, rules and counters of each link, latency) ═ pipes ═ n2
//!                  │
//!              services/ (seq-kv, lin-kv, lww-kv, lin-tso)
//! ```
//! The bench itself carries every message. The other way would be an adapter at each node, which speaks TCP with the others
//! over the proxies or the switch of the arena. But TCP repairs what a fault does to it: a lost message would be a late one, and
//! none would ever arrive twice or overtake another. Here a message is what a rule strikes and what a counter counts, so each
//! fault is exact, and so is its evidence; it needs no namespaces; and a node is one tree of processes, killed as every other.

mod claims;
mod client;
mod error_code;
mod message;
mod network;
mod requests;
mod row;
mod services;
mod settings;
mod system;
mod topology;

pub use settings::MaelstromSettings;

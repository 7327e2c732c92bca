//! Tests of the checks of transactions.

mod brute;
mod definitions;
mod draw;
mod isolation;
mod kinds;
mod lattice;
mod list_append;
mod mutations;
mod peer;
mod records;
mod rereads;
mod rw_register;
mod serial;
mod table;

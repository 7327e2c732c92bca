//! Tests of the checks of transactions.

mod brute;
pub(crate) mod draw;
mod isolation;
mod list_append;
mod mutations;
mod peer;
mod records;
mod rw_register;
mod table;

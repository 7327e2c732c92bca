//! Tests of the checks of transactions.

mod brute;
pub(crate) mod draw;
mod isolation;
mod list_append;
mod rw_register;

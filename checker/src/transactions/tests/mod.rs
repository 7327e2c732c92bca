//! Tests of the checks of transactions.

mod brute;
mod draw;
mod list_append;

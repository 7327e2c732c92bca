//! Tests of session guarantees.

mod registers;
mod visible;

//! Tests of session guarantees.

mod registers;

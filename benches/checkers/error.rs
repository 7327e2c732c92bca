//! The error of these measurements: whatever went wrong, to be printed.

pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

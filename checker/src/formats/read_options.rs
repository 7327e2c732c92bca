//! Which part of a text is wanted.

/// Which part of a history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only operations of this workload; the others are passed over.
    pub workload: Option<String>,
    /// Whether a damaged text is read up to the damage, instead of not at all.
    pub allow_partial: bool,
    /// Whether values stay as they were recorded, also where they show that they are `[key value]`.
    pub values_as_recorded: bool,
    /// The unit of the times that events have, in nanoseconds; unless it is said they are nanoseconds, or what a number since
    /// 1970 looks like.
    pub time_unit_ns: Option<u64>,
    /// Other names for functions: what the history calls it, and what it is called instead.
    pub renames: Vec<(String, String)>,
}

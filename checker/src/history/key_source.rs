//! Where keys come from, as far as a history shows it: see `independent.rs`.

/// Where the keys of operations come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// From the events, if they have any: values are as they were recorded.
    #[default]
    Events,
    /// From values `[key value]`.
    Values,
    /// All values may be `[key value]`, and nothing shows whether they are. They are as they were recorded.
    Unclear,
}

impl KeySource {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            KeySource::Events => "events",
            KeySource::Values => "values",
            KeySource::Unclear => "unclear",
        }
    }
}

//! Formats of the run directory: which one is written, and how older ones are read.
//!
//! | format | `settings` of `run.json` |
//! |---|---|
//! | 1 | flat: `system` is a name, its options are in a field of that name, everything else beside them |
//! | 2 | `arena`, `system` with `name` and `options`, `load`, `faults`, `judging`, `seed` |

use serde_json::{Map, Value, json};

/// The format of the run directory, raised when it changes so that older benches cannot read it.
pub const FORMAT: u32 = 2;

/// `run.json` of an older format as it would be written today.
pub(super) fn modernise(mut record: Value, format: u32) -> Value {
    if format < 2
        && let Some(record) = record.as_object_mut()
        && let Some(Value::Object(flat)) = record.remove("settings")
    {
        record.insert("settings".into(), grouped(flat));
        record.insert("format".into(), 2.into());
    }
    record
}

/// The settings of format 1 in groups. What is missing stays missing, for whoever reads the result to find.
fn grouped(mut flat: Map<String, Value>) -> Value {
    let mut group =
        |names: &[&str]| -> Map<String, Value> { names.iter().filter_map(|name| flat.remove_entry(*name)).collect() };
    let load =
        group(&["workload", "concurrency", "rate", "time_limit_ms", "operation_timeout_ms", "rest_limit_ms", "sticky"]);
    let (faults, judging) = (group(&["nemesis", "plan"]), group(&["require"]));
    let mut settings = group(&["arena", "seed"]);
    let name = flat.remove("system").unwrap_or_default();
    let options = name.as_str().and_then(|name| flat.remove(name)).unwrap_or_default();
    settings.insert("system".into(), json!({"name": name, "options": options}));
    settings.insert("load".into(), load.into());
    settings.insert("faults".into(), faults.into());
    settings.insert("judging".into(), judging.into());
    settings.into()
}

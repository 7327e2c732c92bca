//! Transactions with faults: how the processor time of a check grows with the history, beside that of a history without a fault.

use super::error::AnyError;
use super::table::{History, Row, Size};
use super::transactions::Fault;
use super::{best, seconds, times, write};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

const FAULTS: [(&str, Fault); 5] = [
    ("no fault", Fault::Nothing),
    ("one old read", Fault::OneOldRead),
    ("old reads, 1 %", Fault::OldReads(100)),
    ("failed writes that stay, 5 %", Fault::FailedWrites(20)),
    ("wrong reads, 5 %", Fault::WrongReads(20)),
];

/// What is asked, and whether of lists.
const ASKED: [(&str, bool); 9] = [
    ("--model list-append", true),
    ("--model list-append --consistency read-atomic", true),
    ("--model list-append --consistency causal", true),
    ("--model rw-register", false),
    ("--model rw-register --consistency serializable", false),
    ("--model read-atomic", false),
    ("--model causal", false),
    ("--model causal-convergence", false),
    ("--model causal-memory", false),
];

/// Prints the table.
pub fn table() -> Result<(), AnyError> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("history.jsonl");
    println!("| asked | fault | 1,000 | 10,000 | 100,000 | 1,000,000 | verdict | memory | growth at most |");
    println!("|---|---|---|---|---|---|---|---|---|");
    for (options, lists) in ASKED {
        for (name, fault) in FAULTS {
            let (mut processors, mut verdict, mut mib) = (Vec::new(), String::new(), 0.0);
            for count in SIZES {
                let history = History::Transactions { lists, count, fault };
                write(&history, &file)?;
                let row = Row { name, history, options, peer: None, size: Size::Full, target: "", before: "" };
                let ours = best(&row, &file)?;
                processors.push(ours.took.processor);
                (verdict, mib) = (ours.verdict, ours.took.mib);
            }
            let growth = processors.windows(2).map(|pair| pair[1] / pair[0]).fold(0.0, f64::max);
            let took: Vec<String> = processors.into_iter().map(seconds).collect();
            println!("| `{options}` | {name} | {} | {verdict} | {mib:.0} MiB | {} |", took.join(" | "), times(growth));
        }
    }
    Ok(())
}

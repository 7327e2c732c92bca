//! Verdicts beside `porcupine-rs`, on random small histories of which many are not linearizable.

use checker::checks::linearizable::{FailedCas, Options, check};
use checker::formats::{Format, Selection, read};
use checker::limits::Limits;
use checker::verdict::Outcome;

use super::AnyError;
use super::objects::{Input, Object, generate};
use super::peers::operations;

/// Both on random small histories, some with a result changed.
pub fn agree(histories: u64) -> Result<(), AnyError> {
    let (mut valid, mut invalid) = (0u64, 0u64);
    for seed in 0..histories {
        let object = if seed % 2 == 0 { Object::Cas } else { Object::Small };
        let failed_cas = if seed % 4 < 2 { FailedCas::Drop } else { FailedCas::Enforce };
        let input = Input { object, keys: 1, operations: 10 + seed % 40, clients: 2 + seed % 5 };
        let mut lines = Vec::new();
        generate(&input, &mut lines, seed)?;
        let text = spoiled(&String::from_utf8(lines)?, seed);
        let records = read(text.as_bytes(), Format::Json, &Selection::default())?.records;
        let options = Options { failed_cas, ..Options::default() };
        let mine = check(checker::Object::Register, &records, &Limits::default(), &options);
        let theirs = operations(&records, failed_cas == FailedCas::Enforce);
        let linearizable = porcupine_rs::check_operations(&theirs);
        if (mine.outcome() == Outcome::Valid) != linearizable || mine.outcome() == Outcome::Inconclusive {
            return Err(format!("seed {seed}: ours {}, theirs {linearizable}:\n{text}", mine.outcome()).into());
        }
        *(if linearizable { &mut valid } else { &mut invalid }) += 1;
    }
    println!("{histories} histories, {valid} linearizable, {invalid} not: no disagreement");
    Ok(())
}

/// The history with the result of one read put in the place of another's, every other time.
fn spoiled(text: &str, seed: u64) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let reads: Vec<usize> =
        (0..lines.len()).filter(|at| lines[*at].contains("\"type\":\"ok\",\"f\":\"read\"")).collect();
    if !seed.is_multiple_of(3) && reads.len() > 1 {
        let value = |line: &str| line.rsplit("\"value\":").next().unwrap_or_default().to_owned();
        let (one, other) = (reads[seed as usize % reads.len()], reads[seed as usize / 7 % reads.len()]);
        let (head, _) = lines[one].rsplit_once("\"value\":").unwrap_or_default();
        lines[one] = format!("{head}\"value\":{}", value(&lines[other]));
    }
    lines.join("\n")
}

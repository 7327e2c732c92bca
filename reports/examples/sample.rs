//! Writes the reports of a made-up run to a folder, to look at them: `sample FOLDER [valid|broken] [OPERATIONS]`.

use std::path::Path;
use std::process::ExitCode;

#[path = "../tests/sample/mod.rs"]
mod sample;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        eprintln!("usage: sample FOLDER [valid|broken] [OPERATIONS]");
        return ExitCode::FAILURE;
    };
    let broken = arguments.get(1).is_some_and(|word| word == "broken");
    let operations = arguments.get(2).and_then(|number| number.parse().ok()).unwrap_or(6_000);
    match write(Path::new(folder), sample::Sample { operations, broken, anomalies: 6 }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write the reports to {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write(folder: &Path, sample: sample::Sample) -> std::io::Result<()> {
    let (summary, verdict, events) = sample::run(sample);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("report.html"), reports::html(&summary, &verdict, &sample::history(&events)))?;
    std::fs::write(folder.join("junit.xml"), reports::junit(&summary, &verdict))?;
    print!("{}", reports::terminal(&summary, &verdict, None, true));
    Ok(())
}

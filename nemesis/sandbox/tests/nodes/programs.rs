//! Programs that run inside nodes, where a shell would not do.

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::thread;

/// The argument by which this executable knows that it is one of them.
pub const PROGRAM: &str = "__program";

pub fn run(mut arguments: impl Iterator<Item = String>) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    match (name.as_str(), arguments.next()) {
        ("spin", None) => spin(),
        ("threads", Some(count)) => threads(count.parse().expect("a number")),
        ("open", Some(report)) => open_files(&report),
        ("fill", Some(path)) => fill(&path),
        _ => ExitCode::from(64),
    }
}

/// Uses as much processor time as it gets.
fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

fn threads(count: usize) -> ExitCode {
    (1..count).for_each(|_| {
        thread::spawn(|| spin());
    });
    spin()
}

/// Tries to have 200 files open, again and again; after each time, the report's last line is how many it had and the
/// error.
fn open_files(report: &str) -> ExitCode {
    let mut report = File::create(report).expect("created");
    loop {
        let mut files = Vec::new();
        let error = loop {
            match File::open("/dev/null") {
                Err(error) => break error.raw_os_error().expect("of the system"),
                Ok(_) if files.len() >= 200 => break 0,
                Ok(file) => files.push(file),
            }
        };
        let text = format!("{} {error}\n", files.len());
        drop(files);
        report.write_all(text.as_bytes()).expect("written");
        thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// Writes pages until it cannot, and prints the bytes and the error.
fn fill(path: &str) -> ExitCode {
    let mut file = File::create(path).expect("created");
    for pages in 0.. {
        if let Err(error) = file.write_all(&[7; 4096]) {
            println!("{} {}", pages * 4096, error.raw_os_error().expect("of the system"));
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

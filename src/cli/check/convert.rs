//! `check --convert FILE`: the same history in another format, with every field that it has.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use checker::formats::whole_events::Events;
use checker::formats::{Format, Renaming};
use checker::formats::{json_form::json_line, write::edn_text};
use checker::history::Torn;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Source;
use crate::exit::{Exit, Problem};
use crate::out::say;

/// Converts, event by event; the new file is there whole or not at all.
pub(super) fn convert(file: &Source<'_>, to: &Path) -> Result<Exit, Problem> {
    let (format, gzip) = target(to)?;
    let is_itself = || Some(to.canonicalize().ok()? == file.path.canonicalize().ok()?);
    if is_itself() == Some(true) {
        let why = format!("{} is the history itself: name another file for what it is converted to", to.display());
        return Err(Problem::arguments(why));
    }
    let beside = PathBuf::from(format!("{}.part", to.display()));
    let done = write(file, &beside, format, gzip).and_then(|events| {
        fs::rename(&beside, to).map_err(|error| cannot_write(to, &error))?;
        Ok(events)
    });
    let (events, torn) = done.inspect_err(|_| {
        let _ = fs::remove_file(&beside);
    })?;
    if let Some(Torn { line, column }) = torn {
        eprintln!("line {line} is cut off at column {column}, as a killed bench leaves it: left out");
    }
    say!("{}: {events} events as {format}", to.display());
    Ok(Exit::Valid)
}

/// What a file's name asks for.
fn target(to: &Path) -> Result<(Format, bool), Problem> {
    let gzip = to.extension() == Some(OsStr::new("gz"));
    let plain = if gzip { to.with_extension("") } else { to.to_owned() };
    match plain.extension().and_then(OsStr::to_str) {
        Some("json" | "jsonl") => Ok((Format::Json, gzip)),
        Some("edn") => Ok((Format::Edn, gzip)),
        _ => Err(Problem::arguments(format!(
            "{}: the name says no format; end it with .jsonl or .edn, and .gz to compress it",
            to.display()
        ))),
    }
}

fn cannot_write(to: &Path, error: &io::Error) -> Problem {
    let why = format!("cannot write {}: {error}", to.display());
    match error.kind() {
        // The name that was given cannot be written at all.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied => {
            Problem::arguments(why)
        }
        _ => Problem::bench(why),
    }
}

fn write(file: &Source<'_>, to: &Path, format: Format, gzip: bool) -> Result<(u64, Option<Torn>), Problem> {
    let failed = |error: io::Error| cannot_write(to, &error);
    let plain = BufWriter::new(File::create(to).map_err(failed)?);
    if !gzip {
        let (mut plain, counts) = events(file, plain, to, format)?;
        plain.flush().map_err(failed)?;
        return Ok(counts);
    }
    let (encoder, counts) = events(file, GzEncoder::new(plain, Compression::default()), to, format)?;
    encoder.finish().and_then(|mut plain| plain.flush()).map_err(failed)?;
    Ok(counts)
}

/// Every event on a line; how many there were, and where the text was cut off.
fn events<W: Write>(
    file: &Source<'_>,
    mut out: W,
    to: &Path,
    format: Format,
) -> Result<(W, (u64, Option<Torn>)), Problem> {
    let mut input = file.input();
    let mut events = Events::new(&mut input.reader, file.format);
    let renames = file.renames();
    let (mut count, mut renaming) = (0, Renaming::new(&renames));
    while let Some(mut located) = events.next_event().map_err(|damage| file.damaged(damage))? {
        renaming.event(&mut located.event);
        let line = match format {
            Format::Json => json_line(&located.event),
            Format::Edn | Format::Log | Format::Transactions(_) => edn_text(&located.event),
        };
        writeln!(out, "{line}").map_err(|error| cannot_write(to, &error))?;
        count += 1;
    }
    file.has_events(count)?;
    file.all_were_met(&renaming)?;
    Ok((out, (count, events.torn)))
}

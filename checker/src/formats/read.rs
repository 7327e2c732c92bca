//! Reads a history from a text in any format.
//!
//! A text that is cut off within its last form, as a killed bench leaves it, is a history without that form. Any other
//! damage is an error or, if a partial reading is allowed, the end of what is read. A limit of memory or time ends a
//! reading, too. Each of these is reported in [`Reading`], because a verdict on half a history is only about that half.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use super::damage::{Damage, Problem};
use super::documents::Documents;
use super::format::{Format, Notation};
use super::parse_block::{Chunk, WORKLOADS_MAX};
use super::read_options::Selection;
use super::split::Maps;
use super::threads::{BLOCK_BYTES, Parse, each_chunk};
use super::transactions;
use super::whole_events::peeked;
use crate::history::{History, HistoryBuilder, Misfit, ParsedEvent, Torn};
use crate::limits::Limits;

/// The most threads that parse: with more, the thread that merges the chunks does not keep up.
const THREADS_MAX: usize = 8;
/// One block takes at most the memory limit divided by this.
const BLOCK_SHARE: u64 = 256;
const BLOCK_BYTES_MIN: usize = 4 << 10;
/// How many events of EDN are parsed before they are merged with those before them.
const EVENTS_TOGETHER: usize = 4096;

/// A history that was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// The history itself.
    pub records: History,
    /// Where the text was cut off; a last event that is not whole is left out.
    pub torn: Option<Torn>,
    /// Where the text is damaged; the rest was not read.
    pub damage: Option<Damage>,
    /// The limit that ended the reading; the rest was not read.
    pub cut: Option<Cut>,
    /// How many indices are missing between those of the events.
    pub indices_missing: u64,
    /// Where the first of them are missing.
    pub gap: Option<Gap>,
    /// How many lines of a log are not operations.
    pub other_lines: u64,
    /// Names to be replaced that no function has.
    pub unknown_names: Vec<String>,
    /// The names of the workloads that occur.
    pub workloads: BTreeSet<String>,
}

/// A place at which events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: index {found}, but {expected} comes next: lines are missing")]
pub struct Gap {
    /// The line of the event after the gap, from 1.
    pub line: u64,
    /// The index that should have come.
    pub expected: u64,
    /// The index that came.
    pub found: u64,
}

impl Reading {
    /// Whether the history goes on after what was read.
    pub fn is_partial(&self) -> bool {
        self.torn.is_some() || self.damage.is_some() || self.cut.is_some()
    }
}

/// A limit that ended a reading. Operations that were open then count as never completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The memory limit.
    Memory,
    /// The time limit.
    Time,
}

/// Reads a history, on one thread and without limits. Near linear in its size.
///
/// # Errors
/// When it is damaged, unless a partial reading is allowed; a cut-off last form is no damage. When the reader fails,
/// always.
pub fn read(mut reader: impl BufRead, format: Format, selection: &Selection) -> Result<Reading, Damage> {
    let limits = Limits { memory_bytes: u64::MAX, ..Limits::default() };
    read_within(&mut reader, format, selection, &limits, &|| None)
}

/// Reads as much of a history as the limits of memory and time allow; lines are parsed on as many threads as they say.
/// How much is read depends on the text and the memory alone, unless the time runs out. `share_read` returns the share
/// of the text that was read so far, from 0 to 1, if that is known: then memory can be reserved once.
///
/// # Errors
/// As [`read`].
pub fn read_within(
    reader: &mut dyn BufRead,
    format: Format,
    selection: &Selection,
    limits: &Limits<'_>,
    share_read: &dyn Fn() -> Option<f64>,
) -> Result<Reading, Damage> {
    let mut whole = Whole::new(limits, share_read);
    if let Some(unit_ns) = selection.time_unit_ns {
        whole.builder.say_time_unit(unit_ns);
    }
    let read = match format {
        Format::Json => whole.json(reader, selection),
        Format::Edn => whole.forms(Maps::new(reader), selection),
        Format::Log => whole.lines(reader, selection, |chunk, block| chunk.take_lines(block, Chunk::log)),
        Format::Transactions(notation) => whole.transactions(reader, notation, selection),
    };
    match read {
        Ok(()) => {}
        Err(damage) if selection.allow_partial && !matches!(damage.problem, Problem::Read(_)) => {
            whole.reading.damage = Some(damage);
        }
        Err(damage) => return Err(damage),
    }
    let named = whole.builder.as_it_is().read_marked_functions();
    let renamed = named.and_then(|()| whole.builder.rename(&selection.renames));
    let unknown_names =
        renamed.map_err(|full| Damage { line: whole.lines, column: 1, problem: Misfit::from(full).into() })?;
    let mut reading = whole.reading;
    reading.unknown_names = unknown_names;
    reading.records =
        if selection.values_as_recorded { whole.builder.finish_as_recorded() } else { whole.builder.finish() };
    reading.records.torn = reading.torn;
    reading.records.is_part = reading.is_partial();
    Ok(reading)
}

/// Forms that may span lines, each an event.
trait EachForm {
    /// Takes the next one into a chunk: false at a damage and where it was cut off. None at the end.
    fn each(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<bool>, Damage>;
    /// Where the text ends, if brackets around the events are not closed there.
    fn unclosed(&self) -> Option<Torn>;
}

impl<R: Read> EachForm for Maps<R> {
    fn each(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<bool>, Damage> {
        Ok(self.next_form()?.map(|form| chunk.take(&form, Chunk::edn)))
    }
    fn unclosed(&self) -> Option<Torn> {
        Maps::unclosed(self)
    }
}

impl<R: Read> EachForm for Documents<R> {
    fn each(&mut self, chunk: &mut Chunk<'_>) -> Result<Option<bool>, Damage> {
        Ok(self.next_form()?.map(|form| chunk.take(&form, Chunk::json)))
    }
    fn unclosed(&self) -> Option<Torn> {
        Documents::unclosed(self)
    }
}

/// Merges the chunks into one history, in their order.
struct Whole<'a> {
    limits: &'a Limits<'a>,
    share_read: &'a dyn Fn() -> Option<f64>,
    builder: HistoryBuilder,
    reading: Reading,
    lines: u64,
    last_index: Option<u64>,
}

impl<'a> Whole<'a> {
    fn new(limits: &'a Limits<'a>, share_read: &'a dyn Fn() -> Option<f64>) -> Self {
        let (builder, reading) = (HistoryBuilder::from_elsewhere(), Reading::default());
        Self { limits, share_read, builder, reading, lines: 0, last_index: None }
    }

    fn lines(&mut self, reader: &mut dyn BufRead, selection: &Selection, parse: Parse) -> Result<(), Damage> {
        let share = usize::try_from(self.limits.memory_bytes / BLOCK_SHARE).unwrap_or(usize::MAX);
        let block_bytes = share.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES);
        let threads = self.limits.threads.clamp(1, THREADS_MAX);
        let read = each_chunk(reader, selection, parse, (threads, block_bytes), |chunk| self.take(chunk));
        read.map_err(|damage| match damage.problem {
            Problem::Read(_) => Damage { line: self.lines + 1, ..damage },
            _ => damage,
        })
    }

    fn json(&mut self, reader: &mut dyn BufRead, selection: &Selection) -> Result<(), Damage> {
        match peeked(reader)? {
            (true, mut reader) => {
                self.lines(&mut *reader, selection, |chunk, block| chunk.take_lines(block, Chunk::json))
            }
            (false, reader) => self.forms(Documents::new(reader), selection),
        }
    }

    fn transactions(
        &mut self,
        reader: &mut dyn BufRead,
        notation: Notation,
        selection: &Selection,
    ) -> Result<(), Damage> {
        let translated = transactions::translate(reader, notation)?;
        self.lines(&mut &translated.lines[..], selection, |chunk, block| chunk.take_lines(block, Chunk::json))?;
        self.reading.torn = self.reading.torn.or(translated.torn);
        Ok(())
    }

    fn forms(&mut self, mut forms: impl EachForm, selection: &Selection) -> Result<(), Damage> {
        let mut chunk = Chunk::new(selection);
        while let Some(goes_on) = forms.each(&mut chunk)? {
            if goes_on && chunk.parsed.len() < EVENTS_TOGETHER {
                continue;
            }
            if !self.take(&mut chunk)? || !goes_on {
                return Ok(());
            }
            chunk = chunk.emptied();
        }
        self.take(&mut chunk)?;
        self.reading.torn = self.reading.torn.or(forms.unclosed());
        Ok(())
    }

    /// Merges the next chunk. False if a limit was reached or the text was cut off; all before that is taken.
    fn take(&mut self, chunk: &mut Chunk<'_>) -> Result<bool, Damage> {
        let before = self.lines;
        let here = |damage: Damage| Damage { line: damage.line + before, ..damage };
        if !self.has_room(chunk) {
            self.reading.cut = Some(Cut::Memory);
            return Ok(false);
        }
        self.take_events(chunk)?;
        self.lines += chunk.lines;
        self.reading.other_lines += chunk.other_lines;
        for name in std::mem::take(&mut chunk.workloads) {
            if self.reading.workloads.len() < WORKLOADS_MAX {
                self.reading.workloads.insert(name);
            }
        }
        if let Some(damage) = chunk.damage.take() {
            return Err(here(damage));
        }
        self.reading.torn = chunk.torn.map(|torn| Torn { line: torn.line + before, ..torn });
        if (self.limits.out_of_time)() {
            self.reading.cut = Some(Cut::Time);
        }
        Ok(self.reading.torn.is_none() && self.reading.cut.is_none())
    }

    /// Whether the history still fits into the memory limit together with this chunk.
    fn has_room(&mut self, chunk: &Chunk<'_>) -> bool {
        let (more, share, bytes_max) = (chunk.parsed.len(), (self.share_read)(), self.limits.memory_bytes);
        let total = share.map(|share| (self.builder.operations() + more) as f64 / share.max(1e-6));
        if let Some(share) = share {
            self.builder.expect(&chunk.values, share, bytes_max);
        }
        self.builder.reserve(more, total, bytes_max)
            && self.builder.memory_bytes() + chunk.values.memory_bytes() <= self.limits.memory_bytes
    }

    fn take_events(&mut self, chunk: &mut Chunk<'_>) -> Result<(), Damage> {
        let damaged = |lines: u64, parsed: Option<&ParsedEvent>, problem: Problem| Damage {
            line: lines + parsed.map_or(1, |parsed| u64::from(parsed.line)),
            column: parsed.map_or(1, |parsed| u64::from(parsed.column)),
            problem,
        };
        let names = match self.builder.absorb(&chunk.values, &chunk.origins) {
            Ok(names) => names,
            Err(problem) => return Err(damaged(self.lines, None, problem.into())),
        };
        debug_assert!(chunk.extras.is_sorted_by(|a, b| a.0 < b.0), "extras are in the order of their events");
        let mut extras = std::mem::take(&mut chunk.extras).into_iter().peekable();
        for (at, parsed) in chunk.parsed.iter().enumerate() {
            self.index(parsed).map_err(|problem| damaged(self.lines, Some(parsed), problem))?;
            let extra = extras.next_if(|(of, _)| *of == at).map(|(_, extra)| names.extra_in_whole(extra));
            let taken = self.builder.take(&names.in_whole(parsed), extra);
            taken.map_err(|misfit| damaged(self.lines, Some(parsed), misfit.into()))?;
        }
        debug_assert!(extras.peek().is_none(), "every extra belongs to an event of its chunk");
        Ok(())
    }

    /// Indices ascend; those that are missing are counted. The first may be any, but a recording begins with 0.
    fn index(&mut self, parsed: &ParsedEvent) -> Result<(), Problem> {
        let Some(index) = parsed.index else { return Ok(()) };
        let next = self.last_index.map_or(index, |last| last + 1);
        if index < next {
            let problem = format!("index {index} after {}: events are doubled or out of order", next - 1);
            return Err(Problem::NotAnEvent(problem));
        }
        let expected = self.last_index.map_or(0, |last| last + 1);
        if index > expected {
            let line = self.lines + u64::from(parsed.line);
            self.reading.gap.get_or_insert(Gap { line, expected, found: index });
        }
        self.reading.indices_missing += index - next;
        self.last_index = Some(index);
        Ok(())
    }
}

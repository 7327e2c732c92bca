//! Reading a history into records, whatever it is written in.
//!
//! A text that is cut off in its last form, as a killed bench leaves it, is a history without that form. Any other damage
//! is an error, or, where a partial reading is allowed, the end of what is read; both are told, because a verdict on half
//! a history is a verdict on half a history.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::BufRead;

use super::forms::{Form, Lines, Maps};
use super::{Damage, Format, Nothing, Problem, Stop, edn, json, log, tree};
use crate::history::EventType;
use crate::records::{FromEdn, FromJson, RawEvent, Records, RecordsBuilder, ValueId};

/// How many names of workloads are kept, to be told.
const WORKLOADS_MAX: usize = 64;

/// What of a history is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only operations of this workload; the others are passed over.
    pub workload: Option<String>,
    /// What is readable before a damage, instead of nothing.
    pub allow_partial: bool,
}

/// A history that was read.
#[derive(Debug, Default)]
pub struct Reading {
    /// What it says.
    pub records: Records,
    /// The line of a last form that was cut off, and is left out.
    pub torn: Option<u64>,
    /// Where it is damaged; the rest was not read.
    pub damage: Option<Damage>,
    /// How many indices are missing between those of events.
    pub indices_missing: u64,
    /// Lines of a log that are no operations.
    pub other_lines: u64,
    /// The names of the workloads that operations name.
    pub workloads: BTreeSet<String>,
}

/// Reads a history. Near linear in its size.
///
/// # Errors
/// When it is damaged other than in a last form that was cut off, and no partial reading is allowed; when the reader
/// fails, always.
pub fn read(mut reader: impl BufRead, format: Format, selection: &Selection) -> Result<Reading, Damage> {
    read_from(&mut reader, format, selection)
}

/// Compiled once, here, whatever it reads from.
fn read_from(reader: &mut dyn BufRead, format: Format, selection: &Selection) -> Result<Reading, Damage> {
    let mut events = Events::new(selection);
    let read = match format {
        Format::Json => events.lines(reader, Events::json),
        Format::Edn => events.maps(reader),
        Format::Log => events.lines(reader, Events::log),
    };
    let damage = match read {
        Ok(()) => None,
        Err(damage) if selection.allow_partial && !matches!(damage.problem, Problem::Read(_)) => Some(damage),
        Err(damage) => return Err(damage),
    };
    Ok(Reading {
        records: events.builder.finish(),
        torn: events.torn,
        damage,
        indices_missing: events.indices_missing,
        other_lines: events.other_lines,
        workloads: events.workloads,
    })
}

/// The parts of an event, as they are found.
#[derive(Default)]
struct Fields<'a> {
    index: Option<u64>,
    time_ns: Option<u64>,
    process: Option<Who>,
    kind: Option<EventType>,
    f: Option<Cow<'a, str>>,
    workload: Option<Cow<'a, str>>,
    key: ValueId,
    value: ValueId,
    past: ValueId,
    /// A phase that is not of the workload.
    aside: bool,
}

enum Who {
    Client(u64),
    Other,
}

struct Events<'s> {
    selection: &'s Selection,
    builder: RecordsBuilder,
    stack: Vec<ValueId>,
    torn: Option<u64>,
    last_index: Option<u64>,
    last_time_ns: u64,
    indices_missing: u64,
    other_lines: u64,
    workloads: BTreeSet<String>,
}

impl<'s> Events<'s> {
    fn new(selection: &'s Selection) -> Self {
        Self {
            selection,
            builder: RecordsBuilder::new(),
            stack: Vec::new(),
            torn: None,
            last_index: None,
            last_time_ns: 0,
            indices_missing: 0,
            other_lines: 0,
            workloads: BTreeSet::new(),
        }
    }

    /// Every line is an event; a parser that ends with an unfinished last line has found one that was cut off.
    fn lines(
        &mut self,
        reader: &mut dyn BufRead,
        event: impl Fn(&mut Self, &[u8]) -> Result<(), Stop>,
    ) -> Result<(), Damage> {
        let mut lines = Lines::new(reader);
        while let Some(form) = lines.next_form()? {
            if let Err(stop) = event(self, form.bytes) {
                self.cut_off(&form, stop)?;
            }
        }
        Ok(())
    }

    fn maps(&mut self, reader: &mut dyn BufRead) -> Result<(), Damage> {
        let mut maps = Maps::new(reader);
        while let Some(form) = maps.next_form()? {
            if let Err(stop) = self.edn(form.bytes) {
                self.cut_off(&form, stop)?;
            }
        }
        Ok(())
    }

    /// A syntax error in the last form of the text is where it was cut off; so is whatever else is wrong with a map that
    /// does not end.
    fn cut_off(&mut self, form: &Form<'_>, stop: Stop) -> Result<(), Damage> {
        self.stack.clear();
        let without_end = form.bytes.starts_with(b"{:") || form.bytes.starts_with(b"#");
        let cut = match stop.problem {
            Problem::Syntax(_) => true,
            Problem::NotAnEvent(_) => without_end,
            _ => false,
        };
        if form.last && cut {
            self.torn = Some(form.line);
            return Ok(());
        }
        Err(form.damage(stop))
    }

    fn json(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut parser = json::Parser::new(bytes);
        let mut fields = Fields::default();
        parser.expect(b'{')?;
        let mut first = true;
        while let Some(name) = parser.field(first)? {
            self.json_field(&mut parser, &name, &mut fields)?;
            first = false;
        }
        parser.end()?;
        self.take(fields, parser.at())
    }

    fn json_field<'a>(
        &mut self,
        parser: &mut json::Parser<'a>,
        name: &str,
        fields: &mut Fields<'a>,
    ) -> Result<(), Stop> {
        match name {
            "index" => fields.index = Some(json_count(parser, "index")?),
            "time" => fields.time_ns = Some(json_count(parser, "time")?),
            "process" if parser.peek().is_some_and(|byte| byte.is_ascii_digit()) => {
                fields.process = Some(Who::Client(json_count(parser, "process")?));
            }
            "process" => {
                parser.value(&mut Nothing, &mut Vec::new())?;
                fields.process = Some(Who::Other);
            }
            "type" => {
                let at = parser.at();
                fields.kind = Some(kind(&json_name(parser)?, at)?);
            }
            "f" => fields.f = Some(json_name(parser)?),
            "workload" => fields.workload = Some(json_name(parser)?),
            "phase" => fields.aside = is_aside(&json_name(parser)?),
            "key" => fields.key = parser.value(&mut FromJson(&mut self.builder), &mut self.stack)?,
            "value" => fields.value = parser.value(&mut FromJson(&mut self.builder), &mut self.stack)?,
            "past" => fields.past = parser.value(&mut FromJson(&mut self.builder), &mut self.stack)?,
            _ => parser.value(&mut Nothing, &mut Vec::new())?,
        }
        Ok(())
    }

    fn edn(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut parser = edn::Parser::new(bytes);
        if parser.peek()?.is_none() {
            return Ok(());
        }
        parser.open_map()?;
        let mut fields = Fields::default();
        while !parser.close_map()? {
            let name = match parser.peek()? {
                Some(b'"') => parser.string()?,
                _ => match parser.plain()? {
                    Some(token) => Cow::Borrowed(token.strip_prefix(':').unwrap_or(token)),
                    None => parser.value(&mut Nothing, &mut Vec::new()).map(|()| Cow::Borrowed(""))?,
                },
            };
            self.edn_field(&mut parser, &name, &mut fields)?;
        }
        parser.end()?;
        self.take(fields, parser.at())
    }

    fn edn_field<'a>(&mut self, parser: &mut edn::Parser<'a>, name: &str, fields: &mut Fields<'a>) -> Result<(), Stop> {
        match name {
            "index" => fields.index = edn_count(parser, "index")?,
            "time" => fields.time_ns = edn_count(parser, "time")?,
            "process" if parser.peek()?.is_some_and(|byte| byte.is_ascii_digit()) => {
                fields.process = edn_count(parser, "process")?.map(Who::Client);
            }
            "process" => {
                parser.value(&mut Nothing, &mut Vec::new())?;
                fields.process = Some(Who::Other);
            }
            "type" => {
                let at = parser.at();
                fields.kind = Some(kind(&edn_name(parser)?, at)?);
            }
            "f" => fields.f = Some(edn_name(parser)?),
            "workload" => fields.workload = Some(edn_name(parser)?),
            "phase" => fields.aside = is_aside(&edn_name(parser)?),
            "key" => fields.key = parser.value(&mut FromEdn(&mut self.builder), &mut self.stack)?,
            "value" => fields.value = parser.value(&mut FromEdn(&mut self.builder), &mut self.stack)?,
            "past" => fields.past = parser.value(&mut FromEdn(&mut self.builder), &mut self.stack)?,
            _ => parser.value(&mut Nothing, &mut Vec::new())?,
        }
        Ok(())
    }

    fn log(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(line) = log::line(bytes)? else {
            self.other_lines += 1;
            return Ok(());
        };
        let mut parser = edn::Parser::new(&bytes[line.value_at..]);
        let shifted = |stop: Stop| Stop { at: stop.at + line.value_at, ..stop };
        let value = match parser.peek().map_err(shifted)? {
            Some(_) => parser.value(&mut FromEdn(&mut self.builder), &mut self.stack).map_err(shifted)?,
            None => ValueId::NIL,
        };
        let process = line.process.parse().map_or(Who::Other, Who::Client);
        let fields = Fields {
            process: Some(process),
            kind: Some(kind(line.kind, 0)?),
            f: Some(Cow::Borrowed(line.f)),
            value,
            ..Fields::default()
        };
        self.take(fields, 0)
    }

    /// Hands an event to the builder.
    fn take(&mut self, fields: Fields<'_>, at: usize) -> Result<(), Stop> {
        let missing = |field: &str| Stop::no_event(at, format!("it has no `{field}`"));
        let kind = fields.kind.ok_or_else(|| missing("type"))?;
        let client = match fields.process.ok_or_else(|| missing("process"))? {
            Who::Client(process) => Some(process).filter(|_| !fields.aside && self.is_selected(&fields.workload)),
            Who::Other => None,
        };
        let f = match (&fields.f, client) {
            (Some(f), _) => f.as_ref(),
            (None, Some(_)) => return Err(missing("f")),
            (None, None) => "",
        };
        if fields.time_ns.is_none() {
            self.builder.untimed();
        }
        self.last_time_ns = fields.time_ns.unwrap_or(self.last_time_ns);
        self.index(fields.index, at)?;
        let raw = RawEvent {
            index: fields.index,
            time_ns: self.last_time_ns,
            process: client,
            kind,
            f,
            key: fields.key,
            value: fields.value,
            past: fields.past,
        };
        self.builder.push_event(&raw).map_err(|misfit| Stop { at: 0, problem: misfit.into() })
    }

    fn is_selected(&mut self, workload: &Option<Cow<'_, str>>) -> bool {
        let Some(name) = workload else { return self.selection.workload.is_none() };
        if self.workloads.len() < WORKLOADS_MAX && !self.workloads.contains(name.as_ref()) {
            self.workloads.insert(name.to_string());
        }
        self.selection.workload.as_ref().is_none_or(|wanted| wanted == name)
    }

    /// Indices ascend; those that are missing are counted.
    fn index(&mut self, index: Option<u64>, at: usize) -> Result<(), Stop> {
        let Some(index) = index else { return Ok(()) };
        let next = self.last_index.map_or(index, |last| last + 1);
        if index < next {
            let problem = format!("index {index} after {}: events are doubled or out of order", next - 1);
            return Err(Stop::no_event(at, problem));
        }
        self.indices_missing += index - next;
        self.last_index = Some(index);
        Ok(())
    }
}

fn json_count(parser: &mut json::Parser<'_>, field: &str) -> Result<u64, Stop> {
    let at = parser.at();
    match parser.number()? {
        json::Number::Int(value) => Ok(u64::try_from(value).unwrap_or(0)),
        json::Number::Float(value) if value >= 0.0 && value < u64::MAX as f64 => Ok(value as u64),
        _ => Err(Stop::no_event(at, format!("`{field}` is no count"))),
    }
}

/// A number that may be nil, since some histories were recorded without.
fn edn_count(parser: &mut edn::Parser<'_>, field: &str) -> Result<Option<u64>, Stop> {
    let at = parser.at();
    let wrong = || Stop::no_event(at, format!("`{field}` is no count"));
    match parser.plain()?.ok_or_else(wrong)? {
        "nil" => Ok(None),
        token => match (token.parse::<i64>(), token.parse::<f64>()) {
            (Ok(value), _) => Ok(Some(u64::try_from(value).unwrap_or(0))),
            (_, Ok(value)) if value >= 0.0 && value < u64::MAX as f64 => Ok(Some(value as u64)),
            _ => Err(wrong()),
        },
    }
}

/// The name in a field that EDN has as a keyword.
fn json_name<'a>(parser: &mut json::Parser<'a>) -> Result<Cow<'a, str>, Stop> {
    if parser.peek() == Some(b'"') {
        let text = parser.string()?;
        return Ok(match text.strip_prefix(':') {
            Some(name) => Cow::Owned(name.to_owned()),
            None => text,
        });
    }
    let at = parser.at();
    let json = parser.value(&mut tree::Plain, &mut Vec::new())?;
    match tree::name_from_json(&json).name() {
        Some(name) => Ok(Cow::Owned(name.to_owned())),
        None => Err(Stop::no_event(at, "a name in quotes belongs here")),
    }
}

fn edn_name<'a>(parser: &mut edn::Parser<'a>) -> Result<Cow<'a, str>, Stop> {
    if parser.peek()? == Some(b'"') {
        return parser.string();
    }
    let at = parser.at();
    let token = parser.plain()?.ok_or_else(|| Stop::no_event(at, "a keyword belongs here"))?;
    Ok(Cow::Borrowed(token.strip_prefix(':').unwrap_or(token)))
}

fn kind(name: &str, at: usize) -> Result<EventType, Stop> {
    match name {
        "invoke" => Ok(EventType::Invoke),
        "ok" => Ok(EventType::Ok),
        "fail" => Ok(EventType::Fail),
        "info" => Ok(EventType::Info),
        _ => Err(Stop::no_event(at, format!("the type `{name}` is none of invoke, ok, fail, info"))),
    }
}

/// Phases whose reads are not the workload's: see [`crate::history::Phase`].
fn is_aside(phase: &str) -> bool {
    ["replica", "ring", "probe"].contains(&phase)
}

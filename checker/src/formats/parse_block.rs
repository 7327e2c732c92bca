//! Parses a block of a text on its own: the result is a chunk of events, with names and values numbered within the
//! chunk.
//!
//! Blocks are parsed in parallel, independently of what comes before them; [`super::read`] merges the chunks in their
//! order. What can be checked on a single line is checked here; whether events fit one another is checked there.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rustc_hash::FxHashMap;

use super::damage::{Damage, LINE_BYTES_MAX, Problem, Stop};
use super::read_options::Selection;
use super::sink::Nothing;
use super::split::{Form, too_long};
use super::tree::Tree;
use super::values::{FromEdn, FromJson};
use super::whole_events::{event_of, parse_edn, parse_json};
use super::{edn, json, json_form, log, tree, write};
use crate::history::{
    Datum, Event, EventType, Extra, Misfit, Origin, OriginId, Origins, ParsedEvent, Phase, ProcessRef, SaidTime, Sym,
    TooManyValues, Torn, UnsaidOfEvent as Unsaid, ValueId, Values, floor_of_product, is_number,
};

/// How many names of workloads are kept, to be reported.
pub(super) const WORKLOADS_MAX: usize = 64;

/// The events of one block of text.
pub(super) struct Chunk<'s> {
    selection: &'s Selection,
    /// Names and values, numbered within this chunk.
    pub values: Values,
    /// The events.
    pub parsed: Vec<ParsedEvent>,
    /// What only few of them have, with the position of the event, ascending.
    pub extras: Vec<(usize, Extra)>,
    /// Nodes, workloads and phases, numbered within this chunk.
    pub origins: Origins,
    /// How many lines of a log are not operations.
    pub other_lines: u64,
    /// The names of the workloads that occur.
    pub workloads: BTreeSet<String>,
    /// How many lines the block had.
    pub lines: u64,
    /// Where a last form was cut off.
    pub torn: Option<Torn>,
    /// Where it is damaged; what follows is not parsed.
    pub damage: Option<Damage>,
    stack: Vec<ValueId>,
    keys: FxHashMap<ValueId, Sym>,
    /// The function of the last event: consecutive events often share it, and then nothing is looked up.
    last_f: (String, Sym),
    /// The fields of the last event in JSON, in their order.
    order: Vec<Field>,
    line: u32,
    column: u32,
    /// Whether the form that is taken is the last of the text and may have been cut off.
    unfinished: bool,
}

impl<'s> Chunk<'s> {
    /// An empty one.
    pub(super) fn new(selection: &'s Selection) -> Self {
        Self {
            selection,
            values: Values::default(),
            parsed: Vec::new(),
            extras: Vec::new(),
            origins: Origins::default(),
            other_lines: 0,
            workloads: BTreeSet::new(),
            lines: 0,
            torn: None,
            damage: None,
            stack: Vec::new(),
            keys: FxHashMap::default(),
            last_f: (String::new(), Sym::NONE),
            order: Vec::new(),
            line: 0,
            column: 1,
            unfinished: false,
        }
    }

    /// Empties the chunk to be filled again; its memory is kept.
    pub(super) fn emptied(mut self) -> Self {
        self.values.clear();
        self.parsed.clear();
        self.extras.clear();
        self.origins.clear();
        self.workloads.clear();
        self.keys.clear();
        self.last_f.1 = Sym::NONE;
        (self.other_lines, self.lines, self.torn, self.damage) = (0, 0, None, None);
        self
    }

    /// Takes every line of a block, each an event, up to the first damage. Lines are counted from 1.
    pub(super) fn take_lines(&mut self, block: &[u8], event: impl Fn(&mut Self, &[u8]) -> Result<(), Stop>) {
        // Lines shorter than 100 bytes are rare; if there are many, the vector doubles, which is cheap.
        self.parsed.reserve(block.len() / 100);
        let mut rest = block;
        while !rest.is_empty() {
            let bytes;
            (bytes, rest) = rest.split_at((json::line_end(rest) + 1).min(rest.len()));
            self.lines += 1;
            if bytes.len() as u64 > LINE_BYTES_MAX {
                self.damage = Some(too_long(self.lines));
                return;
            }
            let last = bytes.last() != Some(&b'\n');
            let form = Form { bytes: bytes.trim_ascii_end(), line: self.lines, column: 1, last };
            if !form.bytes.is_empty() && !self.take(&form, &event) {
                return;
            }
        }
    }

    /// Takes one event; false at a damage and at a form that was cut off.
    pub(super) fn take(&mut self, form: &Form<'_>, event: impl Fn(&mut Self, &[u8]) -> Result<(), Stop>) -> bool {
        self.line = u32::try_from(form.line).unwrap_or(u32::MAX);
        self.column = u32::try_from(form.column).unwrap_or(u32::MAX);
        self.unfinished = form.last;
        match event(self, form.bytes) {
            Ok(()) => true,
            Err(stop) => {
                self.stack.clear();
                match was_cut_off(form, &stop.problem) {
                    true => self.torn = Some(form.torn(stop)),
                    false => self.damage = Some(form.damage(stop)),
                }
                false
            }
        }
    }

    /// Takes an event in JSON.
    pub(super) fn json(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut parser = json::Parser::new(bytes);
        let mut fields = Fields::default();
        parser.expect(b'{')?;
        let mut number = 0;
        while let Some(field) = self.next_field(&mut parser, number)? {
            self.json_field(&mut parser, field, &mut fields)?;
            number += 1;
        }
        parser.end()?;
        self.keep(fields, parser.at(), || event_of(&parse_json(bytes).ok()?))
    }

    /// The next field. Most events have their fields in the same order, so the order of the last event is tried first.
    fn next_field(&mut self, parser: &mut json::Parser<'_>, number: usize) -> Result<Option<Field>, Stop> {
        if let Some(guess) = self.order.get(number)
            && parser.take_all(guess.text(number == 0))
        {
            return Ok(Some(*guess));
        }
        let Some(name) = parser.field(number == 0)? else { return Ok(None) };
        let field = Field::of(&name);
        if number < self.order.len() {
            self.order[number] = field;
        } else if number < FIELDS_REMEMBERED {
            self.order.push(field);
        }
        Ok(Some(field))
    }

    fn json_field<'a>(
        &mut self,
        parser: &mut json::Parser<'a>,
        field: Field,
        fields: &mut Fields<'a>,
    ) -> Result<(), Stop> {
        match field {
            Field::Index => fields.index = json_index(parser)?,
            Field::Time => fields.time = json_time(parser, self.selection.time_unit_ns)?,
            Field::Type | Field::F | Field::Workload | Field::Phase if parser.peek() == Some(b'n') => {
                parser.word("null")?
            }
            Field::Process => {
                fields.process = match parser.small_count() {
                    Some(small) => Some(Who::Client(ProcessRef::Number(small))),
                    None => {
                        let name = parser.value(&mut tree::Plain, &mut Vec::new())?;
                        self.who(&json_form::name_from_json(&name)).map_err(Stop::full(parser.at()))?
                    }
                };
            }
            Field::Type => fields.kind = Some(json_kind(parser)?),
            Field::F => fields.f = Some(json_name(parser)?),
            Field::Workload => fields.workload = Some(json_name(parser)?),
            Field::Phase => fields.phase = phase(&json_name(parser)?),
            Field::Node => fields.node = json_text(parser)?,
            Field::Error => fields.error = json_text(parser)?,
            Field::Round => fields.round = json_count_or_other(parser)?,
            Field::Late => fields.late_ns = json_count_or_other(parser)?,
            Field::Parts => fields.parts = parser.value(&mut FromJson(&mut self.values), &mut self.stack)?,
            Field::Final => fields.ends(&parser.value(&mut tree::Plain, &mut Vec::new())?),
            Field::Key => fields.key = parser.value(&mut FromJson(&mut self.values), &mut self.stack)?,
            Field::Value => fields.value = parser.value(&mut FromJson(&mut self.values), &mut self.stack)?,
            Field::Past => fields.past = parser.value(&mut FromJson(&mut self.values), &mut self.stack)?,
            Field::Other => parser.value(&mut Nothing, &mut Vec::new())?,
        }
        Ok(())
    }

    /// Takes an event in EDN.
    pub(super) fn edn(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let mut parser = edn::Parser::new(bytes);
        if parser.peek()?.is_none() {
            return Ok(());
        }
        parser.open_map()?;
        let mut fields = Fields::default();
        while !parser.close_map()? {
            // A string or a symbol is another key than the keyword of its name.
            let name = match parser.plain()? {
                Some(token) => token.strip_prefix(':').unwrap_or_default(),
                None => parser.value(&mut Nothing, &mut Vec::new()).map(|()| "")?,
            };
            self.edn_field(&mut parser, name, &mut fields)?;
        }
        parser.end()?;
        self.keep(fields, parser.at(), || event_of(&parse_edn(bytes).ok()??))
    }

    fn edn_field<'a>(&mut self, parser: &mut edn::Parser<'a>, name: &str, fields: &mut Fields<'a>) -> Result<(), Stop> {
        match name {
            "index" => fields.index = edn_count(parser, "index")?,
            "time" => fields.time = edn_time(parser, self.selection.time_unit_ns)?,
            "process" => {
                let name = parser.value(&mut tree::Plain, &mut Vec::new())?;
                fields.process = self.who(&name).map_err(Stop::full(parser.at()))?;
            }
            "type" => {
                let at = parser.at();
                fields.kind = edn_name(parser)?.map(|name| kind(&name, at)).transpose()?;
            }
            "f" => fields.f = edn_name(parser)?,
            "workload" => fields.workload = edn_name(parser)?,
            "phase" => fields.phase = edn_name(parser)?.map_or(Phase::Main, |name| phase(&name)),
            "node" => fields.node = edn_text(parser)?,
            "error" => fields.error = edn_text(parser)?,
            "round" => fields.round = edn_count_or_other(parser)?,
            "late_ns" => fields.late_ns = edn_count_or_other(parser)?,
            "parts" => fields.parts = parser.value(&mut FromEdn(&mut self.values), &mut self.stack)?,
            "final?" => fields.ends(&parser.value(&mut tree::Plain, &mut Vec::new())?),
            "key" => fields.key = parser.value(&mut FromEdn(&mut self.values), &mut self.stack)?,
            "value" => fields.value = parser.value(&mut FromEdn(&mut self.values), &mut self.stack)?,
            "past" => fields.past = parser.value(&mut FromEdn(&mut self.values), &mut self.stack)?,
            _ => parser.value(&mut Nothing, &mut Vec::new())?,
        }
        Ok(())
    }

    /// Takes a line of a log.
    pub(super) fn log(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(line) = log::line(bytes, self.unfinished)? else {
            self.other_lines += 1;
            return Ok(());
        };
        let mut parser = edn::Parser::new(&bytes[line.value_at..]);
        let shifted = |stop: Stop| Stop { at: stop.at + line.value_at, ..stop };
        let value = match parser.peek().map_err(shifted)? {
            Some(_) => parser.value(&mut FromEdn(&mut self.values), &mut self.stack).map_err(shifted)?,
            None => ValueId::NIL,
        };
        let fields = Fields {
            process: self.who(&line.process()).map_err(Stop::full(0))?,
            kind: Some(kind(line.kind, 0)?),
            f: Some(Cow::Borrowed(line.f)),
            value,
            ..Fields::default()
        };
        self.keep(fields, 0, || event_of(&log::event(bytes, 0, false).ok()??))
    }

    /// Keeps an event, if it has what every event must have; `at` is the offset reported if it has not.
    fn keep(&mut self, fields: Fields<'_>, at: usize, nemesis: impl FnOnce() -> Option<Event>) -> Result<(), Stop> {
        let missing = |field: &str| Stop::no_event(at, format!("it has no `{field}`"));
        let full = Stop::full(0);
        let unsaid = Unsaid { kind: fields.kind.is_none(), process: fields.process.is_none() };
        let is_operation = fields.f.is_some() || !fields.value.is_nil();
        let kind = fields.kind.or(is_operation.then_some(EventType::Ok)).ok_or_else(|| missing("type"))?;
        let who = fields.process.unwrap_or(Who::Client(ProcessRef::Number(0)));
        let process = match who {
            Who::Client(process) => Some(process).filter(|_| self.is_selected(&fields)),
            Who::Nemesis => None,
        };
        let (mut f, mut key, mut origin) = (Sym::NONE, Sym::NONE, OriginId::default());
        let mut extra = Extra::default();
        if process.is_some() {
            f = match &fields.f {
                Some(f) => self.function(f).map_err(full)?,
                None if self.is_transaction(fields.value) => self.function("txn").map_err(full)?,
                // It is that of the invocation.
                None if matches!(kind, EventType::Fail | EventType::Info) => Sym::NONE,
                None => return Err(missing("f")),
            };
            key = self.key(fields.key)?;
            origin = self.origin(&fields)?;
            extra = self.extra(&fields).map_err(Stop::full(0))?;
        } else if matches!(who, Who::Nemesis) {
            extra.nemesis = nemesis().map(Box::new);
        }
        if extra.is_some() {
            debug_assert!(
                self.extras.last().is_none_or(|(last, _)| *last < self.parsed.len()),
                "an event has its extras once, and they are in the order of the events"
            );
            self.extras.push((self.parsed.len(), extra));
        }
        let Fields { index, time, value, past, .. } = fields;
        let (line, column) = (self.line, self.column);
        let parsed = ParsedEvent { index, time, process, kind, f, key, value, past, origin, line, column, unsaid };
        self.parsed.push(parsed);
        Ok(())
    }

    /// Whose event it is: any value names a client, but for the nemesis; nil names none.
    fn who(&mut self, name: &Tree) -> Result<Option<Who>, TooManyValues> {
        if name.name().is_some_and(|name| name.trim_start_matches(':') == "nemesis") {
            return Ok(Some(Who::Nemesis));
        }
        let name = name.feed(&mut FromEdn(&mut self.values))?;
        match name.is_nil() {
            true => Ok(None),
            false => self.values.process(name).map(Who::Client).map(Some),
        }
    }

    /// Whether a value is a list of micro-operations: then the function can only be `txn`, as Elle takes it to be.
    fn is_transaction(&self, value: ValueId) -> bool {
        let is_micro = |micro: &ValueId| match self.values.datum(*micro) {
            Datum::List([f, _, ..]) => matches!(self.values.datum(*f), Datum::Text(_)),
            _ => false,
        };
        matches!(self.values.datum(value), Datum::List(micros) if !micros.is_empty() && micros.iter().all(is_micro))
    }

    fn origin(&mut self, fields: &Fields<'_>) -> Result<OriginId, Stop> {
        if fields.node.is_none() && fields.workload.is_none() && fields.phase == Phase::Main {
            return Ok(OriginId::default());
        }
        let mut name = |name: &Option<Cow<'_, str>>| match name {
            Some(name) => self.values.intern(name),
            None => Ok(Sym::NONE),
        };
        let node = name(&fields.node).map_err(Stop::full(0))?;
        let workload = name(&fields.workload).map_err(Stop::full(0))?;
        let origin = Origin { node, workload, phase: fields.phase };
        self.origins.number(origin).map_err(|error| Stop { at: 0, problem: Misfit::from(error).into() })
    }

    fn extra(&mut self, fields: &Fields<'_>) -> Result<Extra, TooManyValues> {
        let error = fields.error.as_ref().map_or(Ok(Sym::NONE), |error| self.values.intern(error))?;
        let Fields { round, late_ns, parts, .. } = *fields;
        Ok(Extra { error, round, late_ns, parts, nemesis: None })
    }

    fn function(&mut self, f: &str) -> Result<Sym, TooManyValues> {
        if self.last_f.1 == Sym::NONE || self.last_f.0 != f {
            self.last_f = (f.to_owned(), self.values.intern(f)?);
        }
        Ok(self.last_f.1)
    }

    fn key(&mut self, key: ValueId) -> Result<Sym, Stop> {
        if key.is_nil() {
            return Ok(Sym::NONE);
        }
        if let Some(name) = self.keys.get(&key) {
            return Ok(*name);
        }
        let name = self.values.name_as_key(key).map_err(Stop::full(0))?;
        if !self.values.has_parts(key) {
            self.keys.insert(key, name);
        }
        Ok(name)
    }

    fn is_selected(&mut self, fields: &Fields<'_>) -> bool {
        // The members that nodes report and the probes belong to no workload, so no selection leaves them out.
        if matches!(fields.phase, Phase::Ring | Phase::Probe) {
            return true;
        }
        let Some(name) = &fields.workload else { return self.selection.workload.is_none() };
        if self.workloads.len() < WORKLOADS_MAX && !self.workloads.contains(name.as_ref()) {
            self.workloads.insert(name.to_string());
        }
        self.selection.workload.as_ref().is_none_or(|wanted| wanted == name)
    }
}

/// Why no history can have this event, whatever comes before it; none if one can.
pub(crate) fn refusal(event: &Tree) -> Option<String> {
    let stop = Chunk::new(&Selection::default()).json(json_form::json_line(event).as_bytes()).err()?;
    Some(match stop.problem {
        Problem::NotAnEvent(problem) => problem,
        other => other.to_string(),
    })
}

/// How many fields of an event in JSON are remembered in their order.
const FIELDS_REMEMBERED: usize = 16;

/// A field with a meaning, or any other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Index,
    Time,
    Process,
    Type,
    F,
    Workload,
    Phase,
    Key,
    Value,
    Past,
    Node,
    Error,
    Round,
    Late,
    Parts,
    Final,
    Other,
}

/// Each field with its text after another field, without white space.
const FIELDS: [(Field, &str); 16] = [
    (Field::Index, ",\"index\":"),
    (Field::Time, ",\"time\":"),
    (Field::Process, ",\"process\":"),
    (Field::Type, ",\"type\":"),
    (Field::F, ",\"f\":"),
    (Field::Workload, ",\"workload\":"),
    (Field::Phase, ",\"phase\":"),
    (Field::Key, ",\"key\":"),
    (Field::Value, ",\"value\":"),
    (Field::Past, ",\"past\":"),
    (Field::Node, ",\"node\":"),
    (Field::Error, ",\"error\":"),
    (Field::Round, ",\"round\":"),
    (Field::Late, ",\"late_ns\":"),
    (Field::Parts, ",\"parts\":"),
    (Field::Final, ",\"final?\":"),
];

impl Field {
    fn of(name: &str) -> Self {
        let known = FIELDS.iter().find(|(_, text)| text[2..text.len() - 2] == *name);
        known.map_or(Field::Other, |(field, _)| *field)
    }

    /// Its text, without the comma if it is the first. For [`Field::Other`], which has no single name, a text that
    /// matches nothing.
    #[inline]
    fn text(self, first: bool) -> &'static [u8] {
        debug_assert!(
            FIELDS.get(self as usize).is_none_or(|(field, _)| *field == self),
            "FIELDS is in the enum's order"
        );
        match FIELDS.get(self as usize) {
            Some((_, text)) => &text.as_bytes()[usize::from(first)..],
            None => b"\n",
        }
    }
}

/// The fields of an event, as far as they were found.
#[derive(Default)]
struct Fields<'a> {
    index: Option<u64>,
    time: Option<SaidTime>,
    process: Option<Who>,
    kind: Option<EventType>,
    f: Option<Cow<'a, str>>,
    workload: Option<Cow<'a, str>>,
    key: ValueId,
    value: ValueId,
    past: ValueId,
    node: Option<Cow<'a, str>>,
    phase: Phase,
    error: Option<Cow<'a, str>>,
    round: Option<u64>,
    late_ns: Option<u64>,
    parts: ValueId,
}

impl Fields<'_> {
    /// What Maelstrom writes of reads after the network was healed.
    fn ends(&mut self, is_final: &Tree) {
        if matches!(is_final, Tree::Bool(true)) {
            self.phase = Phase::Final;
        }
    }
}

#[derive(Clone, Copy)]
enum Who {
    Client(ProcessRef),
    Nemesis,
}

/// Whether a problem means that the text was cut off: a syntax error in the last form, or any problem of a last map
/// that is not closed.
fn was_cut_off(form: &Form<'_>, problem: &Problem) -> bool {
    let without_end = form.bytes.starts_with(b"{:") || form.bytes.starts_with(b"#");
    let cut = match problem {
        Problem::Syntax(_) => true,
        Problem::NotAnEvent(_) => without_end,
        _ => false,
    };
    form.last && cut
}

/// A number of an event, which may be null; a value that is none is named by its field, and not by its place alone.
fn json_number<'a>(parser: &mut json::Parser<'a>, field: &str) -> Result<Option<json::Number<'a>>, Stop> {
    let stop = match parser.number() {
        Ok(number) => return Ok(Some(number)),
        Err(stop) => stop,
    };
    match parser.peek() {
        Some(b'n') => parser.word("null").map(|()| None),
        Some(b'"' | b'[' | b'{' | b't' | b'f') => Err(Stop::no_event(stop.at, no_number(field))),
        _ => Err(stop),
    }
}

/// That a field has something else than a number, and what belongs there.
fn no_number(field: &str) -> String {
    match field {
        "time" => {
            "`time` is no number: it counts nanoseconds since the run began (--time-unit names another unit)".to_owned()
        }
        _ => format!("`{field}` is no number"),
    }
}

fn json_index(parser: &mut json::Parser<'_>) -> Result<Option<u64>, Stop> {
    let at = parser.at();
    match json_number(parser, "index")? {
        None => Ok(None),
        Some(json::Number::Int(value)) => Ok(Some(u64::try_from(value).unwrap_or(0))),
        Some(json::Number::Float(value)) if value >= 0.0 && value < u64::MAX as f64 => Ok(Some(value as u64)),
        Some(_) => Err(Stop::no_event(at, "`index` is no count")),
    }
}

fn json_time(parser: &mut json::Parser<'_>, unit_ns: Option<u64>) -> Result<Option<SaidTime>, Stop> {
    let at = parser.at();
    if parser.peek() == Some(b'{') {
        // A decimal or a ratio of EDN, as a conversion writes it.
        let time = Tree::from_json(parser.value(&mut tree::Plain, &mut Vec::new())?);
        return time_of(&time, unit_ns)
            .ok_or_else(|| Stop::no_event(at, no_number("time")))?
            .map(Some)
            .ok_or_else(|| too_far(at));
    }
    let time = match json_number(parser, "time")? {
        None => return Ok(None),
        Some(json::Number::Int(value)) => whole_time(value, unit_ns),
        Some(json::Number::Float(_)) => time_with_fraction(parser.number_since(at), unit_ns),
        Some(json::Number::Large(_)) => None,
    };
    time.map(Some).ok_or_else(|| too_far(at))
}

fn edn_time(parser: &mut edn::Parser<'_>, unit_ns: Option<u64>) -> Result<Option<SaidTime>, Stop> {
    let at = parser.at();
    let wrong = || Stop::no_event(at, no_number("time"));
    let token = parser.plain()?.ok_or_else(wrong)?;
    if token == "nil" {
        return Ok(None);
    }
    let digits = token.trim_start_matches(['+', '-']);
    let is_octal = digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|digit| digit.is_ascii_digit());
    let time = match token.parse::<i64>() {
        Ok(value) if !is_octal => whole_time(value, unit_ns),
        Err(_) if is_number(token) => time_with_fraction(token, unit_ns),
        // Of another radix.
        _ => time_of(&tree::parse_edn(token).ok_or_else(wrong)?, unit_ns).ok_or_else(wrong)?,
    };
    time.map(Some).ok_or_else(|| too_far(at))
}

/// A time from a value; none if it is no number, and none within if 64 bits do not have it.
fn time_of(value: &Tree, unit_ns: Option<u64>) -> Option<Option<SaidTime>> {
    match value {
        Tree::Int(time) => Some(whole_time(*time, unit_ns)),
        Tree::Other(notation) if is_number(notation) => Some(time_with_fraction(notation, unit_ns)),
        _ => None,
    }
}

/// A time, in nanoseconds if the unit was said; none if 64 bits do not have it. Cut to what they have, it would be as another.
fn whole_time(time: i64, unit_ns: Option<u64>) -> Option<SaidTime> {
    SaidTime::of(time.checked_mul(i64::try_from(unit_ns.unwrap_or(1)).ok()?)?)
}

/// A part of a unit counts: seconds are often written with a point.
fn time_with_fraction(notation: &str, unit_ns: Option<u64>) -> Option<SaidTime> {
    match unit_ns {
        Some(unit_ns) => SaidTime::of(i64::try_from(floor_of_product(notation, unit_ns.into())?).ok()?),
        None => SaidTime::of_fraction(notation),
    }
}

fn too_far(at: usize) -> Stop {
    Stop::no_event(at, "`time` is beyond 292 years: is it of another unit (--time-unit)?")
}

/// A number that may be nil, since some histories were recorded without it.
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

/// The type of an event; mostly a plain name.
fn json_kind(parser: &mut json::Parser<'_>) -> Result<EventType, Stop> {
    parser.peek();
    let at = parser.at();
    match parser.plain_string() {
        Some(b"invoke") => Ok(EventType::Invoke),
        Some(b"ok") => Ok(EventType::Ok),
        Some(b"fail") => Ok(EventType::Fail),
        Some(b"info") => Ok(EventType::Info),
        Some(other) => {
            let name = std::str::from_utf8(other).map_err(|_| Stop::syntax(at, "not UTF-8"))?;
            kind(name.strip_prefix(':').unwrap_or(name), at)
        }
        None => kind(&json_name(parser)?, at),
    }
}

/// The text of a field that may hold anything: its notation if it is not a string; none if it is null.
fn json_text<'a>(parser: &mut json::Parser<'a>) -> Result<Option<Cow<'a, str>>, Stop> {
    if parser.peek() == Some(b'"') {
        return parser.string().map(Some);
    }
    let value = parser.value(&mut tree::Plain, &mut Vec::new())?;
    Ok(shown(&value))
}

fn edn_text<'a>(parser: &mut edn::Parser<'a>) -> Result<Option<Cow<'a, str>>, Stop> {
    if parser.peek()? == Some(b'"') {
        return parser.string().map(Some);
    }
    let value = parser.value(&mut tree::Plain, &mut Vec::new())?;
    Ok(shown(&value))
}

fn shown<'a>(value: &Tree) -> Option<Cow<'a, str>> {
    match value {
        Tree::Nil => None,
        Tree::Text(text) | Tree::Keyword(text) => Some(Cow::Owned(text.clone())),
        other => Some(Cow::Owned(write::edn_text(other))),
    }
}

/// The round of a replica read, or how late an operation was; none if it is not a count.
fn json_count_or_other(parser: &mut json::Parser<'_>) -> Result<Option<u64>, Stop> {
    let value = parser.value(&mut tree::Plain, &mut Vec::new())?;
    Ok(value.int().and_then(|count| u64::try_from(count).ok()))
}

fn edn_count_or_other(parser: &mut edn::Parser<'_>) -> Result<Option<u64>, Stop> {
    let value = parser.value(&mut tree::Plain, &mut Vec::new())?;
    Ok(value.int().and_then(|count| u64::try_from(count).ok()))
}

/// The name in a field that EDN has as a keyword.
fn json_name<'a>(parser: &mut json::Parser<'a>) -> Result<Cow<'a, str>, Stop> {
    if parser.peek() == Some(b'"') {
        let text = parser.string()?;
        return Ok(match text.starts_with(':').then(|| json_form::text_from_json(&text)) {
            Some(marked) => Cow::Owned(marked.name().unwrap_or_default().to_owned()),
            None => text,
        });
    }
    let at = parser.at();
    let json = parser.value(&mut tree::Plain, &mut Vec::new())?;
    match json_form::name_or_symbol(&json_form::name_from_json(&json)) {
        Some(name) => Ok(Cow::Owned(name.to_owned())),
        None => Err(Stop::no_event(at, "a name in quotes belongs here")),
    }
}

/// A name; nothing for `nil`, which is not the keyword `:nil`.
fn edn_name<'a>(parser: &mut edn::Parser<'a>) -> Result<Option<Cow<'a, str>>, Stop> {
    if parser.peek()? == Some(b'"') {
        return parser.string().map(Some);
    }
    let at = parser.at();
    let token = parser.plain()?.ok_or_else(|| Stop::no_event(at, "a keyword belongs here"))?;
    // What no value of EDN could be is no name either: it could not be written in another format.
    match token.strip_prefix(':') {
        Some(name) if edn::is_keyword(name) => Ok(Some(Cow::Borrowed(name))),
        None if token == "nil" => Ok(None),
        None if edn::is_symbol(token) && !["true", "false"].contains(&token) => Ok(Some(Cow::Borrowed(token))),
        _ => Err(Stop::no_event(at, format!("a keyword belongs here, and `{token}` is none"))),
    }
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

/// The phase of this name; an unknown name is taken for the main phase.
fn phase(name: &str) -> Phase {
    match name {
        "replica" => Phase::Replica,
        "final" => Phase::Final,
        "ring" => Phase::Ring,
        "probe" => Phase::Probe,
        _ => Phase::Main,
    }
}

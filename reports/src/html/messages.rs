//! Messages as a Lamport diagram (Lamport 1978): a line downwards for each node, client and service, an arrow for each
//! message.
//!
//! Messages are often microseconds long and minutes apart, so time is not to scale: each sending and each arrival has a row of its
//! own, in their order. Shown are those around the beginning of the first anomaly by which a claim is violated, or else the first
//! of the run.

use std::collections::BTreeSet;

use super::Run;
use super::chart::{WIDTH, line, svg, text};
use crate::format::{abbreviate, count, esc, seconds_ms};
use crate::messages::{Message, Messages};

/// The most messages of a drawing.
const DRAWN_MAX: usize = 60;
/// How many of them were sent before the anomaly.
const BEFORE_MAX: usize = 15;
/// The most lines downwards; the messages of further ones are left out.
const LANES_MAX: usize = 14;
/// How many characters of a body stand at its arrow.
const BODY_CHARS_MAX: usize = 60;

const TOP: f64 = 34.0;
const LEFT: f64 = 120.0;
const ROW_HEIGHT: f64 = 15.0;
/// How far a lost message gets.
const LOST_SHARE: f64 = 0.45;

/// The section; empty for a run without messages.
pub(super) fn section(run: &Run<'_>) -> String {
    let Some(messages) = &run.summary.messages else { return String::new() };
    let (drawn, where_from) = chosen(messages, anomaly_ns(run));
    let drawing = if drawn.is_empty() { String::new() } else { Diagram::of(&drawn).draw(&where_from) };
    format!(
        "<section id=\"messages\" aria-labelledby=\"h-messages\">\n<h2 id=\"h-messages\">Messages</h2>\n\
         <p>{sentence}. The {shown} {where_from}; point at one for all of it. Dashed: lost. Time goes down, and is not to scale.</p>\n\
         {drawing}</section>\n",
        sentence = esc(&messages.counts.sentence()),
        shown = count(drawn.len() as u64),
        where_from = esc(&where_from),
    )
}

/// The first moment of the first anomaly by which a claim is violated, ns.
fn anomaly_ns(run: &Run<'_>) -> Option<u64> {
    let mut violated = run.verdict.properties.iter().filter(|property| property.claimed);
    violated.find_map(|property| property.anomalies.first()).map(|anomaly| anomaly.from_ns)
}

/// The messages that are drawn: those from shortly before the moment on, else the first ones.
fn chosen(messages: &Messages, moment_ns: Option<u64>) -> (Vec<&Message>, String) {
    let recorded = &messages.recorded;
    let is_recorded = |ns: &u64| recorded.last().is_some_and(|last| last.sent_ns >= *ns);
    let (from, which) = match moment_ns.filter(is_recorded) {
        Some(ns) => {
            let at = recorded.partition_point(|message| message.sent_ns < ns);
            (
                at.saturating_sub(BEFORE_MAX),
                format!("messages around the beginning of the first anomaly, at {}", seconds_ms(ns)),
            )
        }
        None => (0, "first messages of the run".to_owned()),
    };
    let mut lanes = BTreeSet::new();
    let fits = |message: &&Message| {
        let new = [&message.src, &message.dest].into_iter().filter(|name| !lanes.contains(*name)).count();
        let fits = lanes.len() + new <= LANES_MAX;
        if fits {
            lanes.extend([message.src.clone(), message.dest.clone()]);
        }
        fits
    };
    (recorded[from..].iter().take(DRAWN_MAX).filter(fits).collect(), which)
}

/// The drawing: who has which lane, and which moment which row.
struct Diagram<'m> {
    messages: &'m [&'m Message],
    lanes: Vec<&'m str>,
    moments: Vec<u64>,
}

impl<'m> Diagram<'m> {
    fn of(messages: &'m [&'m Message]) -> Self {
        let names: BTreeSet<&str> =
            messages.iter().flat_map(|message| [message.src.as_str(), message.dest.as_str()]).collect();
        let mut lanes: Vec<&str> = names.into_iter().collect();
        lanes.sort_by_key(|name| (rank(name), name.len(), name.to_owned()));
        let all = messages.iter().flat_map(|message| message.arrived_ns.iter().chain([&message.sent_ns]).copied());
        let moments: BTreeSet<u64> = all.collect();
        Self { messages, lanes, moments: moments.into_iter().collect() }
    }

    fn x(&self, name: &str) -> f64 {
        let lane = self.lanes.iter().position(|lane| *lane == name).unwrap_or_default();
        LEFT + (WIDTH - LEFT - 40.0) * (lane as f64 + 0.5) / self.lanes.len() as f64
    }

    fn y(&self, ns: u64) -> f64 {
        TOP + ROW_HEIGHT * (self.moments.partition_point(|moment| *moment < ns) as f64 + 0.5)
    }

    fn draw(&self, where_from: &str) -> String {
        let bottom = TOP + ROW_HEIGHT * self.moments.len() as f64;
        let mut body = String::new();
        for name in &self.lanes {
            body += &line(self.x(name), TOP - 8.0, self.x(name), bottom, "grid");
            body += &text(self.x(name), TOP - 14.0, "lane", "middle", &abbreviate(name, 14));
        }
        for (row, ns) in self.moments.iter().enumerate().step_by(4) {
            body += &text(LEFT - 12.0, TOP + ROW_HEIGHT * (row as f64 + 0.75), "tick", "end", &seconds_ms(*ns));
        }
        body += &self.messages.iter().map(|message| self.arrows(message)).collect::<String>();
        svg(bottom + 10.0, &format!("The {} {where_from}", count(self.messages.len() as u64)), &body)
    }

    /// An arrow for each copy that arrived, or what there is of one that was lost.
    fn arrows(&self, message: &Message) -> String {
        let (from, to, begin) = (self.x(&message.src), self.x(&message.dest), self.y(message.sent_ns));
        let title = format!("{} → {}: {}", message.src, message.dest, message.body);
        let label = abbreviate(&kind(&message.body), BODY_CHARS_MAX);
        let side = if to >= from { "start" } else { "end" };
        let mut out = format!("<g><title>{}</title>\n", esc(&title));
        if message.arrived_ns.is_empty() {
            let x = from + (to - from) * LOST_SHARE;
            out += &line(from, begin, x, begin + ROW_HEIGHT * 0.5, "message lost");
            out += &text(x, begin + ROW_HEIGHT * 0.75, "message-label lost", "middle", "×");
        }
        for arrived in &message.arrived_ns {
            let end = self.y(*arrived);
            out += &line(from, begin, to, end, "message");
            out += &head(from, begin, to, end);
        }
        let gap = if to >= from { 6.0 } else { -6.0 };
        out += &text(from + gap, begin - 2.0, "message-label", side, &label);
        out + "</g>\n"
    }
}

/// Clients to the left, services to the right.
fn rank(name: &str) -> u8 {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|letter| letter.is_ascii_digit());
    match (name.strip_prefix('c').is_some_and(is_number), name.strip_prefix('n').is_some_and(is_number)) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

/// The type of a message, if its body says it; else the body.
fn kind(body: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(body).ok();
    let kind = parsed.as_ref().and_then(|body| body["type"].as_str()).map(str::to_owned);
    kind.or_else(|| body.split_once("\"type\":").and_then(|(_, rest)| rest.split('"').nth(1).map(str::to_owned)))
        .unwrap_or_else(|| body.to_owned())
}

/// The head of an arrow.
fn head(x1: f64, y1: f64, x2: f64, y2: f64) -> String {
    let length = ((x2 - x1).powi(2) + (y2 - y1).powi(2)).sqrt().max(1.0);
    let (along_x, along_y) = ((x2 - x1) / length * 6.0, (y2 - y1) / length * 6.0);
    let one = line(x2, y2, x2 - along_x - along_y * 0.5, y2 - along_y + along_x * 0.5, "message");
    one + &line(x2, y2, x2 - along_x + along_y * 0.5, y2 - along_y - along_x * 0.5, "message")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u64, src: &str, dest: &str, lost: bool) -> Message {
        let sent_ns = number * 1_000_000;
        let arrived_ns = if lost { Vec::new() } else { vec![sent_ns + 500_000] };
        let body = format!("{{\"type\":\"gossip\",\"message\":{number}}}");
        Message { src: src.into(), dest: dest.into(), body, sent_ns, arrived_ns }
    }

    fn messages(count: u64) -> Messages {
        let recorded = (0..count).map(|number| message(number, "n1", "n2", number % 3 == 0)).collect();
        Messages { recorded, ..Messages::default() }
    }

    #[test]
    fn the_messages_around_an_anomaly_are_chosen_else_the_first() {
        let all = messages(500);
        let (drawn, which) = chosen(&all, Some(300_000_000));
        assert_eq!((drawn.len(), drawn[BEFORE_MAX].sent_ns), (DRAWN_MAX, 300_000_000));
        assert!(which.contains("first anomaly"), "{which}");
        for moment in [None, Some(9_000_000_000)] {
            let (drawn, which) = chosen(&all, moment);
            assert_eq!(
                (drawn[0].sent_ns, which.as_str()),
                (0, "first messages of the run"),
                "{moment:?} is not recorded"
            );
        }
    }

    #[test]
    fn a_lost_message_has_no_arrow_and_everyone_a_lane() {
        let (lost, came) = (message(0, "n1", "lin-kv", true), message(1, "c3", "n1", false));
        let drawn = [&lost, &came];
        let diagram = Diagram::of(&drawn);
        assert_eq!(diagram.lanes, ["c3", "n1", "lin-kv"]);
        let html = diagram.draw("first messages of the run");
        assert_eq!((html.matches("message lost").count(), html.matches("×").count()), (1, 1));
        assert!(html.contains(">gossip</text>"), "{html}");
    }

    #[test]
    fn what_a_program_sends_is_escaped_and_bounded() {
        let mut odd = message(0, "n1", "n2", false);
        odd.body = "{\"type\":\"<script>\"".to_owned();
        let html = Diagram::of(&[&odd]).draw("first messages of the run");
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
        let many: Vec<Message> = (0..100).map(|number| message(number, &format!("c{number}"), "n1", false)).collect();
        let many = Messages { recorded: many, ..Messages::default() };
        let (drawn, _) = chosen(&many, None);
        assert_eq!(drawn.len(), LANES_MAX - 1);
    }
}

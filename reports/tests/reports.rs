//! Reports of made-up runs: well formed, complete, escaped, bounded, and the same each time.

mod markup;
mod sample;

use std::collections::BTreeSet;

use checker::CheckName;
use checker::history::{Event, EventType, History, HistoryBuilder, Phase, Process};
use checker::verdict::{Anomaly, Outcome, PropertyResult, Verdict};
use proptest::prelude::*;
use reports::{RunSummary, html, junit, terminal};
use sample::Sample;
use serde_json::{Value, json};

const BROKEN: Sample = Sample { operations: 6_000, broken: true, anomalies: 25 };
const VALID: Sample = Sample { operations: 6_000, broken: false, anomalies: 2 };
const HOSTILE: &str = "<script>alert(\"1\")</script>'&\u{1b}[2J\u{0}\u{202e}";

fn empty() -> Verdict {
    Verdict { outcome: Outcome::Valid, reasons: vec![], properties: vec![], faults: vec![], statistics: vec![] }
}

/// Every text that a store or a user can choose is hostile.
fn hostile() -> (RunSummary, Verdict, Vec<Event>) {
    let (mut summary, mut verdict, mut events) = sample::run(Sample { operations: 1_000, broken: true, anomalies: 3 });
    for text in [&mut summary.title, &mut summary.command, &mut summary.run_dir, &mut summary.started_utc] {
        *text += HOSTILE;
    }
    summary.claims_note += HOSTILE;
    summary.settings.push((HOSTILE.to_owned(), HOSTILE.to_owned()));
    summary.nodes.push(HOSTILE.to_owned());
    for event in &mut events {
        event.key = event.key.as_ref().map(|key| format!("{key}{HOSTILE}"));
        event.node = Some(HOSTILE.to_owned());
        event.error = Some(HOSTILE.to_owned());
        if event.process != Process::Nemesis && event.kind == EventType::Ok {
            event.value = json!([HOSTILE, {HOSTILE: HOSTILE}]);
        }
    }
    for result in &mut verdict.properties {
        result.summary += HOSTILE;
        result.figures.insert(HOSTILE.to_owned(), f64::NAN);
        for anomaly in &mut result.anomalies {
            anomaly.key = anomaly.key.as_ref().map(|key| format!("{key}{HOSTILE}"));
            anomaly.kind += HOSTILE;
            anomaly.explanation += HOSTILE;
        }
    }
    for fault in &mut verdict.faults {
        fault.kind += HOSTILE;
        fault.detail += HOSTILE;
        fault.evidence += HOSTILE;
        fault.nodes.push(HOSTILE.to_owned());
    }
    verdict.reasons.push(HOSTILE.to_owned());
    for s in &mut verdict.statistics {
        s.f += HOSTILE;
    }
    (summary, verdict, events)
}

#[test]
fn the_page_is_well_formed_and_stands_alone() {
    for sample in [BROKEN, VALID] {
        let (summary, verdict, events) = sample::run(sample);
        let page = html(&summary, &verdict, &sample::history(&events));
        markup::check_html(&page);
        let own = page.replace("http-equiv", "");
        for outside in ["http", "<script", "<img", "<iframe", "@import", "javascript:", " src="] {
            assert!(!own.contains(outside), "the page refers to something outside itself: {outside}");
        }
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn the_page_has_every_property_fault_and_anomaly() {
    let (summary, verdict, events) = sample::run(BROKEN);
    let page = html(&summary, &verdict, &sample::history(&events));
    for fault in &verdict.faults {
        assert!(page.contains(&markup::escaped(&fault.detail)) && page.contains(&markup::escaped(&fault.evidence)));
    }
    for result in &verdict.properties {
        assert!(page.contains(&markup::escaped(&result.summary)));
        for anomaly in result.anomalies.iter().take(20) {
            assert!(page.contains(&markup::escaped(&anomaly.explanation)), "{}", anomaly.explanation);
        }
    }
    let shown = page.matches("<details class=\"anomaly\"").count();
    let listed: usize = verdict.properties.iter().map(|p| p.anomalies.len().min(20)).sum();
    assert_eq!((shown, page.matches("<path class=\"mark").count()), (listed, listed));
    assert!(page.contains("the first 20 shown, 30 left out"), "{}", verdict.properties[0].anomalies_total);
    assert!(page.contains("INVALID") && page.contains("no-lost-writes (set) was claimed and is violated"));
    assert!(page.contains("healed 30.50 s") && page.contains("converged 30.91 s"));
}

#[test]
fn a_drawing_shows_what_proves_the_anomaly() {
    let (summary, verdict, events) = sample::run(BROKEN);
    let page = html(&summary, &verdict, &sample::history(&events));
    let anomaly = &verdict.properties[0].anomalies[0];
    let article = page.split("id=\"anomaly-0-0\"").nth(1).and_then(|rest| rest.split("id=\"anomaly-0-1\"").next());
    let article = article.expect("the first anomaly is on the page");
    let lost = &events[anomaly.events[0] as usize];
    assert!(article.contains(&format!("● add {} → ok {}", lost.value, lost.node.as_deref().unwrap_or_default())));
    assert!(article.contains(&format!("without {}", lost.value)), "the final reads say that it is missing");
    assert!(article.contains(&format!("<th scope=\"row\">{}, ", lost.index)), "the table names its lines");
    assert!(article.contains("partition 1"), "the fault is behind it");
    assert!(article.matches("<rect class=\"op").count() <= 40 && article.matches("class=\"op ").count() <= 40);
}

/// What helps to understand an anomaly is drawn, and marked differently from what proves it.
#[test]
fn a_drawing_shows_what_helps_to_understand_the_anomaly() {
    let (summary, mut verdict, events) = sample::run(BROKEN);
    let anomaly = &mut verdict.properties[0].anomalies[0];
    anomaly.context = anomaly.events.split_off(2);
    let page = html(&summary, &verdict, &sample::history(&events));
    let article = page.split("id=\"anomaly-0-0\"").nth(1).and_then(|rest| rest.split("id=\"anomaly-0-1\"").next());
    let article = article.expect("the first anomaly is on the page");
    assert!(article.contains("● add ") && article.contains("○ final read"), "{article}");
    assert!(article.contains("class=\"op ok context\""), "{article}");
    assert!(article.contains("Shown: 1 operations that prove it, "), "{article}");
    assert!(article.contains(" that help to understand it, ") && article.contains("○ context"), "{article}");
}

#[test]
fn convergence_is_marked_only_if_every_workload_converged() {
    let (summary, mut verdict, events) = sample::run(VALID);
    assert!(html(&summary, &verdict, &sample::history(&events)).contains("converged 30.91 s"));
    verdict.properties[2].figures.remove("converge_ms");
    assert!(!html(&summary, &verdict, &sample::history(&events)).contains("milestone converged"));
}

#[test]
fn what_a_store_says_is_only_shown() {
    let (summary, verdict, events) = hostile();
    let page = html(&summary, &verdict, &sample::history(&events));
    markup::check_html(&page);
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(&quot;1&quot;)"));
    let report = junit(&summary, &verdict);
    markup::check_xml(&report);
    assert!(report.contains("&lt;script&gt;"));
    let text = terminal(&summary, &verdict, Some(100), false);
    for (name, output) in [("html", &page), ("junit", &report), ("terminal", &text)] {
        let acting = output.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(acting, None, "{name} passes on a character that acts");
    }
}

#[test]
fn a_long_run_gives_a_page_under_two_megabytes() {
    let (summary, verdict, events) = sample::run(Sample { operations: 130_000, broken: true, anomalies: 25 });
    assert!(events.len() >= 200_000, "{} events", events.len());
    let page = html(&summary, &verdict, &sample::history(&events));
    markup::check_html(&page);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("Points are a sample: 1 in "));
    assert!(page.contains("left out") && page.contains(" others on the same key meanwhile"));
}

#[test]
fn many_long_anomalies_give_a_page_under_two_megabytes() {
    let (summary, mut verdict, events) = sample::run(BROKEN);
    let wordy = |anomaly: &Anomaly| Anomaly { explanation: "\u{10ffff}<&".repeat(5_000), ..anomaly.clone() };
    let anomalies: Vec<Anomaly> = verdict.properties[0].anomalies.iter().map(wordy).collect();
    let result = PropertyResult { anomalies, ..verdict.properties[0].clone() };
    verdict.properties.extend(vec![result; 12]);
    let fault = verdict.faults[0].clone();
    verdict.faults.extend(vec![fault; 5_000]);
    let page = html(&summary, &verdict, &sample::history(&events));
    markup::check_html(&page);
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("Not drawn: the report has reached its size"));
    assert!(page.contains("left out here: the report has reached its size"));
    assert!(page.contains("more are in evidence.json") && page.contains("faults are drawn"));
}

/// What was answered stands beside how much of the data the answers showed.
#[test]
fn harvest_is_shown_beside_yield() {
    let (summary, verdict, events) = sample::run(VALID);
    let page = html(&summary, &verdict, &sample::history(&events));
    let text = terminal(&summary, &verdict, Some(140), false);
    assert!(page.contains("harvest in faults") && text.contains("harvest"), "{text}");
    let reads = text.lines().filter(|line| line.contains("  read  "));
    assert!(reads.clone().count() == 3 && reads.clone().all(|line| line.contains("93.6%")), "{text}");
    assert_eq!(page.matches("93.6%").count(), 3, "reads alone have a harvest");
}

/// With several workloads a grid comes first; each of its signs leads to the finding, and the terminal lists only what
/// is not valid.
#[test]
fn several_workloads_have_an_overview() {
    let (summary, mut verdict, events) = sample::run(BROKEN);
    let workloads: BTreeSet<_> = verdict.properties.iter().filter_map(|p| p.workload.clone()).collect();
    assert!(workloads.len() > 1, "{workloads:?}");
    let page = html(&summary, &verdict, &sample::history(&events));
    for number in 0..verdict.properties.len() {
        assert_eq!(page.matches(&format!("id=\"property-{number}\"")).count(), 1);
        assert_eq!(page.matches(&format!("href=\"#property-{number}\"")).count(), 1);
    }
    let text = terminal(&summary, &verdict, Some(120), false);
    assert!(text.contains("✓ holds, ✗ broken, ? undecided"), "{text}");
    for result in &verdict.properties {
        let words = [result.property.name(), result.workload.as_deref().unwrap_or("all"), " valid", " invalid"];
        let is_found = |line: &str| {
            line.contains(words[0]) && line.contains(words[1]) && words[2..].iter().any(|w| line.contains(w))
        };
        let in_table = text.lines().any(|line| line.starts_with("│") && is_found(line));
        assert_eq!(in_table, result.outcome != Outcome::Valid, "{words:?}: {text}");
    }
    verdict.properties.retain(|p| p.workload.as_deref() == Some("set"));
    let page = html(&summary, &verdict, &sample::history(&events));
    assert!(!page.contains("href=\"#property-0\""), "one workload needs no grid");
    assert!(!terminal(&summary, &verdict, Some(120), false).contains("✓ holds"));
}

#[test]
fn tables_fit_the_width_and_colour_changes_nothing_else() {
    let (summary, verdict, _) = sample::run(BROKEN);
    for width in [80, 100, 120] {
        let text = terminal(&summary, &verdict, Some(width), false);
        assert!(!text.contains('\u{1b}'));
        let to_copy = |line: &&str| line.starts_with("report  ") || line.starts_with("repeat  ");
        for line in text.lines().filter(|line| !to_copy(line)) {
            assert!(line.chars().count() <= width, "wider than {width}: {line}");
        }
        let coloured = terminal(&summary, &verdict, Some(width), true);
        assert!(coloured.contains("\u{1b}[1;31m✗ INVALID"));
        assert_eq!(without_colour(&coloured), text);
    }
}

fn without_colour(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    first + &parts.filter_map(|part| part.split_once('m')).map(|(_, rest)| rest).collect::<String>()
}

#[test]
fn the_terminal_shows_the_verdict_and_the_first_anomalies() {
    let (summary, verdict, _) = sample::run(BROKEN);
    let text = terminal(&summary, &verdict, Some(120), false);
    assert!(text.starts_with("✗ INVALID  dynamo: set, register, cart\n"));
    let lines: Vec<String> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in ["│ kill 2 2 4.90 s", "│ clock-bump 1 0 3.00 s", "│ no-lost-writes set yes ✗ invalid 50 of 1,190"]
    {
        assert!(lines.iter().any(|line| line.starts_with(row)), "no line begins with {row}:\n{text}");
    }
    assert!(text.contains("  3. lost-write on set-") && !text.contains("  4. "));
    assert!(text.contains("... and 47 more in report.html"));
    assert!(text.contains("clock-bump 4 is not proved"));
}

#[test]
fn junit_has_a_case_for_each_property_and_fault_and_is_green_only_if_valid() {
    let (summary, verdict, _) = sample::run(BROKEN);
    let report = junit(&summary, &verdict);
    markup::check_xml(&report);
    let cases = verdict.properties.len() + verdict.faults.len() + 1;
    assert_eq!(report.matches("<testcase ").count(), cases);
    assert!(report.contains(&format!("tests=\"{cases}\" failures=\"2\" errors=\"1\" skipped=\"1\"")));
    let counted = ["<failure ", "<error ", "<skipped "].map(|tag| report.matches(tag).count());
    assert_eq!(counted, [2, 1, 1]);
    assert!(report.contains("name=\"no-lost-writes (set)\"") && report.contains("... and 30 more"));
    for anomaly in verdict.properties[0].anomalies.iter().take(20) {
        assert!(report.contains(&markup::escaped(&anomaly.explanation)));
    }

    let (summary, verdict, _) = sample::run(VALID);
    assert!(junit(&summary, &verdict).contains("failures=\"0\" errors=\"0\""));
}

#[test]
fn a_run_inconclusive_for_a_reason_of_its_own_is_not_green() {
    let reasons = vec!["no write succeeded while a fault was in force".to_owned()];
    let verdict = Verdict { outcome: Outcome::Inconclusive, reasons: reasons.clone(), ..empty() };
    let summary = RunSummary::default();
    assert!(junit(&summary, &verdict).contains("tests=\"1\" failures=\"0\" errors=\"1\""));
    assert!(terminal(&summary, &verdict, None, false).contains(&reasons[0]));
    assert!(html(&summary, &verdict, &sample::history(&[])).contains(&reasons[0]));
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let ((summary, verdict, events), (_, verdict_again, events_again)) = (sample::run(BROKEN), sample::run(BROKEN));
    assert_eq!(
        html(&summary, &verdict, &sample::history(&events)),
        html(&summary, &verdict_again, &sample::history(&events_again))
    );
    assert_eq!(junit(&summary, &verdict), junit(&summary, &verdict_again));
    assert_eq!(terminal(&summary, &verdict, None, true), terminal(&summary, &verdict_again, None, true));
}

#[test]
fn an_empty_run_says_so() {
    let summary = RunSummary { started_utc: "2026-03-14T09:26:53Z".to_owned(), ..RunSummary::default() };
    let page = html(&summary, &empty(), &sample::history(&[]));
    markup::check_html(&page);
    for sentence in
        ["holds no operation and no fault", "No anomaly was found", "No faults were planned", "nothing was claimed"]
    {
        assert!(page.contains(sentence), "{sentence}");
    }
    assert!(terminal(&summary, &empty(), Some(1), false).contains("none were planned"));
}

/// Of a history alone the reports said what was claimed, planned and proved, and that it had been run with the seed 0.
#[test]
fn regression_nobody_claimed_or_planned_anything_of_a_history_alone() {
    let (_, mut verdict, events) = sample::run(BROKEN);
    verdict.properties.retain(|property| property.claimed);
    verdict.faults.iter_mut().for_each(|fault| (fault.foreign, fault.proved) = (true, false));
    let summary = RunSummary { title: "history.edn".to_owned(), ..RunSummary::default() };
    let history = sample::history(&events);
    let reports =
        [html(&summary, &verdict, &history), junit(&summary, &verdict), terminal(&summary, &verdict, Some(140), false)];
    for (name, report) in ["html", "junit", "terminal"].into_iter().zip(&reports) {
        let of_a_run = ["claimed", "planned", "proved", "seed", "this run", "report.html", "timestamp"];
        // The style sheet has classes of what only runs have.
        let shown = report.split_once("</style>").map_or(report.as_str(), |(_, shown)| shown);
        let found = of_a_run.into_iter().find(|word| shown.contains(word));
        assert_eq!(found, None, "{name}: {shown}");
        assert!(report.contains("no-lost-writes (set) is violated"), "{name}: {report}");
    }
    markup::check_html(&reports[0]);
    markup::check_xml(&reports[1]);
    assert!(!reports[1].contains("dissensus.faults"), "{}", reports[1]);
    assert!(reports[2].contains("--html FILE writes a report with more"), "{}", reports[2]);
}

/// Events as a damaged or foreign history could hold them.
fn any_event() -> impl Strategy<Value = Event> {
    let kinds = prop_oneof![Just(EventType::Invoke), Just(EventType::Ok), Just(EventType::Fail), Just(EventType::Info)];
    let phases =
        prop_oneof![Just(Phase::Main), Just(Phase::Replica), Just(Phase::Final), Just(Phase::Ring), Just(Phase::Probe)];
    let times = prop_oneof![0..100u64, 0..60_000_000_000u64, any::<u64>()];
    let values = prop_oneof![
        Just(Value::Null),
        any::<u64>().prop_map(Value::from),
        Just(json!([1, {"id": "a", "value": null}]))
    ];
    (0..9u64, times, 0..4u64, kinds, phases, values, "[a-z<]{0,3}").prop_map(
        |(index, time, process, kind, phase, value, f)| {
            let process = if process == 0 { Process::Nemesis } else { Process::Client(process) };
            let key = (time % 3 > 0).then(|| "k".to_owned());
            Event { index, phase, key, ..Event::new(time, process, kind, f, value) }
        },
    )
}

/// The history of those of the events that fit the ones before them: a reader refuses the others.
fn history_of_fitting(events: &[Event]) -> History {
    let mut builder = HistoryBuilder::new();
    for event in events {
        let _ = builder.push(event);
    }
    builder.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_history_breaks_the_page(
        events in proptest::collection::vec(any_event(), 0..24),
        bounds in proptest::collection::vec((any::<u64>(), any::<Option<u64>>(), any::<Option<u64>>()), 0..3),
        figure in any::<f64>(),
    ) {
        let (summary, mut verdict, _) = sample::run(Sample { operations: 20, ..VALID });
        let (proof, context) = ((0..9).collect(), (5..30).collect());
        verdict.properties.push(PropertyResult {
            property: CheckName::CONVERGENCE,
            workload: None,
            claimed: true,
            outcome: Outcome::Invalid,
            summary: String::new(),
            figures: [("converge_ms".to_owned(), figure)].into(),
            anomalies: vec![Anomaly {
                kind: "diverged-key".to_owned(),
                key: Some("k".to_owned()),
                process: None,
                explanation: String::new(),
                events: proof,
                context,
                faults: vec![],
                from_ns: figure.to_bits(),
                to_ns: u64::MAX,
                edges: vec![],
            }],
            anomalies_total: 0,
            strongest: vec![],
        });
        for (position, (fault, start, stop)) in bounds.iter().enumerate() {
            let bad = &mut verdict.faults[position];
            (bad.fault, bad.start_ns, bad.stop_ns) = (*fault, *start, *stop);
        }
        for s in &mut verdict.statistics {
            (s.ok, s.fail, s.latency_p99_ms) = (u64::MAX, u64::MAX, figure);
        }
        markup::check_html(&html(&summary, &verdict, &history_of_fitting(&events)));
        markup::check_xml(&junit(&summary, &verdict));
        prop_assert!(!terminal(&summary, &verdict, None, true).is_empty());
    }
}

//! A history built in code and checked: what a client library's own test would do.
//!
//! `cargo run -p dissensus-checker --example check_history`

use dissensus_checker::history::{Event, EventType, History, Process};
use dissensus_checker::limits::Limits;
use dissensus_checker::{CheckName, Claims, Object, check};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut recorded = Vec::new();
    let mut record = |ms: u64, process: u64, kind: EventType, f: &str, value: Value| {
        let mut event = Event::new(ms * 1_000_000, Process::Client(process), kind, f, value);
        event.key = Some("x".to_owned());
        recorded.push(event);
    };
    // Process 0 writes 1 and 2; process 1 then reads 1 although 2 was acknowledged before it asked.
    record(0, 0, EventType::Invoke, "write", json!(1));
    record(4, 0, EventType::Ok, "write", json!(1));
    record(5, 0, EventType::Invoke, "write", json!(2));
    record(9, 0, EventType::Ok, "write", json!(2));
    record(12, 1, EventType::Invoke, "read", Value::Null);
    record(15, 1, EventType::Ok, "read", json!(1));

    let history = History::of_events(&recorded)?;
    let claims = Claims::of_history(CheckName::LINEARIZABLE, Some(Object::Register));
    let verdict = check(&history, &claims, &Limits::default());
    println!("{}", verdict.outcome);
    for found in &verdict.properties {
        println!("{}: {}", found.property, found.summary);
        for anomaly in &found.anomalies {
            println!("  {}: {} (events {:?})", anomaly.kind, anomaly.explanation, anomaly.events);
        }
    }
    Ok(())
}

//! No bytes make the readers of logs and of other checkers' transactions panic, and what they read is the same after a
//! conversion to JSON or EDN.
#![no_main]

use checker::formats::whole_events::Events;
use checker::formats::{Format, Selection, json_form::json_line, read, write::edn_text};
use checker::history::History;

/// All operations, as people read them.
fn shown(history: &History) -> Vec<String> {
    let op = |op: &checker::history::Op| {
        let (argument, result) = (history.show(op.argument), history.show(op.result));
        format!("{} {} {argument} {result} {:?}", history.process_name(op.process), history.text(op.f), op.kind)
    };
    history.ops.iter().map(op).collect()
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let others = Format::ALL.into_iter().filter(|format| !matches!(format, Format::Json | Format::Edn));
    for format in others {
        let selection = Selection::default();
        let Ok(reading) = read(bytes, format, &selection) else { continue };
        let mut reader = bytes;
        let mut events = Events::new(&mut reader, format);
        let (mut json, mut edn) = (String::new(), String::new());
        while let Ok(Some(located)) = events.next_event() {
            json.push_str(&(json_line(&located.event) + "\n"));
            edn.push_str(&(edn_text(&located.event) + "\n"));
        }
        for (text, format) in [(json, Format::Json), (edn, Format::Edn)] {
            let again = read(text.as_bytes(), format, &selection).expect("what is written is read");
            assert_eq!(shown(&again.records), shown(&reading.records), "{text}");
        }
    }
});

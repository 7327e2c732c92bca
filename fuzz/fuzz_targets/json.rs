//! No bytes make the reader of JSON lines panic, and an event that it reads comes back from EDN as it was.
#![no_main]

use dissensus_checker::formats::whole_events::Events;
use dissensus_checker::formats::tree::parse_edn;
use dissensus_checker::formats::{json_form::json_line, write::edn_text};
use dissensus_checker::formats::{Format, Selection, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for allow_partial in [false, true] {
        let _ = read(bytes, Format::Json, &Selection { allow_partial, workload: None });
    }
    let mut reader = bytes;
    let mut events = Events::new(&mut reader, Format::Json);
    while let Ok(Some(located)) = events.next_event() {
        let edn = edn_text(&located.event);
        let back = parse_edn(&edn).expect("what is written is read");
        assert_eq!(json_line(&back), json_line(&located.event), "{edn}");
    }
});

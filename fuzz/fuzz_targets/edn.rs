//! No bytes make the readers of EDN and of logs panic, and what they read is written and read back as it was.
#![no_main]

use dissensus_checker::formats::whole_events::Events;
use dissensus_checker::formats::tree::parse_edn;
use dissensus_checker::formats::write::edn_text;
use dissensus_checker::formats::{Format, Selection, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for format in [Format::Edn, Format::Log] {
        for allow_partial in [false, true] {
            let _ = read(bytes, format, &Selection { allow_partial, workload: None });
        }
    }
    let mut reader = bytes;
    let mut events = Events::new(&mut reader, Format::Edn);
    while let Ok(Some(located)) = events.next_event() {
        let edn = edn_text(&located.event);
        let back = parse_edn(&edn).expect("what is written is read");
        assert_eq!(edn_text(&back), edn);
    }
});

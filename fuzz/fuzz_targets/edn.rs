//! No bytes make the reader of EDN panic, and what it reads is written and read back as it was.
#![no_main]

use checker::formats::tree::parse_edn;
use checker::formats::whole_events::Events;
use checker::formats::write::edn_text;
use checker::formats::{Format, Selection, read};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for allow_partial in [false, true] {
        let _ = read(bytes, Format::Edn, &Selection { allow_partial, ..Selection::default() });
    }
    let mut reader = bytes;
    let mut events = Events::new(&mut reader, Format::Edn);
    while let Ok(Some(located)) = events.next_event() {
        let edn = edn_text(&located.event);
        let back = parse_edn(&edn).expect("what is written is read");
        assert_eq!(edn_text(&back), edn);
    }
});

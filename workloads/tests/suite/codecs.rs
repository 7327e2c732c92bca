//! Stored bytes: decoding any bytes gives a value or an error; merging is a semilattice.

use std::collections::BTreeSet;

use proptest::prelude::*;
use workloads::elements::{Elements, decode, encode, union};
use workloads::meaning::Meaning;
use workloads::{register, registry};

fn elements() -> impl Strategy<Value = Elements> {
    prop::collection::vec(0_u64..40, 0..12).prop_map(Elements::from_iter)
}

fn all() -> Vec<(&'static str, Box<dyn Meaning>)> {
    registry::meanings().collect()
}

proptest! {
    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        for (_, meaning) in all() {
            if let Err(corrupt) = meaning.decode(&bytes) {
                prop_assert_eq!(corrupt.length, bytes.len());
            }
        }
    }

    #[test]
    fn any_text_like_json_is_a_value_or_an_error(text in r#"[\[\]0-9,. {}":nul-]{0,24}"#) {
        for (_, meaning) in all() {
            let _ = meaning.decode(text.as_bytes());
        }
    }

    /// The fast decoder accepts only what `encode` wrote, and agrees with JSON.
    #[test]
    fn lists_are_read_as_json_says(
        list in prop::collection::vec(prop_oneof!["[0-9]{1,2}", "[0-9]{18,21}", "[0-9. -]{0,3}"], 0..6),
        end in prop_oneof!["]", "\\]", " \\]", ""],
    ) {
        let text = format!("[{}{end}", list.join(","));
        let read = serde_json::from_str::<Vec<u64>>(&text).ok().map(Elements::from_iter);
        prop_assert_eq!(decode(text.as_bytes()).ok(), read, "{}", text);
    }

    #[test]
    fn elements_come_back_in_order_and_once(list in prop::collection::vec(any::<u64>(), 0..20)) {
        let elements = Elements::from_iter(list.iter().copied());
        let model: BTreeSet<u64> = list.into_iter().collect();
        prop_assert!(elements.as_slice().iter().eq(&model));
        prop_assert_eq!(decode(&encode(&elements)), Ok(elements));
    }

    #[test]
    fn elements_go_in_and_out_like_those_of_a_set(steps in prop::collection::vec((any::<bool>(), 0_u64..8), 0..30)) {
        let (mut elements, mut model) = (Elements::default(), BTreeSet::new());
        for (insert, element) in steps {
            if insert {
                elements.insert(element);
                model.insert(element);
            } else {
                prop_assert_eq!(elements.remove(element), model.remove(&element));
            }
            prop_assert!(elements.as_slice().iter().eq(&model));
        }
    }

    #[test]
    fn register_values_come_back(value in any::<u64>()) {
        prop_assert_eq!(register::decode(&register::encode(value)), Ok(value));
    }

    #[test]
    fn union_is_commutative_associative_and_idempotent(a in elements(), b in elements(), c in elements()) {
        let pair = |x: &Elements, y: &Elements| union([x.clone(), y.clone()]);
        prop_assert_eq!(pair(&a, &b), pair(&b, &a));
        prop_assert_eq!(pair(&pair(&a, &b), &c), pair(&a, &pair(&b, &c)));
        prop_assert_eq!(pair(&a, &a), a.clone());
        prop_assert_eq!(union([a.clone(), b.clone(), c.clone()]), pair(&pair(&a, &b), &c));
        prop_assert_eq!(union([]), Elements::default());
        let both = a.as_slice().iter().chain(b.as_slice()).copied().collect::<BTreeSet<u64>>();
        prop_assert!(pair(&a, &b).as_slice().iter().eq(&both));
    }
}

#[test]
fn the_error_says_what_was_expected_and_found() {
    let all = all();
    let [set, register] = ["set", "register"]
        .map(|wanted| &all.iter().find(|(name, _)| *name == wanted).expect("both are on get and put").1);
    let error = set.decode(b"{\"a\":1}").unwrap_err().to_string();
    assert!(error.starts_with("stored bytes are not a list of elements: "), "{error}");
    assert!(error.ends_with(r#"(7 bytes, beginning "{\"a\":1}")"#), "{error}");
    assert!(register.decode(b"-1").is_err());
    assert!(register.decode(b"1 2").is_err());
    assert!(register.decode(&[b'9'; 1_000]).unwrap_err().to_string().len() < 200);
}

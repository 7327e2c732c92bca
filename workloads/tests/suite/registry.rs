//! `--workload LIST`.

use workloads::registry::{NAMES, WorkloadError, names};
use workloads::{Workload, by_name, get_put};

fn by_get_and_put(list: &str) -> Result<Vec<Box<dyn Workload>>, WorkloadError> {
    by_name(list, &get_put::can)
}

fn named(list: &str) -> Vec<&'static str> {
    by_get_and_put(list).expect("the list is known").iter().map(|workload| workload.name()).collect()
}

const BY_GET_AND_PUT: [&str; 7] = ["set", "register", "cart", "counter", "grow-counter", "list-append", "rw-register"];

#[test]
fn lists_are_read_in_order_and_all_means_all_that_the_client_can_do() {
    assert_eq!(named("set"), ["set"]);
    assert_eq!(named(" cart , set,"), ["cart", "set"]);
    assert_eq!(named("all"), BY_GET_AND_PUT);
    assert_eq!(names(&get_put::can), BY_GET_AND_PUT);
    let all = by_name("all", &|_, _| true).expect("it can do everything");
    assert_eq!(all.iter().map(|workload| workload.name()).collect::<Vec<_>>(), NAMES);
}

#[test]
fn what_is_wrong_is_said_with_what_is_known() {
    let unknown = by_get_and_put("set,ledger").err();
    assert_eq!(unknown, Some(WorkloadError::Unknown("ledger".to_owned())));
    let text = format!("unknown workload 'ledger': known are {}, or all", NAMES.join(", "));
    assert_eq!(unknown.map(|error| error.to_string()), Some(text));
    assert_eq!(by_get_and_put("set,all").err(), Some(WorkloadError::Duplicate("set")));
    assert_eq!(by_get_and_put(" ,").err(), Some(WorkloadError::Empty));
}

#[test]
fn what_the_client_cannot_do_is_refused_with_what_it_can() {
    let refused = by_get_and_put("set,queue").err().map(|error| error.to_string());
    let can = BY_GET_AND_PUT.join(", ");
    let expected = format!("workload 'queue' needs 'enqueue', which this system's client cannot do; it can do {can}");
    assert_eq!(refused, Some(expected));
    let without_cas = by_name("cas-register", &|workload, f| workload == "cas-register" && f != "cas").err();
    let expected = "workload 'cas-register' needs 'cas', which this system's client cannot do; it can do no workload";
    assert_eq!(without_cas.map(|error| error.to_string()).as_deref(), Some(expected));
}

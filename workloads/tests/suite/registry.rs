//! `--workload LIST`.

use workloads::by_name;
use workloads::registry::WorkloadError;

fn names(list: &str) -> Vec<&'static str> {
    by_name(list).expect("the list is known").iter().map(|workload| workload.name()).collect()
}

#[test]
fn lists_are_read_in_order_and_all_means_all() {
    assert_eq!(names("set"), ["set"]);
    assert_eq!(names(" cart , set,"), ["cart", "set"]);
    let all = ["set", "register", "cart", "counter", "grow-counter", "list-append", "rw-register"];
    assert_eq!(names("all"), all);
}

#[test]
fn what_is_wrong_is_said_with_what_is_known() {
    let unknown = by_name("set,queue").err();
    assert_eq!(unknown, Some(WorkloadError::Unknown("queue".to_owned())));
    let known = "set, register, cart, counter, grow-counter, list-append, rw-register";
    assert_eq!(unknown.unwrap().to_string(), format!("unknown workload 'queue': known are {known}, or all"));
    assert_eq!(by_name("set,all").err(), Some(WorkloadError::Duplicate("set")));
    assert_eq!(by_name(" ,").err(), Some(WorkloadError::Empty));
}

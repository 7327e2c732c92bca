//! `--workload LIST`.

use workloads::by_name;
use workloads::workload::WorkloadError;

fn names(list: &str) -> Vec<&'static str> {
    by_name(list).expect("the list is known").iter().map(|workload| workload.name()).collect()
}

#[test]
fn lists_are_read_in_order_and_all_means_all() {
    assert_eq!(names("set"), ["set"]);
    assert_eq!(names(" cart , set,"), ["cart", "set"]);
    assert_eq!(names("all"), ["set", "register", "cart"]);
}

#[test]
fn what_is_wrong_is_said_with_what_is_known() {
    let unknown = by_name("set,queue").err();
    assert_eq!(unknown, Some(WorkloadError::Unknown("queue".to_owned())));
    assert_eq!(unknown.unwrap().to_string(), "unknown workload 'queue': known are set, register, cart, or all");
    assert_eq!(by_name("set,all").err(), Some(WorkloadError::Duplicate("set")));
    assert_eq!(by_name(" ,").err(), Some(WorkloadError::Empty));
}

//! The crate end to end, on real processes. Namespaces are entered while the process has one thread, so this is a
//! program with its own main.

fn main() {
    match sandbox::enter(sandbox::Namespaces::default()) {
        Ok(entered) => println!("{entered:?}"),
        Err(error) => eprintln!("not tried on this machine: {error}"),
    }
}

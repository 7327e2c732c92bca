//! Registers, sets and counters: a row each, an element of a set too.
//!
//! Adding to a counter is one statement, or a query for the sum and a statement that sets another one, as a program does
//! that computes something of what it has read. Then it depends on the isolation of transactions whether additions are
//! lost.

use serde_json::Value;
use workloads::{Attempt, Completion, Operation};

use super::options::Updates;
use super::session::quoted;
use super::transactions::{Stop, Transaction, Transactions};
use crate::systems::outcomes::{Done, key, parse};

/// The value of a register; null if there is none.
pub(super) async fn read(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let query = format!("SELECT value FROM registers WHERE name = {}", quoted(key(operation)?));
    let work = async |transaction: &mut Transaction<'_>| {
        let value = transaction.value(&query).await?;
        value.map_or(Ok(Value::Null), |value| decode(operation, &value))
    };
    on.transact(node, operation, attempt, work).await
}

/// Sets a register.
pub(super) async fn write(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let (name, value) = (quoted(key(operation)?), quoted(&operation.value.to_string()));
    let update = format!("UPDATE registers SET value = {value} WHERE name = {name}");
    let insert = format!("INSERT INTO registers (name, value) VALUES ({name}, {value})");
    let work = async |transaction: &mut Transaction<'_>| {
        transaction.put(&update, &insert).await?;
        Ok(operation.value.clone())
    };
    on.transact(node, operation, attempt, work).await
}

/// Sets a register that has the expected value.
pub(super) async fn cas(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let name = quoted(key(operation)?);
    let Some([expected, new]) = operation.value.as_array().map(Vec::as_slice) else {
        return Err(operation.fail(format!("no pair of an expected and a new value: {}", operation.value)));
    };
    let [old, new] = [expected, new].map(|value| quoted(&value.to_string()));
    let update = format!("UPDATE registers SET value = {new} WHERE name = {name} AND value = {old}");
    let work = async |transaction: &mut Transaction<'_>| match transaction.run(&update).await?.changed {
        0 => Err(Stop::Ends(operation.fail(format!("the value is not {expected}")))),
        _ => Ok(operation.value.clone()),
    };
    on.transact(node, operation, attempt, work).await
}

/// Adds an element to a set.
pub(super) async fn add_element(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let (name, value) = (quoted(key(operation)?), quoted(&operation.value.to_string()));
    let insert = format!("INSERT INTO elements (name, value) VALUES ({name}, {value})");
    let work = async |transaction: &mut Transaction<'_>| {
        transaction.run(&insert).await?;
        Ok(operation.value.clone())
    };
    on.transact(node, operation, attempt, work).await
}

/// The elements of a set.
pub(super) async fn read_elements(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let query = format!("SELECT value FROM elements WHERE name = {}", quoted(key(operation)?));
    let work = async |transaction: &mut Transaction<'_>| {
        let found = transaction.run(&query).await?.rows.concat();
        found.iter().map(|value| decode(operation, value)).collect()
    };
    on.transact(node, operation, attempt, work).await
}

/// Adds to a counter.
pub(super) async fn add(
    on: &Transactions,
    updates: Updates,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Done {
    let name = quoted(key(operation)?);
    let by = operation.value.as_i64();
    let by = by.ok_or_else(|| operation.fail(format!("{} cannot be added", operation.value)))?;
    let work = async |transaction: &mut Transaction<'_>| {
        let new = match updates {
            Updates::InPlace => format!("value + {by}"),
            Updates::SelectThenUpdate => sum(transaction, &name, operation).await?.saturating_add(by).to_string(),
        };
        let update = format!("UPDATE counters SET value = {new} WHERE name = {name}");
        let insert = format!("INSERT INTO counters (name, value) VALUES ({name}, {by})");
        transaction.put(&update, &insert).await?;
        Ok(operation.value.clone())
    };
    on.transact(node, operation, attempt, work).await
}

/// The sum of a counter.
pub(super) async fn read_sum(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let name = quoted(key(operation)?);
    let work = async |transaction: &mut Transaction<'_>| Ok(sum(transaction, &name, operation).await?.into());
    on.transact(node, operation, attempt, work).await
}

async fn sum(transaction: &mut Transaction<'_>, name: &str, operation: &Operation) -> Result<i64, Stop> {
    let found = transaction.value(&format!("SELECT value FROM counters WHERE name = {name}")).await?;
    let Some(found) = found else { return Ok(0) };
    found.parse().map_err(|_| corrupt(operation, format!("{found:?} is no sum")))
}

/// A stored value.
pub(super) fn decode(operation: &Operation, stored: &str) -> Result<Value, Stop> {
    parse(stored.as_bytes()).map_err(|why| corrupt(operation, why))
}

/// What is stored is no value of the workload; nothing was changed.
pub(super) fn corrupt(operation: &Operation, why: String) -> Stop {
    Stop::Ends(Completion { corrupt: true, ..operation.fail(why) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workloads::{Invocation, Outcome};

    use super::super::session::Answer;
    use super::super::session::Failure;
    use super::super::transactions::tests::{Script, changed, done, found};
    use super::*;

    type Answers = Vec<Result<Answer, Failure>>;

    /// What an addition to a counter comes to, and the statements in its transaction.
    async fn addition(updates: Updates, answers: Answers) -> (Completion, Vec<String>) {
        let (transactions, script) = Script::of(answers);
        let operation = Invocation::of("add", "a", 5).by("kv-counter", 1);
        let completion = add(&transactions, updates, "n1", &operation, &Attempt::default()).await;
        (completion.unwrap_or_else(|completion| completion), script.executed())
    }

    #[tokio::test]
    async fn a_sum_is_computed_by_the_database_or_of_what_was_read() {
        let (completion, executed) = addition(Updates::InPlace, vec![done(), changed(1), done()]).await;
        assert_eq!(completion.outcome, Outcome::Ok);
        assert_eq!(executed[1], "1 UPDATE counters SET value = value + 5 WHERE name = 'a'");
        let (_, executed) = addition(Updates::SelectThenUpdate, vec![done(), found("7"), changed(1), done()]).await;
        assert_eq!(executed[2], "1 UPDATE counters SET value = 12 WHERE name = 'a'");
        let (completion, executed) =
            addition(Updates::SelectThenUpdate, vec![done(), done(), changed(0), done(), done()]).await;
        assert_eq!(completion.outcome, Outcome::Ok);
        assert_eq!(executed[3], "1 INSERT INTO counters (name, value) VALUES ('a', 5)");
    }

    #[tokio::test]
    async fn what_is_stored_and_makes_no_sense_is_corrupt() {
        let (completion, executed) = addition(Updates::SelectThenUpdate, vec![done(), found("seven"), done()]).await;
        assert!(completion.corrupt && completion.outcome == Outcome::Fail, "{completion:?}");
        assert_eq!(executed[2], "1 ROLLBACK");
    }

    #[tokio::test]
    async fn a_register_with_another_value_is_not_set() {
        let operation = Invocation::of("cas", "a", json!([1, 2])).by("cas-register", 1);
        for (rows, outcome) in [(1, Outcome::Ok), (0, Outcome::Fail)] {
            let (transactions, script) = Script::of(vec![done(), changed(rows), done()]);
            let completion = cas(&transactions, "n1", &operation, &Attempt::default()).await;
            assert_eq!(completion.unwrap_or_else(|completion| completion).outcome, outcome);
            assert_eq!(script.executed()[1], "1 UPDATE registers SET value = '2' WHERE name = 'a' AND value = '1'");
        }
    }
}

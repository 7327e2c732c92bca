//! Transactions that read lists and append to them: `append` of the bench, Jepsen's `append`.
//!
//! A list is a row whose value has each element followed by a comma. Appending is one statement, or a query for the list
//! and a statement that sets another one ([`Updates`]).

use serde_json::{Value, json};
use workloads::{Attempt, Operation};

use super::options::Updates;
use super::registers::decode;
use super::session::quoted;
use super::transactions::{Stop, Transaction, Transactions};
use crate::systems::outcomes::Done;

/// A part of a transaction.
#[derive(Clone, Debug, PartialEq)]
enum Micro<'o> {
    Read(&'o str),
    Append(&'o str, &'o Value),
}

/// Carries out a transaction.
pub(super) async fn txn(
    on: &Transactions,
    updates: Updates,
    node: &str,
    operation: &Operation,
    attempt: &Attempt,
) -> Done {
    let micros = micros(operation);
    let micros = micros.ok_or_else(|| operation.fail(format!("no reads and appends: {}", operation.value)))?;
    let work = async |transaction: &mut Transaction<'_>| {
        let mut results = Vec::new();
        for micro in &micros {
            results.push(match micro {
                Micro::Read(name) => json!(["r", name, elements(transaction, name, operation).await?]),
                Micro::Append(name, element) => {
                    append(transaction, updates, name, element).await?;
                    json!(["append", name, element])
                }
            });
        }
        Ok(Value::Array(results))
    };
    on.transact(node, operation, attempt, work).await
}

/// The parts of a transaction; none if it has others than these.
fn micros(operation: &Operation) -> Option<Vec<Micro<'_>>> {
    let micro = |micro: &'_ Value| match micro.as_array().map(Vec::as_slice) {
        Some([Value::String(f), Value::String(_), Value::Null]) if f == "r" => Some(()),
        Some([Value::String(f), Value::String(_), element]) if f == "append" && !element.is_null() => Some(()),
        _ => None,
    };
    let all = operation.value.as_array()?;
    all.iter().try_for_each(micro)?;
    all.iter()
        .map(|micro| {
            let name = micro[1].as_str()?;
            Some(if micro[0] == "r" { Micro::Read(name) } else { Micro::Append(name, &micro[2]) })
        })
        .collect()
}

async fn stored(transaction: &mut Transaction<'_>, name: &str) -> Result<Option<String>, Stop> {
    transaction.value(&format!("SELECT value FROM lists WHERE name = {}", quoted(name))).await
}

async fn elements(transaction: &mut Transaction<'_>, name: &str, operation: &Operation) -> Result<Value, Stop> {
    let stored = stored(transaction, name).await?.unwrap_or_default();
    decode(operation, &format!("[{}]", stored.strip_suffix(',').unwrap_or(&stored)))
}

async fn append(transaction: &mut Transaction<'_>, updates: Updates, name: &str, element: &Value) -> Result<(), Stop> {
    let added = format!("{element},");
    let new = match updates {
        Updates::InPlace => format!("CONCAT(value, {})", quoted(&added)),
        Updates::SelectThenUpdate => quoted(&(stored(transaction, name).await?.unwrap_or_default() + &added)),
    };
    let (name, added) = (quoted(name), quoted(&added));
    let update = format!("UPDATE lists SET value = {new} WHERE name = {name}");
    let insert = format!("INSERT INTO lists (name, value) VALUES ({name}, {added})");
    transaction.put(&update, &insert).await
}

#[cfg(test)]
mod tests {
    use workloads::{Completion, Invocation, Outcome};

    use super::super::session::{Answer, Failure};
    use super::super::transactions::tests::{Script, changed, done, found};
    use super::*;

    type Answers = Vec<Result<Answer, Failure>>;

    async fn transaction(updates: Updates, micros: Value, answers: Answers) -> (Completion, Vec<String>) {
        let (transactions, script) = Script::of(answers);
        let operation = Invocation::without_key("txn", micros).by("append", 1);
        let completion = txn(&transactions, updates, "n1", &operation, &Attempt::default()).await;
        (completion.unwrap_or_else(|completion| completion), script.executed())
    }

    #[tokio::test]
    async fn reads_and_appends_are_statements_in_their_order() {
        let micros = json!([["append", "a", 5], ["r", "a", null], ["r", "b", null]]);
        let answers = vec![done(), changed(1), found("4,5,"), done(), done()];
        let (completion, executed) = transaction(Updates::InPlace, micros, answers).await;
        assert_eq!(completion.value, json!([["append", "a", 5], ["r", "a", [4, 5]], ["r", "b", []]]));
        assert_eq!(executed[1], "1 UPDATE lists SET value = CONCAT(value, '5,') WHERE name = 'a'");
    }

    #[tokio::test]
    async fn a_list_that_was_read_is_set_with_the_element() {
        let micros = json!([["append", "a", 5]]);
        let answers = vec![done(), found("4,"), changed(1), done()];
        let (_, executed) = transaction(Updates::SelectThenUpdate, micros.clone(), answers).await;
        assert_eq!(executed[2], "1 UPDATE lists SET value = '4,5,' WHERE name = 'a'");
        let answers = vec![done(), done(), changed(0), done(), done()];
        let (completion, executed) = transaction(Updates::SelectThenUpdate, micros, answers).await;
        assert_eq!(executed[3], "1 INSERT INTO lists (name, value) VALUES ('a', '5,')");
        assert_eq!(completion.outcome, Outcome::Ok);
    }

    #[tokio::test]
    async fn what_is_no_transaction_is_not_begun() {
        for micros in [json!(5), json!([["w", "a", 5]]), json!([["r", "a"]]), json!([["r", 1, null]])] {
            let (completion, executed) = transaction(Updates::InPlace, micros, Vec::new()).await;
            assert!(completion.outcome == Outcome::Fail && executed.is_empty(), "{completion:?}");
        }
        let (completion, _) =
            transaction(Updates::InPlace, json!([["r", "a", null]]), vec![done(), found("4;5"), done()]).await;
        assert!(completion.corrupt, "{completion:?}");
    }
}

//! Transfers between accounts, and reads of all of them: `bank` of the bench.
//!
//! An account is a row, which is not there until its balance changes. A transfer reads two balances and then sets both.

use std::collections::BTreeMap;

use serde_json::Value;
use workloads::bank::Bank;
use workloads::{Attempt, Completion, Operation};

use super::registers::corrupt;
use super::session::quoted;
use super::transactions::{Stop, Transaction, Transactions};
use crate::systems::outcomes::{Done, key};

/// Moves an amount from one account to another, if that has it.
pub(super) async fn transfer(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let bank = quoted(key(operation)?);
    let (from, to, amount) = asked(operation)?;
    let work = async |transaction: &mut Transaction<'_>| {
        let [of_from, of_to] =
            [balance(transaction, &bank, from, operation).await?, balance(transaction, &bank, to, operation).await?];
        if of_from < amount {
            return Err(Stop::Ends(operation.fail(format!("{from} has {of_from}, not {amount}"))));
        }
        set(transaction, &bank, from, of_from - amount).await?;
        set(transaction, &bank, to, of_to.saturating_add(amount)).await?;
        Ok(operation.value.clone())
    };
    on.transact(node, operation, attempt, work).await
}

/// The balances of all accounts.
pub(super) async fn read(on: &Transactions, node: &str, operation: &Operation, attempt: &Attempt) -> Done {
    let query = format!("SELECT account, balance FROM accounts WHERE name = {}", quoted(key(operation)?));
    let work = async |transaction: &mut Transaction<'_>| {
        let mut balances: BTreeMap<String, i64> = Bank::accounts().map(|account| (account, Bank::BALANCE)).collect();
        for row in transaction.run(&query).await?.rows {
            let [account, stored] = &row[..] else { return Err(corrupt(operation, format!("{row:?} is no balance"))) };
            balances.insert(account.clone(), number(operation, stored)?);
        }
        Ok(balances.into_iter().map(|(account, balance)| (account, Value::from(balance))).collect::<Value>())
    };
    on.transact(node, operation, attempt, work).await
}

/// From which account, to which, and how much.
fn asked(operation: &Operation) -> Result<(&str, &str, i64), Completion> {
    let value = &operation.value;
    let parts = value["from"].as_str().zip(value["to"].as_str()).zip(value["amount"].as_i64());
    let parts = parts.map(|((from, to), amount)| (from, to, amount)).filter(|(.., amount)| *amount > 0);
    parts.ok_or_else(|| operation.fail(format!("no transfer: {value}")))
}

async fn balance(
    transaction: &mut Transaction<'_>,
    bank: &str,
    account: &str,
    operation: &Operation,
) -> Result<i64, Stop> {
    let account = quoted(account);
    let query = format!("SELECT balance FROM accounts WHERE name = {bank} AND account = {account}");
    match transaction.value(&query).await? {
        Some(stored) => number(operation, &stored),
        None => Ok(Bank::BALANCE),
    }
}

async fn set(transaction: &mut Transaction<'_>, bank: &str, account: &str, balance: i64) -> Result<(), Stop> {
    let account = quoted(account);
    let update = format!("UPDATE accounts SET balance = {balance} WHERE name = {bank} AND account = {account}");
    let insert = format!("INSERT INTO accounts (name, account, balance) VALUES ({bank}, {account}, {balance})");
    transaction.put(&update, &insert).await
}

fn number(operation: &Operation, stored: &str) -> Result<i64, Stop> {
    stored.parse().map_err(|_| corrupt(operation, format!("{stored:?} is no balance")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use workloads::{Invocation, Outcome};

    use super::super::session::{Answer, Failure};
    use super::super::transactions::tests::{Script, changed, done, found};
    use super::*;

    async fn transferred(amount: i64, answers: Vec<Result<Answer, Failure>>) -> (Outcome, Vec<String>) {
        let (transactions, script) = Script::of(answers);
        let value = json!({"from": "0", "to": "1", "amount": amount});
        let operation = Invocation::of("transfer", "bank-0", value).by("bank", 1);
        let completion = transfer(&transactions, "n1", &operation, &Attempt::default()).await;
        (completion.unwrap_or_else(|completion| completion).outcome, script.executed())
    }

    #[tokio::test]
    async fn what_one_account_loses_another_gains() {
        let answers = vec![done(), found("7"), done(), changed(1), changed(0), done(), done()];
        let (outcome, executed) = transferred(5, answers).await;
        assert_eq!(outcome, Outcome::Ok);
        assert_eq!(executed[3], "1 UPDATE accounts SET balance = 2 WHERE name = 'bank-0' AND account = '0'");
        assert_eq!(executed[5], "1 INSERT INTO accounts (name, account, balance) VALUES ('bank-0', '1', 15)");
    }

    #[tokio::test]
    async fn nothing_is_taken_that_is_not_there() {
        let (outcome, executed) = transferred(8, vec![done(), found("7"), done(), done()]).await;
        assert_eq!((outcome, executed[3].as_str()), (Outcome::Fail, "1 ROLLBACK"));
        assert_eq!(transferred(-5, Vec::new()).await, (Outcome::Fail, Vec::new()));
    }

    #[tokio::test]
    async fn an_account_without_a_row_has_what_it_began_with() {
        let row = Answer { rows: vec![vec!["3".into(), "12".into()]], changed: 0 };
        let (transactions, _) = Script::of(vec![done(), Ok(row), done()]);
        let operation = Invocation::of("read", "bank-0", Value::Null).by("bank", 1);
        let completion = read(&transactions, "n1", &operation, &Attempt::default()).await.expect("it succeeds");
        assert_eq!(completion.value["3"], 12);
        assert_eq!(completion.value.as_object().map(|all| all.values().filter(|it| **it == 10).count()), Some(7));
    }
}

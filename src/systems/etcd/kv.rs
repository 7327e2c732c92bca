//! Keys and values through one node: what the operations of all workloads are made of.

use serde_json::{Value, json};
use workloads::store::StoreError;

use super::forms::{self, Answered, Compare, Deleted, Done, Granted, KeyValue, Keys, Ranged, Txn};
use super::gateway::Gateway;
use super::settings::Reads;

/// A key that is to have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Write {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// With which lease the key goes away; 0 = none.
    pub lease: i64,
}

/// The keys of a cluster. Errors are `Refused` if a request certainly has no effect, else `Unknown`.
#[derive(Clone)]
pub(super) struct Kv {
    /// To the nodes.
    pub gateway: Gateway,
    /// How clients read.
    pub reads: Reads,
}

impl Write {
    /// A value that stays.
    pub fn of(key: &str, value: impl Into<Vec<u8>>) -> Self {
        Self { key: key.to_owned(), value: value.into(), lease: 0 }
    }

    fn form(&self) -> Value {
        json!({"key": forms::bytes(&self.key), "value": forms::bytes(&self.value), "lease": self.lease.to_string()})
    }
}

impl Kv {
    /// A key as the configuration reads; none if it is not there.
    pub async fn get(&self, node: &str, key: &str) -> Result<Option<KeyValue>, StoreError> {
        Ok(self.range(node, &Keys::One(key), self.reads).await?.pop())
    }

    /// The keys of a range.
    pub async fn range(&self, node: &str, keys: &Keys<'_>, reads: Reads) -> Result<Vec<KeyValue>, StoreError> {
        let answer: Answered<Ranged> = self.gateway.call(node, "kv/range", &range(keys, reads)).await?;
        Ok(answer.answer.kvs)
    }

    /// Several keys at one moment, each as [`Self::get`].
    pub async fn get_all(&self, node: &str, keys: &[String]) -> Result<Vec<Option<KeyValue>>, StoreError> {
        let ranges: Vec<Value> =
            keys.iter().map(|key| json!({"request_range": range(&Keys::One(key), self.reads)})).collect();
        let answer: Answered<Txn> = self.gateway.call(node, "kv/txn", &json!({"success": ranges})).await?;
        let parts = answer.answer.responses;
        if parts.len() != keys.len() {
            return Err(StoreError::Unknown(format!("{} answers to {} questions", parts.len(), keys.len())));
        }
        let found = |part: forms::TxnPart| part.response_range.and_then(|mut ranged| ranged.kvs.pop());
        Ok(parts.into_iter().map(found).collect())
    }

    /// Puts a value; returns the revision of the change.
    pub async fn put(&self, node: &str, write: &Write) -> Result<i64, StoreError> {
        let answer: Answered<Done> = self.gateway.call(node, "kv/put", &write.form()).await?;
        Ok(answer.header.revision)
    }

    /// Deletes a key; returns the revision of the change, none if there was nothing to delete.
    pub async fn delete(&self, node: &str, key: &str) -> Result<Option<i64>, StoreError> {
        let answer: Answered<Deleted> = self.gateway.call(node, "kv/deleterange", &Keys::One(key).fields()).await?;
        Ok((answer.answer.deleted > 0).then_some(answer.header.revision))
    }

    /// Makes all writes at once if all conditions hold; returns the revision of the change, none if they do not hold.
    pub async fn put_if(
        &self,
        node: &str,
        conditions: &[Compare],
        writes: &[Write],
    ) -> Result<Option<i64>, StoreError> {
        let puts = writes.iter().map(|write| json!({"request_put": write.form()})).collect();
        self.change_if(node, conditions, puts).await
    }

    /// Deletes a key if the condition holds; returns the revision of the change, none if it does not hold.
    pub async fn delete_if(&self, node: &str, condition: Compare, key: &str) -> Result<Option<i64>, StoreError> {
        self.change_if(node, &[condition], vec![json!({"request_delete_range": Keys::One(key).fields()})]).await
    }

    async fn change_if(
        &self,
        node: &str,
        conditions: &[Compare],
        changes: Vec<Value>,
    ) -> Result<Option<i64>, StoreError> {
        let compare: Vec<Value> = conditions.iter().map(Compare::form).collect();
        let request = json!({"compare": compare, "success": changes});
        let answer: Answered<Txn> = self.gateway.call(node, "kv/txn", &request).await?;
        Ok(answer.answer.succeeded.then_some(answer.header.revision))
    }

    /// A new lease.
    pub async fn grant(&self, node: &str, seconds: u64) -> Result<i64, StoreError> {
        let request = json!({"TTL": seconds.to_string()});
        let answer: Answered<Granted> = self.gateway.call(node, "lease/grant", &request).await?;
        Ok(answer.answer.id)
    }

    /// Ends a lease, and with it the keys that it has.
    pub async fn revoke(&self, node: &str, lease: i64) -> Result<(), StoreError> {
        let request = json!({"ID": lease.to_string()});
        let _: Answered<Done> = self.gateway.call(node, "lease/revoke", &request).await?;
        Ok(())
    }
}

fn range(keys: &Keys<'_>, reads: Reads) -> Value {
    let mut request = keys.fields();
    request["serializable"] = (reads == Reads::Serializable).into();
    request
}

#[cfg(test)]
mod tests {
    use super::super::gateway::tests::{answer, answering};
    use super::*;

    async fn kv(bodies: &[&str]) -> Kv {
        let answers = bodies.iter().map(|body| answer("200 OK", body)).collect();
        Kv { gateway: answering(answers).await, reads: Reads::Default }
    }

    #[tokio::test]
    async fn a_condition_that_does_not_hold_is_no_error() {
        let kv = kv(&[r#"{"header":{"revision":"3"}}"#, r#"{"header":{"revision":"4"},"succeeded":true}"#]).await;
        let condition = [Compare::ChangedAt("a".into(), 2)];
        let writes = [Write::of("a", "5")];
        assert_eq!(kv.put_if("n1", &condition, &writes).await, Ok(None));
        assert_eq!(kv.put_if("n1", &condition, &writes).await, Ok(Some(4)));
    }

    #[tokio::test]
    async fn what_is_not_there_has_no_value_and_is_not_deleted() {
        let nothing = r#"{"header":{"revision":"3"}}"#;
        let kv = kv(&[nothing, nothing, r#"{"header":{"revision":"4"},"deleted":"1"}"#]).await;
        assert_eq!(kv.get("n1", "a").await, Ok(None));
        assert_eq!(kv.delete("n1", "a").await, Ok(None));
        assert_eq!(kv.delete("n1", "a").await, Ok(Some(4)));
    }

    #[tokio::test]
    async fn many_keys_are_answered_one_by_one() {
        let parts = r#"{"header":{},"succeeded":true,"responses":[{"response_range":{"header":{}}},
            {"response_range":{"header":{},"kvs":[{"key":"Yg==","value":"NQ==","mod_revision":"9"}]}}]}"#;
        let kv = kv(&[parts, parts]).await;
        let keys = ["a", "b"].map(str::to_owned);
        let found = kv.get_all("n1", &keys).await.expect("an answer");
        assert!(found[0].is_none() && found[1].as_ref().is_some_and(|found| found.mod_revision == 9), "{found:?}");
        assert!(matches!(kv.get_all("n1", &keys[..1]).await, Err(StoreError::Unknown(_))), "one too many");
    }
}

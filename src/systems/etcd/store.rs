//! etcd as a store with get, put and delete. A context is the revision that changed the key last, and a write with one is
//! a transaction that compares it: one whose context is outdated is refused.

use workloads::store::{Context, ReplicaVersion, Store, StoreError, StoreFuture, Versions};

use super::forms::{Compare, KeyValue, Keys};
use super::kv::{Kv, Write};
use super::settings::Reads;

/// A cluster as a store.
pub(super) struct EtcdStore {
    kv: Kv,
    nodes: Vec<String>,
}

impl EtcdStore {
    /// The store that these nodes keep.
    pub fn new(kv: Kv, nodes: Vec<String>) -> Self {
        Self { kv, nodes }
    }
}

impl Store for EtcdStore {
    fn nodes(&self) -> Vec<String> {
        self.nodes.clone()
    }

    fn get<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Versions> {
        Box::pin(async move {
            let found = self.kv.get(node, key).await?;
            let changed_at = found.as_ref().map_or(0, |found| found.mod_revision);
            let values = found.into_iter().map(|found| found.value).collect();
            Ok(Versions { context: Some(Context(changed_at.to_string())), values })
        })
    }

    fn put<'a>(
        &'a self,
        node: &'a str,
        key: &'a str,
        context: Option<&'a Context>,
        value: Vec<u8>,
    ) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            let write = Write::of(key, value);
            match context {
                None => self.kv.put(node, &write).await.map(|_| ()),
                Some(context) => held(self.kv.put_if(node, &[unchanged(key, context)?], &[write]).await?),
            }
        })
    }

    fn delete<'a>(&'a self, node: &'a str, key: &'a str, context: Option<&'a Context>) -> StoreFuture<'a, ()> {
        Box::pin(async move {
            match context {
                None => self.kv.delete(node, key).await.map(|_| ()),
                Some(context) => held(self.kv.delete_if(node, unchanged(key, context)?, key).await?),
            }
        })
    }

    /// Every node has every key.
    fn replicas(&self, _key: &str) -> Vec<String> {
        self.nodes.clone()
    }

    fn read_replica<'a>(&'a self, node: &'a str, key: &'a str) -> StoreFuture<'a, Vec<ReplicaVersion>> {
        Box::pin(async move {
            let found = self.kv.range(node, &Keys::One(key), Reads::Serializable).await?;
            let version =
                |found: KeyValue| ReplicaVersion { id: found.mod_revision.to_string(), value: Some(found.value) };
            Ok(found.into_iter().map(version).collect())
        })
    }
}

/// That nobody has changed the key since the context was made.
fn unchanged(key: &str, Context(text): &Context) -> Result<Compare, StoreError> {
    let strange = |_| StoreError::Refused(format!("{text:?} is no context of this client"));
    Ok(Compare::ChangedAt(key.to_owned(), text.parse().map_err(strange)?))
}

fn held(revision: Option<i64>) -> Result<(), StoreError> {
    let changed = || StoreError::Refused("the key has changed since it was read".into());
    revision.map(|_| ()).ok_or_else(changed)
}

#[cfg(test)]
mod tests {
    use super::super::gateway::tests::{answer, answering};
    use super::*;

    #[tokio::test]
    async fn a_write_with_an_old_context_is_refused() {
        let bodies =
            [r#"{"header":{}}"#, r#"{"header":{"revision":"4"}}"#, r#"{"header":{"revision":"4"},"succeeded":true}"#];
        let answers = bodies.iter().map(|body| answer("200 OK", body)).collect();
        let kv = Kv { gateway: answering(answers).await, reads: Reads::Default };
        let store = EtcdStore::new(kv, vec!["n1".into()]);
        let read = store.get("n1", "a").await.expect("an answer");
        assert_eq!((read.values.len(), read.context.as_ref()), (0, Some(&Context("0".into()))), "it is not there");
        let old = store.put("n1", "a", read.context.as_ref(), b"5".to_vec()).await;
        assert!(matches!(old, Err(StoreError::Refused(_))), "{old:?}");
        assert_eq!(store.delete("n1", "a", Some(&Context("4".into()))).await, Ok(()));
        let strange = store.delete("n1", "a", Some(&Context("x".into()))).await;
        assert!(matches!(strange, Err(StoreError::Refused(_))), "{strange:?}");
    }
}

//! Members of an etcd cluster. Each has an identity that it gets when it is added and keeps on its disk: with another disk
//! it is refused as an impostor. So a node whose disk is lost is removed, and a new member is added at its address.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use workloads::store::StoreError;

use super::forms::{Answered, Done, integer};
use super::gateway;

/// How often a change is asked for, and how long it is waited in between. A leader refuses to change members until it has
/// been in touch with all others for five seconds (`HealthInterval` in etcd's `server/etcdserver/server.go`). And a change
/// that is proposed while an earlier one is not applied, or without a leader, is dropped, and waited for in vain.
const ATTEMPTS: usize = 24;
const BETWEEN: Duration = Duration::from_millis(500);
const STEP_LIMIT: Duration = Duration::from_secs(3);

/// A member, as all others know it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Member {
    #[serde(rename = "ID", deserialize_with = "integer")]
    id: u64,
    /// Empty until it has been started.
    name: String,
    #[serde(rename = "peerURLs")]
    peer_urls: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    members: Vec<Member>,
}

/// What is still to be done for a new member to be expected at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// One is there that has been started: its disk is gone.
    Remove(u64),
    Add,
    Nothing,
}

fn next(members: &[Member], peer_url: &str) -> Next {
    match members.iter().find(|member| member.peer_urls.iter().any(|url| url == peer_url)) {
        Some(member) if member.name.is_empty() => Next::Nothing,
        Some(member) => Next::Remove(member.id),
        None => Next::Add,
    }
}

/// Removes the member that was at an address, and adds a new one there.
///
/// # Errors
/// What the node said last, when it does not come to that.
pub(super) async fn take_in(http: &reqwest::Client, through: SocketAddr, peer_url: &str) -> Result<(), String> {
    let mut refusal = String::new();
    for _ in 0..ATTEMPTS {
        match tokio::time::timeout(STEP_LIMIT, step(http, through, peer_url)).await {
            Ok(Ok(Next::Nothing)) => return Ok(()),
            Ok(Ok(_)) => continue,
            Ok(Err(error)) => refusal = error.to_string(),
            Err(_) => refusal = format!("no answer within {} s", STEP_LIMIT.as_secs()),
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Err(refusal)
}

/// Does what is next, and returns what that was.
async fn step(http: &reqwest::Client, through: SocketAddr, peer_url: &str) -> Result<Next, StoreError> {
    let call = |path: &'static str, request: Value| async move {
        gateway::call::<Done>(http, through, path, &request).await.map(|_| ())
    };
    let Answered { answer: Listed { members }, .. } =
        gateway::call(http, through, "cluster/member/list", &json!({})).await?;
    let next = next(&members, peer_url);
    match &next {
        Next::Remove(id) => call("cluster/member/remove", json!({"ID": id.to_string()})).await?,
        Next::Add => call("cluster/member/add", json!({"peerURLs": [peer_url]})).await?,
        Next::Nothing => {}
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_was_started_is_removed_before_a_new_one_is_added() {
        let list = json!({"members": [
            {"ID": "10501334649042878790", "name": "n1", "peerURLs": ["http://10.77.0.1:2380"]},
            {"ID": "7", "name": "n2", "peerURLs": ["http://10.77.0.2:2380"]},
            {"ID": "9", "peerURLs": ["http://10.77.0.4:2380"]},
        ]});
        let Listed { members } = serde_json::from_value(list).expect("a list");
        assert_eq!(next(&members, "http://10.77.0.1:2380"), Next::Remove(10_501_334_649_042_878_790));
        assert_eq!(next(&members, "http://10.77.0.3:2380"), Next::Add);
        assert_eq!(next(&members, "http://10.77.0.4:2380"), Next::Nothing);
    }
}

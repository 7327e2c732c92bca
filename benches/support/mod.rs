//! What benchmarks of real nodes share: a cluster of processes that dial each other directly, and a reader of answers.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use cluster_node::Ready;
use dissensus::arena::launch::{Peer, Place, Ports};
use dissensus::systems::System;
use dissensus::systems::dynamo::{Dynamo, DynamoSettings};
use tokio::io::AsyncReadExt;

pub type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Reads one response to its end; returns its status and its body.
pub async fn read_answer(stream: &mut tokio::net::TcpStream, buffer: &mut Vec<u8>) -> Result<(u16, String), AnyError> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the node closed the connection".into());
        }
        let text = String::from_utf8_lossy(buffer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned));
        let length: usize = length.map_or(Ok(0), |length| length.trim().parse())?;
        if body.len() >= length {
            return Ok((head.split(' ').nth(1).unwrap_or_default().parse()?, body.to_owned()));
        }
    }
}

/// Node processes, ended when dropped.
pub struct Cluster {
    system: Dynamo,
    peers: Vec<SocketAddr>,
    nodes: Vec<Option<(Child, ChildStdin)>>,
    starts: Vec<u64>,
    /// Where each node takes requests now.
    pub clients: Vec<SocketAddr>,
    dir: PathBuf,
}

impl Cluster {
    pub fn start(name: &str, nodes: usize, settings: DynamoSettings) -> Result<Self, AnyError> {
        let dir = format!("{name}-{}-{}", std::process::id(), settings.engine);
        let peers = free_addresses(nodes)?;
        let mut cluster = Self {
            system: Dynamo::new(DynamoSettings { nodes, ..settings }, 1)?,
            clients: peers.clone(),
            peers,
            nodes: (0..nodes).map(|_| None).collect(),
            starts: vec![0; nodes],
            dir: Path::new(env!("CARGO_TARGET_TMPDIR")).join(dir),
        };
        (0..nodes).try_for_each(|index| cluster.start_node(index))?;
        Ok(cluster)
    }

    /// Starts a node on what is in its directory.
    pub fn start_node(&mut self, index: usize) -> Result<(), AnyError> {
        let options = self.options(index)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_dissensus"))
            .args(["__node", "bench"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("a node without standard input")?;
        let stdout = child.stdout.take().ok_or("a node without standard output")?;
        writeln!(stdin, "{options}")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let ready: Ready = serde_json::from_str(&line).map_err(|error| format!("a node did not start: {error}"))?;
        self.clients[index] = ready.client;
        self.starts[index] += 1;
        self.nodes[index] = Some((child, stdin));
        Ok(())
    }

    fn options(&self, index: usize) -> Result<serde_json::Value, AnyError> {
        let others = self.peers.iter().copied().enumerate().filter(|(peer, _)| *peer != index);
        let place = Place {
            index,
            data_dir: self.dir.join(index.to_string()),
            name: "bench".into(),
            host: Ipv4Addr::LOCALHOST.into(),
            ports: Ports::free(),
            peers: others.map(|(peer, at)| (peer, Peer::Proxy(at))).collect::<BTreeMap<_, _>>(),
            clock_fd: None,
            parent_pid: std::process::id() as i32,
            starts: self.starts[index],
            upgrades: 0,
            replacements: 0,
            drop_damaged: false,
        };
        let line = self.system.launch(&place)?.stdin_line.ok_or("a node that reads no options")?;
        let mut options: serde_json::Value = serde_json::from_str(&line)?;
        options["peer_listen"] = self.peers[index].to_string().into();
        Ok(options)
    }

    /// Kills a node; its directory stays.
    pub fn kill(&mut self, index: usize) {
        if let Some((mut child, _)) = self.nodes[index].take() {
            // It may have ended by itself already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        (0..self.nodes.len()).for_each(|index| self.kill(index));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Ports that are free now, for the nodes' peer addresses.
fn free_addresses(count: usize) -> Result<Vec<SocketAddr>, AnyError> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    Ok(held.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?)
}

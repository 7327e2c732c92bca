//! The bench's end of the keeper: commands go there, and how they ended comes back.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::keeper::{Debt, KEEPER_COMMAND, Order, Reply};
use super::run::Ended;
use crate::arena::command::CommandLine;

/// The keeper does not run any more: nothing can be begun, and nothing be ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process that runs the commands is gone: {0}")]
pub struct KeeperGone(String);

/// A keeper that runs.
pub(super) struct Orders {
    child: Child,
    pipes: Mutex<Pipes>,
}

struct Pipes {
    orders: ChildStdin,
    replies: Lines<BufReader<ChildStdout>>,
    sent: u64,
}

impl Orders {
    /// Starts a keeper, which is the bench's own executable; commands print into files in the directory.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(own_executable: &Path, directory: &Path) -> std::io::Result<Self> {
        let mut keeper = Command::new(own_executable);
        keeper.arg(KEEPER_COMMAND).arg(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = keeper.spawn()?;
        let (Some(orders), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            unreachable!("both are piped");
        };
        let pipes = Pipes { orders, replies: BufReader::new(stdout).lines(), sent: 0 };
        Ok(Self { child, pipes: Mutex::new(pipes) })
    }

    /// Has a command run, and waits for its end.
    ///
    /// # Errors
    /// When the keeper is gone.
    pub async fn run(&self, label: String, line: CommandLine, debt: Debt) -> Result<Ended, KeeperGone> {
        let mut pipes = self.pipes.lock().await;
        pipes.sent += 1;
        let order = Order { id: pipes.sent, label, line, debt };
        let text = serde_json::to_string(&order).expect("an order is plain data") + "\n";
        let gone = |error: std::io::Error| KeeperGone(error.to_string());
        pipes.orders.write_all(text.as_bytes()).await.map_err(gone)?;
        pipes.orders.flush().await.map_err(gone)?;
        loop {
            let line = pipes.replies.next_line().await.map_err(gone)?;
            let line = line.ok_or_else(|| KeeperGone("it has ended".into()))?;
            let reply: Reply = serde_json::from_str(&line).map_err(|error| KeeperGone(format!("{error}: {line}")))?;
            // One before was for somebody who waits no more.
            if reply.id == order.id {
                return Ok(reply.ended);
            }
        }
    }

    /// Says that there are no more orders, and waits until what is owed is paid.
    pub async fn end(self) {
        let Self { mut child, pipes } = self;
        drop(pipes);
        if let Err(error) = child.wait().await {
            eprintln!("dissensus: the process that runs the commands cannot be waited for: {error}");
        }
    }
}

//! A running node, for tasks of tokio: the operations of [`Tree`], each on a thread of the runtime's pool, so that no
//! task waits for `/proc` or for a node that does not die.
//!
//! An operation that is dropped is carried out all the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::disk::Usage;
use crate::keeper::End;
use crate::limits::{Limit, Limited, Resources};
use crate::node_error::NodeError;
use crate::off_thread::off_thread;
use crate::processes::Process;
use crate::tree::{CpuTime, Crash, Killed, Paused, Tree};

/// A running node. All its processes die when the last clone of this is dropped.
#[derive(Clone, Debug)]
pub struct Node {
    tree: Arc<Tree>,
}

impl Node {
    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree: Arc::new(tree) }
    }

    /// The same node, for a plain thread.
    pub fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// How it ended; none while it lives.
    pub fn ended(&self) -> Option<End> {
        self.tree.ended()
    }

    /// Waits for its end. Needs no runtime.
    pub async fn wait(&self) -> End {
        self.tree.wait_async().await
    }

    async fn on_tree<T: Send + 'static>(&self, work: impl FnOnce(&Tree) -> T + Send + 'static) -> T {
        let tree = self.tree.clone();
        off_thread(move || work(&tree)).await
    }
}

/// Operations that are those of [`Tree`] by the same name.
macro_rules! as_of_the_tree {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        impl Node {
            $(
                #[doc = concat!("[`Tree::", stringify!($name), "`], without blocking the task.")]
                ///
                /// # Errors
                /// As there.
                pub async fn $name(&self $(, $argument: $kind)*) -> Result<$result, NodeError> {
                    self.on_tree(move |tree| tree.$name($($argument),*)).await
                }
            )*
        }
    };
}

as_of_the_tree! {
    processes() -> Vec<Process>;
    cpu_time() -> CpuTime;
    signal_program(signal: Signal) -> ();
    kill() -> Killed;
    pause() -> Paused;
    resume() -> ();
    throttle(percent: u32, period: Duration) -> ();
    pulses() -> u32;
    held() -> Duration;
    resources() -> Resources;
    limit(limit: Limit, value: Option<u64>) -> Limited;
    prefer_for_oom(adjustment: u16) -> usize;
    run_when_idle() -> usize;
    usage(path: PathBuf) -> Usage;
    crash_after(age: Duration) -> Crash;
}

impl Node {
    /// [`Tree::confine`], without blocking the task.
    ///
    /// # Errors
    /// As there.
    pub async fn confine(&self, processors: Vec<usize>) -> Result<usize, NodeError> {
        self.on_tree(move |tree| tree.confine(&processors)).await
    }

    /// [`Tree::crash_on_line`], without blocking the task.
    ///
    /// # Errors
    /// As there.
    pub async fn crash_on_line(&self, log: PathBuf, phrase: String, at_most: Duration) -> Result<Crash, NodeError> {
        self.on_tree(move |tree| tree.crash_on_line(&log, &phrase, at_most)).await
    }
}

//! A node to be started: its program, its files, its network, what it sees mounted, and what others do before its exec.

use std::ffi::{CString, OsStr, OsString};
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::executable;
use crate::init::{self, Lifetime};
use crate::keeper;
use crate::node::Node;
use crate::off_thread::off_thread;
use crate::start_error::StartError;
use crate::steps::{Mount, Steps};
use crate::sys;
use crate::tree::Tree;

/// Changes the command of a node's first process: it may add steps with `pre_exec`.
type Change = Box<dyn FnOnce(&mut Command) + Send>;

/// A node to be started. As with [`std::process::Command`], what is not said is inherited from the bench: the
/// environment, the working directory, output. Standard input is empty unless it is given.
pub struct NodeCommand {
    program: OsString,
    arguments: Vec<OsString>,
    /// The environment and the standard files are kept here, in the command of init.
    command: Command,
    network: Option<OwnedFd>,
    mounts: Vec<Mount>,
    hostname: Option<CString>,
    directory: Option<CString>,
    lifetime: Lifetime,
    privileged: Vec<Change>,
    last: Vec<Change>,
    /// A text with a zero byte, which no system call takes.
    unusable: Option<OsString>,
}

impl NodeCommand {
    /// A node that runs this program: a path, or a name that is looked up in PATH.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        // Without an executable for init, `spawn` refuses; this name is never used then.
        let mut command = Command::new(executable::path().unwrap_or_default());
        command.stdin(Stdio::null());
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            command,
            network: None,
            mounts: Vec::new(),
            hostname: None,
            directory: None,
            lifetime: Lifetime::default(),
            privileged: Vec::new(),
            last: Vec::new(),
            unusable: None,
        }
    }

    /// One more argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        arguments.into_iter().fold(self, |command, argument| command.arg(argument))
    }

    /// Sets a variable of the environment.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.command.env(name, value);
        self
    }

    /// Takes nothing of the environment from the bench.
    pub fn env_clear(&mut self) -> &mut Self {
        self.command.env_clear();
        self
    }

    /// The working directory, as the node sees it.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = self.text(directory.as_ref().as_os_str());
        self
    }

    /// Standard input.
    pub fn stdin(&mut self, file: impl Into<Stdio>) -> &mut Self {
        self.command.stdin(file);
        self
    }

    /// Standard output: a file, as nothing reads a pipe here.
    pub fn stdout(&mut self, file: impl Into<Stdio>) -> &mut Self {
        self.command.stdout(file);
        self
    }

    /// Standard error.
    pub fn stderr(&mut self, file: impl Into<Stdio>) -> &mut Self {
        self.command.stderr(file);
        self
    }

    /// The network namespace that the node lives in, as a descriptor of it.
    pub fn network(&mut self, namespace: OwnedFd) -> &mut Self {
        self.network = Some(namespace);
        self
    }

    /// An empty file system in memory at a folder that is there, of `bytes` at most; only the node sees it, and it goes
    /// with the node. One that stays from start to start is [`crate::SizedDisk`].
    pub fn tmpfs(&mut self, onto: impl AsRef<Path>, bytes: u64) -> &mut Self {
        let options = CString::new(format!("size={bytes},mode=700")).ok();
        if let (Some(onto), Some(options)) = (self.text(onto.as_ref().as_os_str()), options) {
            self.mounts.push(Mount::Tmpfs { onto, options });
        }
        self
    }

    /// Shows the node a file or folder in another one's place, as its own `/etc/hosts`.
    pub fn bind(&mut self, from: impl AsRef<Path>, onto: impl AsRef<Path>) -> &mut Self {
        if let (Some(from), Some(onto)) = (self.text(from.as_ref().as_os_str()), self.text(onto.as_ref().as_os_str())) {
            self.mounts.push(Mount::Bind { from, onto });
        }
        self
    }

    /// The name that the node's host has inside.
    pub fn hostname(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.hostname = self.text(name.as_ref());
        self
    }

    /// When the node ends by itself.
    pub fn lifetime(&mut self, lifetime: Lifetime) -> &mut Self {
        self.lifetime = lifetime;
        self
    }

    /// Lets others add steps with `pre_exec` that need capabilities. They run after the node's network, mounts and
    /// working directory are set, in the order of these calls.
    ///
    /// The change itself happens in the bench, while the node is started.
    pub fn before_privileges_go(&mut self, change: impl FnOnce(&mut Command) + Send + 'static) -> &mut Self {
        self.privileged.push(Box::new(change));
        self
    }

    /// Lets others add steps with `pre_exec` that run last, without capabilities, in the order of these calls: a
    /// seccomp filter, for one. What they set is inherited by init and by the program, and init is executed after them:
    /// a filter that notifies of execs sees that of init first, then that of the program.
    pub fn before_exec(&mut self, change: impl FnOnce(&mut Command) + Send + 'static) -> &mut Self {
        self.last.push(Box::new(change));
        self
    }

    /// Starts the node; returns when its program has been executed. For tokio; it needs a runtime of any flavour.
    ///
    /// # Errors
    /// When the machine, a step before the exec, or the exec itself refuses.
    pub async fn spawn(self) -> Result<Node, StartError> {
        off_thread(move || self.spawn_blocking()).await.map(Node::new)
    }

    /// The same for a plain thread, which waits meanwhile.
    ///
    /// # Errors
    /// As with [`NodeCommand::spawn`].
    pub fn spawn_blocking(self) -> Result<Tree, StartError> {
        if executable::path().is_none() {
            return Err(StartError::NoInit);
        }
        if let Some(text) = self.unusable {
            return Err(StartError::Unusable(text));
        }
        let program = self.program.clone();
        keeper::start(program, move |socket| self.into_command(socket)).map(Tree::new)
    }

    /// The command of init, complete: with the node's end of the pair, and all steps before its exec.
    fn into_command(self, socket: OwnedFd) -> Command {
        let number = socket.as_raw_fd();
        let Self { program, arguments, mut command, network, mounts, hostname, directory, .. } = self;
        command.arg(init::COMMAND).arg(number.to_string()).arg(self.lifetime.argument()).arg(program).args(arguments);
        let steps = Arc::new(Steps { socket, network, mounts, hostname, directory });
        let first = steps.clone();
        sys::before_exec(&mut command, move || first.with_privileges());
        self.privileged.into_iter().for_each(|change| change(&mut command));
        sys::before_exec(&mut command, move || steps.without_privileges());
        self.last.into_iter().for_each(|change| change(&mut command));
        command
    }

    /// A text for a system call. What it cannot take is remembered, and refused at the start.
    fn text(&mut self, text: &OsStr) -> Option<CString> {
        let usable = CString::new(text.as_bytes()).ok();
        if usable.is_none() {
            self.unusable = Some(text.to_owned());
        }
        usable
    }
}

impl fmt::Debug for NodeCommand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("NodeCommand")
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("mounts", &self.mounts)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

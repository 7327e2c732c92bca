//! What puts a program under its clock and its disk when it is started.
//!
//! Both are done by what the kernel reports of the program to a listener, of which it allows one. So they share it: the
//! supervisor of the crate `program_clock`.

use std::io;
use std::time::Duration;

use program_clock::{Clock, DiskCalls, DiskReach, Installation, Installer, Reach, Supervisor, Under};

/// How long a program may take from its start until it is under its clock.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Takes part in the start of a node's first process.
pub(super) struct UnderListener {
    /// As the last step before it becomes a program.
    pub installer: Installer,
    /// Says when its programs are under their clock; none if they are under none.
    pub clock: Option<Installation>,
}

impl UnderListener {
    /// For a clock, a disk, both, or neither: then there is nothing to do.
    ///
    /// # Errors
    /// When there is no supervisor to do it, or there are too many open files.
    pub fn new(
        supervisor: Option<&Supervisor>,
        clock: Option<&Clock>,
        disk: Option<(DiskCalls, DiskReach)>,
    ) -> io::Result<Option<Self>> {
        if clock.is_none() && disk.is_none() {
            return Ok(None);
        }
        let supervisor = supervisor.ok_or_else(|| io::Error::other("this machine has no listener for it"))?;
        let under = Under {
            clock: clock.map(|clock| (clock, Reach::default())),
            disk: disk.as_ref().map(|(calls, reach)| (calls, *reach)),
        };
        let (installer, installation) = supervisor.installer_under(under)?;
        Ok(Some(Self { installer, clock: clock.map(|_| installation) }))
    }
}

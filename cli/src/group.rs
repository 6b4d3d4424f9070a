//! Process groups: all processes that a command has started are ended together, so that none is left behind.

/// A process group: the command that leads it, and all processes that the command started. A process that moved itself
/// to another group does not belong to it.
pub(crate) struct Group {
    #[cfg(unix)]
    id: Option<rustix::process::Pid>,
}

#[cfg(unix)]
impl Group {
    /// Returns the group that a child process leads. The child must have been started with `process_group(0)`.
    pub(crate) fn led_by(child: Option<u32>) -> Self {
        let id = child.and_then(|id| i32::try_from(id).ok());
        Self { id: id.and_then(rustix::process::Pid::from_raw) }
    }

    /// Sends SIGTERM to all processes of the group.
    pub(crate) fn ask_to_end(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Sends SIGKILL to all processes of the group.
    pub(crate) fn end(&self) {
        self.signal(rustix::process::Signal::KILL);
    }

    /// Returns whether a process of the group still runs. Children that have ended are waited for first, because a
    /// zombie would count as running.
    pub(crate) fn is_alive(&self) -> bool {
        let Some(id) = self.id else { return false };
        let ended = || rustix::process::waitpgid(id, rustix::process::WaitOptions::NOHANG);
        while matches!(ended(), Ok(Some(_))) {}
        rustix::process::test_kill_process_group(id).is_ok()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(id) = self.id {
            let _ = rustix::process::kill_process_group(id, signal);
        }
    }
}

#[cfg(not(unix))]
impl Group {
    pub(crate) fn led_by(_: Option<u32>) -> Self {
        Self {}
    }

    pub(crate) fn ask_to_end(&self) {}

    pub(crate) fn end(&self) {}

    pub(crate) fn is_alive(&self) -> bool {
        false
    }
}

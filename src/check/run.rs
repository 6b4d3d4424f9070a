use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::board::Board;
use super::looks::Looks;
use super::process::{Process, ProcessError};
use super::target::Target;
use super::waiting::Limits;
use super::watch::Watch;
use crate::fake::FakeParagon;

/// Number of cases that play at the same time. Cases that wait for the receiver do not count.
const PLAYING: usize = 2;

/// Time within which a process whose port is closed must have ended or must listen again.
const ENDS_WITHIN: Duration = Duration::from_secs(3);

/// State that all cases of a run share.
pub(super) struct Run<'a> {
    pub(super) target: &'a Target<'a>,
    pub(super) paragon: &'a FakeParagon,
    pub(super) looks: Option<Looks<'a>>,
    pub(super) watch: Watch,
    pub(super) turns: Arc<Semaphore>,
    pub(super) board: Board,
    remarks: Mutex<BTreeSet<String>>,
    /// Names of the members of records that were compared.
    compared: Mutex<BTreeSet<String>>,
    keeps_no_folders: AtomicBool,
    gone: Mutex<Option<String>>,
}

impl<'a> Run<'a> {
    pub(super) fn new(target: &'a Target<'a>, paragon: &'a FakeParagon) -> Self {
        Self {
            target,
            paragon,
            looks: target.state.as_deref().map(Looks::new),
            watch: Watch::new(),
            turns: Arc::new(Semaphore::new(PLAYING)),
            board: Board::default(),
            remarks: Mutex::default(),
            compared: Mutex::default(),
            keeps_no_folders: AtomicBool::new(false),
            gone: Mutex::default(),
        }
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { settle: self.target.settle, patience: self.target.patience }
    }

    /// Waits until the receiver accepts connections, and returns whether it does; `false` if nobody can tell, because
    /// there is no process.
    ///
    /// Without this wait, a process that has just ended may still count as running: its port is closed at once, but a
    /// shell or a process manager that started it ends later, or starts it again.
    pub(super) async fn listens(&self) -> bool {
        let Some(process) = self.target.process.as_ref().filter(|_| self.gone().is_none()) else { return false };
        matches!(tokio::time::timeout(ENDS_WITHIN, process.ready()).await, Ok(Ok(())))
    }

    /// Starts the receiver's process again if it has ended. Returns whether it had ended.
    pub(super) async fn revived(&self) -> bool {
        let ended = self.target.process.as_ref().filter(|process| self.gone().is_none() && !process.is_running());
        let Some(process) = ended else { return false };
        let started = async {
            self.launch(process.as_ref()).await?;
            process.ready().await
        };
        if let Err(why) = started.await {
            *self.gone.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
        }
        true
    }

    /// Starts the process, and forgets what was observed of the old one.
    pub(super) async fn launch(&self, process: &dyn Process) -> Result<(), ProcessError> {
        process.launch().await?;
        self.watch.forget();
        if let Some(looks) = &self.looks {
            looks.revive();
        }
        Ok(())
    }

    /// Returns why the receiver could not be started again, or `None` if that has not happened.
    pub(super) fn gone(&self) -> Option<String> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds remarks on what is unusual but not wrong.
    pub(super) fn remark(&self, remarks: impl IntoIterator<Item = String>) {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).extend(remarks);
    }

    /// Returns whether the receiver once was at rest without any folder and right otherwise.
    pub(super) fn keeps_no_folders(&self) -> bool {
        self.keeps_no_folders.load(Ordering::Relaxed)
    }

    pub(super) fn note_no_folders(&self) {
        self.keeps_no_folders.store(true, Ordering::Relaxed);
        self.remark(["the receiver keeps no folders; everything else was compared".to_owned()]);
    }

    /// Notes the names of members that were compared.
    pub(super) fn note_compared(&self, members: BTreeSet<String>) {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner).extend(members);
    }

    /// Adds a remark on the chosen members that the state never gave, although it gave records.
    pub(super) fn remark_uncompared(&self) {
        let compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_missing = |path: &&str| path.split('.').next().is_some_and(|name| !compared.contains(name));
        let missing = self.target.members.compared().filter(is_missing).filter(|_| !compared.is_empty());
        self.remark(missing.map(|path| format!("the state never gave `{path}`, so this member was not compared")));
    }

    pub(super) fn remarks(&self) -> Vec<String> {
        self.remarks.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Closes all lanes at the end of the run.
impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.watch.end().iter().for_each(|lane| lane.close_lane());
    }
}

use std::pin::Pin;
use std::time::Duration;

use url::Url;

use super::histories::Histories;
use super::members::Members;
use super::probe::Probe;
use super::process::Process;
use crate::contract::SpecialRecord;
use crate::fake::SyncHandle;

/// Callback set with `Suite::before_sync`.
type BeforeSync<'a> =
    Box<dyn Fn(&SyncHandle) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync + 'a>;

/// The receiver that is judged, the means to look at it, and the patience with it.
pub(super) struct Target<'a> {
    pub(super) webhook: Url,
    pub(super) state: Option<Box<dyn Probe + 'a>>,
    pub(super) process: Option<Box<dyn Process + 'a>>,
    pub(super) before_sync: Option<BeforeSync<'a>>,
    pub(super) settle: Duration,
    pub(super) patience: Duration,
    pub(super) seed: u64,
    /// Prefix of the names from which the ids of users derive; may be empty.
    pub(super) users: String,
    pub(super) histories: Histories,
    /// Kinds of records that no case contains.
    pub(super) without: Vec<SpecialRecord>,
    /// Members of records that are compared.
    pub(super) members: Members,
}

impl Target<'_> {
    pub(super) fn new(webhook: Url) -> Self {
        Self {
            webhook,
            state: None,
            process: None,
            before_sync: None,
            settle: Duration::from_secs(10),
            patience: Duration::from_secs(90),
            seed: 0,
            users: String::new(),
            histories: Histories::default(),
            without: Vec::new(),
            members: Members::default(),
        }
    }
}

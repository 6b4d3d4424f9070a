use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::duration;
use crate::contract::Grade;

/// How a sender delivers: how long it waits, when it tries again, when it disables the webhook.
///
/// In JSON durations are text, such as `3h 30m`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Policy {
    /// Shown in reports.
    pub name: String,
    /// How sure it is that the sender does this.
    pub grade: Grade,
    /// An answer that takes longer is a failure. In virtual time; see [`Http`](super::Http) for the real one.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How long after each failed attempt the next one follows. When they are used up the event is given up.
    #[serde(with = "duration::list")]
    pub retry_after: Vec<Duration>,
    /// So many failed attempts in a row, of whatever events, disable the webhook.
    pub disable_after: u32,
}

impl Policy {
    /// Our guess at what Paragon does, which documents only "2xx", "timely" and "repeatedly": 10 s for an answer,
    /// six attempts within about 4 h 42 min, disabled after 20 failures in a row.
    pub fn paragon_assumed() -> Self {
        Self {
            name: "paragon-assumed".to_owned(),
            grade: Grade::Assumed,
            timeout: Duration::from_secs(10),
            retry_after: [10, 120, 600, 3_600, 12_600].map(Duration::from_secs).into(),
            disable_after: 20,
        }
    }
}

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::token::Audience;

/// Settings for the behavior of the Sync API that Paragon does not document.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Options {
    /// Page size if the request names none (`api.page-size`, assumed).
    pub(super) page_size: usize,
    /// Maximum page size, whatever the request asks for (`api.page-size`, assumed).
    pub(super) page_size_cap: usize,
    /// How long a cursor is valid; `None` means for ever (assumed).
    pub(super) cursor_lifetime: Option<Duration>,
    /// Audiences that a token may name.
    pub(super) audience: Audience,
    /// True if a single record is served without `data` around it (`api.record-form`).
    pub(super) bare_records: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: 100,
            page_size_cap: 1_000,
            cursor_lifetime: None,
            audience: Audience::default(),
            bare_records: false,
        }
    }
}

use serde::Serialize;

/// Something that a case needs in addition to sending events and serving the Sync API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Need {
    /// Asking the receiver which records it holds.
    State,
    /// Ending the receiver's process and starting it again.
    Process,
}

impl Need {
    /// Returns why a case cannot be judged without these means.
    pub(super) const fn missing(self) -> &'static str {
        match self {
            Self::State => {
                "only the receiver knows which records it holds: add a state probe (--state-url, --state-cmd)"
            }
            Self::Process => {
                "this case ends the receiver's process, so the receiver must be started by this program (--spawn)"
            }
        }
    }
}

//! The conformance suite: the requirements for a receiver, and the means to judge whether it meets them.
//!
//! A [`Case`] drives the fake through its public API, on a fresh user and sync. Then it looks at what the receiver
//! holds ([`HeldRecord`], from a state probe), at what it fetched, and at what it answered. A requirement that could not be
//! observed is [`Verdict::NotEvaluable`], never a pass.
//!
//! ```no_run
//! # async fn example(app_url: url::Url, api_url: String) {
//! use paragon_testkit::FakeParagon;
//! use paragon_testkit::check::Suite;
//!
//! let paragon = FakeParagon::start().await;
//! // Start your receiver with `paragon.api_url()` and `paragon.project()`, then:
//! let judgment = Suite::for_receiver(app_url)
//!     .state_url("http://127.0.0.1:3000/state".parse().unwrap())
//!     .run(&paragon)
//!     .await;
//! judgment.assert_passed();
//! # }
//! ```

mod board;
mod case;
mod cases;
mod context;
mod converge;
mod error;
mod examine;
mod failures;
mod histories;
mod judged;
mod known;
mod lane;
mod looks;
mod members;
mod need;
mod oracle;
mod probe;
mod process;
mod rest;
mod result;
mod run;
mod schedule;
mod settings;
mod shrink;
mod suite;
mod target;
mod waiting;
mod watch;

pub use case::{Case, Family, Level};
pub use cases::cases;
pub use examine::{Examination, Finding, Health, SetUpPart};
pub use histories::Histories;
pub use known::{Known, UnknownCase};
pub use members::Members;
pub use need::Need;
pub use oracle::{Comparison, Difference, DifferenceKind, compare, differences};
pub use probe::{HeldRecord, Looking, Probe, ProbeError, StateUrl};
pub use process::{Acting, Process, ProcessError};
pub(crate) use result::MENDED;
pub use result::{CaseResult, Cause, Judgment, Verdict};
pub use settings::Starting;
pub use suite::Suite;

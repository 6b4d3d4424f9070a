//! Time: points in time ([`Timestamp`]), the virtual [`Clock`] of a fake, and the only code that reads the wall clock.
//!
//! The virtual time of a fake passes when a test moves the clock, or by itself at a [`Pace`]. Where another process
//! depends on real time, this module uses real time too: the wall clock, against which the `exp` of a token is checked,
//! and [`eventually`], which waits for a condition with a timeout.
//!
//! ```
//! use std::time::Duration;
//! use paragon_testkit::clock::{Clock, Timestamp};
//!
//! let mut clock = Clock::starting_at(Timestamp::parse("2026-01-01T00:00:00Z").unwrap());
//! clock.advance_to(clock.now() + Duration::from_secs(90));
//! assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30.000Z");
//! ```

mod pace;
mod timestamp;
mod wait;

pub use pace::Pace;
pub(crate) use timestamp::duration;
pub use timestamp::{Clock, Stopwatch, Timestamp, offset};
#[cfg(feature = "check")]
pub(crate) use wait::pass;
pub use wait::{PollTimeout, eventually};

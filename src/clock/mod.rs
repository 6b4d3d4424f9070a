//! Time: [`Moment`]s, the virtual [`Clock`] that a fake lives by, and the only place that looks at the wall clock.
//!
//! The fake's days pass when a test says so, or by themselves at some [`Pace`]. What cannot be virtual, because another process lives by it, is here
//! too: the wall clock that judges a token's `exp`, and [`eventually`], which waits for a condition with a bound.
//!
//! ```
//! use std::time::Duration;
//! use paragon_testkit::clock::{Clock, Moment};
//!
//! let mut clock = Clock::starting_at(Moment::parse("2026-01-01T00:00:00Z").unwrap());
//! clock.advance_to(clock.now() + Duration::from_secs(90));
//! assert_eq!(clock.now().to_string(), "2026-01-01T00:01:30.000Z");
//! ```

mod moment;
mod pace;
mod wait;

pub(crate) use moment::duration;
pub use moment::{Clock, Moment, Stopwatch, offset};
pub use pace::Pace;
pub use wait::{Patience, eventually};

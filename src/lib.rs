//! x
#![allow(missing_docs)]
pub mod clock;
pub mod contract;
pub mod delivery;
pub mod fake;
pub mod source;
pub mod sync;
pub use fake::FakeParagon;

//! x
#![allow(missing_docs)]
pub mod clock;
pub mod contract;
pub mod source;
pub mod sync;

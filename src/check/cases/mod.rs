//! One file for each family of cases.

pub(super) mod ack;
pub(super) mod out;
pub(super) mod pull;
pub(super) mod rec;

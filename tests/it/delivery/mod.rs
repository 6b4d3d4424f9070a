//! Tests of the delivery queue and the delivery engine under policies.

mod engine;
mod model;
mod property;

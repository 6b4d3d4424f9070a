//! Policies at work.

mod engine;
mod model;
mod property;

//! Tests the library through its public API.

mod admin;
mod agreement;
mod api;
mod delivery;
mod described;
mod edge;
mod feeds;
mod layers;
mod load;
mod receiver;
mod snapshot;
mod story;
mod suite;
mod types;
mod wire;

//! The library, as its users meet it.

mod admin;
mod agreement;
mod api;
mod edge;
mod layers;
mod receiver;
mod story;
mod wire;

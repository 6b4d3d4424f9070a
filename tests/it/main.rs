//! The library, as its users meet it.

mod api;
mod layers;
mod receiver;
mod story;

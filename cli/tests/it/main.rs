//! Tests the program the way a person runs it: with real processes and real receivers.

mod adoption;
mod bad_input;
mod check;
mod config;
mod contract;
mod demo;
mod docs;
mod keeps;
mod output;
mod policies;
mod processes;
mod run;
mod send;
mod serve;
mod set_up;
mod shells;
mod tls;
mod zoo;

//! The program, as a person runs it: real processes, real receivers.

mod bad_input;
mod check;
mod contract;
mod demo;
mod docs;
mod output;
mod policies;
mod processes;
mod run;
mod send;
mod serve;
mod shells;
mod zoo;

//! The program, as a person runs it: real processes, real receivers.

mod bad_input;
mod check;
mod demo;
mod processes;
mod run;
mod zoo;

//! `paragon-testkit`, the program: what was typed, and what is printed. What it does is the library's.

mod args;
mod cases;
mod check;
mod demo;
mod output;
mod plan;
mod spawn;
mod supervise;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let typed = args::Program::parse();
    let color = output::color(typed.color);
    let code = match typed.verb {
        args::Verb::Demo => demo::run(color),
        args::Verb::Check(check) => check::run(*check, color),
        args::Verb::Cases => cases::run(),
        args::Verb::Supervise { command } => supervise::run(&command),
    };
    ExitCode::from(code)
}

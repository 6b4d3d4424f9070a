//! The `paragon-testkit` program. It reads the command line and prints results; the library does the work.

mod args;
mod cases;
mod check;
mod completions;
mod config;
mod demo;
mod doctor;
mod edit;
mod explain;
mod findings;
mod fixture;
mod generate;
mod group;
mod interrupt;
mod key;
mod man;
mod names;
mod output;
mod plan;
mod player;
mod policies;
mod progress;
mod replay;
mod reports;
mod schema;
mod selection;
mod send;
mod serve;
mod shell;
mod spawn;
mod supervise;
mod tail;
mod trigger;
mod validate;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    let typed = match config::parse(&words) {
        Ok(typed) => typed,
        Err(failure) => {
            let code = failure.print();
            return ExitCode::from(output::exit_code(code));
        }
    };
    let color = output::color(typed.color);
    let code = match typed.verb {
        args::Verb::Demo => demo::run(color),
        args::Verb::Check(check) => check::run(*check, color),
        args::Verb::Doctor(doctor) => doctor::run(*doctor, color),
        args::Verb::Replay(replay) => replay::run(*replay, color),
        args::Verb::Cases(cases) => cases::run(&cases),
        args::Verb::Policies(policies) => policies::run(&policies),
        args::Verb::Validate(validate) => validate::run(&validate),
        args::Verb::Schema(schema) => schema::run(&schema),
        args::Verb::Fixture(fixture) => fixture::run(&fixture),
        args::Verb::Generate(generate) => generate::run(&generate),
        args::Verb::Send(send) => send::run(&send),
        args::Verb::Serve(serve) => serve::run(&serve),
        args::Verb::Trigger(trigger) => trigger::run(&trigger),
        args::Verb::Explain(explain) => explain::run(&explain),
        args::Verb::Init => config::init(),
        args::Verb::Config(args::Config { verb: args::ConfigVerb::Show(show) }) => config::show(show),
        args::Verb::Key(key) => key::run(&key),
        args::Verb::Completions(completions) => completions::run(&completions),
        args::Verb::Man(man) => man::run(&man),
        args::Verb::Supervise { command } => supervise::run(&command),
    };
    ExitCode::from(output::exit_code(code))
}

//! `completions`: what a shell needs to know to complete what is typed.

use clap::{Command, CommandFactory as _};
use paragon_testkit::report::exits;

use crate::{args, output};

pub(crate) fn run(typed: &args::Completions) -> u8 {
    let program = args::Program::command();
    // Clap hides verbs from the help, but not from shells.
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let mut shown = Command::new("paragon-testkit").version(env!("CARGO_PKG_VERSION"));
    shown = shown.args(program.get_arguments().cloned()).subcommands(verbs);
    // Into memory first: clap_complete panics where it cannot write, such as when the reader has gone away.
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut shown, "paragon-testkit", &mut script);
    // For bash, clap_complete 4.6 takes the dash in our name for the beginning of a verb in one of two places.
    output::result(&String::from_utf8_lossy(&script).replace("paragon__subcmd__testkit", "paragon__testkit"));
    exits::PASSED
}

//! `completions`: prints the completion script for a shell.

use clap::{Command, CommandFactory as _};
use paragon_testkit::report::exits;

use crate::{args, output};

pub(crate) fn run(typed: &args::Completions) -> u8 {
    let program = args::Program::command();
    // clap_complete offers hidden commands too, so the hidden ones are left out here.
    let verbs = program.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    let mut shown = Command::new("paragon-testkit").version(env!("CARGO_PKG_VERSION"));
    shown = shown.args(program.get_arguments().cloned()).subcommands(verbs);
    // The script goes into memory first, because clap_complete panics if a write fails, for example on a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(typed.shell, &mut shown, "paragon-testkit", &mut script);
    // In the bash script, clap_complete 4.6 misreads the dash in the program's name as the start of a command, in one
    // of two places.
    output::result(&String::from_utf8_lossy(&script).replace("paragon__subcmd__testkit", "paragon__testkit"));
    exits::PASSED
}

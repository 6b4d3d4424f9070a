//! Results go to standard output, everything else to standard error. A reader that has gone away is no error; a full disk
//! is one.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use paragon_testkit::report::exits;

use crate::args::Color;

/// The first error of writing a result. What is printed is no reason to break off, so it is looked at once, at the end:
/// see [`exit_code`].
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

pub(crate) fn color(when: Color) -> bool {
    match when {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

pub(crate) fn result(text: &str) {
    let mut stdout = io::stdout().lock();
    remember(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()));
}

/// Prints many lines as they come, until one cannot be written.
pub(crate) fn lines(mut lines: impl Iterator<Item = String>) {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = lines.try_for_each(|line| writeln!(stdout, "{line}")).and_then(|()| stdout.flush());
    // What is still in the buffer cannot be written either.
    drop(stdout.into_parts());
    remember(written);
}

/// Keeps an error of writing to standard output, unless it says that nobody reads any more.
pub(crate) fn remember(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = UNWRITTEN.set(error);
    }
}

/// Returns the exit code of the program. A result that could not be written is told, and is no success.
pub(crate) fn exit_code(code: u8) -> u8 {
    let Some(why) = UNWRITTEN.get() else { return code };
    error(&format!("standard output cannot be written: {why}"));
    if code == exits::PASSED { exits::UNREACHABLE } else { code }
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error that ends the program, in the form that clap gives its own.
pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

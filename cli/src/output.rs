//! Prints results to standard output, and everything else to standard error. A closed pipe is not an error; a full disk
//! is one.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::OnceLock;

use paragon_testkit::report::{Text, exits};

use crate::args::Color;

/// First error of writing a result. A failed write does not stop the program, so [`exit_code`] reports the error at the
/// end.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// For each option that is not typed, such as `--settle` or `URL`: the variable or the line of a file that contains it.
static ORIGINS: OnceLock<BTreeMap<String, String>> = OnceLock::new();

/// Remembers the origin of each option that is not typed.
pub(crate) fn set_origins(origins: Vec<(String, String)>) {
    let _ = ORIGINS.set(origins.into_iter().collect());
}

/// Names the file that options were read from, if there is one.
pub(crate) fn options_from(file: Option<&Path>) {
    if let Some(file) = file {
        note(&format!("options from {}", file.display()));
    }
}

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

/// Prints the result of a command, or the error that ends it. Returns the exit code.
pub(crate) fn result_or_error(text: Result<String, String>) -> u8 {
    match text {
        Ok(text) => {
            result(&text);
            exits::PASSED
        }
        Err(why) => {
            error(&why);
            exits::USAGE
        }
    }
}

/// Prints lines as the iterator yields them, until a write fails.
pub(crate) fn lines(mut lines: impl Iterator<Item = String>) {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = lines.try_for_each(|line| writeln!(stdout, "{line}")).and_then(|()| stdout.flush());
    // After an error the buffer still holds data. This drops it without another attempt to write.
    drop(stdout.into_parts());
    remember(written);
}

/// Remembers an error of writing to standard output. A broken pipe is ignored.
pub(crate) fn remember(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = UNWRITTEN.set(error);
    }
}

/// Returns the exit code of the program. If a result could not be written, prints the error, and turns a success into
/// [`exits::UNREACHABLE`].
pub(crate) fn exit_code(code: u8) -> u8 {
    let Some(why) = UNWRITTEN.get() else { return code };
    error(&format!("standard output cannot be written: {why}"));
    if code == exits::PASSED { exits::UNREACHABLE } else { code }
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Prints an error that ends the program, in the format that clap uses for its own errors. A message about an option
/// begins with the name of the option. If the option is not typed, the variable or the line of the file is added.
pub(crate) fn error(text: &str) {
    let option = text.split([' ', ':']).next().unwrap_or_default();
    match ORIGINS.get().and_then(|origins| origins.get(option)) {
        Some(origin) => note(&format!("error: {origin}: {text}")),
        None => note(&format!("error: {text}")),
    }
}

/// Returns the writer of results for people.
pub(crate) fn text(color: bool, verbose: bool) -> Text {
    let text = if color { Text::colored() } else { Text::plain() };
    if verbose { text.verbose() } else { text }
}

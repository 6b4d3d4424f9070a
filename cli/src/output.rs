//! Results go to standard output, everything else to standard error. A reader that has gone away is no error.

use std::io::{IsTerminal, Write};

use crate::args::Color;

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
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Prints many lines as they come; ends quietly when the reader has gone away.
pub(crate) fn lines(lines: impl Iterator<Item = String>) {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for line in lines {
        if writeln!(stdout, "{line}").is_err() {
            return;
        }
    }
    let _ = stdout.flush();
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error that ends the program, in the form that clap gives its own.
pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

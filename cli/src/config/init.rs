//! `init`: writes a `paragon-testkit.toml` whose lines are all comments.

use std::fs::File;
use std::io::{ErrorKind, Write as _};

use super::file::NAME;
use crate::output;

const TEMPLATE: &str = include_str!("init.toml");

pub(crate) fn run() -> u8 {
    output::result_or_error(write().map(|()| {
        output::note(&format!("wrote {NAME}; remove the # in front of the options that you need"));
        String::new()
    }))
}

fn write() -> Result<(), String> {
    let file = File::create_new(NAME).and_then(|mut file| file.write_all(TEMPLATE.as_bytes()));
    file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{NAME} already exists, and is not overwritten"),
        _ => format!("{NAME} cannot be written: {error}"),
    })
}

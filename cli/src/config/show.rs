//! `config show`: prints the options of a command, and where their values come from.

use std::ffi::OsString;

use paragon_testkit::report::exits;

use super::merge::{Failure, Merged, matches, merge};
use super::option::{Definition, Kind, Options, Origin};
use crate::{args, output};

/// Origin of a value that is set nowhere.
const DEFAULT: &str = "default";

pub(crate) fn run(typed: args::Show) -> u8 {
    match table(typed) {
        Ok(table) => {
            output::result(&table);
            exits::PASSED
        }
        Err(failure) => failure.print(),
    }
}

fn table(args::Show { verb, typed }: args::Show) -> Result<String, Failure> {
    let options = Options::new();
    let words: Vec<OsString> = ["paragon-testkit", verb.name()].into_iter().map(OsString::from).chain(typed).collect();
    let matches = matches(&words)?;
    let (Some((_, matches)), Some(definitions)) = (matches.subcommand(), options.of(verb.name())) else {
        return Ok(String::new());
    };
    let merged = merge(&options, &definitions, matches)?;
    let rows: Vec<_> = definitions.iter().map(|definition| row(*definition, &merged)).collect();
    let widest = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let (first, second) = (widest(0), widest(1));
    let line = |[option, value, origin]: &[String; 3]| {
        format!("{option:<first$}  {value:<second$}  {origin}").trim_end().to_owned() + "\n"
    };
    Ok(rows.iter().map(line).collect())
}

/// Returns the name of an option, its value, and the origin of the value.
fn row(definition: Definition<'_>, merged: &Merged) -> [String; 3] {
    let key = definition.key();
    let (values, origin) = match (merged.settings.get(key), &merged.file) {
        (Some(setting), _) => (setting.values.clone(), told(&setting.origin)),
        (None, Some(file)) if key == "config" => (vec![file.display().to_string()], DEFAULT.to_owned()),
        (None, _) if definition.kind() == Kind::Flag => (Vec::new(), DEFAULT.to_owned()),
        (None, _) => {
            let defaults = definition.arg.get_default_values().iter();
            (defaults.map(|value| value.to_string_lossy().into_owned()).collect(), DEFAULT.to_owned())
        }
    };
    let shown = match (definition.kind(), values.is_empty()) {
        (Kind::Flag, is_off) => (!is_off).to_string(),
        (_, true) => "-".to_owned(),
        _ => values.iter().map(|value| definition.shown(value)).collect::<Vec<_>>().join(", "),
    };
    [key.to_owned(), shown, origin]
}

fn told(origin: &Origin) -> String {
    match origin {
        Origin::Environment(_) => format!("environment {origin}"),
        _ => origin.to_string(),
    }
}

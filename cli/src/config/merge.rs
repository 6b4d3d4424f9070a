//! [`parse`]: parses the command line, completed by the environment and the file.
//!
//! A typed option wins over a variable, a variable over the file, and the file over the default. An option also displaces
//! the options of a weaker origin that it excludes: a typed `--state-cmd` displaces `state-url` of the file.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, FromArgMatches as _};
use paragon_testkit::report::exits;

use super::option::{Definition, Kind, Options, Origin, Setting, Settings};
use super::{environment, file};
use crate::args::Program;
use crate::output;

/// Error that ends the program before a command begins.
pub(crate) enum Failure {
    /// The command line is wrong, or the help was asked for. The text names the options that are not typed.
    CommandLine(clap::Error, String),
    /// A variable or the file is wrong.
    Configuration(String),
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::CommandLine(error, String::new())
    }
}

impl From<String> for Failure {
    fn from(error: String) -> Self {
        Self::Configuration(error)
    }
}

impl Failure {
    /// Prints the error, or the help that was asked for. Returns the exit code.
    pub(crate) fn print(&self) -> u8 {
        match self {
            Self::CommandLine(error, elsewhere) if error.use_stderr() => {
                let _ = error.print();
                if !elsewhere.is_empty() {
                    output::note(&format!("\nThese options are not typed: {elsewhere}"));
                }
                exits::USAGE
            }
            // The help or the version is a result.
            Self::CommandLine(error, _) => {
                output::remember(error.print());
                exits::PASSED
            }
            Self::Configuration(error) => {
                output::error(error);
                exits::USAGE
            }
        }
    }
}

/// The options of a command, from all origins.
pub(super) struct Merged {
    pub(super) settings: Settings,
    /// File that was read.
    pub(super) file: Option<PathBuf>,
}

/// Parses a command line. Options that are not typed come from the environment and the file.
pub(crate) fn parse(typed: &[OsString]) -> Result<Program, Failure> {
    let options = Options::new();
    let matches = matches(typed)?;
    let configured = matches.subcommand().and_then(|(verb, matches)| Some((verb, matches, options.of(verb)?)));
    let Some((verb, matches, definitions)) = configured else {
        return Ok(parsed(Program::command(), typed)?);
    };
    let merged = merge(&options, &definitions, matches)?;
    let (mut program, mut added, mut origins) = (Program::command(), Vec::<OsString>::new(), Vec::new());
    for definition in &definitions {
        let Some(Setting { values, origin }) = merged.settings.get(definition.key()) else { continue };
        if *origin == Origin::CommandLine || values.is_empty() {
            continue;
        }
        let name = match definition.arg.get_long() {
            Some(long) => format!("--{long}"),
            None => "URL".to_owned(),
        };
        match definition.arg.get_long() {
            None => program = with_default(program, verb, *definition, values.concat()),
            Some(_) if definition.kind() == Kind::Flag => added.push(name.clone().into()),
            Some(_) => added.extend(values.iter().map(|value| format!("{name}={value}").into())),
        }
        origins.push((name, origin.to_string()));
    }
    // The commands name the file in what they print.
    if let Some(file) = merged.file.filter(|_| !merged.settings.contains_key("config")) {
        added.push(format!("--config={}", file.display()).into());
    }
    // The added options stand directly after the command, because the words after them may contain a `--`.
    let behind = 1 + typed.iter().skip(1).position(|word| word == verb).map_or(0, |at| at + 1);
    let words = [&typed[..behind], &added, &typed[behind..]].concat();
    let elsewhere =
        origins.iter().map(|(option, origin)| format!("{option} ({origin})")).collect::<Vec<_>>().join(", ");
    let program = parsed(program, &words).map_err(|error| Failure::CommandLine(error, elsewhere))?;
    output::set_origins(origins);
    Ok(program)
}

fn parsed(program: Command, words: &[OsString]) -> Result<Program, clap::Error> {
    program.try_get_matches_from(words).and_then(|matches| Program::from_arg_matches(&matches))
}

/// Gives a positional argument of a command a default value.
fn with_default(program: Command, verb: &str, definition: Definition<'_>, value: String) -> Command {
    let id = definition.arg.get_id().clone();
    program.mut_subcommand(verb, |verb| verb.mut_arg(id, |arg| arg.required(false).default_value(value)))
}

/// Parses a command line from which options may be missing, because they come from elsewhere.
pub(super) fn matches(typed: &[OsString]) -> Result<ArgMatches, clap::Error> {
    match Program::command().try_get_matches_from(typed) {
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            Program::command().ignore_errors(true).try_get_matches_from(typed)
        }
        matches => matches,
    }
}

/// Collects the options of a command from the command line, the environment and the file.
pub(super) fn merge(
    options: &Options,
    definitions: &[Definition<'_>],
    matches: &ArgMatches,
) -> Result<Merged, Failure> {
    let mut settings = typed(definitions, matches);
    let environment::Environment { settings: variables, warnings } = environment::read(std::env::vars_os(), options)?;
    for warning in warnings {
        output::note(&format!("warning: {warning}"));
    }
    complete(&mut settings, variables, definitions);
    let is_set = |key: &str| settings.get(key).filter(|setting| !setting.values.is_empty());
    let (file, origin) = match (is_set("no-config"), is_set("config")) {
        (Some(_), _) => (None, None),
        (None, Some(Setting { values, origin })) => (Some(PathBuf::from(values.concat())), Some(origin)),
        (None, None) => (file::find(), None),
    };
    if let Some(path) = &file {
        let read = file::read(path, options).map_err(|error| match origin {
            Some(variable @ Origin::Environment(_)) => format!("{variable}: {error}"),
            _ => error,
        })?;
        complete(&mut settings, read, definitions);
    }
    Ok(Merged { settings, file })
}

/// Returns the options that are typed.
fn typed(definitions: &[Definition<'_>], matches: &ArgMatches) -> Settings {
    let typed = definitions.iter().filter_map(|definition| {
        let id = definition.arg.get_id().as_str();
        let is_typed = matches.value_source(id) == Some(ValueSource::CommandLine);
        let raw = matches.get_raw(id).filter(|_| is_typed)?;
        let values = raw.map(|value| value.to_string_lossy().into_owned()).collect();
        Some((definition.key().to_owned(), Setting { values, origin: Origin::CommandLine }))
    });
    typed.collect()
}

/// Adds the settings of a weaker origin. Leaves out the settings of other commands, and the settings that a stronger one
/// replaces or excludes.
fn complete(settings: &mut Settings, weaker: Settings, definitions: &[Definition<'_>]) {
    let of = |key: &str| definitions.iter().find(|definition| definition.key() == key);
    let excludes = |stronger: &Definition<'_>, weaker: &Definition<'_>, settings: &Settings| {
        let is_set = settings.get(stronger.key()).is_some_and(|setting| !setting.values.is_empty());
        is_set && stronger.conflicts_with(*weaker)
    };
    let added: Vec<_> = weaker
        .into_iter()
        .filter(|(key, _)| !settings.contains_key(key))
        .filter(|(key, _)| {
            let weaker = of(key);
            weaker.is_some_and(|weaker| !definitions.iter().any(|stronger| excludes(stronger, weaker, settings)))
        })
        .collect();
    settings.extend(added);
}

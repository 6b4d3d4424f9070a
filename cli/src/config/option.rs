//! [`Options`]: the options that a file or the environment may set, as clap defines them.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, CommandFactory as _, ValueEnum as _};

use crate::args::{ConfiguredVerb, Program};

/// Start of the names of the environment variables.
pub(super) const PREFIX: &str = "PARAGON_TESTKIT_";

/// The commands whose options may come from a file or from the environment.
pub(super) struct Options {
    verbs: Vec<Command>,
}

/// One option of a command.
#[derive(Clone, Copy)]
pub(super) struct Definition<'a> {
    verb: &'a Command,
    pub(super) arg: &'a Arg,
}

/// Type of the values of an option.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Flag,
    WholeNumber,
    Number,
    Text,
}

/// Place that the value of an option comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    CommandLine,
    /// The environment variable with this name.
    Environment(String),
    /// This line of the file with this name.
    File(String, usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("flag"),
            Self::Environment(variable) => f.write_str(variable),
            Self::File(file, line) => write!(f, "{file}:{line}"),
        }
    }
}

/// The values of an option. A flag that is set to false has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) values: Vec<String>,
    pub(super) origin: Origin,
}

/// Settings by the key of their option.
pub(super) type Settings = BTreeMap<String, Setting>;

impl Options {
    pub(super) fn new() -> Self {
        let mut program = Program::command();
        // Passes the global options on to the commands.
        program.build();
        let named = |verb: &ConfiguredVerb| program.find_subcommand(verb.name()).cloned();
        Self { verbs: ConfiguredVerb::value_variants().iter().filter_map(named).collect() }
    }

    /// Returns the options of all commands. Options with the same key mean the same, so each key occurs once.
    pub(super) fn all(&self) -> BTreeMap<&str, Definition<'_>> {
        let definitions = self.verbs.iter().rev().flat_map(Definition::all_of);
        definitions.map(|definition| (definition.key(), definition)).collect()
    }

    /// Returns the options of one command, in the order of its help. Returns `None` for a command that is not
    /// configured.
    pub(super) fn of(&self, verb: &str) -> Option<Vec<Definition<'_>>> {
        let verb = self.verbs.iter().find(|known| known.get_name() == verb)?;
        Some(Definition::all_of(verb).collect())
    }
}

impl<'a> Definition<'a> {
    fn all_of(verb: &'a Command) -> impl Iterator<Item = Self> {
        let is_option = |arg: &&Arg| match arg.get_long() {
            Some(long) => !["help", "version"].contains(&long),
            None => arg.get_id() == "url",
        };
        verb.get_arguments().filter(is_option).map(move |arg| Self { verb, arg })
    }

    /// Returns the long name of the option, or `url` for the URL of the receiver.
    pub(super) fn key(self) -> &'a str {
        self.arg.get_long().unwrap_or(self.arg.get_id().as_str())
    }

    pub(super) fn variable(self) -> String {
        format!("{PREFIX}{}", self.key().replace('-', "_").to_uppercase())
    }

    /// Returns whether a file may contain the option. A file cannot say which file to read.
    pub(super) fn is_in_files(self) -> bool {
        !["config", "no-config"].contains(&self.key())
    }

    pub(super) fn is_list(self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    pub(super) fn kind(self) -> Kind {
        if !self.arg.get_action().takes_values() {
            return Kind::Flag;
        }
        match self.value_name() {
            "N" => Kind::WholeNumber,
            "X" => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Returns the placeholder of the value in the help, such as `FILE`. It says what the value is.
    fn value_name(self) -> &'a str {
        self.arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str())
    }

    /// Returns whether the values may contain secrets.
    pub(super) fn is_secret(self) -> bool {
        ["NAME: VALUE", "NAME=TEMPLATE"].contains(&self.value_name())
    }

    /// Returns a value as it is shown. Only the name remains of a value that may be a secret.
    pub(super) fn shown(self, value: &str) -> String {
        if !self.is_secret() {
            return value.to_owned();
        }
        match value.find([':', '=']) {
            Some(end) => format!("{}…", &value[..=end]),
            None => "…".to_owned(),
        }
    }

    /// Returns whether the option and another option of the same command exclude each other.
    pub(super) fn conflicts_with(self, other: Self) -> bool {
        let names = |one: Self, two: Self| {
            self.verb.get_arg_conflicts_with(one.arg).iter().any(|arg| arg.get_id() == two.arg.get_id())
        };
        names(self, other) || names(other, self)
    }

    /// Returns what a value must be, as the end of a sentence.
    pub(super) fn expected(self) -> &'static str {
        match (self.kind(), self.is_list()) {
            (_, true) => "a list of texts, such as [\"…\", \"…\"]",
            (Kind::Flag, _) => "true or false",
            (Kind::WholeNumber, _) => "a whole number of at least 0",
            (Kind::Number, _) => "a number",
            (Kind::Text, _) => "a text in quotes",
        }
    }

    /// Checks a value with the parser of the option. The error says what was expected.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        let Some(long) = self.arg.get_long() else { return Ok(()) };
        let verb = self.verb.clone();
        let Err(error) = verb.try_get_matches_from([self.verb.get_name(), &format!("--{long}={value}")]) else {
            return Ok(());
        };
        // Other errors are about other options, for example a missing URL.
        match error.kind() {
            ErrorKind::ValueValidation => {
                let why = error.source().map(ToString::to_string).unwrap_or_default();
                let is_number = matches!(self.kind(), Kind::WholeNumber | Kind::Number);
                let says_what = why.starts_with("expected");
                Err(if is_number && !says_what { format!("expected {} ({why})", self.expected()) } else { why })
            }
            ErrorKind::InvalidValue => Err(match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(valid)) if !valid.is_empty() => {
                    format!("expected one of {}", valid.join(", "))
                }
                _ => "expected a value that is not empty".to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns a value from a file in another folder as it must be written in the current folder. Relative paths are
    /// extended, and commands first change into the folder.
    pub(super) fn based_in(self, value: &str, folder: &Path) -> String {
        let path = |path: &str| folder.join(path).display().to_string();
        let is_url = || value.starts_with("http://") || value.starts_with("https://");
        match self.value_name() {
            "FILE" | "FOLDER" => path(value),
            // A policy is a file if it has the extension of one.
            "NAME|FILE" if Path::new(value).extension().is_some_and(|end| end == "toml" || end == "json") => {
                path(value)
            }
            "FORMAT=FILE" => match value.split_once('=') {
                Some((format, file)) => format!("{format}={}", path(file)),
                None => value.to_owned(),
            },
            "CMD" => in_folder(value, folder),
            "CMD|URL" if !is_url() => in_folder(value, folder),
            _ => value.to_owned(),
        }
    }
}

fn in_folder(command: &str, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let quoted = shlex::try_quote(&folder).unwrap_or(std::borrow::Cow::Borrowed(&folder));
    format!("cd {quoted} && {command}")
}

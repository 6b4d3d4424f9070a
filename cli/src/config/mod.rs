//! Options that are not typed: they come from the environment, or from `paragon-testkit.toml`.
//!
//! Everything follows from the clap definitions in `args`: the keys of the file, the names of the variables, the types of
//! the values, and the JSON Schema of the file.

mod environment;
mod file;
mod init;
mod merge;
mod option;
mod schema;
mod show;

pub(crate) use init::run as init;
pub(crate) use merge::parse;
pub(crate) use schema::schema;
pub(crate) use show::run as show;

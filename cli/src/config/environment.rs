//! Reads the options from the environment variables `PARAGON_TESTKIT_…`.

use std::ffi::OsString;

use super::option::{Definition, Kind, Options, Origin, PREFIX, Setting, Settings};
use crate::names;

/// Variables that start with [`PREFIX`] and belong to other programs: the npm package reads the path of the program from
/// this one.
const OTHERS: [&str; 1] = ["PARAGON_TESTKIT_BINARY"];

/// The settings, and a warning for each variable that names no option.
#[derive(Default)]
pub(super) struct Environment {
    pub(super) settings: Settings,
    pub(super) warnings: Vec<String>,
}

/// Reads all variables. An empty variable counts as not set.
pub(super) fn read(
    variables: impl Iterator<Item = (OsString, OsString)>,
    options: &Options,
) -> Result<Environment, String> {
    let known = options.all();
    let mut environment = Environment::default();
    for (variable, value) in variables {
        let Some(variable) = variable.to_str().filter(|variable| variable.starts_with(PREFIX)) else { continue };
        if value.is_empty() || OTHERS.contains(&variable) {
            continue;
        }
        let key = variable[PREFIX.len()..].to_lowercase().replace('_', "-");
        let Some(definition) = known.get(key.as_str()).filter(|definition| definition.variable() == variable) else {
            let nearest = names::nearest(&key, known.keys().copied()).and_then(|key| known.get(key));
            let meant = nearest.map_or_else(String::new, |near| format!(", did you mean {}?", near.variable()));
            environment.warnings.push(format!("the environment variable {variable} names no option{meant}"));
            continue;
        };
        let text = value.to_str().ok_or_else(|| format!("{variable}: expected text in UTF-8"))?;
        let values = values(*definition, text).map_err(|why| format!("{variable}: {why}"))?;
        for value in &values {
            definition.check(value).map_err(|why| format!("{variable}={value:?}: {why}"))?;
        }
        let origin = Origin::Environment(variable.to_owned());
        environment.settings.insert(key, Setting { values, origin });
    }
    Ok(environment)
}

/// Returns the values of a variable as they would be typed. An option that may be repeated has a value in each line.
fn values(definition: Definition<'_>, text: &str) -> Result<Vec<String>, String> {
    match (definition.kind(), text) {
        (Kind::Flag, "true") => Ok(vec![text.to_owned()]),
        (Kind::Flag, "false") => Ok(Vec::new()),
        (Kind::Flag, other) => Err(format!("expected true or false, got {other:?}")),
        _ if definition.is_list() => {
            Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
        }
        _ => Ok(vec![text.to_owned()]),
    }
}

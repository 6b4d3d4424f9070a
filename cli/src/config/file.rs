//! Reads `paragon-testkit.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::option::{Definition, Kind, Options, Origin, Setting, Settings};
use crate::names;

pub(super) const NAME: &str = "paragon-testkit.toml";

/// Returns the file of the current folder, or of the nearest folder above it.
pub(super) fn find() -> Option<PathBuf> {
    if Path::new(NAME).is_file() {
        return Some(NAME.into());
    }
    let current = std::env::current_dir().ok()?;
    current.ancestors().skip(1).map(|folder| folder.join(NAME)).find(|file| file.is_file())
}

/// Reads a file. Returns an error if the file is not valid, even if only an option of another command is wrong.
pub(super) fn read(file: &Path, options: &Options) -> Result<Settings, String> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).map_err(|error| format!("{name}: the file cannot be read: {error}"))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    settings(&text, &name, folder, options)
}

/// Parses the text of a file. `folder` is the folder of the file, unless it is the current folder.
fn settings(text: &str, name: &str, folder: Option<&Path>, options: &Options) -> Result<Settings, String> {
    let line = |at: usize| 1 + text.get(..at).unwrap_or(text).matches('\n').count();
    // The message does not repeat the line, which may contain a secret.
    let table = DeTable::parse(text).map_err(|error| {
        let line = line(error.span().map_or(0, |span| span.start));
        format!("{name}:{line}: the file is not valid TOML: {}", error.message())
    })?;
    let known = options.all();
    let mut settings = Settings::new();
    for (key, value) in table.get_ref() {
        let origin = Origin::File(name.to_owned(), line(key.span().start));
        let key: &str = key.get_ref();
        let Some(definition) = known.get(key).filter(|definition| definition.is_in_files()) else {
            let keys = known.values().filter(|definition| definition.is_in_files()).map(|definition| definition.key());
            let meant = names::meant(key, keys);
            let expected = "expected the long name of an option of check, doctor, replay or serve, such as state-url";
            return Err(format!("{origin}: unknown key {key:?}: {expected}{meant}"));
        };
        let values = values(*definition, value).map_err(|why| format!("{origin}: {key}: {why}"))?;
        for value in &values {
            definition.check(value).map_err(|why| format!("{origin}: {key} = {value:?}: {why}"))?;
        }
        let located = |value: String| folder.map_or(value.clone(), |folder| definition.based_in(&value, folder));
        let values = values.into_iter().map(located).collect();
        settings.insert(key.to_owned(), Setting { values, origin });
    }
    Ok(settings)
}

/// Returns the values of a key as they would be typed.
fn values(definition: Definition<'_>, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, String> {
    let wrong = |value: &DeValue<'_>| format!("expected {}, got {}", definition.expected(), found(value));
    let value = value.get_ref();
    if !definition.is_list() {
        return match (definition.kind(), value) {
            (Kind::Flag, DeValue::Boolean(is_set)) => Ok(is_set.then(|| "true".to_owned()).into_iter().collect()),
            (Kind::WholeNumber | Kind::Number, DeValue::Integer(number)) if number.radix() == 10 => {
                Ok(vec![number.as_str().replace('_', "")])
            }
            (Kind::Number, DeValue::Float(number)) => Ok(vec![number.as_str().replace('_', "")]),
            (Kind::Text, DeValue::String(text)) => Ok(vec![text.to_string()]),
            // TOML has times of its own, which need no quotes.
            (Kind::Text, DeValue::Datetime(time)) => Ok(vec![time.to_string()]),
            _ => Err(wrong(value)),
        };
    }
    let items = value.as_array().ok_or_else(|| wrong(value))?;
    let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(format!("expected {}, got {} in the list", definition.expected(), found(other))),
    };
    items.iter().map(text).collect()
}

/// Names the type of a value. The value itself may be a secret.
fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(number) if number.radix() != 10 => "a number that is not decimal",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

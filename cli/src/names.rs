//! Looks up names, and suggests the nearest name for one that is unknown.

use paragon_testkit::contract::schemas;

/// Returns the schema with this full name, or else the first one whose last path segment is this name.
pub(crate) fn schema(name: &str) -> Result<&'static str, String> {
    let all = || schemas().iter().map(|schema| schema.name);
    let last = |schema: &str| schema.rsplit('/').next() == Some(name);
    let found = all().find(|schema| *schema == name).or_else(|| all().find(|schema| last(schema)));
    found.ok_or_else(|| {
        format!("there is no schema {name:?}{}; `paragon-testkit schema` lists all schemas", meant(name, all()))
    })
}

/// Returns `, did you mean …?` with the most similar of the known names. Returns an empty string if none is similar.
pub(crate) fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(name, names).map_or_else(String::new, |nearest| format!(", did you mean {nearest}?"))
}

/// Returns the most similar of the known names, if one is similar.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| {
        let last = known.rsplit('/').next().unwrap_or(known);
        strsim::jaro_winkler(known, name).max(strsim::jaro_winkler(last, name))
    };
    let nearest = names.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.filter(|nearest| likeness(nearest) > 0.8)
}

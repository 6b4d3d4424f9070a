use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::grade::Provenance;

/// An example payload that is shipped with this crate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fixture {
    /// The file below `fixtures/`, without `.json`: `webhooks/sync_complete/documented`.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Where it comes from.
    pub provenance: Provenance,
    /// The payload.
    pub body: Value,
}

/// A file that is not a fixture.
#[derive(Debug, thiserror::Error)]
#[error("fixture {name}: expected an object with about, grade, source, checked and body: {source}")]
pub struct FixtureError {
    /// The file.
    pub name: String,
    /// What is wrong with it.
    pub source: serde_json::Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    provenance: Provenance,
    body: Value,
}

impl Fixture {
    /// Reads one fixture file.
    ///
    /// # Errors
    ///
    /// Names the file, and the member that is missing or wrong.
    pub fn parse(name: &str, text: &str) -> Result<Self, FixtureError> {
        let file: File = serde_json::from_str(text).map_err(|source| FixtureError { name: name.to_owned(), source })?;
        Ok(Self { name: name.to_owned(), about: file.about, provenance: file.provenance, body: file.body })
    }
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../fixtures/", $name, ".json")))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "webhooks/sync_complete/documented",
    "webhooks/sync_complete/with_credential_id",
    "webhooks/sync_errored/documented",
    "webhooks/sync_errored/with_credential_id",
    "webhooks/record_created/documented",
    "webhooks/record_created/with_credential_id",
    "webhooks/record_updated/documented",
    "webhooks/record_updated/with_credential_id",
    "webhooks/record_deleted/documented",
    "webhooks/record_deleted/with_credential_id",
    "webhooks/record_errored/documented",
    "webhooks/record_errored/with_credential_id",
];

/// Read at the first use; a test reads them all, so the panic never reaches a user.
static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    FILES.iter().map(|(name, text)| Fixture::parse(name, text).unwrap_or_else(|error| panic!("{error}"))).collect()
});

/// Every shipped fixture.
///
/// ```
/// use paragon_testkit::contract::{Event, fixtures};
/// for fixture in fixtures() {
///     Event::from_value(fixture.body.clone())?;
/// }
/// # Ok::<(), paragon_testkit::contract::EventError>(())
/// ```
pub fn fixtures() -> &'static [Fixture] {
    &FIXTURES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Event, EventKind, validate_event};

    #[test]
    fn fixtures_schemas_types_and_the_list_of_events_agree() {
        for fixture in fixtures() {
            assert_eq!(validate_event(&fixture.body), [], "{}", fixture.name);
            let event = Event::from_value(fixture.body.clone()).unwrap();
            assert_eq!(event.to_value(), fixture.body, "{}: nothing is lost by the types", fixture.name);
            assert_eq!(fixture.name.split('/').nth(1), Some(event.name()));
            let has_credential = event.envelope().is_some_and(|envelope| envelope.credential_id.is_some());
            assert_eq!(has_credential, fixture.name.ends_with("with_credential_id"), "{}", fixture.name);
        }
        for kind in EventKind::ALL {
            let folder = format!("webhooks/{kind}/");
            assert_eq!(fixtures().iter().filter(|fixture| fixture.name.starts_with(&folder)).count(), 2, "{kind}");
        }
    }

    #[test]
    fn every_file_on_disk_is_shipped() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let on_disk = |folder: &str| {
            let mut names = Vec::new();
            let mut folders = vec![root.join(folder)];
            while let Some(folder_path) = folders.pop() {
                for entry in std::fs::read_dir(folder_path).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else {
                        let name = path.strip_prefix(root.join(folder)).unwrap().with_extension("");
                        names.push(name.to_str().unwrap().replace('\\', "/"));
                    }
                }
            }
            names.sort();
            names
        };
        let mut shipped: Vec<_> = fixtures().iter().map(|fixture| fixture.name.clone()).collect();
        shipped.sort();
        assert_eq!(on_disk("fixtures"), shipped);
        let mut shipped: Vec<_> = crate::contract::schemas().iter().map(|schema| schema.name.to_owned()).collect();
        shipped.sort();
        assert_eq!(on_disk("schemas"), shipped);
    }

    #[test]
    fn a_malformed_fixture_is_named_with_what_was_expected() {
        let error = Fixture::parse("mine.json", r#"{"about":"x","body":{}}"#).unwrap_err();
        insta::assert_snapshot!(error, @"fixture mine.json: expected an object with about, grade, source, checked and body: missing field `provenance` at line 1 column 23");
    }
}

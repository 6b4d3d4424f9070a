use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;

use super::grade::Provenance;
use super::revision::Revision;
use super::schema::{Contract, Layer, Violation};

/// An example payload that is shipped with this crate.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Fixture {
    /// Path of the file in `fixtures/`, without `.json`, such as `webhooks/sync_complete/documented`.
    pub name: String,
    /// Description of what the fixture shows.
    pub about: String,
    /// Revision of the contract that the payload belongs to.
    pub revision: Revision,
    /// Layer that accepts the payload, or that rejects it if the payload is invalid. A payload that only the tolerant
    /// layer accepts was seen in the wild.
    pub layer: Layer,
    /// The only rule that an invalid payload breaks; `None` for a valid payload.
    pub breaks: Option<Breaks>,
    /// Source of the payload.
    pub provenance: Provenance,
    /// The payload as JSON.
    pub body: Value,
}

/// The rule that a payload breaks, and the place where the payload breaks it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Breaks {
    /// JSON pointer to the wrong or missing member. Empty for the whole payload.
    pub path: String,
    /// Keyword of the schema that is broken, such as `required`.
    pub rule: String,
}

impl Breaks {
    /// Creates a `Breaks` from the JSON pointer to the member and the keyword of the schema.
    pub fn new(path: &str, rule: &str) -> Self {
        Self { path: path.to_owned(), rule: rule.to_owned() }
    }

    /// Returns whether the violations consist of exactly this one.
    pub fn is_all_of(&self, violations: &[Violation]) -> bool {
        matches!(violations, [only] if only.path == self.path && only.rule == self.rule)
    }
}

/// The error for a file that is not a fixture.
#[derive(Debug, thiserror::Error)]
#[error("fixture {name}: expected an object with about, provenance and body: {source}")]
pub struct FixtureError {
    name: String,
    source: serde_json::Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    #[serde(default)]
    revision: Revision,
    #[serde(default = "strict")]
    layer: Layer,
    breaks: Option<Breaks>,
    provenance: Provenance,
    body: Value,
}

fn strict() -> Layer {
    Layer::Strict
}

impl Fixture {
    /// Reads one fixture file.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file, and the missing member or the position of the wrong one.
    pub fn parse(name: &str, text: &str) -> Result<Self, FixtureError> {
        let name = name.to_owned();
        match serde_json::from_str(text) {
            Ok(File { about, revision, layer, breaks, provenance, body }) => {
                Ok(Self { name, about, revision, layer, breaks, provenance, body })
            }
            Err(source) => Err(FixtureError { name, source }),
        }
    }

    /// Returns the name of the schema that the fixture is validated against. The schema name is part of the fixture's
    /// name.
    pub fn schema(&self) -> &str {
        let name = self.name.strip_prefix("invalid/").unwrap_or(&self.name);
        name.rsplit_once('/').map_or(name, |(schema, _)| schema)
    }

    /// Returns the contract that the fixture is validated against.
    pub fn contract(&self) -> Contract {
        Contract { revision: self.revision, layer: self.layer }
    }
}

/// Name and text of each fixture file. The build script lists the files.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/fixtures.rs"));

/// The fixtures, parsed at the first use. A test parses them all, so that the panic never reaches a user.
static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(|| {
    FILES.iter().map(|(name, text)| Fixture::parse(name, text).unwrap_or_else(|error| panic!("{error}"))).collect()
});

/// Returns all shipped fixtures, sorted by path.
///
/// ```
/// use paragon_testkit::contract::fixtures;
/// let of_events = fixtures().iter().filter(|fixture| fixture.name.starts_with("webhooks/"));
/// for fixture in of_events {
///     let body = serde_json::to_vec(&fixture.body)?; // your handler must accept it in every layer and revision
/// }
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn fixtures() -> &'static [Fixture] {
    &FIXTURES
}

/// Returns the fixture with this name, such as `webhooks/sync_complete/documented`; `None` if there is no such fixture.
pub fn fixture(name: &str) -> Option<&'static Fixture> {
    FIXTURES.iter().find(|fixture| fixture.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Event, schemas};

    #[test]
    fn every_fixture_is_valid_or_breaks_the_rule_that_it_names() {
        for fixture in fixtures() {
            let name = &fixture.name;
            let violations = fixture.contract().validate(fixture.schema(), &fixture.body);
            let other = |layer| Contract { layer, ..fixture.contract() }.is_valid(fixture.schema(), &fixture.body);
            match (&fixture.breaks, fixture.layer) {
                (None, layer) => {
                    assert_eq!(violations, [], "{name}");
                    assert!(layer == Layer::Strict || !other(Layer::Strict), "{name} is valid strictly");
                    assert!(other(Layer::Tolerant), "{name}: tolerant takes all that strict takes");
                }
                (Some(breaks), layer) => {
                    assert!(breaks.is_all_of(&violations), "{name}: {violations:?}");
                    assert!(layer == Layer::Tolerant || other(Layer::Tolerant), "{name} is invalid tolerantly");
                }
            }
            assert_eq!(name.starts_with("invalid/"), fixture.breaks.is_some(), "{name}");
        }
    }

    #[test]
    fn events_survive_the_types() {
        let newest = |fixture: &&Fixture| fixture.layer == Layer::Strict && fixture.revision != Revision::SnakeCase;
        let events = fixtures().iter().filter(|fixture| fixture.name.starts_with("webhooks/"));
        for fixture in events.filter(newest) {
            let event = Event::from_value(fixture.body.clone()).unwrap();
            assert_eq!(event.to_value(), fixture.body, "{}", fixture.name);
        }
    }

    #[test]
    fn a_payload_breaks_one_rule_when_it_breaks_that_and_no_other() {
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        let violations = |body: Value| strict.validate("common/error", &body);
        let missing = Breaks::new("/message", "required");
        let only = violations(serde_json::json!({"error": "Conflict", "statusCode": 409}));
        assert!(missing.is_all_of(&only), "{only:?}");
        assert!(!Breaks::new("/message", "type").is_all_of(&only), "another rule");
        assert!(!Breaks::new("/error", "required").is_all_of(&only), "another member");
        assert!(!missing.is_all_of(&[]), "none");
        assert!(!missing.is_all_of(&violations(serde_json::json!({"error": 7, "statusCode": 409}))), "two");
    }

    /// Returns the names of all top-level members of a schema, and the names of the required ones. Follows references.
    fn members(contract: Contract, schema: &str) -> (Vec<&'static str>, Vec<&'static str>) {
        let place = contract.place(schema);
        (place.members().into_iter().map(|(name, _)| name).collect(), place.required())
    }

    #[test]
    fn every_payload_has_its_examples() {
        let part = |name: &str| {
            let folder = name.split('/').next().unwrap_or(name);
            matches!(name, "webhooks/envelope" | "records/any") || !["webhooks", "records", "api"].contains(&folder)
        };
        for schema in schemas().iter().map(|schema| schema.name).filter(|name| !part(name)).chain(["common/error"]) {
            let of = |variant: &str| fixture(&format!("{schema}/{variant}"));
            let all = fixtures().iter().filter(|fixture| fixture.schema() == schema);
            assert!(all.clone().any(|fixture| fixture.breaks.is_some()), "{schema} has no invalid one");
            let shown = ["documented", "observed", "example", "conflict"];
            assert!(shown.iter().any(|variant| of(variant).is_some()), "{schema} has no plain example");
            let minimal = of("minimal").unwrap_or_else(|| panic!("{schema} has no minimal one"));
            for member in minimal.body.as_object().unwrap().keys() {
                let mut less = minimal.body.clone();
                less.as_object_mut().unwrap().remove(member);
                assert!(!minimal.contract().is_valid(schema, &less), "{schema}/minimal could do without {member}");
            }
            // A line of this stream has either an object or an error, so that no payload has all members.
            if schema != "api/streamed_object_all_syncs" {
                let maximal = of("maximal").unwrap_or_else(|| panic!("{schema} has no maximal one"));
                for member in members(maximal.contract(), schema).0 {
                    assert!(maximal.body.get(member).is_some(), "{schema}/maximal lacks {member}");
                }
            }
            for revision in [Revision::SnakeCase, Revision::CamelCase] {
                let contract = Contract { revision, layer: Layer::Strict };
                let newest = Contract { revision: Revision::default(), ..contract };
                if members(contract, schema) != members(newest, schema) {
                    assert!(all.clone().any(|fixture| fixture.revision == revision), "{schema} has none of {revision}");
                }
            }
        }
    }

    #[test]
    fn fixtures_are_converted_between_the_revisions() {
        for fixture in fixtures().iter().filter(|fixture| fixture.breaks.is_none() && fixture.layer == Layer::Strict) {
            if fixture.revision == Revision::default()
                || fixture.name.contains("_record") && fixture.name.contains("api/")
            {
                continue;
            }
            let newest = fixture.revision.read(fixture.schema(), &fixture.body);
            assert_eq!(Contract::default().validate(fixture.schema(), &newest), [], "{}", fixture.name);
            let back = fixture.revision.write(fixture.schema(), &newest);
            assert_eq!(fixture.contract().validate(fixture.schema(), &back), [], "{}", fixture.name);
        }
    }

    #[test]
    fn a_malformed_fixture_is_named_with_what_was_expected() {
        let error = Fixture::parse("mine.json", r#"{"about":"x","body":{}}"#).unwrap_err();
        insta::assert_snapshot!(error, @"fixture mine.json: expected an object with about, provenance and body: missing field `provenance` at line 1 column 23");
    }
}

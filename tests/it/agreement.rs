//! Compares fixtures, schemas, types and strategies, each with all the others.

use paragon_testkit::contract::{Contract, Layer, Revision, schemas};
use paragon_testkit::strategies::{Params, near_miss, payload};
use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::types::types;

/// Schemas that are not the schema of a whole payload: parts of other schemas, and the file formats of this project.
const PARTS: [&str; 12] = [
    "webhooks/envelope",
    "records/any",
    "common/custom_fields",
    "common/frequency",
    "common/object_type",
    "common/pipeline",
    "common/role",
    "common/sync_status",
    "common/timestamp",
    "policy",
    "report",
    "scenario",
];

#[test]
fn every_schema_has_a_type_or_is_a_part() {
    let mut known: Vec<_> = types().into_iter().map(|(name, _)| name).chain(PARTS).collect();
    let mut shipped: Vec<_> = schemas().iter().map(|schema| schema.name).collect();
    known.sort_unstable();
    shipped.sort_unstable();
    assert_eq!(known, shipped);
}

/// Returns how many values a test generates of each kind. `.ci/run` sets 10,000. Near misses have a limit of 4,000 for
/// each revision.
fn cases() -> u32 {
    Config::default().cases
}

/// Generates the same values in each run.
fn generated<T: std::fmt::Debug>(strategy: &BoxedStrategy<T>) -> impl Iterator<Item = T> {
    let mut runner = TestRunner::deterministic();
    (0..cases()).map(move |_| strategy.new_tree(&mut runner).unwrap().current())
}

fn strict(revision: Revision) -> Contract {
    Contract::new(revision, Layer::Strict)
}

fn tolerant(revision: Revision) -> Contract {
    Contract::new(revision, Layer::Tolerant)
}

#[test]
fn generated_payloads_are_valid_and_survive_types_and_revisions() {
    for (name, through) in types() {
        for payload in generated(&payload(name, Params::default())) {
            let newest = Revision::default();
            assert_eq!(strict(newest).validate(name, &payload), [], "{name}: {payload}");
            assert!(tolerant(newest).is_valid(name, &payload), "{name}: {payload}");
            assert_eq!(through(&payload).as_ref(), Ok(&payload), "{name}");
            for revision in [Revision::SnakeCase, Revision::CamelCase] {
                // `Revision::write` does not convert records that are nested in a response; the server converts them
                // when it builds the response.
                if !name.ends_with("records_response") && !name.ends_with("record_response") {
                    let written = revision.write(name, &payload);
                    assert_eq!(strict(revision).validate(name, &written), [], "{name} in {revision}: {written}");
                    let read = revision.read(name, &written);
                    assert_eq!(tolerant(newest).validate(name, &read), [], "{name} from {revision}: {read}");
                }
            }
        }
    }
}

#[test]
fn payloads_generated_for_older_revisions_are_valid_too() {
    for revision in [Revision::SnakeCase, Revision::CamelCase] {
        for (name, _) in types() {
            for payload in generated(&payload(name, Params::new(revision))).take(500) {
                assert_eq!(strict(revision).validate(name, &payload), [], "{name} in {revision}: {payload}");
                assert!(tolerant(revision).is_valid(name, &payload), "{name} in {revision}: {payload}");
            }
        }
    }
}

#[test]
fn a_near_miss_breaks_the_rule_that_it_names_and_no_other() {
    for revision in Revision::ALL {
        for (name, through) in types() {
            for miss in generated(&near_miss(name, Params::new(revision).edge(5))).take(4_000) {
                let violations = strict(revision).validate(name, &miss.payload);
                assert!(miss.breaks.is_all_of(&violations), "{name} in {revision}: {miss:?}\n{violations:?}");
                let _ = through(&miss.payload); // The type may refuse the payload, but must not panic.
            }
        }
    }
}

#[test]
fn unknown_members_survive_the_types_at_every_level() {
    fn add(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(add);
                members.insert("unknownMember".to_owned(), json!([null]));
            }
            Value::Array(items) => items.iter_mut().for_each(add),
            _ => {}
        }
    }
    for (name, through) in types() {
        for mut payload in generated(&payload(name, Params::tidy())).take(500) {
            add(&mut payload);
            assert_eq!(through(&payload).as_ref(), Ok(&payload), "{name}");
            assert_eq!(tolerant(Revision::default()).validate(name, &payload), [], "{name}: {payload}");
        }
    }
}

//! Properties that hold for any bytes. Each function is a fuzz target, and panics if a property does not hold.
#![forbid(unsafe_code)]

use paragon_testkit::contract::{Contract, Event, EventKind, Fixture, Layer, Revision, schemas};
use paragon_testkit::scenario::Scenario;
use serde_json::Value;

#[path = "../../tests/it/types.rs"]
mod types;

/// Checks the body of a webhook.
pub fn event(bytes: &[u8]) {
    let parsed = Event::parse(bytes);
    if let Ok(event) = &parsed {
        let value = event.to_value();
        assert_eq!(Event::from_value(value.clone()).as_ref().ok(), Some(event), "{value}");
        for revision in Revision::ALL {
            let _ = revision.write_event(event);
        }
    }
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    assert_eq!(Event::from_value(value.clone()).ok(), parsed.ok(), "{value}");
    let kind = value["event"].as_str().and_then(EventKind::from_name);
    for contract in contracts() {
        let violations = contract.validate_event(&value);
        match kind {
            Some(kind) => assert_eq!(violations, contract.validate(kind.schema(), &value), "{value}"),
            None => assert_eq!(violations.len(), 1, "{value}"),
        }
        let _ = contract.nearest_event(&value);
    }
    if let Some(kind) = kind {
        judged(kind.schema(), &value);
    }
}

/// Checks a payload. The input is the name of a schema, a line feed, and the payload.
pub fn payload(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Some(schema) = schemas().iter().find(|schema| schema.name.as_bytes() == &bytes[..end]) else { return };
    if let Ok(value) = serde_json::from_slice(&bytes[end + 1..]) {
        judged(schema.name, &value);
    }
}

/// Checks a file from `fixtures/`.
pub fn fixture(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(fixture) = Fixture::parse("invalid/records/file/fuzzed", text) {
        let _ = fixture.contract().validate(fixture.schema(), &fixture.body);
    }
}

/// Checks a scenario file.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(scenario) = Scenario::parse(text) {
        let written = scenario.to_json();
        assert_eq!(Scenario::parse(&written).as_ref().ok(), Some(&scenario), "{written}");
    }
}

fn contracts() -> impl Iterator<Item = Contract> {
    Revision::ALL.into_iter().flat_map(|revision| Layer::ALL.map(|layer| Contract::new(revision, layer)))
}

fn judged(schema: &'static str, value: &Value) {
    for contract in contracts() {
        let valid = contract.is_valid(schema, value);
        assert_eq!(contract.validate(schema, value).is_empty(), valid, "{schema} by {contract:?}: {value}");
        let tolerant = Contract::new(contract.revision, Layer::Tolerant);
        assert!(!valid || tolerant.is_valid(schema, value), "{schema} by {tolerant:?}: {value}");
    }
    let newest = Contract::new(Revision::default(), Layer::Strict);
    let valid = newest.is_valid(schema, value);
    if valid
        && !whole_float(value)
        && let Some((_, through)) = types::types().into_iter().find(|(name, _)| *name == schema)
    {
        assert_eq!(through(value).as_ref(), Ok(value), "{schema}");
    }
    for revision in Revision::ALL {
        let written = revision.write(schema, value);
        let _ = revision.read(schema, value);
        // `Revision::write` does not convert records that are nested in a response; the server converts them when it
        // builds the response.
        if valid && !schema.ends_with("records_response") && !schema.ends_with("record_response") {
            let here = Contract::new(revision, newest.layer);
            assert_eq!(here.validate(schema, &written), [], "{schema} in {revision}: {written}");
            let read = revision.read(schema, &written);
            assert_eq!(Contract::default().validate(schema, &read), [], "{schema} from {revision}: {read}");
        }
    }
}

/// Returns whether a number is a whole float, such as `12.0` or `1e30`. A JSON Schema accepts those as integers, but
/// Rust's types do not. Paragon's JavaScript writes neither.
fn whole_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64() && number.as_f64().is_some_and(|number| number.fract() == 0.0),
        Value::Array(items) => items.iter().any(whole_float),
        Value::Object(members) => members.values().any(whole_float),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    /// Runs the targets on the corpus, without a fuzzer and on stable Rust, so that fixed errors stay fixed.
    #[test]
    fn all_properties_hold_for_the_corpus() {
        let targets: [(&str, fn(&[u8])); 4] = [
            ("event", super::event),
            ("payload", super::payload),
            ("fixture", super::fixture),
            ("scenario", super::scenario),
        ];
        for (name, target) in targets {
            let corpus = std::fs::read_dir(format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            let mut files = 0;
            for file in corpus {
                target(&std::fs::read(file.unwrap().path()).unwrap());
                files += 1;
            }
            assert!(files > 0, "{name}");
        }
    }
}

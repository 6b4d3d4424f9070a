//! Writes the initial corpus of the fuzzer into `corpus/`: the fixtures, and scenarios that contain every kind of step.

use std::path::Path;
use std::{fs, io};

use paragon_testkit::contract::fixtures;

const SCENARIO: &str = r#"{
    "scenario": 1, "about": "all steps", "seed": 7, "revision": "camel_case",
    "steps": [
        {"do": "create", "user": "ada", "integration": "googledrive", "object": "a",
            "record": {"name": "a.md", "mimeType": "text/markdown", "size": 12, "customFields": {"x": [null]}}},
        {"do": "enable", "user": "ada", "integration": "googledrive", "configuration_name": "second"},
        {"do": "advance", "by": "1m", "while": ["receiver_unreachable"]},
        {"do": "update", "object": "a", "set": {"name": "b"}}, {"do": "delete", "object": "a"},
        {"do": "advance", "by": "24h"}
    ]
}"#;

fn main() -> io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seed = |target: &str, name: &str, text: &str| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name.replace('/', "-")), text)
    };
    for fixture in fixtures() {
        let body = fixture.body.to_string();
        seed("payload", &fixture.name, &format!("{}\n{body}", fixture.schema()))?;
        if fixture.schema().starts_with("webhooks/") {
            seed("event", &fixture.name, &body)?;
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/{}.json", fixture.name));
            seed("fixture", &fixture.name, &fs::read_to_string(path)?)?;
        }
    }
    seed("scenario", "steps", SCENARIO)
}

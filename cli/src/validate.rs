//! `validate`: payloads against the contract.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use paragon_testkit::contract::{Contract, EventKind, Layer};
use paragon_testkit::report::exits;
use serde_json::Value;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Validate) -> u8 {
    let layer = if typed.strict { Layer::Strict } else { Layer::Tolerant };
    let contract = Contract { revision: typed.revision.name, layer };
    let schema = match typed.schema.as_deref().map(names::schema).transpose() {
        Ok(schema) => schema,
        Err(error) => {
            output::error(&format!("--as: {error}"));
            return exits::USAGE;
        }
    };
    let mut judge = Judge { contract, schema, valid: 0, invalid: 0 };
    let stdin = [Path::new("-").to_path_buf()];
    let files = if typed.files.is_empty() { &stdin[..] } else { &typed.files };
    for file in files {
        if let Err(error) = judge.file(file) {
            output::error(&format!("{}: {error}", file.display()));
            return exits::USAGE;
        }
    }
    judge.end()
}

struct Judge {
    contract: Contract,
    schema: Option<&'static str>,
    valid: u64,
    invalid: u64,
}

impl Judge {
    fn file(&mut self, file: &Path) -> std::io::Result<()> {
        let name = if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() };
        if file.as_os_str() == "-" {
            self.text(&name, std::io::stdin().lock())
        } else {
            self.text(&name, std::fs::File::open(file)?)
        }
    }

    /// One payload in each line, or one in the whole file: told apart by the first line that is not empty.
    fn text(&mut self, name: &str, text: impl Read) -> std::io::Result<()> {
        let mut reader = std::io::BufReader::new(text);
        let mut number = 0;
        let mut line = Vec::new();
        let mut first = true;
        while std::io::BufRead::read_until(&mut reader, b'\n', &mut line)? > 0 {
            number += 1;
            if !line.trim_ascii().is_empty() {
                match serde_json::from_slice::<Value>(&line) {
                    Ok(payload) => self.payloads(&format!("{name}:{number}"), payload),
                    Err(error) if first && error.is_eof() => {
                        // A payload over several lines.
                        reader.read_to_end(&mut line)?;
                        match serde_json::from_slice(&line) {
                            Ok(payload) => self.payloads(name, payload),
                            Err(error) => self.no_json(name, &error),
                        }
                        return Ok(());
                    }
                    Err(error) => self.no_json(&format!("{name}:{number}"), &error),
                }
                first = false;
            }
            line.clear();
        }
        Ok(())
    }

    /// A list of payloads is judged one by one, unless the schema is of a list.
    fn payloads(&mut self, place: &str, payload: Value) {
        match payload {
            Value::Array(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.payload(&format!("{place}[{index}]"), item);
                }
            }
            payload => self.payload(place, &payload),
        }
    }

    fn payload(&mut self, place: &str, payload: &Value) {
        let violations = match self.schema {
            Some(schema) => self.contract.validate(schema, payload),
            None => self.contract.validate_event(payload),
        };
        if violations.is_empty() {
            self.valid += 1;
            return;
        }
        self.invalid += 1;
        let about = self.schema.or_else(|| payload["event"].as_str()).unwrap_or("not an event");
        let mut told = format!("{place}: {about}\n");
        for violation in violations {
            let _ = writeln!(told, "  {violation}");
        }
        if self.schema.is_none() && payload.is_object() {
            let nearest = self.contract.nearest_event(payload);
            let _ = writeln!(told, "  nearest: {nearest}, such as `paragon-testkit fixture {}`", example(nearest));
        }
        output::result(&told);
    }

    fn no_json(&mut self, place: &str, error: &serde_json::Error) {
        self.invalid += 1;
        output::result(&format!("{place}: not JSON: {error}\n"));
    }

    fn end(&self) -> u8 {
        let Self { valid, invalid, contract, .. } = self;
        let Contract { revision, layer, .. } = contract;
        output::note(&format!("{valid} valid, {invalid} invalid, by {revision}, {layer}"));
        match (valid, invalid) {
            (0, 0) => exits::NOTHING_JUDGED,
            (_, 0) => exits::PASSED,
            _ => exits::FAILED,
        }
    }
}

fn example(kind: EventKind) -> String {
    let variant = if kind == EventKind::WebhookVerification { "observed" } else { "with_credential_id" };
    format!("{}/{variant}", kind.schema())
}

//! `validate`: validates payloads against the contract.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use paragon_testkit::contract::{Contract, EventKind, Layer};
use paragon_testkit::report::exits;
use serde_json::Value;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Validate) -> u8 {
    let layer = if typed.strict { Layer::Strict } else { Layer::Tolerant };
    let contract = Contract::new(typed.revision.name, layer);
    // Any event is what is expected anyway.
    let named = typed.schema.as_deref().filter(|name| *name != "event");
    let schema = match named.map(names::schema).transpose() {
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

    /// Validates a text with one payload per line, or with one payload in all. The first line that is not empty
    /// decides: a payload that is incomplete at the end of this line takes up the whole text.
    fn text(&mut self, name: &str, text: impl Read) -> std::io::Result<()> {
        let mut reader = std::io::BufReader::new(text);
        let mut number = 0;
        let mut line = Vec::new();
        let mut first = true;
        if let Some(hint) = looks_like(std::io::BufRead::fill_buf(&mut reader)?) {
            // Otherwise each line would be reported as invalid JSON, without the cause.
            self.not_json(name, &hint);
            return Ok(());
        }
        while std::io::BufRead::read_until(&mut reader, b'\n', &mut line)? > 0 {
            number += 1;
            let mark = number == 1 && line.starts_with(BYTE_ORDER_MARK);
            if mark {
                self.not_json(&format!("{name}:1"), BYTE_ORDER_MARK_HINT);
                line.drain(..BYTE_ORDER_MARK.len());
            }
            if !line.trim_ascii().is_empty() {
                match serde_json::from_slice::<Value>(&line) {
                    // The byte order mark was reported already.
                    Ok(_) if mark => {}
                    Ok(payload) => self.payloads(&format!("{name}:{number}"), payload),
                    Err(error) if first && error.is_eof() => {
                        // The payload spans several lines.
                        reader.read_to_end(&mut line)?;
                        match serde_json::from_slice(&line) {
                            _ if mark => {}
                            Ok(payload) => self.payloads(name, payload),
                            Err(error) => self.broken(name, Some(number), &line, &error),
                        }
                        return Ok(());
                    }
                    Err(_) if mark => {}
                    Err(error) => self.broken(&format!("{name}:{number}"), None, &line, &error),
                }
                first = false;
            }
            line.clear();
        }
        Ok(())
    }

    /// Validates a payload, or each payload of a list. An empty list is validated as a payload itself.
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
        let payload = near_miss(payload).unwrap_or(payload);
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

    /// Reports why a text is not JSON that can be read. `first` is the line number of the text's first line in the
    /// file, if the text spans several lines.
    fn broken(&mut self, place: &str, first: Option<usize>, text: &[u8], error: &serde_json::Error) {
        let Some(number) = number_out_of_range(text, error) else {
            return self.not_json(place, &error.to_string());
        };
        let line = first.map_or_else(String::new, |first| format!(":{}", first + error.line() - 1));
        self.invalid += 1;
        output::result(&format!(
            "{place}{line}: the number {number} is beyond what a 64-bit float holds (about 1.8E308): it is JSON, but \
             most programs cannot read it; write it as a string\n"
        ));
    }

    fn not_json(&mut self, place: &str, why: &str) {
        self.invalid += 1;
        output::result(&format!("{place}: not JSON: {why}\n"));
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

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const BYTE_ORDER_MARK_HINT: &str = "the text begins with a byte order mark (the bytes EF BB BF), which JSON must not \
                                    have (RFC 8259, 8.1); save the file as UTF-8 without BOM";

/// Guesses the format of a file from its first bytes. Returns the format and a hint what to do, if the file is not
/// UTF-8 text.
fn looks_like(start: &[u8]) -> Option<String> {
    let packed = |format: &str, command: &str| {
        Some(format!("this looks like {format} data; unpack it first: `{command} | paragon-testkit validate`"))
    };
    let encoded = |encoding: &str| {
        Some(format!(
            "this looks like text in {encoding}, and JSON is written in UTF-8 (RFC 8259, 8.1); convert it first: \
             `iconv -f {encoding} -t UTF-8 FILE | paragon-testkit validate`"
        ))
    };
    match start {
        [0x1f, 0x8b, ..] => packed("gzip", "gunzip -c FILE"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => packed("zstd", "zstd -dc FILE"),
        [b'P', b'K', 3, 4, ..] => packed("zip", "unzip -p FILE"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => encoded("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => encoded("UTF-16"),
        // JSON begins with two ASCII characters, so zero bytes show the encoding.
        [first, 0, second, ..] if *first != 0 && *second != 0 => encoded("UTF-16LE"),
        [0, first, 0, ..] if *first != 0 => encoded("UTF-16BE"),
        _ => None,
    }
}

/// Returns the number in the text that caused the error, if the error says that a number is too large for a float.
fn number_out_of_range<'a>(text: &'a [u8], error: &serde_json::Error) -> Option<&'a str> {
    if !error.to_string().starts_with("number out of range") {
        return None;
    }
    let line = text.split(|byte| *byte == b'\n').nth(error.line() - 1)?;
    let of_number = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    // The column of the error is in the number or directly after it.
    let end = error.column().min(line.len());
    let inside = line[..end].iter().rposition(of_number)?;
    let start = line[..inside].iter().rposition(|byte| !of_number(byte)).map_or(0, |before| before + 1);
    let length = line[start..].iter().position(|byte| !of_number(byte)).unwrap_or(line.len() - start);
    std::str::from_utf8(&line[start..start + length]).ok()
}

/// Returns the payload of a line of `generate --invalid`, which also names the rule that the payload breaks.
fn near_miss(line: &Value) -> Option<&Value> {
    let members = line.as_object().filter(|members| members.len() == 2)?;
    members.get("breaks")?.get("rule")?;
    members.get("payload")
}

fn example(kind: EventKind) -> String {
    let variant = if kind == EventKind::WebhookVerification { "observed" } else { "with_credential_id" };
    format!("{}/{variant}", kind.schema())
}

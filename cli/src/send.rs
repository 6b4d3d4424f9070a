//! `send`: sends one event to one URL.

use std::io::Read;

use paragon_testkit::clock::Stopwatch;
use paragon_testkit::contract::{EventKind, Revision, fixture, fixtures};
use paragon_testkit::delivery::{Answer, Failure, Http, Outcome, Request, Transport};
use paragon_testkit::report::exits;
use serde_json::Value;
use url::Url;

use crate::{args, edit, generate, names, output, plan};

pub(crate) fn run(typed: &args::Send) -> u8 {
    let prepared = plan::url("--to", &typed.to, 0).and_then(|url| Ok((url, plan::trust(&typed.trust)?, body(typed)?)));
    let (url, trust, (about, body)) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            output::error(&error);
            return exits::USAGE;
        }
    };
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(post(typed, &url, &Http::trusting(trust), &about, &body)),
        Err(error) => {
            output::error(&format!("cannot start the program: {error}"));
            exits::UNREACHABLE
        }
    }
}

async fn post(typed: &args::Send, url: &Url, transport: &Http, about: &str, body: &[u8]) -> u8 {
    let mut request = Request::new(url.clone(), body);
    request.timeouts.total = typed.timeout;
    let mut code = exits::PASSED;
    for _ in 0..typed.times {
        let watch = Stopwatch::start();
        let outcome = transport.send(&request).await;
        let millis = watch.elapsed().as_millis();
        match outcome {
            Outcome::Answered(Answer { status, body, .. }) => {
                let answer = if body.is_empty() { String::new() } else { format!("  {body}") };
                output::result(&format!("{about} -> {status} in {millis} ms{answer}\n"));
                if !(200..300).contains(&status) {
                    code = code.max(exits::FAILED);
                }
            }
            failed => {
                let hint =
                    if matches!(failed, Outcome::Failed(Failure::Tls(_))) { " (see --ca and --insecure)" } else { "" };
                output::error(&format!("{about} to {url}: {failed}, after {millis} ms{hint}"));
                return exits::UNREACHABLE;
            }
        }
    }
    code
}

/// Returns a name of the payload for the output, and the bytes to send.
fn body(typed: &args::Send) -> Result<(String, Vec<u8>), String> {
    let (about, bytes) = match (&typed.file, &typed.event) {
        (Some(file), _) => {
            let mut bytes = Vec::new();
            let read = if file.as_os_str() == "-" {
                std::io::stdin().read_to_end(&mut bytes).map(drop)
            } else {
                std::fs::read(file).map(|read| bytes = read)
            };
            read.map_err(|error| format!("--file {}: {error}", file.display()))?;
            (file.display().to_string(), bytes)
        }
        (None, event) => {
            let name = event.as_deref().unwrap_or_default();
            (name.to_owned(), event_named(name, typed)?.to_string().into_bytes())
        }
    };
    if typed.set.is_empty() && typed.remove.is_empty() {
        return Ok((about, bytes));
    }
    let mut payload: Value = serde_json::from_slice(&bytes)
        .map_err(|error| format!("--set and --remove need JSON, but {about} is not JSON: {error}"))?;
    typed.remove.iter().try_for_each(|path| edit::remove(&mut payload, path))?;
    typed.set.iter().try_for_each(|text| edit::set(&mut payload, text))?;
    Ok((about, payload.to_string().into_bytes()))
}

fn event_named(name: &str, typed: &args::Send) -> Result<Value, String> {
    let revision = typed.revision.name;
    if let Some(fixture) = fixture(name) {
        return match typed.seed {
            Some(_) => {
                Err(format!("--seed: {name:?} is a fixture, which is not generated; give the name of an event instead"))
            }
            None => Ok(fixture.body.clone()),
        };
    }
    let last = name.strip_prefix("webhooks/").unwrap_or(name);
    let Some(kind) = EventKind::from_name(last) else {
        let events = EventKind::ALL.iter().map(|kind| kind.name()).chain([EventKind::WebhookVerification.name()]);
        let meant = names::meant(name, events.chain(fixtures().iter().map(|fixture| fixture.name.as_str())));
        return Err(format!("there is no event or fixture {name:?}{meant}"));
    };
    let generated = typed.seed.and_then(|seed| generate::one(kind.schema(), revision, seed));
    Ok(generated.unwrap_or_else(|| example(kind, revision)))
}

/// Returns a simple example of an event, in the format of a revision. Panics if the event has no fixture.
pub(crate) fn example(kind: EventKind, revision: Revision) -> Value {
    let variants = ["with_credential_id", "observed", "minimal"];
    let found = variants.iter().find_map(|variant| fixture(&format!("{}/{variant}", kind.schema())));
    revision.write(kind.schema(), &found.unwrap_or_else(|| unreachable!("each event has a fixture")).body)
}

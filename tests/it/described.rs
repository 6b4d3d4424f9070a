//! Compares every API call of these tests with `schemas/openapi.yaml`.
//!
//! A test starts [`FakeParagon`] from this module instead of the library's. When the fake is dropped, the test fails if
//! a response had a status, a content type or a body that the description does not contain, or if a request body was
//! accepted that the description does not allow.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, LazyLock, Mutex};

use paragon_testkit::contract::{Contract, Layer, OPENAPI, Revision};
use paragon_testkit::fake::{ApiFaultKind, Builder, Endpoint, Exchange, Server, StartError};
use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// A fake that compares its calls with the description.
pub(crate) struct FakeParagon {
    paragon: paragon_testkit::FakeParagon,
    undescribed: Arc<Mutex<Vec<String>>>,
}

impl FakeParagon {
    pub(crate) async fn start() -> Self {
        Self::start_with(Self::builder()).await.unwrap()
    }

    pub(crate) async fn start_on(server: Server) -> Self {
        Self::start_with(Self::builder().server(server)).await.unwrap()
    }

    pub(crate) fn builder() -> Builder {
        paragon_testkit::FakeParagon::builder()
    }

    pub(crate) async fn start_with(builder: Builder) -> Result<Self, StartError> {
        let undescribed = Arc::new(Mutex::new(Vec::new()));
        let kept = undescribed.clone();
        // The hook must not panic: a panic in the server would only close the client's connection, and the test would
        // not fail.
        let look = move |exchange: &Exchange| {
            let found = undescribed_in(exchange);
            kept.lock().unwrap().extend(found);
        };
        Ok(Self { paragon: builder.observe(look).start().await?, undescribed })
    }
}

impl Deref for FakeParagon {
    type Target = paragon_testkit::FakeParagon;
    fn deref(&self) -> &Self::Target {
        &self.paragon
    }
}

impl Drop for FakeParagon {
    fn drop(&mut self) {
        let undescribed = std::mem::take(&mut *self.undescribed.lock().unwrap());
        let fine = undescribed.is_empty() || std::thread::panicking();
        assert!(fine, "schemas/openapi.yaml does not describe:\n{}", undescribed.join("\n"));
    }
}

static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| read(OPENAPI));

/// Parses a description in YAML.
pub(crate) fn read(yaml: &str) -> Value {
    json_of(&Yaml::load_from_str(yaml).unwrap()[0])
}

fn json_of(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => json!(value),
        Yaml::Value(Scalar::Integer(value)) => json!(value),
        Yaml::Value(Scalar::FloatingPoint(value)) => json!(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => json!(value),
        Yaml::Sequence(items) => items.iter().map(json_of).collect(),
        Yaml::Mapping(members) => {
            let member = |(name, value): (&Yaml<'_>, &Yaml<'_>)| (name.as_str().unwrap().to_owned(), json_of(value));
            Value::Object(members.iter().map(member).collect())
        }
        other => panic!("the description has {other:?}"),
    }
}

/// Returns the value itself, or the target of its `$ref` in the same file.
fn resolved(place: &Value) -> &Value {
    match place["$ref"].as_str().and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => DESCRIPTION.pointer(pointer).unwrap(),
        None => place,
    }
}

/// Returns the name of the schema of a content, such as `api/check_access_response`.
fn schema(content: &Value) -> Option<&str> {
    content["schema"]["$ref"].as_str()?.strip_suffix(".json")
}

/// Returns the operation with this id.
fn operation(id: &Value) -> &'static Value {
    let paths = DESCRIPTION["paths"].as_object().unwrap();
    let mut operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
    operations.find(|operation| operation["operationId"] == *id).unwrap_or_else(|| panic!("no operation {id}"))
}

/// Returns the method and the path of an endpoint.
pub(crate) fn place(endpoint: Endpoint) -> (&'static str, &'static str) {
    let id = serde_json::to_value(endpoint).unwrap();
    let paths = DESCRIPTION["paths"].as_object().unwrap().iter();
    let mut places = paths.flat_map(|(path, all)| all.as_object().unwrap().iter().map(move |one| (path, one)));
    let (path, (method, _)) = places.find(|(_, (_, operation))| operation["operationId"] == id).unwrap();
    (METHODS.iter().find(|known| known.eq_ignore_ascii_case(method)).unwrap(), path)
}

const METHODS: [&str; 4] = ["GET", "POST", "PATCH", "DELETE"];

/// Returns each operation with each status that the description lists for it.
pub(crate) fn answers() -> BTreeSet<(String, u16)> {
    let paths = DESCRIPTION["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let described = operations.filter_map(|operation| Some((operation["operationId"].as_str()?, operation)));
    let answers = described.flat_map(|(id, operation)| {
        let statuses = operation["responses"].as_object().unwrap().keys();
        statuses.map(move |status| (id.to_owned(), status.parse().unwrap()))
    });
    answers.collect()
}

/// Returns everything about a call that the description does not contain.
fn undescribed_in(exchange: &Exchange) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(endpoint) = exchange.endpoint {
        let operation = operation(&serde_json::to_value(endpoint).unwrap());
        let refused = exchange.faults.iter().any(|fault| matches!(fault, ApiFaultKind::Status { .. }));
        if exchange.response.status().is_success() && !refused {
            look_at_request(exchange, operation, &mut found);
        }
        look_at_answer(exchange, operation, &mut found);
    } else {
        // For paths that are no endpoint, only the responses 401 and 404 are described.
        let nowhere = json!({"responses": {
            "401": {"$ref": "#/components/responses/unauthorized"},
            "404": {"$ref": "#/components/responses/noSync"},
        }});
        look_at_answer(exchange, &nowhere, &mut found);
    }
    let (request, status) = (&exchange.request, exchange.response.status());
    let call = format!("{} {} -> {status}: ", request.method(), request.uri());
    found.into_iter().map(|problem| call.clone() + &problem).collect()
}

fn look_at_request(exchange: &Exchange, operation: &Value, found: &mut Vec<String>) {
    let content = &operation["requestBody"]["content"]["application/json"];
    let Some(schema) = schema(content) else { return };
    let tolerant = Contract::new(Revision::default(), Layer::Tolerant);
    match serde_json::from_slice(exchange.request.body()) {
        Ok(body) => judge(tolerant, schema, &body, "taken: ", found),
        Err(error) => found.push(format!("taken: a body that is no JSON, {error}")),
    }
}

fn look_at_answer(exchange: &Exchange, operation: &Value, found: &mut Vec<String>) {
    // These faults make responses that need not match the description. All other faults leave responses valid.
    if exchange.faults.iter().any(|fault| {
        matches!(
            fault,
            ApiFaultKind::Status { .. }
                | ApiFaultKind::CutJson
                | ApiFaultKind::MalformedJson
                | ApiFaultKind::WrongContentType
                | ApiFaultKind::UnknownMembers
                | ApiFaultKind::UnknownStatus
        )
    }) {
        return;
    }
    let answer = &exchange.response;
    let Some(described) = operation["responses"].get(answer.status().as_str()).map(resolved) else {
        return found.push("no such status".to_owned());
    };
    let body = answer.body();
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap());
    let Some(contents) = described["content"].as_object() else {
        if content_type.is_some() || !body.is_empty() {
            found.push(format!("a body: {content_type:?}, {} bytes", body.len()));
        }
        return;
    };
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let content = contents.get(essence).or_else(|| {
        // `application/octet-stream` stands for the type of any file.
        contents.get("application/octet-stream").filter(|_| essence.contains('/'))
    });
    let Some(content) = content else {
        return found.push(format!("no such content type: {content_type:?}"));
    };
    let Some(schema) = schema(content) else { return };
    let texts: Vec<&[u8]> = match essence {
        "application/x-ndjson" if body.is_empty() => Vec::new(),
        "application/x-ndjson" => match body.strip_suffix(b"\n") {
            Some(lines) => lines.split(|byte| *byte == b'\n').collect(),
            None => return found.push("the last line does not end".to_owned()),
        },
        _ => vec![body],
    };
    let strict = Contract::new(exchange.revision, Layer::Strict);
    for text in texts {
        match serde_json::from_slice(text) {
            Ok(body) => judge(strict, schema, &body, "", found),
            Err(error) => found.push(format!("not JSON: {error}")),
        }
    }
}

fn judge(contract: Contract, schema: &str, body: &Value, prefix: &str, found: &mut Vec<String>) {
    if !contract.is_valid(schema, body) {
        let violations = contract.validate(schema, body);
        found.extend(violations.iter().map(|violation| format!("{prefix}{schema}: {violation}\n    {body}")));
    }
}

#[tokio::test]
#[should_panic(expected = "/hasAccess: expected this member")]
async fn an_undescribed_response_fails_the_test_that_received_it() {
    let paragon = FakeParagon::start().await;
    let exchange = Arc::new(Mutex::new(None));
    let (keep, see) = (exchange.clone(), paragon.undescribed.clone());
    let other = FakeParagon::builder().observe(move |exchange| *keep.lock().unwrap() = Some(exchange.clone()));
    let other = other.start().await.unwrap();
    let file = other.user("ada").connect("box").create(paragon_testkit::contract::File::named("a.pdf"));
    let sync = other.user("ada").connect("box").enable("files").unwrap();
    other.settle().await;
    let url = format!("{}/api/permissions/{}/check", other.api_url(), sync.id());
    let body = json!({"object": sync.record_of(&file), "user": "ada@example.com", "role": "can_read"});
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.post(url).bearer_auth(other.project().token(&"ada".into())).json(&body).send().await.unwrap();
    let mut exchange = exchange.lock().unwrap().take().unwrap();
    assert_eq!(undescribed_in(&exchange), [] as [&str; 0]);
    *exchange.response.body_mut() = b"{}".to_vec();
    see.lock().unwrap().extend(undescribed_in(&exchange));
}

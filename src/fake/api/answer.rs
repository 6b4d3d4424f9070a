use std::borrow::Cow;

use http::StatusCode;
use hyper::body::Bytes;
use serde_json::{Value, json};

use crate::contract::{Contract, Layer, Revision};
use crate::fake::Content;
use crate::fake::endpoint::Endpoint;
use crate::fake::entry::Misconfigured;
use crate::fake::received::Received;
use crate::fake::token::BadToken;
use crate::sync::EnableError;

/// The response of an endpoint, or its refusal.
pub(super) type Answer = Result<Answered, Refusal>;

/// A successful response of an endpoint.
pub(super) enum Answered {
    Json(Bytes),
    /// Status 200 without a body.
    Empty,
    /// The content of a downloaded file.
    Content(Content),
    /// A stream of NDJSON lines.
    Lines(Vec<String>),
}

/// Returns a JSON response. `newest` is the body in the newest revision; this function converts it to `revision`.
pub(super) fn json(revision: Revision, schema: &str, newest: &Value) -> Answered {
    Answered::Json(revision.write(schema, newest).to_string().into())
}

/// A refused request: the error response, and a `reason` for the developer, because Paragon's own body says less.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) code: Option<&'static str>,
    pub(super) reason: Option<String>,
    /// Part of the receiver's configuration that explains the refusal.
    pub(super) misconfigured: Option<Misconfigured>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None, reason: None, misconfigured: None }
    }

    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Returns a 401. Its body says only "Unauthorized", as Paragon's own body does.
    pub(super) fn unauthorized(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized").because(reason)
    }

    pub(super) fn bad_token(BadToken { reason, misconfigured }: &BadToken) -> Self {
        Self { misconfigured: *misconfigured, ..Self::unauthorized(reason) }
    }

    pub(super) fn nowhere(request: &Received<'_>, path: &[Cow<'_, str>]) -> Self {
        let message = format!("Cannot {} {}", request.method, request.path);
        let refusal = Self::new(StatusCode::NOT_FOUND, message).because("there is no such endpoint");
        let is_misplaced = Endpoint::is_misplaced(request.method, path);
        Self { misconfigured: is_misplaced.then_some(Misconfigured::BaseUrl), ..refusal }
    }

    pub(super) fn no_sync(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "Sync not found").because(format!("the token's user has no sync {id:?}"))
    }

    /// Returns the body of the response, in the form of a recorded 409 (`api.errors`: observed for the 409, assumed for
    /// the other statuses).
    pub(super) fn body(&self) -> String {
        let error = self.status.canonical_reason().unwrap_or("Error");
        let mut body = json!({"message": self.message, "error": error, "statusCode": self.status.as_u16()});
        if let Some(code) = self.code {
            body["code"] = code.into();
        }
        body.to_string()
    }
}

impl From<EnableError> for Refusal {
    fn from(error: EnableError) -> Self {
        match error.existing() {
            Some(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            None => Self::bad(error.to_string()),
        }
    }
}

/// Reads a request's body and validates it against its schema. Members that the schema does not list are accepted.
pub(super) fn read(schema: &str, body: &[u8]) -> Result<Value, Refusal> {
    let bad = |error| Refusal::bad(format!("the body is not JSON: {error}"));
    let body: Value = serde_json::from_slice(body).map_err(bad)?;
    let violations = Contract { revision: Revision::default(), layer: Layer::Tolerant }.validate(schema, &body);
    if violations.is_empty() {
        return Ok(body);
    }
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    Err(Refusal::bad(told.join("; ")))
}

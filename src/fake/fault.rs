use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use super::endpoint::Endpoint;
use crate::clock::{Timestamp, duration};
use crate::contract::{SyncId, UserId};
use crate::delivery::Probability;

/// A fault of the API: a kind of failure, the calls that it strikes, and its duration. By default a fault strikes every
/// call until it is removed.
///
/// ```
/// use paragon_testkit::fake::{ApiFault, Endpoint, RetryAfterHeader, ApiFaultKind};
///
/// let code = 429;
/// let busy = ApiFault::new(ApiFaultKind::Status { code, retry_after: Some(RetryAfterHeader::Seconds(30)) });
/// let fault: ApiFault = serde_json::from_str(r#"{
///     "on": {"endpoint": "pullRecords", "user": "ada"},
///     "what": {"status": {"code": 429, "retry_after": {"seconds": 30}}},
///     "when": {"next": 2}
/// }"#)?;
/// assert_eq!(fault, busy.endpoint(Endpoint::PullRecords).user("ada").next(2));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApiFault {
    /// The calls to which the fault applies.
    #[serde(default, skip_serializing_if = "Target::is_any")]
    pub on: Target,
    /// The kind of failure.
    pub what: ApiFaultKind,
    /// When the fault strikes.
    #[serde(default, skip_serializing_if = "Window::is_always")]
    pub when: Window,
}

/// Selects the calls to which an [`ApiFault`] applies. A call is selected if it matches every member that is `Some`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Target {
    /// Only calls of this endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Only calls with a token of this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Only calls with this sync in their path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<SyncId>,
}

/// When an [`ApiFault`] strikes. All conditions that are set must hold: `next: 10` with `probability: 0.5` means each
/// of the next 10 matching calls with a probability of 0.5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Window {
    /// Number of matching calls that pass before the fault starts. `next` does not count these calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Number of matching calls that the fault can strike. After these calls the fault is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Probability with which the fault strikes a matching call. The seed decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<Probability>,
    /// End of the fault: the fault strikes only while the virtual clock is before this moment. In RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A way in which a call of the API fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum ApiFaultKind {
    /// The call is refused with this status, and has no effect.
    Status {
        /// The status, from 200 to 599, such as 429 or 503.
        #[serde(deserialize_with = "status_code")]
        code: u16,
        /// The header that says when to retry, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after: Option<RetryAfterHeader>,
    },
    /// The call is answered after this much real time.
    Delay(#[serde(with = "duration")] Duration),
    /// The call has its effect, and is never answered.
    NeverAnswers,
    /// The call has its effect. Then the connection is reset before the first byte of the response.
    ResetBefore,
    /// The connection ends after the head and half of the body. On [`Server::Wiremock`](super::Server::Wiremock) this
    /// fault is the same as [`ResetBefore`](Self::ResetBefore).
    ResetInside,
    /// The response is complete, but its JSON is cut after the first half.
    CutJson,
    /// The JSON of the response has a comma too many.
    MalformedJson,
    /// The JSON of the response is valid, but `content-type` says HTML.
    WrongContentType,
    /// Reads show the state before the last change.
    StaleReads(Stale),
    /// Pages hold at most this many records; 0 counts as 1.
    ShortPages(usize),
    /// The page has no records, but has a cursor: more records follow after this cursor.
    EmptyPage,
    /// The last record of a page is also the first record of the next page.
    RepeatedRecord,
    /// The last page has no cursor for the next pull.
    NullCursorAtEnd,
    /// All tokens count as expired, whatever they contain.
    ExpiredTokens,
    /// Every JSON object of the response has an extra member, [`ApiFault::UNKNOWN_MEMBER`].
    UnknownMembers,
    /// The status of a sync is [`ApiFault::UNKNOWN_STATUS`], which no revision lists.
    UnknownStatus,
}

/// The value of the header `retry-after`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfterHeader {
    /// A number of seconds.
    Seconds(u64),
    /// An HTTP date, this far ahead of the wall clock.
    Date(#[serde(with = "duration")] Duration),
}

/// How long reads are stale after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Stale {
    /// This many reads of the changed data are stale: the first ones after the change.
    Reads(u64),
    /// All reads are stale for this long, by the virtual clock.
    For(#[serde(with = "duration")] Duration),
}

impl ApiFaultKind {
    /// Returns the fault that refuses calls with this status, without a `retry-after` header.
    pub const fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None }
    }
}

impl From<ApiFaultKind> for ApiFault {
    fn from(kind: ApiFaultKind) -> Self {
        Self::new(kind)
    }
}

impl ApiFault {
    /// The name of the member that [`ApiFaultKind::UnknownMembers`] adds.
    pub const UNKNOWN_MEMBER: &str = "paragonTestkitUnknown";
    /// The status that [`ApiFaultKind::UnknownStatus`] shows.
    pub const UNKNOWN_STATUS: &str = "QUARANTINED";

    /// Creates a fault that strikes every call, always.
    pub fn new(what: ApiFaultKind) -> Self {
        Self { on: Target::default(), what, when: Window::default() }
    }

    /// Limits the fault to calls of this endpoint.
    #[must_use]
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.on.endpoint = Some(endpoint);
        self
    }

    /// Limits the fault to calls with a token of this user.
    #[must_use]
    pub fn user(mut self, user: impl Into<UserId>) -> Self {
        self.on.user = Some(user.into());
        self
    }

    /// Limits the fault to calls with this sync in their path.
    #[must_use]
    pub fn sync(mut self, sync: impl Into<SyncId>) -> Self {
        self.on.sync = Some(sync.into());
        self
    }

    /// Spares the first `calls` calls that the fault matches, for example to hit the middle of a pull.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.when.after = Some(calls);
        self
    }

    /// Limits the fault to the next `calls` matching calls.
    #[must_use]
    pub fn next(mut self, calls: u64) -> Self {
        self.when.next = Some(calls);
        self
    }

    /// Makes the fault strike each matching call with this probability.
    ///
    /// # Panics
    ///
    /// Panics if the probability is not from 0 to 1.
    #[must_use]
    #[track_caller]
    pub fn probability(mut self, probability: f64) -> Self {
        self.when.probability = Some(Probability::try_from(probability).unwrap_or_else(|error| panic!("{error}")));
        self
    }

    /// Limits the fault to the time while the virtual clock is before this moment.
    #[must_use]
    pub fn until(mut self, moment: Timestamp) -> Self {
        self.when.until = Some(moment);
        self
    }
}

impl Target {
    fn is_any(&self) -> bool {
        *self == Self::default()
    }
}

impl Window {
    fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

fn status_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let code = u16::deserialize(deserializer)?;
    let valid = (200..600).contains(&code);
    valid.then_some(code).ok_or_else(|| de::Error::custom(format!("expected a status from 200 to 599, got {code}")))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_known_is_refused_by_its_name() {
        for (json, expected) in [
            (r#"{"what":"empty_page","wen":{}}"#, "unknown field `wen`"),
            (r#"{"what":"empty_page","on":{"record":"x"}}"#, "unknown field `record`"),
            (r#"{"what":"empty_page","when":{"times":1}}"#, "unknown field `times`"),
            (r#"{"what":{"status":{"code":429,"retry":1}}}"#, "unknown field `retry`"),
            (r#"{"what":{"status":{"code":99}}}"#, "expected a status from 200 to 599, got 99"),
            (r#"{"what":"explode"}"#, "unknown variant `explode`"),
            (r#"{"what":{"stale_reads":{"writes":1}}}"#, "unknown variant `writes`"),
            (r#"{"what":{"delay":"soon"}}"#, "expected a duration such as 90s or 1h 30m, got \"soon\""),
            (r#"{"what":"empty_page","on":{"endpoint":"pull"}}"#, "unknown variant `pull`"),
            (r#"{"what":"empty_page","when":{"probability":1.5}}"#, "expected a probability from 0 to 1, got 1.5"),
            (r#"{"what":"empty_page","when":{"until":"noon"}}"#, "expected a time in RFC 3339, got \"noon\""),
            (r"{}", "missing field `what`"),
        ] {
            let error = serde_json::from_str::<ApiFault>(json).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{json}: {error}");
        }
    }

    fn trouble() -> impl Strategy<Value = ApiFaultKind> {
        let span = (0..100_000_u64).prop_map(Duration::from_millis);
        let retry_after = prop_oneof![
            Just(None),
            (0..1_000_u64).prop_map(|seconds| Some(RetryAfterHeader::Seconds(seconds))),
            span.clone().prop_map(|span| Some(RetryAfterHeader::Date(span))),
        ];
        prop_oneof![
            (200..600_u16, retry_after).prop_map(|(code, retry_after)| ApiFaultKind::Status { code, retry_after }),
            span.clone().prop_map(ApiFaultKind::Delay),
            span.prop_map(|span| ApiFaultKind::StaleReads(Stale::For(span))),
            (0..9_u64).prop_map(|reads| ApiFaultKind::StaleReads(Stale::Reads(reads))),
            (1..9_usize).prop_map(ApiFaultKind::ShortPages),
            prop::sample::select(vec![
                ApiFaultKind::NeverAnswers,
                ApiFaultKind::ResetBefore,
                ApiFaultKind::ResetInside,
                ApiFaultKind::CutJson,
                ApiFaultKind::MalformedJson,
                ApiFaultKind::WrongContentType,
                ApiFaultKind::EmptyPage,
                ApiFaultKind::RepeatedRecord,
                ApiFaultKind::NullCursorAtEnd,
                ApiFaultKind::ExpiredTokens,
                ApiFaultKind::UnknownMembers,
                ApiFaultKind::UnknownStatus,
            ]),
        ]
    }

    prop_compose! {
        pub(in crate::fake) fn fault()(
            what in trouble(),
            endpoint in prop::option::of(prop::sample::select(Endpoint::ALL)),
            user in prop::option::of(prop::sample::select(vec!["ada", "bob"])),
            sync in prop::option::of(prop::sample::select(vec!["s1", "s2"])),
            after in prop::option::of(0..3_u64),
            next in prop::option::of(0..5_u64),
            share in prop::option::of((0..=1_000_u32).prop_map(|thousandths| Probability::try_from(f64::from(thousandths) / 1_000.0).unwrap())),
            until in prop::option::of(0..2_000_i64),
        ) -> ApiFault {
            let on = Target { endpoint, user: user.map(UserId::from), sync: sync.map(SyncId::from) };
            let until = until.map(Timestamp::from_millis);
            ApiFault { on, what, when: Window { after, next, probability: share, until } }
        }
    }

    proptest! {
        #[test]
        fn faults_survive_json(fault in fault()) {
            let json = serde_json::to_string(&fault).unwrap();
            prop_assert_eq!(serde_json::from_str::<ApiFault>(&json).unwrap(), fault, "{}", json);
        }
    }
}

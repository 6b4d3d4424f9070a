//! Reasons why a case ends early, and their texts.

use std::time::Duration;

use http::HeaderMap;
use http::header::LOCATION;

use super::process::ProcessError;
use crate::delivery::{Answer, Failure, Outcome};
use crate::fake::Call;

/// Reason why a case ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CaseError {
    Fail(String),
    /// The events were answered 2xx, but the receiver did not fetch what they announced. If the receiver never follows
    /// such events, another case reports that.
    NotFollowed(String),
    NotEvaluable(String),
    /// The receiver is not right yet, and still at work when the patience is over.
    AtWork {
        /// Whether a call of the receiver waits for a response that never comes.
        unanswered: bool,
        /// What the receiver was last seen doing.
        doing: String,
        /// What is not right yet.
        wrong: String,
    },
}

impl CaseError {
    /// Turns a failure into `NotEvaluable`, because the precondition of the case did not hold.
    pub(super) fn before(self) -> Self {
        match self {
            Self::Fail(found) => {
                Self::NotEvaluable(format!("the receiver's records were wrong before this case began:\n{found}"))
            }
            stop => stop,
        }
    }

    /// Returns the finding, or what could not be observed.
    pub(super) fn told(self) -> String {
        match self {
            Self::Fail(told) | Self::NotFollowed(told) | Self::NotEvaluable(told) => told,
            Self::AtWork { doing, wrong, .. } => format!("{doing}\nstill wrong:\n{wrong}"),
        }
    }

    /// Changes the text of a failure, and leaves other reasons as they are.
    pub(super) fn map_fail(self, tell: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Fail(found) => Self::Fail(tell(found)),
            stop => stop,
        }
    }
}

impl From<ProcessError> for CaseError {
    fn from(error: ProcessError) -> Self {
        Self::NotEvaluable(error.to_string())
    }
}

pub(super) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Returns the text for a call that the Sync API refused.
pub(super) fn refused(Call { method, path, status, reason, .. }: &Call) -> String {
    format!("the Sync API refused {method} {path} with {status}: {}", reason.as_deref().unwrap_or_default())
}

/// Returns a text that says where a response redirects to. It is empty if the response has no such place.
pub(super) fn redirects_to(headers: &HeaderMap) -> String {
    let place = headers.get(LOCATION).and_then(|place| place.to_str().ok());
    place.map(|place| format!(", which redirects to {place}")).unwrap_or_default()
}

/// Returns whether the receiver itself answered with a status other than 2xx.
pub(super) fn was_refused(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Answered(answer) if !is_success(answer.status))
}

/// Returns what is wrong with a response that should have been 2xx, or `None` if it was 2xx.
pub(super) fn problem(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Answered(Answer { status: 200..=299, .. }) => None,
        Outcome::Answered(Answer { status, body, .. }) if body.trim().is_empty() => {
            Some(format!("answered {status}, expected 2xx"))
        }
        Outcome::Answered(Answer { status, body, .. }) => {
            let start: String = body.trim().chars().take(200).collect();
            Some(format!("answered {status} {start:?}, expected 2xx"))
        }
        Outcome::Failed(failure @ (Failure::TimedOut | Failure::BodyTimedOut { .. })) => {
            Some(format!("{failure}, expected 2xx (see --timeout)"))
        }
        Outcome::Failed(failure) => Some(format!("{failure}, expected 2xx")),
    }
}

pub(super) fn humane(span: Duration) -> String {
    if span.subsec_millis() == 0 { format!("{} s", span.as_secs()) } else { format!("{} ms", span.as_millis()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_responses_are_reported_with_their_message() {
        let answered = |status: u16, body: &str| {
            let mut answer = Answer::new(status);
            answer.body = body.to_owned();
            problem(&Outcome::Answered(answer))
        };
        assert_eq!((answered(200, "ok"), answered(299, "")), (None, None));
        assert_eq!(answered(300, " \n").as_deref(), Some("answered 300, expected 2xx"));
        assert_eq!(answered(500, " no\n").as_deref(), Some("answered 500 \"no\", expected 2xx"));
        assert_eq!(answered(500, &"y".repeat(900)).map(|told| told.matches('y').count()), Some(200));
        let failed = |failure| problem(&Outcome::Failed(failure)).unwrap();
        assert!(failed(Failure::TimedOut).ends_with("(see --timeout)"));
        assert!(failed(Failure::Refused).ends_with(", expected 2xx"));
    }

    #[test]
    fn durations_are_printed_in_whole_seconds_or_in_milliseconds() {
        assert_eq!([1_000, 1_500, 40].map(|millis| humane(Duration::from_millis(millis))), ["1 s", "1500 ms", "40 ms"]);
    }
}

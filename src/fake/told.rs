use serde_json::{Value, json};

use super::timeline::{Entry, What};
use crate::delivery::{AttemptRecord, Decision, Outcome};

/// Returns an entry of the timeline as JSON. `index` counts from 0; the `number` in the JSON counts from 1.
pub(in crate::fake) fn told(index: usize, entry: &Entry) -> Value {
    let mut told = match &entry.what {
        What::Changed { verb, name } => json!({"kind": "changed", "verb": verb, "name": name}),
        What::Trouble(trouble) => json!({"kind": "trouble", "trouble": trouble}),
        What::Ran { kind, trouble, events } => {
            json!({"kind": "ran", "run": kind, "trouble": trouble, "events": events})
        }
        What::Queued { event, about, deliveries, lost } => {
            json!({"kind": "queued", "event": event, "about": about, "deliveries": deliveries, "lost": lost})
        }
        What::Attempt { event, about, record } => attempt(event, about.as_deref(), record),
        What::Dropped { event, about, delivery, rule } => {
            json!({"kind": "dropped", "event": event, "about": about, "delivery": delivery, "rule": rule})
        }
        What::Webhook(_) => json!({"kind": "webhook"}),
        What::State(_) => json!({"kind": "state"}),
        What::Call(call) => json!({
            "kind": "call", "method": call.method.as_str(), "path": call.path, "status": call.status, "reason": call.reason,
        }),
    };
    told["number"] = (index + 1).into();
    told["at"] = entry.at.to_string().into();
    told["user"] = json!(entry.user);
    told["sync"] = json!(entry.sync);
    told["text"] = entry.what.in_real_time().into();
    told
}

/// Returns an entry of the timeline as JSON if it is an attempt or a dropped delivery.
pub(in crate::fake) fn delivery(index: usize, entry: &Entry) -> Option<Value> {
    matches!(entry.what, What::Attempt { .. } | What::Dropped { .. }).then(|| told(index, entry))
}

fn attempt(event: &str, about: Option<&str>, record: &AttemptRecord) -> Value {
    let (status, answer, failure) = match &record.outcome {
        Outcome::Answered(answer) => (Some(answer.status), Some(&answer.body), None),
        Outcome::Failed(failure) => (None, None, Some(failure.to_string())),
    };
    let (decision, retry_at) = match record.decision {
        Decision::Delivered => ("delivered", None),
        Decision::RetryAt(at) => ("retry", Some(at)),
        Decision::GivenUp => ("given_up", None),
        Decision::Disabled => ("disabled", None),
    };
    json!({
        "kind": "attempt", "event": event, "about": about, "delivery": record.delivery, "attempt": record.number,
        "due": record.due, "sent": record.sent, "status": status, "answer": answer, "failure": failure,
        "reconnected": record.reconnected, "decision": decision, "retryAt": retry_at, "rule": record.rule,
    })
}

use serde_json::{Value, json};

use super::entry::{EntryKind, TimelineEntry};
use crate::delivery::{AttemptRecord, Decision, Outcome};

/// Returns an entry of the timeline as JSON. `index` counts from 0; the `number` in the JSON counts from 1.
pub(in crate::fake) fn told(index: usize, entry: &TimelineEntry) -> Value {
    let mut told = match &entry.what {
        EntryKind::Changed { verb, name } => json!({"kind": "changed", "verb": verb, "name": name}),
        EntryKind::ProviderFault(trouble) => json!({"kind": "trouble", "trouble": trouble}),
        EntryKind::Ran { kind, trouble, events } => {
            json!({"kind": "ran", "run": kind, "trouble": trouble, "events": events})
        }
        EntryKind::Queued { event, about, deliveries, lost } => {
            json!({"kind": "queued", "event": event, "about": about, "deliveries": deliveries, "lost": lost})
        }
        EntryKind::Attempt { event, about, record } => attempt(event, about.as_deref(), record),
        EntryKind::Dropped { event, about, delivery, rule } => {
            json!({"kind": "dropped", "event": event, "about": about, "delivery": delivery, "rule": rule})
        }
        EntryKind::Webhook(_) => json!({"kind": "webhook"}),
        EntryKind::State(_) => json!({"kind": "state"}),
        EntryKind::Call(call) => json!({
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
pub(in crate::fake) fn delivery(index: usize, entry: &TimelineEntry) -> Option<Value> {
    matches!(entry.what, EntryKind::Attempt { .. } | EntryKind::Dropped { .. }).then(|| told(index, entry))
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

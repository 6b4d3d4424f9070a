use std::fmt::Write as _;

use serde_json::Value;

use super::entry::{About, EntryKind, RECONNECTED};
use super::simulation::Simulation;
use crate::clock::offset;
use crate::delivery::{Decision, DeliveryId, Policy, WebhookState};

/// Returns the history of a delivery as text: each attempt, the rule that decided, and the next step. Returns
/// `None` if the log has no entry of the delivery.
pub(super) fn explain(simulation: &Simulation, delivery: DeliveryId) -> Option<String> {
    let mut text = String::new();
    let mut over = None;
    let policy = simulation.queue.policy();
    for (_, entry) in simulation.journal.log.since(0) {
        let at = offset(entry.at - simulation.start);
        match &entry.what {
            EntryKind::Queued { event, about: name, deliveries, .. } if deliveries.contains(&delivery) => {
                let _ = writeln!(text, "{at:<14} {event}{} is handed over", About(name));
            }
            EntryKind::Attempt { event, about: name, record } if record.delivery == delivery => {
                let rule = cell(policy, &record.rule);
                let next = match record.decision {
                    Decision::Delivered => "delivered".to_owned(),
                    Decision::RetryAt(due) => format!("again at {}", offset(due - simulation.start).trim()),
                    Decision::GivenUp => "given up".to_owned(),
                    Decision::Disabled => "not sent again: the webhook is off".to_owned(),
                };
                let _ = writeln!(
                    text,
                    "{at:<14} {event}{}, attempt {} -> {}: {next}, by {rule}",
                    About(name),
                    record.number,
                    record.outcome
                );
                // Whether a request is sent again depends on chance. It is printed here all the same, because it
                // explains why a receiver got one attempt twice.
                if record.reconnected {
                    let _ = writeln!(text, "{:<14} attempt {} was {RECONNECTED}", "", record.number);
                }
                over = Some(!matches!(record.decision, Decision::RetryAt(_)));
            }
            EntryKind::Dropped { event, about: name, delivery: dropped, rule } if *dropped == delivery => {
                let _ =
                    writeln!(text, "{at:<14} {event}{} is not sent any more, by {}", About(name), cell(policy, rule));
                over = Some(true);
            }
            _ => {}
        }
    }
    if text.is_empty() {
        return None;
    }
    let next = match simulation.queue.waiting(delivery) {
        Some((number, due)) => {
            let due = offset(due - simulation.start);
            match simulation.queue.state() {
                WebhookState::Enabled | WebhookState::OnTrial => format!("attempt {number} at {}", due.trim()),
                state => format!("attempt {number}, when the webhook is on again; it is {}", state.name()),
            }
        }
        None if over == Some(true) => "nothing".to_owned(),
        None => "an answer, which is waited for".to_owned(),
    };
    let _ = writeln!(text, "{:<14} {next}", "next");
    Some(format!("delivery {delivery}, under policy {policy}\n{text}"))
}

/// Returns the name of a policy cell, such as `on[0]`, with its value; only the name if there is no value.
fn cell(policy: &Policy, rule: &str) -> String {
    let cells = serde_json::to_value(policy).unwrap_or_default();
    let (name, index) = rule.trim_end_matches(']').split_once('[').unwrap_or((rule, ""));
    let value = match index.parse::<usize>() {
        Ok(index) => &cells[name][index],
        Err(_) => &cells[name],
    };
    if *value == Value::Null { rule.to_owned() } else { format!("{rule}: {value}") }
}

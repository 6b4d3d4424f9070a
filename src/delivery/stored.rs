use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::policy::Policy;
use super::queue::{Adversity, DeliveryId, Pending, Queue};
use crate::clock::Moment;

/// A queue as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    policy: Policy,
    url: Option<String>,
    enabled: bool,
    /// In the order in which they are due.
    pending: Vec<StoredPending>,
    planned: u64,
    deliveries: u64,
    failures_in_a_row: u32,
    adversity: Adversity,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPending {
    due: Moment,
    planned: u64,
    delivery: DeliveryId,
    number: u32,
    body: Body,
}

/// Bytes: nearly always text.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Body {
    Text(String),
    Base64(String),
}

impl From<Queue> for Stored {
    fn from(queue: Queue) -> Self {
        let pending = queue.pending.into_iter().map(|((due, planned), pending)| {
            let Pending { delivery, number, body } = pending;
            let body = match std::str::from_utf8(&body) {
                Ok(text) => Body::Text(text.to_owned()),
                Err(_) => Body::Base64(BASE64_STANDARD.encode(&body)),
            };
            StoredPending { due, planned, delivery, number, body }
        });
        Self {
            policy: queue.policy,
            url: queue.url.map(Into::into),
            enabled: queue.enabled,
            pending: pending.collect(),
            planned: queue.planned,
            deliveries: queue.deliveries,
            failures_in_a_row: queue.failures_in_a_row,
            adversity: queue.adversity,
        }
    }
}

impl TryFrom<Stored> for Queue {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let mut queue = Self::new(stored.policy);
        let url =
            stored.url.map(|text| text.parse().map_err(|error| format!("url: expected a URL, got {text:?} ({error})")));
        queue.url = url.transpose()?;
        (queue.enabled, queue.adversity) = (stored.enabled, stored.adversity);
        (queue.planned, queue.deliveries) = (stored.planned, stored.deliveries);
        queue.failures_in_a_row = stored.failures_in_a_row;
        for (index, pending) in stored.pending.into_iter().enumerate() {
            let wrong = |member: &str, why: String| format!("pending[{index}].{member}: {why}");
            let StoredPending { due, planned, delivery, number, body } = pending;
            if number == 0 {
                return Err(wrong("number", "expected 1 for the first attempt, got 0".to_owned()));
            }
            if planned >= queue.planned {
                return Err(wrong("planned", format!("expected less than {}, got {planned}", queue.planned)));
            }
            let body: Arc<[u8]> = match body {
                Body::Text(text) => text.into_bytes().into(),
                Body::Base64(text) => {
                    BASE64_STANDARD.decode(text).map_err(|error| wrong("body", error.to_string()))?.into()
                }
            };
            if queue.pending.insert((due, planned), Pending { delivery, number, body }).is_some() {
                return Err(wrong("planned", format!("{planned} is there twice")));
            }
        }
        Ok(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_queue_is_the_same_after_it_was_written_and_read() {
        let mut queue = Queue::new(Policy::paragon_assumed());
        queue.register("http://127.0.0.1:9/".parse().unwrap());
        queue.adversity.duplicate = true;
        queue.enqueue(b"{}", Moment::from_millis(0));
        queue.enqueue(b"\xff", Moment::from_millis(1));
        let written = serde_json::to_value(&queue).unwrap();
        let mut read: Queue = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        let bodies: Vec<_> = read.poll(Moment::from_millis(1)).into_iter().map(|attempt| attempt.body).collect();
        assert_eq!(bodies.iter().map(|body| &**body).collect::<Vec<_>>(), [b"{}".as_slice(), b"{}", b"\xff", b"\xff"]);

        for (pointer, value, why) in [
            ("/url", json!("nowhere"), "url: expected a URL, got \"nowhere\""),
            ("/pending/1/number", json!(0), "pending[1].number: expected 1"),
            ("/pending/2/planned", json!(99), "pending[2].planned: expected less than 4, got 99"),
            ("/pending/3/body", json!({"base64": "?"}), "pending[3].body"),
        ] {
            let mut wrong: Value = written.clone();
            *wrong.pointer_mut(pointer).unwrap() = value;
            let error = serde_json::from_value::<Queue>(wrong).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use url::Url;

use super::fault::DeliveryFaults;
use super::health::Health;
use super::policy::{Class, Policy};
use super::queue::{Queue, State};
use super::record::{DeliveryId, Pending};
use super::signature::Signature;
use crate::clock::Timestamp;

/// Serialized form of a [`Queue`] that has no attempt under way.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    policy: Policy,
    seed: u64,
    url: Option<String>,
    #[serde(default = "beginning")]
    since: Timestamp,
    state: State,
    health: Health,
    /// Deliveries in the order in which they are due, here and in `again`.
    fresh: Vec<StoredPending>,
    again: Vec<StoredPending>,
    planned: u64,
    deliveries: u64,
    #[serde(default)]
    raw: u64,
    #[serde(alias = "mishaps")]
    faults: DeliveryFaults,
    probe: Body,
    signature: Option<Signature>,
}

/// Returns the default of [`Stored::since`], for a state that an earlier version wrote.
fn beginning() -> Timestamp {
    Timestamp::from_millis(0)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPending {
    due: Timestamp,
    order: u64,
    delivery: DeliveryId,
    number: u32,
    resent: u32,
    bodies: Vec<Body>,
    born: Timestamp,
    first_sent: Option<Timestamp>,
    reason: Option<Class>,
    url: Option<String>,
    together: Option<u64>,
}

/// Bytes of a body: text if they are UTF-8, which they nearly always are, or else base64.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Body {
    Text(String),
    Base64(String),
}

impl From<&Arc<[u8]>> for Body {
    fn from(body: &Arc<[u8]>) -> Self {
        match std::str::from_utf8(body) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(BASE64_STANDARD.encode(body)),
        }
    }
}

impl TryFrom<Body> for Arc<[u8]> {
    type Error = String;

    fn try_from(body: Body) -> Result<Self, String> {
        match body {
            Body::Text(text) => Ok(text.into_bytes().into()),
            Body::Base64(text) => {
                BASE64_STANDARD.decode(text).map(Into::into).map_err(|error| format!("not valid base64 ({error})"))
            }
        }
    }
}

impl From<Queue> for Stored {
    fn from(queue: Queue) -> Self {
        let list = |map: BTreeMap<(Timestamp, u64), Pending>| map.into_iter().map(StoredPending::from).collect();
        Self {
            policy: queue.policy,
            seed: queue.seed,
            url: queue.url.map(Into::into),
            since: queue.since,
            state: queue.state,
            health: queue.health,
            fresh: list(queue.fresh),
            again: list(queue.again),
            planned: queue.planned,
            deliveries: queue.deliveries,
            raw: queue.raw,
            faults: queue.faults,
            probe: (&queue.probe).into(),
            signature: queue.signature,
        }
    }
}

impl Serialize for Queue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

impl From<((Timestamp, u64), Pending)> for StoredPending {
    fn from(((due, order), pending): ((Timestamp, u64), Pending)) -> Self {
        Self {
            due,
            order,
            delivery: pending.delivery,
            number: pending.number,
            resent: pending.resent,
            bodies: pending.bodies.iter().map(Into::into).collect(),
            born: pending.born,
            first_sent: pending.first_sent,
            reason: pending.reason,
            url: pending.url.map(Into::into),
            together: pending.together,
        }
    }
}

impl TryFrom<StoredPending> for Pending {
    type Error = String;

    fn try_from(stored: StoredPending) -> Result<Self, String> {
        if stored.number == 0 {
            return Err("number: expected 1 for the first attempt, got 0".to_owned());
        }
        if stored.bodies.is_empty() {
            return Err("bodies: expected at least one body".to_owned());
        }
        let bodies = stored.bodies.into_iter().map(TryInto::try_into).collect::<Result<_, _>>();
        Ok(Self {
            delivery: stored.delivery,
            number: stored.number,
            resent: stored.resent,
            bodies: bodies.map_err(|why| format!("bodies: {why}"))?,
            born: stored.born,
            first_sent: stored.first_sent,
            reason: stored.reason,
            url: stored.url.map(|text| url("url", &text)).transpose()?,
            together: stored.together,
            resend: false,
        })
    }
}

fn url(member: &str, text: &str) -> Result<Url, String> {
    text.parse().map_err(|error| format!("{member}: expected a URL, got {text:?} ({error})"))
}

impl TryFrom<Stored> for Queue {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let mut queue = Self::new(stored.policy, stored.seed).map_err(|error| format!("policy: {error}"))?;
        queue.url = stored.url.map(|text| url("url", &text)).transpose()?;
        queue.since = stored.since;
        (queue.state, queue.health, queue.faults) = (stored.state, stored.health, stored.faults);
        (queue.planned, queue.deliveries, queue.raw) = (stored.planned, stored.deliveries, stored.raw);
        (queue.probe, queue.signature) =
            (stored.probe.try_into().map_err(|why| format!("probe: {why}"))?, stored.signature);
        let mut orders = BTreeSet::new();
        for (name, list, map) in [("fresh", stored.fresh, &mut queue.fresh), ("again", stored.again, &mut queue.again)]
        {
            for (index, pending) in list.into_iter().enumerate() {
                let wrong = |why: String| format!("{name}[{index}].{why}");
                let place = (pending.due, pending.order);
                let end = stored.planned.saturating_add(Self::OVERTAKEN_BY + 1).saturating_mul(Self::STEP);
                if place.1 >= end {
                    return Err(wrong(format!("order: expected less than {end}, got {}", place.1)));
                }
                if !orders.insert(place.1) {
                    return Err(wrong(format!("order: {} occurs twice", place.1)));
                }
                map.insert(place, pending.try_into().map_err(wrong)?);
            }
        }
        Ok(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::{DeliveryFault, DeliveryFaultKind};
    use serde_json::{Value, json};

    #[test]
    fn a_queue_is_the_same_after_a_round_trip_through_json() {
        let mut queue = Queue::new(Policy::paragon_assumed(), 7).unwrap();
        queue.register("http://127.0.0.1:9/".parse().unwrap(), Timestamp::from_millis(0));
        queue.begin(DeliveryFault::new(DeliveryFaultKind::Duplicate));
        queue.enqueue(b"{}", Timestamp::from_millis(0));
        queue.enqueue(b"\xff", Timestamp::from_millis(1));
        let written = serde_json::to_value(&queue).unwrap();
        let read: Queue = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), written);
        let bodies: Vec<_> = read.fresh.values().map(|pending| &*pending.bodies[0]).collect();
        assert_eq!(bodies, [b"{}".as_slice(), b"{}", b"\xff", b"\xff"]);

        for (pointer, value, why) in [
            ("/url", json!("nowhere"), "url: expected a URL, got \"nowhere\""),
            ("/policy/timeout", json!("0s"), "policy: policy paragon-assumed, timeout: expected a duration above 0"),
            ("/fresh/1/number", json!(0), "fresh[1].number: expected 1"),
            ("/fresh/2/order", json!(999), "fresh[2].order: expected less than 128, got 999"),
            ("/fresh/2/order", json!(0), "fresh[2].order: 0 occurs twice"),
            ("/fresh/3/bodies", json!([{"base64": "?"}]), "fresh[3].bodies: not valid base64"),
            ("/fresh/3/bodies", json!([]), "fresh[3].bodies: expected at least one"),
        ] {
            let mut wrong: Value = written.clone();
            *wrong.pointer_mut(pointer).unwrap() = value;
            let error = serde_json::from_value::<Queue>(wrong).unwrap_err().to_string();
            assert!(error.starts_with(why), "{error}");
        }
    }
}

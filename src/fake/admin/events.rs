//! The endpoints for the webhook, deliveries, the timeline, faults and scenarios.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::AdminRequest;
use super::body::{Answer, Refusal};
use crate::contract::Event;
use crate::delivery::{DeliveryFault, DeliveryId, WebhookState};
use crate::fake::entry_json::{delivery, told};
use crate::fake::fault::ApiFault;
use crate::fake::faults::FaultId;
use crate::fake::world::World;
use crate::scenario::Scenario;

impl World {
    pub(super) fn webhook(&self) -> Value {
        json!({
            "url": self.queue.url().map(Url::as_str), "state": self.queue.state().name(), "policy": self.queue.policy().name,
            "failuresInARow": self.queue.failures_in_a_row(), "pending": self.queue.pending(),
        })
    }

    pub(super) fn change_webhook(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            url: String,
        }
        let Wanted { url: text } = asked.read()?;
        let wrong = |why: &str| {
            Refusal::bad(format!("/url: expected a URL such as http://127.0.0.1:3000/webhook, got {text:?} ({why})"))
        };
        let url: Url = text.parse().map_err(|error: url::ParseError| wrong(&error.to_string()))?;
        let spoken = url.scheme() == "http" || (cfg!(feature = "tls") && url.scheme() == "https");
        if !spoken {
            return Err(wrong("its scheme is not spoken"));
        }
        self.set_webhook(url);
        Ok(self.webhook())
    }

    pub(super) fn switch_webhook(&mut self, asked: &AdminRequest<'_>, on: bool) -> Answer {
        super::nothing(asked)?;
        if self.queue.state() == WebhookState::Unset {
            return Err(Refusal::conflict("no webhook is set: PUT /_testkit/webhook first"));
        }
        if on {
            self.enable_webhook();
        } else {
            self.disable_webhook();
        }
        Ok(self.webhook())
    }

    pub(super) fn send_event(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let event = Event::from_value(asked.read()?).map_err(|error| Refusal::bad(error.to_string()))?;
        let before = self.log.end();
        let sent = self.send_by_hand(&event);
        let entry = self.log.since(before).next().map(|(number, entry)| told(number, entry));
        Ok(json!({"sent": sent, "webhook": self.webhook(), "queued": entry}))
    }

    pub(super) fn deliveries(&self, asked: &AdminRequest<'_>) -> Answer {
        let after = asked.number("after", 0)?;
        let entries = self.log.since(after).filter_map(|(number, entry)| delivery(number, entry));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "last": self.log.end(), "dropped": self.log.dropped()}))
    }

    pub(super) fn story(&self, asked: &AdminRequest<'_>) -> Answer {
        let after = asked.number("after", 0)?;
        let entries = self.log.since(after).map(|(number, entry)| told(number, entry));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "last": self.log.end(), "dropped": self.log.dropped()}))
    }

    pub(super) fn explain_delivery(&self, asked: &AdminRequest<'_>) -> Answer {
        let none = || Refusal::missing("delivery", asked.id());
        let id: DeliveryId = serde_json::from_str(asked.id()).map_err(|_| none())?;
        let text = self.explain(id).ok_or_else(none)?;
        let next = self.queue.waiting(id).map(|(attempt, due)| json!({"attempt": attempt, "due": due}));
        let attempts = self.log.since(0).filter_map(|(number, entry)| delivery(number, entry));
        let attempts: Vec<_> = attempts.filter(|entry| entry["delivery"] == json!(id)).collect();
        Ok(json!({"delivery": id, "text": text, "attempts": attempts, "next": next}))
    }

    pub(super) fn list_adversities(&self) -> Value {
        json!({"data": self.queue.faults().collect::<Vec<_>>()})
    }

    pub(super) fn add_adversity(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let fault: DeliveryFault = asked.read()?;
        self.queue.begin(fault);
        Ok(json!(fault))
    }

    pub(super) fn list_faults(&self) -> Value {
        let faults = self.faults.list().map(|(id, fault, struck)| json!({"id": id, "fault": fault, "struck": struck}));
        json!({"data": faults.collect::<Vec<_>>()})
    }

    pub(super) fn add_fault(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let fault: ApiFault = asked.read()?;
        Ok(json!({"id": self.faults.add(fault)}))
    }

    pub(super) fn end_fault(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let none = || Refusal::missing("fault", asked.id());
        let id = FaultId(asked.id().parse().map_err(|_| none())?);
        let fault = self.faults.remove(id).ok_or_else(none)?;
        Ok(json!({"id": id, "fault": fault}))
    }

    /// Reads the scenario in the body, and checks that it can be played on the current state.
    pub(super) fn scenario(&self, asked: &AdminRequest<'_>) -> Result<Scenario, Refusal> {
        let scenario: Scenario = asked.read()?;
        scenario.check().map_err(|error| Refusal::bad(error.to_string()))?;
        self.could_play(&scenario).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(scenario)
    }
}

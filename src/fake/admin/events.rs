//! The endpoints for the webhook, deliveries, the timeline, faults and scenarios.

use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::AdminCall;
use super::body::{Answer, Refusal, webhook};
use crate::contract::Event;
use crate::delivery::{DeliveryFault, DeliveryId, WebhookState};
use crate::fake::entry_json::{delivery, told};
use crate::fake::explain::explain;
use crate::fake::fault::ApiFault;
use crate::fake::faults::FaultId;
use crate::fake::playable::can_play;
use crate::scenario::Scenario;

impl AdminCall<'_> {
    pub(super) fn change_webhook(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct SetWebhookBody {
            url: String,
        }
        let SetWebhookBody { url: text } = self.read()?;
        let wrong = |why: &str| {
            Refusal::bad(format!("/url: expected a URL such as http://127.0.0.1:3000/webhook, got {text:?} ({why})"))
        };
        let url: Url = text.parse().map_err(|error: url::ParseError| wrong(&error.to_string()))?;
        let spoken = url.scheme() == "http" || (cfg!(feature = "tls") && url.scheme() == "https");
        if !spoken {
            return Err(wrong("its scheme is not spoken"));
        }
        self.state.simulation.set_webhook(url);
        Ok(webhook(&self.state.simulation.queue))
    }

    pub(super) fn switch_webhook(&mut self, on: bool) -> Answer {
        self.nothing()?;
        if self.state.simulation.queue.state() == WebhookState::Unset {
            return Err(Refusal::conflict("no webhook is set: PUT /_testkit/webhook first"));
        }
        if on {
            self.state.simulation.enable_webhook();
        } else {
            self.state.simulation.disable_webhook();
        }
        Ok(webhook(&self.state.simulation.queue))
    }

    pub(super) fn send_event(&mut self) -> Answer {
        let event = Event::from_value(self.read()?).map_err(|error| Refusal::bad(error.to_string()))?;
        let before = self.log().end();
        let sent = self.state.simulation.send_by_hand(&event);
        let entry = self.log().since(before).next().map(|(number, entry)| told(number, entry));
        Ok(json!({"sent": sent, "webhook": webhook(&self.state.simulation.queue), "queued": entry}))
    }

    pub(super) fn deliveries(&self) -> Answer {
        let after = self.number("after", 0)?;
        let entries = self.log().since(after).filter_map(|(number, entry)| delivery(number, entry));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "last": self.log().end(), "dropped": self.log().dropped()}))
    }

    pub(super) fn story(&self) -> Answer {
        let after = self.number("after", 0)?;
        let entries = self.log().since(after).map(|(number, entry)| told(number, entry));
        Ok(json!({"data": entries.collect::<Vec<_>>(), "last": self.log().end(), "dropped": self.log().dropped()}))
    }

    pub(super) fn explain_delivery(&self) -> Answer {
        let none = || Refusal::missing("delivery", self.id());
        let id: DeliveryId = serde_json::from_str(self.id()).map_err(|_| none())?;
        let text = explain(&self.state.simulation, id).ok_or_else(none)?;
        let next =
            self.state.simulation.queue.waiting(id).map(|(attempt, due)| json!({"attempt": attempt, "due": due}));
        let attempts = self.log().since(0).filter_map(|(number, entry)| delivery(number, entry));
        let attempts: Vec<_> = attempts.filter(|entry| entry["delivery"] == json!(id)).collect();
        Ok(json!({"delivery": id, "text": text, "attempts": attempts, "next": next}))
    }

    pub(super) fn list_delivery_faults(&self) -> Value {
        json!({"data": self.state.simulation.queue.faults().collect::<Vec<_>>()})
    }

    pub(super) fn add_delivery_fault(&mut self) -> Answer {
        let fault: DeliveryFault = self.read()?;
        self.state.simulation.queue.begin(fault);
        Ok(json!(fault))
    }

    pub(super) fn list_api_faults(&self) -> Value {
        let faults =
            self.state.api.faults.list().map(|(id, fault, struck)| json!({"id": id, "fault": fault, "struck": struck}));
        json!({"data": faults.collect::<Vec<_>>()})
    }

    pub(super) fn add_api_fault(&mut self) -> Answer {
        let fault: ApiFault = self.read()?;
        Ok(json!({"id": self.state.api.faults.add(fault)}))
    }

    pub(super) fn end_api_fault(&mut self) -> Answer {
        let id = self.id().parse().ok().map(FaultId);
        let fault = id.and_then(|id| self.state.api.faults.remove(id));
        let fault = fault.ok_or_else(|| Refusal::missing("fault", self.id()))?;
        Ok(json!({"id": id, "fault": fault}))
    }

    /// Reads the scenario in the body, and checks that it can be played on the current state.
    pub(super) fn scenario(&self) -> Result<Scenario, Refusal> {
        let scenario: Scenario = self.read()?;
        scenario.check().map_err(|error| Refusal::bad(error.to_string()))?;
        can_play(&self.state.simulation, &scenario).map_err(|error| Refusal::bad(error.to_string()))?;
        Ok(scenario)
    }
}

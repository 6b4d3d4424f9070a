//! `trigger`: makes a running `serve` send an event.

use paragon_testkit::contract::EventKind;
use paragon_testkit::report::exits;
use serde_json::{Value, json};
use url::Url;

use crate::{args, edit, names, output, plan, send};

/// Error that ends the command: the exit code, and the message to print.
struct Unable(u8, String);

pub(crate) fn run(typed: &args::Trigger) -> u8 {
    let outcome = prepare(typed).map_err(|error| Unable(exits::USAGE, error)).and_then(|(kind, url)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| Unable(exits::UNREACHABLE, format!("cannot start the program: {error}")))?;
        runtime.block_on(trigger(typed, kind, &Admin::at(&url)))
    });
    outcome.unwrap_or_else(|Unable(code, why)| {
        output::error(&why);
        code
    })
}

fn prepare(typed: &args::Trigger) -> Result<(EventKind, Url), String> {
    let url = plan::url("--to", &typed.to, 0)?;
    let kinds = || EventKind::ALL.into_iter().chain([EventKind::WebhookVerification]).map(EventKind::name);
    let unknown = || {
        let meant = names::meant(&typed.event, kinds());
        format!("there is no event {:?}{meant}; the events are {}", typed.event, kinds().collect::<Vec<_>>().join(", "))
    };
    let kind = EventKind::from_name(&typed.event).ok_or_else(unknown)?;
    typed.set.iter().try_for_each(|text| edit::set(&mut json!({}), text))?;
    Ok((kind, url))
}

async fn trigger(typed: &args::Trigger, kind: EventKind, admin: &Admin) -> Result<u8, Unable> {
    let mut event = event(typed, kind, admin).await?;
    typed.set.iter().try_for_each(|text| edit::set(&mut event, text)).map_err(|why| Unable(exits::USAGE, why))?;
    let answer = admin.post("events", &event).await?;
    if answer["sent"] != true {
        let state = answer["webhook"]["state"].as_str().unwrap_or_default();
        return Err(Unable(exits::UNREACHABLE, format!("{kind} was not sent: the webhook is {state}")));
    }
    // The queued deliveries come before their attempts in the timeline. After `settle` all attempts that are due now
    // are done.
    let (mark, queued) = (&answer["queued"]["number"], &answer["queued"]["deliveries"]);
    admin.post("clock/settle", &json!({})).await?;
    let deliveries = admin.get(&format!("deliveries?after={mark}")).await?;
    let own = |entry: &&Value| queued.as_array().is_some_and(|queued| queued.contains(&entry["delivery"]));
    let mut code = exits::UNREACHABLE;
    for entry in deliveries["data"].as_array().into_iter().flatten().filter(own) {
        output::result(&format!(
            "{}\n",
            entry["text"].as_str().unwrap_or_default().trim_start_matches("webhook").trim_start()
        ));
        code = match (entry["decision"].as_str(), entry["status"].as_u64()) {
            (Some("delivered"), _) => exits::PASSED,
            (_, Some(_)) => exits::FAILED,
            _ => exits::UNREACHABLE,
        };
    }
    Ok(code)
}

/// Returns a simple event of a kind, about an existing sync. If the event names a record, it is the first record of
/// that sync.
async fn event(typed: &args::Trigger, kind: EventKind, admin: &Admin) -> Result<Value, Unable> {
    let mut event = send::example(kind, paragon_testkit::contract::Revision::default());
    if kind == EventKind::WebhookVerification {
        return Ok(event);
    }
    let syncs = admin.get("syncs").await?;
    let mut syncs = syncs["data"].as_array().into_iter().flatten();
    let sync = match &typed.sync {
        Some(id) => syncs.find(|sync| sync["id"].as_str() == Some(id)),
        None => syncs.next(),
    };
    let none = || match &typed.sync {
        Some(id) => format!("there is no sync {id:?}"),
        None => "there is no sync that the event could name: run `serve` with `--source`, or enable a sync".to_owned(),
    };
    let sync = sync.ok_or_else(|| Unable(exits::UNREACHABLE, none()))?;
    event["sync"] = sync["integration"].clone();
    event["syncInstanceId"] = sync["id"].clone();
    event["credentialId"] = sync["credentialId"].clone();
    event["user"]["id"] = sync["user"].clone();
    let part = if event["error"].is_object() { "error" } else { "data" };
    if event[part]["recordId"].is_string() {
        let records = admin.get(&format!("syncs/{}/records?limit=1", sync["id"].as_str().unwrap_or_default())).await?;
        let record = records["data"][0]["id"].clone();
        if record.is_null() {
            return Err(Unable(exits::UNREACHABLE, format!("the sync {} has no record yet", sync["id"])));
        }
        event[part]["recordId"] = record;
    }
    if event[part]["model"].is_string() {
        event[part]["model"] = sync["pipeline"].clone();
    }
    if kind == EventKind::SyncComplete {
        event["data"]["numRecords"] = sync["records"].clone();
        event["data"]["syncedAt"] = admin.get("clock").await?["now"].clone();
    }
    Ok(event)
}

/// The admin API of a running `serve`.
struct Admin {
    url: String,
    client: reqwest::Client,
}

impl Admin {
    fn at(url: &Url) -> Self {
        let client = reqwest::Client::builder().no_proxy().build();
        let client = client.unwrap_or_else(|error| panic!("cannot create an HTTP client: {error}"));
        Self { url: url.as_str().trim_end_matches('/').to_owned(), client }
    }

    async fn get(&self, path: &str) -> Result<Value, Unable> {
        self.ask(self.client.get(format!("{}/{path}", self.url))).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Unable> {
        self.ask(self.client.post(format!("{}/{path}", self.url)).json(body)).await
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, Unable> {
        let unreachable = |why: String| {
            Unable(exits::UNREACHABLE, format!("{}: {why}; is `paragon-testkit serve` running there?", self.url))
        };
        let answer = request.send().await.map_err(|_| unreachable("there is no response".to_owned()))?;
        let status = answer.status();
        let body: Value = answer
            .json()
            .await
            .map_err(|_| unreachable(format!("the response has status {status} and is not JSON")))?;
        match body["message"].as_str() {
            Some(message) if !status.is_success() => Err(Unable(exits::USAGE, message.to_owned())),
            _ if !status.is_success() => Err(unreachable(format!("the response has status {status}"))),
            _ => Ok(body),
        }
    }
}

//! `demo`: a guided demo with a built-in receiver.

mod receiver;

use std::time::Duration;

use paragon_testkit::FakeParagon;
use paragon_testkit::check::{Histories, Level, Need, Suite};
use paragon_testkit::contract::File;
use paragon_testkit::delivery::DeliveryFaultKind;
use paragon_testkit::delivery::WebhookState;
use paragon_testkit::fake::ApiFaultKind;
use paragon_testkit::fake::SyncHandle;
use paragon_testkit::report::{self, exits};
use url::Url;

use crate::output;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn run(color: bool) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(tell(color)));
    outcome.unwrap_or_else(|error| {
        output::error(&format!("the demo cannot run here: {error}"));
        exits::UNREACHABLE
    })
}

async fn tell(color: bool) -> Result<u8, Box<dyn std::error::Error>> {
    let paragon = FakeParagon::start().await;
    let project = paragon.project();
    let router = receiver::router(receiver::Config {
        api_url: paragon.api_url(),
        project_id: project.id.to_string(),
        signing_key: project.signing_key,
    })?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    tokio::spawn(async { axum::serve(listener, router).await });

    let mut story = Story { paragon: &paragon, state: base.join("/state")?, told: 0 };
    say("A fake Paragon and a receiver are up. Days pass in milliseconds; every request below is real.");
    say(&format!("  Sync API {}   receiver {}", paragon.api_url(), base.join("/webhook")?));

    paragon.set_webhook(base.join("/webhook")?).await;
    let drive = paragon.user("user_ada").connect("googledrive");
    let report = drive.create(File::named("Q1 report.pdf"));
    let draft = drive.create(File::named("draft.docx"));
    let sync = drive.enable("files")?;
    paragon.settle().await;
    story.tell("1. Ada connects Google Drive. The initial sync sends one event, and the receiver pulls", &sync).await?;

    drive.create(File::named("notes.md"));
    drive.update(&report, |file| file.name = "Q1 report (final).pdf".into());
    paragon.advance(MINUTE).await;
    story
        .tell("2. Ada adds a file and renames another. The incremental sync, a minute later, finds both changes", &sync)
        .await?;

    drive.delete(&draft);
    paragon.advance(DAY).await;
    story.tell("3. Ada deletes a file. Only the daily full sync detects deletions", &sync).await?;

    let outage = paragon.api_fault(ApiFaultKind::status(503));
    drive.create(File::named("budget.xlsx"));
    paragon.advance(MINUTE).await;
    paragon.end_api_fault(outage);
    paragon.run_until_idle().await;
    story.tell("4. The Sync API fails for a moment: the receiver answers 503, and the event is retried", &sync).await?;

    paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    for number in 1..=4 {
        drive.create(File::named(format!("minutes {number}.md")));
    }
    paragon.advance(MINUTE).await;
    paragon.run_until_idle().await;
    let disabled = paragon.webhook() == WebhookState::Disabled;
    drive.create(File::named("while disabled.txt"));
    paragon.advance(MINUTE).await;
    story
        .tell(
            "5. The receiver is down for hours: retries fail until the webhook is disabled, and events are lost",
            &sync,
        )
        .await?;

    paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    paragon.enable_webhook();
    drive.create(File::named("after.txt"));
    paragon.advance(MINUTE).await;
    let caught_up = story
        .tell(
            "6. The receiver is back and the webhook enabled: at the next event the receiver pulls from its cursor and \
             catches up",
            &sync,
        )
        .await?;

    say("\n7. Does the receiver survive other faults as well? The conformance suite judges it\n");
    let text = output::text(color, true);
    let suite = Suite::for_receiver(base.join("/webhook")?)
        .state_url(base.join("/state")?)
        // The receiver runs in this process, so cases that end its process are left out. A few histories are enough for
        // a demo.
        .select(|case| case.level < Level::May && !case.needs.contains(&Need::Process))
        .histories(Histories::default().cases(6))
        .on_result(|result| output::result(&text.case(result, "cargo run -- demo")));
    let judgment = suite.run(&paragon).await;
    output::result(&text.summary(&judgment));
    if !(disabled && caught_up) {
        output::error("the demo did not end as described above");
        return Ok(exits::FAILED);
    }
    say("\nThe retry times and the number of failures that disable a webhook are assumed: Paragon does not publish \
         them.");
    say("Judge your own receiver, in any language: paragon-testkit check --help");
    Ok(report::exit_code(&judgment))
}

fn say(text: &str) {
    output::result(&format!("{text}\n"));
}

struct Story<'a> {
    paragon: &'a FakeParagon,
    state: Url,
    told: usize,
}

impl Story<'_> {
    /// Prints the timeline since the last call, and the records that the receiver holds now. Returns whether the
    /// records are right.
    async fn tell(&mut self, what: &str, sync: &SyncHandle) -> Result<bool, Box<dyn std::error::Error>> {
        say(&format!("\n{what}:"));
        for line in self.paragon.timeline().skip(self.told).with_calls().lines() {
            say(&format!("  {line}"));
        }
        self.told = self.paragon.timeline_mark();
        let held: serde_json::Value = reqwest::get(self.state.clone()).await?.json().await?;
        let mut names: Vec<_> = held["records"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|held| held["record"]["name"].as_str())
            .collect();
        names.sort_unstable();
        let expected = sync.records();
        let mut truth: Vec<_> = expected.iter().filter_map(|record| record["name"].as_str()).collect();
        truth.sort_unstable();
        let right = names == truth;
        let names = names.join(", ");
        say(&format!(
            "  the receiver holds {names}{}",
            if right { String::new() } else { format!("; Paragon has {} records", truth.len()) }
        ));
        Ok(right)
    }
}

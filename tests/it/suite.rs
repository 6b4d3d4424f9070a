//! Runs the suite on receivers in the process of the test. Wrong receivers are simulated by changing what their state
//! probe returns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use paragon_testkit::FakeParagon;
use paragon_testkit::check::{
    Case, Health, HeldRecord, Histories, Judgment, Looking, Probe, ProbeError, SetUpPart, StateUrl, Suite, Verdict,
};
use paragon_testkit::clock::Stopwatch;
use paragon_testkit::contract::{File, SpecialRecord};
use paragon_testkit::delivery::{DisableRule, Failing, Limit, Policy};
use paragon_testkit::fake;
use paragon_testkit::scenario::Scenario;
use serde_json::{Value, json};
use url::Url;

use crate::api::Client;
use crate::receiver::{Fragile, Receiver, idle, refuses};

/// Settle time and response timeout for receivers that fail anyway.
const SHORT: Duration = Duration::from_millis(50);

fn only<'a>(ids: &'a [&'a str]) -> impl Fn(&Case) -> bool + 'a {
    |case| ids.contains(&case.id)
}

fn found(judgment: &Judgment) -> Vec<(&str, Verdict)> {
    judgment.results.iter().map(|result| (result.case.id, result.verdict)).collect()
}

async fn state_of(url: Url) -> Vec<HeldRecord> {
    HeldRecord::parse(&reqwest::get(url).await.unwrap().text().await.unwrap()).unwrap()
}

/// Returns a state probe that changes the state of a right receiver.
fn altered(app: &Receiver, alter: impl Fn(&mut Vec<HeldRecord>) + Send + Sync + 'static) -> impl Probe {
    let (state, alter) = (app.state(), Arc::new(alter));
    move || {
        let (state, alter) = (state.clone(), Arc::clone(&alter));
        async move {
            let mut held = state_of(state).await;
            alter(&mut held);
            held
        }
    }
}

fn name(held: &HeldRecord) -> &str {
    held.value.as_ref().and_then(|record| record["name"].as_str()).unwrap_or_default()
}

#[tokio::test]
async fn starts_and_results_are_reported_in_order() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let told = Mutex::new(Vec::new());
    let judgment = Suite::for_receiver(app.webhook())
        .state_url(app.state())
        .seed(9)
        .select(only(&["ack-verification", "rec-created", "pol-outage-minutes"]))
        .policies([Policy::preset_filled("no-retry").unwrap(), Policy::preset_filled("immediate-3").unwrap()])
        .on_start(|starting| {
            told.lock().unwrap().push(format!("{} {}/{}", starting.case.id, starting.before, starting.of));
        })
        .on_result(|result| told.lock().unwrap().push(format!("{} {}", result.case.id, result.verdict)))
        .run(&paragon)
        .await;
    judgment.assert_passed();
    let results = judgment.results.iter().map(|it| (it.case.id, it.policy.as_str(), it.detail.as_str()));
    let by_state = "judged by the receiver's state and by the records that it fetched";
    assert_eq!(
        results.collect::<Vec<_>>(),
        [
            ("rec-created", "paragon-assumed", by_state),
            ("ack-verification", "paragon-assumed", "judged by the receiver's responses"),
            ("pol-outage-minutes", "no-retry", by_state),
            ("pol-outage-minutes", "immediate-3", by_state),
        ]
    );
    assert_eq!((judgment.target, judgment.seed, judgment.policy.as_str()), (app.webhook(), 9, "paragon-assumed"));
    let told = told.into_inner().unwrap();
    let starts: Vec<_> = told.iter().filter(|line| line.contains('/')).collect();
    assert_eq!(starts, ["rec-created 0/4", "ack-verification 1/4", "pol-outage-minutes 2/4", "pol-outage-minutes 3/4"]);
    let results: Vec<_> = told.iter().filter(|line| !line.contains('/')).collect();
    let expected = ["rec-created pass", "ack-verification pass", "pol-outage-minutes pass", "pol-outage-minutes pass"];
    assert_eq!(results, expected);
    assert_eq!(paragon.policy().name, "paragon-assumed", "as it was");
}

#[tokio::test]
async fn a_receiver_without_a_state_probe_is_judged_by_its_fetches() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let suite = Suite::for_receiver(app.webhook()).select(only(&["rec-created", "rec-deleted", "out-restart"]));
    let judgment = suite.run(&paragon).await;
    let found: BTreeMap<_, _> = judgment.results.iter().map(|it| (it.case.id, it.detail.as_str())).collect();
    assert_eq!(
        found["rec-created"],
        "judged by the records that the receiver fetched; the stored records were not checked"
    );
    assert!(found["rec-deleted"].contains("add a state probe"), "{found:?}");
    assert!(found["out-restart"].contains("must be started by this program"), "{found:?}");
    assert_eq!((judgment.count(Verdict::Pass), judgment.count(Verdict::NotEvaluable)), (1, 2));
}

#[tokio::test]
async fn fail_fast_skips_the_cases_after_the_first_failure() {
    let paragon = FakeParagon::start().await;
    let suite = Suite::for_receiver(idle().await).settle(SHORT).select(only(&["rec-created", "rec-updated"]));
    let judgment = suite.fail_fast().run(&paragon).await;
    assert_eq!(found(&judgment), [("rec-created", Verdict::Fail), ("rec-updated", Verdict::Skipped)]);
    assert!(judgment.results[0].detail.contains("was not fetched in its latest version"), "{judgment:?}");
    assert_eq!(judgment.results[1].detail, "an earlier case failed, and --fail-fast is set");
}

#[tokio::test]
async fn a_receiver_that_never_responds_is_given_up_after_three_cases() {
    // Accepts connections and never responds.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let webhook = format!("http://{}/webhook", listener.local_addr().unwrap()).parse().unwrap();
    let paragon = FakeParagon::builder().answer_within(SHORT).start().await.unwrap();
    let suite = Suite::for_receiver(webhook).settle(SHORT);
    let judgment = suite.select(|case| case.id.starts_with("rec-") && case.needs.is_empty()).run(&paragon).await;
    // Cases after the third one are not run, so they take no time. They are not evaluable.
    let given_up: Vec<_> = judgment.results.iter().map(|it| it.took.is_zero()).collect();
    assert!(given_up.len() > 4, "{judgment:?}");
    assert_eq!(given_up.iter().position(|given_up| *given_up), Some(3), "{judgment:?}");
    assert!(given_up[3..].iter().all(|given_up| *given_up));
    assert!(judgment.results[3..].iter().all(|result| result.verdict == Verdict::NotEvaluable));
}

#[tokio::test]
async fn a_receiver_that_has_just_ended_fails_the_case_that_ended_it() {
    let (verdict, detail) = verdict_of_ending(false).await;
    assert!(verdict == Verdict::Fail && detail.starts_with("the receiver has ended by itself"), "{detail}");
}

#[tokio::test]
async fn a_receiver_that_a_process_manager_starts_again_fails_no_other_case() {
    let (verdict, detail) = verdict_of_ending(true).await;
    assert!(verdict == Verdict::NotEvaluable && detail.contains("does not work: "), "{detail}");
}

/// Judges a receiver that ends at a deletion, also by two cases that pass. Returns the verdict and the detail of the case
/// with the deletion.
async fn verdict_of_ending(is_managed: bool) -> (Verdict, String) {
    let paragon = FakeParagon::start().await;
    let app = Fragile::start(&paragon, "record_deleted", is_managed).await;
    let (webhook, state) = (app.at("webhook"), app.at("state"));
    let suite = Suite::for_receiver(webhook).state_url(state).process(app).settle(Duration::from_secs(1));
    let judgment = suite.select(only(&["rec-deleted", "rec-created", "ack-verification"])).run(&paragon).await;
    let told: BTreeMap<_, _> = judgment.results.iter().map(|it| (it.case.id, (it.verdict, &it.detail))).collect();
    assert_eq!((told["rec-created"].0, told["ack-verification"].0), (Verdict::Pass, Verdict::Pass), "{told:?}");
    let (verdict, detail) = told["rec-deleted"];
    (verdict, detail.clone())
}

#[tokio::test]
async fn a_case_that_takes_too_long_is_ended() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/webhook", silent.local_addr().unwrap()).parse().unwrap();
    for (webhook, verdict, told) in [
        (idle().await, Verdict::NotEvaluable, "the case was ended after 1600 ms"),
        (nobody, Verdict::Fail, " deliveries were not answered; the case was ended after 1600 ms"),
    ] {
        let paragon = FakeParagon::builder().answer_within(SHORT).start().await.unwrap();
        // The first look at the state succeeds; all later looks, after events have been sent, never end.
        let looks = AtomicUsize::new(0);
        let state = || {
            let first = looks.fetch_add(1, Ordering::Relaxed) == 0;
            async move { if first { Vec::new() } else { std::future::pending().await } }
        };
        let suite = Suite::for_receiver(webhook).state(state).patience(Duration::from_millis(250));
        let judgment = suite.select(only(&["rec-created"])).run(&paragon).await;
        let result = &judgment.results[0];
        assert_eq!((result.case.id, result.verdict), ("rec-created", verdict), "{}", result.detail);
        assert!(result.detail.ends_with(told), "{}", result.detail);
    }
}

#[tokio::test]
async fn a_history_that_fails_is_kept_until_it_passes_and_can_be_played_again() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("failures");
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    // Simulates a receiver that loses records whose name has an odd length.
    let loses = || altered(&app, |held| held.retain(|held| name(held).len().is_multiple_of(2)));
    let suite = || {
        let suite = Suite::for_receiver(app.webhook()).settle(Duration::from_secs(1));
        suite.select(only(&["conv-quiet"])).histories(Histories::default().cases(6))
    };
    let judgment = suite().state(loses()).failures(&kept).run(&paragon).await;
    let result = &judgment.results[0];
    assert_eq!(result.verdict, Verdict::Fail, "{}", result.detail);
    assert!(result.detail.contains("is missing (record "), "{}", result.detail);
    assert!(result.detail.contains("shrunk from "), "{}", result.detail);
    let file = result.scenario.clone().expect("it is kept");
    assert_eq!(file, kept.join("conv-quiet.json"));
    let scenario = Scenario::load(&file).unwrap();
    assert!(scenario.steps.len() <= 4, "{}", scenario.to_json());
    let lines = result.timeline.lines();
    assert!((1..60).contains(&lines.len()), "the story of that one: {lines:#?}");

    let again = suite().seed(1).state(loses()).replay(&paragon, &scenario).await;
    assert_eq!(found(&again), [("conv-replay", Verdict::Fail)], "{again:?}");
    let good = suite().seed(2).state_url(app.state()).replay(&paragon, &scenario).await;
    assert_eq!(found(&good), [("conv-replay", Verdict::Pass)], "{good:?}");
    assert!(file.exists(), "a scenario that was given is not one that is kept");

    std::fs::write(&file, "{}").unwrap();
    let unreadable = suite().seed(3).state_url(app.state()).failures(&kept).run(&paragon).await;
    assert_eq!(found(&unreadable), [("conv-quiet", Verdict::NotEvaluable)]);
    assert!(unreadable.results[0].detail.contains("cannot be read"), "{unreadable:?}");
    std::fs::write(&file, scenario.to_json()).unwrap();
    suite().seed(4).state_url(app.state()).failures(&kept).run(&paragon).await.assert_passed();
    assert!(!kept.exists());
}

/// Returns whether a held record is a file of one of these kinds.
fn is_special(held: &HeldRecord, kinds: &[SpecialRecord]) -> bool {
    let file: File = serde_json::from_value(held.value.clone().unwrap()).unwrap();
    kinds.iter().any(|kind| kind.includes(&file))
}

#[tokio::test]
async fn a_receiver_that_keeps_no_special_records_is_right_in_a_world_without_them() {
    use SpecialRecord::{EmptyFiles, EmptyTypes, GoogleDocs, LargeFiles, OddNames};
    const CASES: [&str; 2] = ["rec-odd", "conv-quiet"];
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let suite = |kinds: &'static [SpecialRecord]| {
        let keeps_less = altered(&app, move |held| held.retain(|held| !is_special(held, kinds)));
        let suite = Suite::for_receiver(app.webhook()).state(keeps_less).settle(Duration::from_millis(300));
        suite.select(only(&CASES)).histories(Histories::default().cases(3))
    };
    for kinds in [&[GoogleDocs, EmptyTypes, EmptyFiles][..], &[LargeFiles, OddNames]] {
        let judgment = suite(kinds).users(format!("{kinds:?}")).without(kinds.iter().copied()).run(&paragon).await;
        assert_eq!(found(&judgment), CASES.map(|case| (case, Verdict::Pass)), "{kinds:?}: {judgment:?}");
        assert_eq!(judgment.without, kinds);
        let accused = suite(kinds).users(format!("{kinds:?} again")).run(&paragon).await;
        assert!(accused.failed() && accused.without.is_empty(), "{kinds:?}: {accused:?}");
    }

    // A case about nothing but such records is left out. A history of an earlier run is neither played nor removed.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("conv-quiet.json");
    let steps = json!([
        {"do": "create", "user": "ada", "integration": "googledrive", "pipeline": "files", "object": "a",
         "record": {"name": "a", "mimeType": "application/vnd.google-apps.document", "size": null}},
        {"do": "enable", "user": "ada", "integration": "googledrive", "pipeline": "files"},
    ]);
    let steps = serde_json::from_value::<Vec<_>>(steps).unwrap();
    std::fs::write(&file, Scenario::new(0, steps).to_json()).unwrap();
    let suite = suite(&SpecialRecord::ALL).without(SpecialRecord::ALL).failures(folder.path());
    let judgment = suite.run(&paragon).await;
    assert_eq!(found(&judgment), [("rec-odd", Verdict::NotEvaluable), ("conv-quiet", Verdict::Pass)], "{judgment:?}");
    let left_out = "left out by --without folders,google-docs,empty-types,empty-files,large-files,odd-names";
    assert_eq!(judgment.results[0].detail, left_out);
    assert_eq!(judgment.remarks, [format!("{left_out}: no case contained such records")]);
    assert!(file.exists());
}

#[tokio::test]
async fn a_receiver_that_keeps_only_names_is_right_if_only_names_are_compared() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let suite = |keeps: &'static [&str]| {
        let keeps_less = altered(&app, |held| {
            for held in held {
                let name = json!(name(held));
                held.value = Some(json!({"name": name, "updatedAt": "2000-01-01T00:00:00Z"}));
            }
        });
        let suite = Suite::for_receiver(app.webhook()).state(keeps_less).settle(SHORT);
        suite.select(only(&["rec-created", "rec-updated", "rec-deleted"])).compare(keeps.iter().copied())
    };
    let verdicts = |updated| [("rec-created", Verdict::Pass), ("rec-updated", updated), ("rec-deleted", Verdict::Pass)];
    let judgment = suite(&["id", "name"]).run(&paragon).await;
    assert_eq!(found(&judgment), verdicts(Verdict::Pass), "{judgment:?}");
    assert_eq!(judgment.members.compared().collect::<Vec<_>>(), ["id", "name"]);
    let all = suite(&[]).seed(1).run(&paragon).await;
    assert!(all.failed() && all.remarks.is_empty(), "{all:?}");
    let judgment = suite(&[]).ignore_member("updatedAt").seed(2).run(&paragon).await;
    assert_eq!(found(&judgment), verdicts(Verdict::Pass), "{judgment:?}");

    // The change of the name cannot be seen, but the deletion can.
    let judgment = suite(&["id"]).seed(3).run(&paragon).await;
    assert_eq!(found(&judgment), verdicts(Verdict::NotEvaluable), "{judgment:?}");
    assert!(judgment.results[1].detail.ends_with(": `id` (--compare)"), "{judgment:?}");

    // The state never gives the size.
    let judgment = suite(&["name", "size"]).seed(4).run(&paragon).await;
    let remark = "the state never gave `size`, so this member was not compared";
    assert!(judgment.remarks.iter().any(|told| told == remark), "{judgment:?}");
}

#[test]
#[should_panic(expected = "expected members of records, got \"titel\", which no record has")]
fn a_member_that_no_record_has_cannot_be_compared() {
    let _ = Suite::for_receiver("http://127.0.0.1:1/".parse().unwrap()).compare(["id", "titel"]);
}

#[tokio::test]
async fn a_duplicate_that_appears_late_is_found() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    // Simulates a receiver that holds a file a second time, 200 ms after the first look that shows it.
    let since = Mutex::new(None);
    let late = altered(&app, move |held| {
        if let Some(copy) = held.iter().find(|held| name(held) == "c.pdf").cloned() {
            let since: Stopwatch = *since.lock().unwrap().get_or_insert_with(Stopwatch::start);
            if since.elapsed() > Duration::from_millis(200) {
                held.push(copy);
            }
        }
    });
    let judgment = Suite::for_receiver(app.webhook())
        .settle(Duration::from_secs(1))
        .state(late)
        .select(only(&["rec-duplicate"]))
        .run(&paragon)
        .await;
    assert_eq!(found(&judgment), [("rec-duplicate", Verdict::Fail)]);
    assert!(judgment.results[0].detail.contains("\"c.pdf\" is held 2 times"), "{judgment:?}");
}

#[tokio::test]
async fn a_refused_call_is_named_when_records_are_missing() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start_as(&paragon, "another-project").await;
    let suite = Suite::for_receiver(app.webhook()).state_url(app.state()).settle(Duration::from_millis(500));
    let judgment = suite.select(only(&["rec-created"])).run(&paragon).await;
    assert_eq!(found(&judgment), [("rec-created", Verdict::Fail)]);
    let detail = &judgment.results[0].detail;
    assert!(
        detail.contains(" is missing (record ") && detail.contains("\nthe Sync API refused GET /api/syncs/"),
        "{detail}"
    );
    assert!(detail.contains("another-project"), "it says why: {detail}");
}

#[tokio::test]
async fn records_left_by_a_run_with_the_same_users_make_a_case_not_evaluable() {
    let mut before: Vec<HeldRecord> = Vec::new();
    // The same seed and the same name make the same users, and therefore the same ids of syncs.
    for (users, verdict) in [("a", Verdict::Pass), ("a", Verdict::NotEvaluable), ("b", Verdict::Pass)] {
        let paragon = FakeParagon::builder().seed(5).start().await.unwrap();
        let app = Receiver::start(&paragon).await;
        let kept = before.clone();
        let suite = Suite::for_receiver(app.webhook()).state(altered(&app, move |held| held.extend(kept.clone())));
        let judgment = suite.users(users).select(only(&["rec-created"])).run(&paragon).await;
        assert_eq!(found(&judgment), [("rec-created", verdict)], "{judgment:?}");
        let same_users = judgment.results[0].detail.contains("from an earlier run with the same users");
        assert_eq!(same_users, verdict == Verdict::NotEvaluable, "{judgment:?}");
        before.extend(state_of(app.state()).await);
    }
}

#[tokio::test]
async fn data_lost_under_a_policy_is_reported_with_the_deciding_cell() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let disables = vec![DisableRule::new(Failing::InARow { attempts: 1, within: Limit::NONE })];
    let strict = Policy::paragon_assumed().named("strict").disable(disables);
    // Simulates a receiver that loses the record that was created while the receiver was down.
    let judgment = Suite::for_receiver(app.webhook())
        .settle(Duration::from_secs(1))
        .state(altered(&app, |held| held.retain(|held| name(held) != "new.pdf")))
        .select(only(&["pol-outage-minutes", "pol-outage-days"]))
        .policies([Policy::paragon_assumed(), strict])
        .run(&paragon)
        .await;
    let lost: Vec<_> =
        judgment.results.iter().map(|result| result.detail.split_once("\nlost under ").unwrap().1).collect();
    insta::assert_snapshot!(lost.join("\n\n"));
}

#[tokio::test]
async fn a_permanently_unreachable_state_probe_is_noticed_once() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = looks.clone();
    let gone = StateUrl::new("http://127.0.0.1:9/state".parse().unwrap());
    let probe = Counted { probe: gone, looks: counted };
    let suite = Suite::for_receiver(app.webhook()).state(probe);
    let judgment = suite.select(|case| case.id.starts_with("rec-")).run(&paragon).await;
    assert!(judgment.results.len() > 10);
    assert!(judgment.results.iter().all(|result| result.verdict == Verdict::NotEvaluable), "{judgment:?}");
    // There would be thousands of looks if each case looked until its settle time is over.
    let looks = looks.load(Ordering::Relaxed);
    assert!(looks < 1_000, "{looks} looks");
}

#[tokio::test]
async fn a_receiver_that_works_only_after_a_while_is_not_set_up_wrongly() {
    let paragon = FakeParagon::start().await;
    let refusals = |times: usize| {
        let left = Arc::new(AtomicUsize::new(times));
        move || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    };
    let suite = Suite::for_receiver(refuses(refusals(3)).await).state(Late(refusals(3)));
    let examination = suite.settle(Duration::from_secs(20)).examine(&paragon).await;
    let health: Vec<_> = examination.findings.iter().map(|finding| (finding.part, finding.health)).collect();
    // This receiver makes no call. That is for the cases to judge.
    let expected =
        [(SetUpPart::State, Health::Right), (SetUpPart::Webhook, Health::Right), (SetUpPart::Api, Health::Unknown)];
    assert_eq!(health, expected, "{examination:?}");
    assert!(!examination.is_wrong());
}

/// State probe that fails as long as the closure returns true. Afterwards the state is empty.
struct Late<F>(F);

impl<F: Fn() -> bool + Send + Sync> Probe for Late<F> {
    fn look(&self) -> Looking<'_> {
        let failed = (self.0)();
        Box::pin(async move { if failed { Err(ProbeError::new("not yet")) } else { Ok(Vec::new()) } })
    }
}

#[tokio::test]
async fn the_sync_of_an_examination_is_still_served_afterwards() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let synced: Arc<Mutex<Option<fake::SyncHandle>>> = Arc::default();
    let kept = synced.clone();
    let suite = Suite::for_receiver(app.webhook()).state_url(app.state()).before_sync(move |sync| {
        *kept.lock().unwrap() = Some(sync.clone());
        std::future::ready(Ok(()))
    });
    let examination = suite.examine(&paragon).await;
    assert!(examination.findings.iter().all(|finding| finding.health == Health::Right), "{examination:?}");
    let sync = synced.lock().unwrap().clone().unwrap();
    let user = sync.envelope().user.id.to_string();
    assert_eq!(Client::new(&paragon, &user).pull(sync.id().as_str(), "").await["data"].as_array().unwrap().len(), 1);
}

/// Counts how often the state is read.
struct Counted {
    probe: StateUrl,
    looks: Arc<AtomicUsize>,
}

impl Probe for Counted {
    fn look(&self) -> Looking<'_> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.probe.look()
    }
}

#[tokio::test]
async fn a_receiver_is_told_of_each_sync_before_its_first_event() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let known: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = |sync: &fake::SyncHandle| {
        let (known, user) = (known.clone(), sync.envelope().user.id.to_string());
        // The hook is called before the first run of the sync.
        assert_eq!(sync.records(), [Value::Null; 0]);
        async move {
            known.lock().unwrap().push(user);
            Ok(())
        }
    };
    let suite = || {
        let suite = Suite::for_receiver(app.webhook()).state_url(app.state());
        let few = Histories::default().cases(3);
        suite.select(only(&["rec-created", "iso-two-users", "conv-quiet"])).histories(few)
    };
    suite().before_sync(told).run(&paragon).await.assert_passed();
    let mut users = known.lock().unwrap().clone();
    users.dedup();
    assert!(users.len() >= 6, "{users:?}");

    let fails = |_: &fake::SyncHandle| std::future::ready(Err("nobody takes new users".to_owned()));
    let judgment = suite().seed(1).before_sync(fails).run(&paragon).await;
    assert_eq!(judgment.count(Verdict::NotEvaluable), 3, "{judgment:?}");
    assert!(judgment.results.iter().all(|result| result.detail.contains("nobody takes new users")), "{judgment:?}");
}

/// The steps of a quiet history are a minute apart, so the receiver must get time to finish the first event before the
/// next one is sent. Otherwise a correct receiver that needs longer for the first event would fail.
#[tokio::test]
async fn a_receiver_comes_to_rest_between_the_steps_of_a_quiet_history() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    // The receiver is busy with an event for 60 ms. The test counts events of a record that arrive in that time.
    let overlaps = Arc::new(AtomicUsize::new(0));
    let busy: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (counted, inner) = (overlaps.clone(), app.webhook());
    let webhook = crate::receiver::hook(move |event: Value| {
        let (busy, overlaps, inner) = (busy.clone(), counted.clone(), inner.clone());
        async move {
            let record = format!("{}{}", event["syncInstanceId"], event["data"]["recordId"]);
            if !busy.lock().unwrap().insert(record.clone()) {
                overlaps.fetch_add(1, Ordering::Relaxed);
            }
            tokio::spawn(async move {
                reqwest::Client::new().post(inner).json(&event).send().await.unwrap();
                paragon_testkit::clock::eventually(Duration::from_millis(60), || async { None::<()> }).await;
                busy.lock().unwrap().remove(&record);
            });
        }
    })
    .await;
    let suite = Suite::for_receiver(webhook).state_url(app.state()).select(only(&["conv-quiet"]));
    suite.run(&paragon).await.assert_passed();
    assert_eq!(overlaps.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn an_aborted_run_leaves_the_fake_as_it_was() {
    let paragon = FakeParagon::start().await;
    let app = Receiver::start(&paragon).await;
    let before = paragon.policy();
    let begun = tokio::sync::Notify::new();
    let suite = Suite::for_receiver(app.webhook())
        .policies([Policy::preset_filled("no-retry").unwrap()])
        .select(only(&["pol-outage-minutes"]))
        .on_start(|_| begun.notify_one());
    tokio::select! {
        _ = suite.run(&paragon) => panic!("it was to be given up"),
        () = begun.notified() => {}
    }
    drop(suite);
    assert_eq!(paragon.policy(), before);
    let drive = paragon.user("ada").connect("googledrive");
    for number in 0..30 {
        drive.create(File::named(format!("{number}.pdf")));
    }
    let sync = drive.enable("files").unwrap();
    paragon.settle().await;
    let page = Client::new(&paragon, "ada").pull(sync.id().as_str(), "?pageSize=100").await;
    assert_eq!(page["data"].as_array().unwrap().len(), 30, "the pages are as long as before");
}

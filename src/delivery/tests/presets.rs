//! Tests of each preset with receivers of four kinds, against the numbers that its source gives.

use super::super::WebhookState;
use super::*;
use std::fmt::Write as _;
use std::time::Duration;

const HOUR: u64 = 3_600;

/// Numbers from the table of sources: the name of the preset, the times of the attempts of a failing event in seconds
/// after the first attempt, if published, and the rule that ends an event to which the receiver responds with 410.
const PUBLISHED: [(&str, Option<&[u64]>, &str); 11] = [
    ("paragon-assumed", Some(&[0, 10, 130, 730, 4_330, 16_930]), "backoff"),
    (
        "standard-webhooks",
        Some(&[0, 5, 305, 2_105, 9_305, 27_305, 63_305, 113_705, 185_705, 75 * HOUR + 35 * 60 + 5]),
        "on[0]",
    ),
    ("svix", Some(&[0, 5, 305, 2_105, 9_305, 27_305, 63_305, 99_305]), "backoff"),
    ("svix-open-source", Some(&[0, 5, 305, 2_105, 9_305, 27_305, 63_305, 99_305]), "backoff"),
    (
        "strict-fast",
        Some(&[
            0,
            60,
            660,
            660 + HOUR,
            660 + 3 * HOUR,
            660 + 5 * HOUR,
            660 + 7 * HOUR,
            660 + 11 * HOUR,
            660 + 15 * HOUR,
            660 + 19 * HOUR,
            660 + 27 * HOUR,
            660 + 35 * HOUR,
            660 + 47 * HOUR,
        ]),
        "backoff",
    ),
    ("head-of-line", None, "disable[0]"),
    ("no-retry", Some(&[0]), "backoff"),
    ("drop-4xx", Some(&[0, 3, 9]), "on[0]"),
    ("immediate-3", Some(&[0, 0, 0, 0]), "backoff"),
    ("gone-disables", None, "on[0]"),
    ("rate-disable", Some(&[0, 0, 60, 360]), "backoff"),
];

type Answers = fn(&Attempt) -> Outcome;

fn run(name: &str, answer: impl FnMut(&Attempt) -> Outcome) -> (Vec<Told>, Queue) {
    let mut queue = started(Policy::preset_filled(name).unwrap());
    queue.enqueue(b"x", START);
    let told = drive(&mut queue, answer);
    (told, queue)
}

#[test]
fn each_preset_does_what_its_source_says() {
    for (name, published, gone) in PUBLISHED {
        let (told, _) = run(name, |_| answered(500));
        if let Some(published) = published {
            // No preset has a larger jitter than a fifth of each wait. The shares add up, so a time is off by a fifth
            // at most.
            let share = if name == "svix-open-source" { 20 } else { 0 };
            assert_eq!(told.len(), published.len(), "{name}");
            for ((at, ..), published) in told.iter().zip(published) {
                let off = at.abs_diff(published * 1_000);
                assert!(off * 100 <= published * 1_000 * share, "{name}: {at} ms instead of {published} s");
            }
        }
        let (told, queue) = run(name, |_| answered(410));
        assert_eq!(told.last().unwrap().3, gone, "{name}");
        let disables = matches!(name, "standard-webhooks" | "gone-disables" | "head-of-line");
        assert_eq!(queue.state() == WebhookState::Disabled, disables, "{name}");
        let once = disables && name != "head-of-line" || matches!(name, "drop-4xx" | "no-retry");
        assert_eq!(told.len() == 1, once, "{name}");
    }
    assert_eq!(PUBLISHED.len() + 1, Policy::PRESETS.len(), "paragon-documented does not run");
}

#[test]
fn slow_receivers_cost_the_timeout_of_the_policy() {
    for (name, published, _) in PUBLISHED {
        let policy = Policy::preset_filled(name).unwrap();
        let timeout = policy.timeout.unwrap();
        let (told, _) = run(name, |_| failed(Failure::TimedOut));
        let Some(published) = published.filter(|_| name != "svix-open-source") else { continue };
        for (n, ((at, ..), published)) in told.iter().zip(published).enumerate() {
            let expected = Duration::from_secs(*published) + timeout * u32::try_from(n).unwrap();
            assert_eq!(Duration::from_millis(*at), expected, "{name}");
        }
    }
    let (told, _) = run("svix-open-source", |_| failed(Failure::TimedOut));
    assert_eq!(told[1].0, 90_000, "30 s, and 60 s at least");
}

#[test]
fn the_golden_timelines() {
    let mut text = String::new();
    for (name, ..) in PUBLISHED {
        let kinds: [(&str, Answers); 4] = [
            ("always fails", |_| answered(500)),
            ("is always too slow", |_| failed(Failure::TimedOut)),
            ("recovers at attempt 3", |attempt| answered(if attempt.number < 3 { 503 } else { 200 })),
            ("answers 410", |_| answered(410)),
        ];
        for (kind, answer) in kinds {
            let (told, mut queue) = run(name, answer);
            let _ = writeln!(text, "{name}: a receiver that {kind}");
            for (at, number, decision, rule) in told {
                let decision = match decision {
                    Decision::RetryAt(_) => "again",
                    Decision::Delivered => "delivered",
                    Decision::GivenUp => "given up",
                    Decision::Disabled => "given up, off",
                };
                let offset = crate::clock::offset(Duration::from_millis(at));
                let _ = writeln!(text, "  {offset:<16} attempt {number:<2} {decision}, by {rule}");
            }
            for change in queue.take_changes() {
                let _ = writeln!(text, "  {}", change.text);
            }
        }
    }
    insta::assert_snapshot!(text);
}

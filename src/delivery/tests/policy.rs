//! Tests of valid and invalid policies.

use super::super::{
    Backoff, Batch, ClassRule, DisableRule, Failing, HeaderRule, Jitter, Limit, Off, Reenable, RetryAfter, Then,
};
use super::*;

fn exponential(base: u64, factor: f64) -> Policy {
    assumed().backoff(Backoff::Exponential { base: SECONDS(base), factor, at_most: Limit::NONE, retries: 3 })
}

fn rule(of_schedule: (f64, f64)) -> ClassRule {
    let mut rule = ClassRule::new(["429".parse().unwrap()], Then::Retry);
    rule.retry_after = Some(RetryAfter { at_most: None, of_schedule: Some(of_schedule) });
    rule
}

fn disabled(when: Failing) -> Policy {
    assumed().disable(vec![DisableRule::new(when)])
}

fn paused(first: u64, factor: f64) -> Policy {
    let mut rule = DisableRule::new(Failing::Exhausted(1));
    rule.then = Off::Pause { first: SECONDS(first), factor, at_most: Limit::NONE };
    assumed().disable(vec![rule])
}

fn rate(within: u64) -> Failing {
    Failing::Rate { above: 0.5.try_into().unwrap(), within: SECONDS(within), at_least: 1 }
}

#[test]
fn an_invalid_policy_is_refused_and_the_cell_is_named() {
    let base = "backoff: expected a base above 0 and a factor of at least 1";
    let order = "expected `of_schedule` to be two numbers of at least 0 in ascending order";
    let pause = "disable[0]: expected a pause above 0 and a factor of at least 1";
    for (policy, why) in [
        (assumed().timeout(Duration::ZERO), "timeout: expected a duration above 0"),
        (
            assumed().connect_timeout(Limit::of(Duration::ZERO)),
            "connect_timeout: expected a duration above 0 and at most",
        ),
        (assumed().connect_timeout(Limit::of(SECONDS(11))), "connect_timeout: expected a duration above 0 and at most"),
        (exponential(0, 2.0), &format!("{base}, got 0ns and 2")),
        (exponential(1, 0.9), &format!("{base}, got 1s and 0.9")),
        (exponential(1, f64::NAN), base),
        (exponential(1, f64::INFINITY), base),
        (assumed().jitter(Jitter::Symmetric(1.5)), "jitter: expected a share from 0 to 1, got 1.5"),
        (assumed().jitter(Jitter::Symmetric(-0.5)), "jitter: expected a share from 0 to 1, got -0.5"),
        (
            assumed().on(vec![rule((1.0, 2.0)), ClassRule::new([], Then::Drop)]),
            "on[1]: `on` is empty, expected at least one class",
        ),
        (assumed().on(vec![rule((2.0, 1.0))]), &format!("on[0]: {order}, got 2 and 1")),
        (assumed().on(vec![rule((-1.0, 1.0))]), order),
        (assumed().on(vec![rule((f64::NAN, 1.0))]), order),
        (assumed().on(vec![rule((0.0, f64::INFINITY))]), order),
        (assumed().concurrent(0), "concurrent: expected at least 1, got 0"),
        (assumed().batch(Batch::of(0, SECONDS(1))), "batch: expected at least 1 in `most`, got 0"),
        (disabled(Failing::InARow { attempts: 0, within: Limit::NONE }), "disable[0]: expected at least 1, got 0"),
        (disabled(Failing::Count { failures: 0, within: SECONDS(1) }), "disable[0]: expected at least 1, got 0"),
        (disabled(Failing::Exhausted(0)), "disable[0]: expected at least 1, got 0"),
        (disabled(Failing::For(Duration::ZERO)), "disable[0]: expected a duration above 0"),
        (disabled(Failing::Count { failures: 1, within: Duration::ZERO }), "disable[0]: expected a duration above 0"),
        (disabled(rate(0)), "disable[0]: expected a duration above 0"),
        (paused(0, 2.0), pause),
        (paused(1, 0.5), pause),
        (paused(1, f64::INFINITY), pause),
        (assumed().enable(Reenable::After(Duration::ZERO)), "enable: expected a duration above 0"),
        (assumed().enable(Reenable::Probe(Duration::ZERO)), "enable: expected a duration above 0"),
        (assumed().headers(vec![HeaderRule::new("a b", "1")]), "headers[0]: \"a b\" is not a valid header name"),
        (
            assumed().headers(vec![HeaderRule::new("a", "{body}")]),
            "headers[0]: \"{body}\" contains a placeholder other than {id}, ",
        ),
        (assumed().headers(vec![HeaderRule::new("a", "\n")]), "headers[0]: \"\\n\" is not a valid header value"),
    ] {
        let error = Queue::new(policy.named("mine"), 7).map(drop).unwrap_err();
        assert!(error.open_cells().is_empty() && !error.is_unknown());
        let cell = error.cell().map(str::to_owned).unwrap_or_default();
        let error = error.to_string();
        assert!(error.starts_with(&format!("policy mine, {cell}: ")), "{error}");
        assert!(error.contains(why), "expected {why:?}, got {error:?}");
    }
}

#[test]
fn values_at_the_bounds_are_accepted() {
    for policy in [
        assumed().connect_timeout(Limit::of(SECONDS(10))),
        exponential(1, 1.0),
        assumed().jitter(Jitter::Symmetric(1.0)),
        assumed().jitter(Jitter::Symmetric(0.0)),
        assumed().on(vec![rule((1.0, 1.0)), rule((0.0, 2.0))]),
        assumed().concurrent(1),
        assumed().batch(Batch::of(1, Duration::ZERO)),
        disabled(Failing::InARow { attempts: 1, within: Limit::NONE }),
        disabled(rate(1)),
        paused(1, 1.0),
        assumed().enable(Reenable::Probe(Duration::from_millis(1))),
        assumed().headers(vec![HeaderRule::new("a", "{id} {attempt} {retry} {timestamp} {reason}")]),
    ] {
        if let Err(error) = policy.rules() {
            panic!("{error}");
        }
    }
}

#[test]
fn default_values_are_not_written() {
    let mut rule = HeaderRule::new("x-attempt", "{attempt}");
    assert_eq!(serde_json::to_value(&rule).unwrap(), serde_json::json!({"name": "x-attempt", "value": "{attempt}"}));
    rule.from_attempt = 2;
    assert_eq!(serde_json::to_value(&rule).unwrap()["from_attempt"], 2);
    assert_eq!(assumed().named("mine").to_string(), "mine");
}

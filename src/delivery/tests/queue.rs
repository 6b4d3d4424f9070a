//! Tests of the queue, one policy cell after the other.

use super::super::{
    Address, Backoff, Batch, ClassRule, DeliveryFault, DeliveryFaultKind, DisableRule, Failing, HeaderMatch,
    HeaderRule, Jitter, Limit, Off, Order, Payload, Reenable, RetryAfter, Success, Then, Timeouts, WebhookState,
    WhileOff, Wire,
};
use super::*;
use http::{HeaderValue, header};

/// Returns a policy that disables the webhook as soon as one event is given up, which is after its first attempt. The
/// other events are held.
fn holding() -> Policy {
    let once = off(Failing::Exhausted(1), Off::Disable);
    assumed().backoff(Backoff::None).disable(once).while_off(WhileOff::Hold)
}

/// Returns the times, in seconds, of the attempts of one event that all end with `outcome`, and the last rule.
fn times(policy: Policy, outcome: &Outcome) -> (Vec<u64>, String) {
    let mut queue = started(policy);
    queue.enqueue(b"x", START);
    let told = drive(&mut queue, |_| outcome.clone());
    let last = told.last().map(|(.., rule)| rule.clone()).unwrap_or_default();
    (told.into_iter().map(|(at, ..)| at / 1_000).collect(), last)
}

fn with_header(status: u16, name: header::HeaderName, value: &'static str) -> Outcome {
    let mut answer = Answer::new(status);
    answer.headers.insert(name, HeaderValue::from_static(value));
    Outcome::Answered(answer)
}

fn pause(first: u64, factor: f64) -> Off {
    Off::Pause { first: SECONDS(first), factor, at_most: Limit::NONE }
}

fn off(when: Failing, then: Off) -> Vec<DisableRule> {
    let mut rule = DisableRule::new(when);
    rule.then = then;
    vec![rule]
}

#[test]
fn a_failing_event_is_tried_on_schedule_and_then_given_up() {
    let (times, rule) = times(assumed(), &answered(500));
    assert_eq!((times, rule.as_str()), (vec![0, 10, 130, 730, 4_330, 16_930], "backoff"));
}

#[test]
fn the_policy_decides_which_statuses_are_a_success() {
    for (success, delivers) in [(Success::Any2xx, [200, 204, 299].as_slice()), (Success::Only200, &[200])] {
        for status in [199, 200, 204, 299, 301, 410] {
            let mut queue = started(assumed().success(success));
            queue.enqueue(b"x", START);
            let attempt = queue.poll(START).attempts.pop().unwrap();
            let decision = queue.complete(attempt, answered(status), START).record.decision;
            assert_eq!(decision == Decision::Delivered, delivers.contains(&status), "{success:?} {status}");
        }
    }
}

#[test]
fn a_timeout_takes_its_virtual_time() {
    let policy = assumed().connect_timeout(Limit::of(SECONDS(3)));
    assert_eq!(times(policy.clone(), &failed(Failure::TimedOut)).0[..2], [0, 20], "10 s, and 10 s of back-off");
    assert_eq!(times(policy.clone(), &failed(Failure::BodyTimedOut { status: 200 })).0[..2], [0, 20]);
    assert_eq!(times(policy.clone(), &failed(Failure::ConnectTimedOut)).0[..2], [0, 13]);
    let mut queue = started(policy.redirects(2));
    queue.enqueue(b"x", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    assert_eq!(attempt.timeouts, Timeouts { connect: Some(SECONDS(3)), total: SECONDS(10) });
    assert_eq!(attempt.redirects, 2);
}

#[test]
fn the_retry_window_and_the_maximum_age_end_the_retries() {
    let (tried, rule) = times(assumed().window(Limit::of(SECONDS(730))), &answered(500));
    assert_eq!((tried, rule.as_str()), (vec![0, 10, 130, 730], "window"));
    let (tried, rule) = times(assumed().ttl(Limit::of(SECONDS(729))), &answered(500));
    assert_eq!((tried, rule.as_str()), (vec![0, 10, 130], "ttl"));
}

#[test]
fn events_that_are_held_too_long_expire() {
    let mut queue = started(assumed().ttl(Limit::of(SECONDS(60))).while_off(WhileOff::Hold));
    queue.disable("disabled");
    let old = queue.enqueue(b"old", START).deliveries;
    let later = START + SECONDS(61);
    let new = queue.enqueue(b"new", later).deliveries;
    assert_eq!((queue.next_due(), queue.is_busy()), (None, false));
    queue.enable("enabled");
    let polled = queue.poll(later);
    assert_eq!(polled.expired, old);
    assert_eq!(polled.attempts.iter().map(|attempt| attempt.delivery).collect::<Vec<_>>(), new);
}

#[test]
fn a_rule_for_a_class_decides_what_follows_an_attempt() {
    let rule = |on: &str, then| ClassRule::new([on.parse().unwrap()], then);
    let only_once = |outcome: &Outcome, rule_at: &str, policy: Policy| {
        let (tried, rule) = times(policy, outcome);
        assert_eq!((tried.len(), rule.as_str()), (1, rule_at));
    };
    let dropping = assumed().on(vec![rule("5xx", Then::Retry), rule("4xx", Then::Drop)]);
    only_once(&answered(404), "on[1]", dropping.clone());
    assert_eq!(times(dropping, &answered(503)).0.len(), 6);
    only_once(&failed(Failure::Dns("x".into())), "on[0]", assumed().on(vec![rule("network", Then::Drop)]));
    only_once(&answered(409), "on[0]", assumed().on(vec![rule("409", Then::Accept)]));

    let mut queue = started(assumed().on(vec![rule("410", Then::Disable)]));
    queue.enqueue(b"x", START);
    queue.enqueue(b"y", START);
    let told = drive(&mut queue, |_| answered(410));
    assert_eq!(told, [(0, 1, Decision::Disabled, "on[0]".to_owned())]);
    let changes: Vec<_> = queue.take_changes().into_iter().map(|change| (change.to, change.text)).collect();
    assert_eq!(changes, [(WebhookState::Disabled, "disabled: an attempt ended with 410".to_owned())]);
}

#[test]
fn a_long_response_matters_only_if_a_rule_says_so() {
    let mut long = Answer::new(200);
    long.too_long = true;
    let long = Outcome::Answered(long);
    assert_eq!(times(assumed(), &long), (vec![0], "success".to_owned()));
    let rule = ClassRule::new(["body_too_long".parse().unwrap()], Then::Drop);
    assert_eq!(times(assumed().on(vec![rule]), &long), (vec![0], "on[0]".to_owned()));
}

#[test]
fn retry_after_is_followed_as_far_as_the_policy_allows() {
    let asks = |seconds: &'static str| with_header(429, header::RETRY_AFTER, seconds);
    let rule = |at_least: Option<u64>, after: Option<RetryAfter>| {
        let mut rule = ClassRule::new(["429".parse().unwrap()], Then::Retry);
        (rule.at_least, rule.retry_after) = (at_least.map(SECONDS), after);
        assumed().on(vec![rule])
    };
    let followed = RetryAfter { at_most: Some(SECONDS(100)), of_schedule: None };
    assert_eq!(times(assumed(), &asks("50")).0[1], 10, "nobody follows it");
    assert_eq!(times(rule(None, Some(followed)), &asks("50")).0[..3], [0, 50, 100]);
    assert_eq!(times(rule(None, Some(followed)), &asks("5000")).0[..2], [0, 100]);
    assert_eq!(times(rule(Some(60), None), &asks("50")).0[..3], [0, 60, 180], "a floor");
    let mut queue = started(rule(Some(10), None));
    queue.enqueue(b"x", START);
    let told = drive(&mut queue, |_| asks("50"));
    assert_eq!(told[0].3, "backoff", "a floor that is met decides nothing");
    let clamped = RetryAfter { at_most: None, of_schedule: Some((1.0, 2.0)) };
    assert_eq!(times(rule(None, Some(clamped)), &asks("50")).0[..3], [0, 20, 140]);
    let (tried, rule) = times(
        assumed().stop_on(vec![HeaderMatch::new("x-stop", "1")]),
        &with_header(500, "x-stop".parse().unwrap(), "1"),
    );
    assert_eq!((tried, rule.as_str()), (vec![0], "stop_on[0]"));
}

#[test]
fn an_attempt_without_a_connection_is_repeated_at_once() {
    let mut queue = started(assumed().resend(2).backoff(Backoff::None));
    queue.enqueue(b"x", START);
    let told = drive(&mut queue, |_| failed(Failure::Refused));
    let rules: Vec<_> = told.iter().map(|(at, number, _, rule)| (*at, *number, rule.as_str())).collect();
    assert_eq!(rules, [(0, 1, "resend"), (0, 1, "resend"), (0, 1, "backoff")]);
    assert_eq!(queue.failures_in_a_row(), 1, "it is one attempt");
}

/// Returns the bodies in the order in which they arrive if the first attempt of `a` fails.
fn arrive(order: Order) -> Vec<String> {
    let mut queue = started(assumed().order(order).backoff(Backoff::List(vec![SECONDS(10)])));
    let mut arrived = Vec::new();
    let mut answer = |attempt: &Attempt| {
        arrived.push(String::from_utf8(attempt.body.to_vec()).unwrap());
        answered(if arrived.len() == 1 { 500 } else { 200 })
    };
    queue.enqueue(b"a", START);
    queue.enqueue(b"b", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    let outcome = answer(&attempt);
    queue.complete(attempt, outcome, START);
    // When `a` is due again, `b` and `c` are due too.
    let later = START + SECONDS(10);
    queue.enqueue(b"c", later);
    while let Some(attempt) = queue.poll(later).attempts.pop() {
        let outcome = answer(&attempt);
        queue.complete(attempt, outcome, later);
    }
    arrived
}

#[test]
fn the_policy_decides_about_the_order() {
    assert_eq!(arrive(Order::Independent), ["a", "b", "a", "c"]);
    assert_eq!(arrive(Order::HeadOfLine), ["a", "a", "b", "c"]);
    assert_eq!(arrive(Order::NewBeforeOld), ["a", "b", "c", "a"]);
}

#[test]
fn the_policy_limits_simultaneous_attempts() {
    let mut queue = started(assumed().concurrent(2));
    for _ in 0..3 {
        queue.enqueue(b"x", START);
    }
    let mut attempts = queue.poll(START).attempts;
    assert_eq!((attempts.len(), queue.in_flight(), queue.next_due()), (2, 2, None));
    assert!(queue.poll(START).attempts.is_empty());
    queue.complete(attempts.remove(0), answered(200), START);
    assert_eq!(queue.next_due(), Some(START));
    assert_eq!(queue.poll(START).attempts.len(), 1);
}

#[test]
fn events_come_in_batches() {
    let mut queue = started(assumed().batch(Batch::of(3, SECONDS(5))));
    let ids: Vec<_> = (0..4).map(|n| queue.enqueue(n.to_string().as_bytes(), START).deliveries[0]).collect();
    assert_eq!((ids[0], ids[1], ids[0] == ids[3]), (ids[2], ids[2], false));
    let bodies = |queue: &mut Queue, now| {
        let attempts = queue.poll(now).attempts;
        let bodies: Vec<_> = attempts.iter().map(|it| String::from_utf8(it.body.to_vec()).unwrap()).collect();
        for attempt in attempts {
            queue.complete(attempt, answered(200), now);
        }
        bodies
    };
    assert_eq!(bodies(&mut queue, START), ["[0,1,2]"], "a full one waits for nothing");
    assert_eq!(queue.next_due(), Some(START + SECONDS(5)));
    assert_eq!(bodies(&mut queue, START + SECONDS(5)), ["[3]"]);
}

#[test]
fn the_policy_decides_which_url_gets_a_retry() {
    for (address, port) in [(Address::Frozen, 9), (Address::Current, 10)] {
        let mut queue = started(assumed().address(address).payload(Payload::Rebuilt));
        queue.enqueue(b"x", START);
        let attempt = queue.poll(START).attempts.pop().unwrap();
        assert!(!attempt.rebuild);
        queue.complete(attempt, answered(500), START);
        queue.register("http://127.0.0.1:10/".parse().unwrap(), START);
        queue.enqueue(b"y", START);
        let new = queue.poll(START).attempts.pop().unwrap();
        assert_eq!(new.url.port(), Some(10));
        queue.complete(new, answered(200), START);
        let again = queue.poll(START + SECONDS(10)).attempts.pop().unwrap();
        assert_eq!((again.url.port(), again.rebuild), (Some(port), true), "{address:?}");
    }
}

#[test]
fn failures_in_a_row_disable_and_a_success_forgets_them() {
    let mut queue = started(assumed().concurrent(30));
    for _ in 0..25 {
        queue.enqueue(b"x", START);
    }
    let mut attempts = queue.poll(START).attempts.into_iter();
    for _ in 0..19 {
        queue.complete(attempts.next().unwrap(), answered(500), START);
    }
    queue.complete(attempts.next().unwrap(), answered(200), START);
    queue.complete(attempts.next().unwrap(), answered(500), START);
    assert_eq!(queue.state(), WebhookState::Enabled);
    drive(&mut queue, |_| answered(500));
    assert_eq!(queue.state(), WebhookState::Disabled);
    assert_eq!(queue.next_due(), None, "what was to come is dropped");
    let late = queue.complete(attempts.next().unwrap(), answered(500), START);
    assert_eq!((late.record.decision, late.record.rule.as_str()), (Decision::Disabled, "while_off"));
    assert_eq!(queue.enqueue(b"y", START).deliveries, [], "events are dropped meanwhile");
    queue.enable("enabled by hand");
    assert_eq!(queue.failures_in_a_row(), 0, "it starts afresh");
    assert_eq!(queue.enqueue(b"z", START).deliveries.len(), 1);
    let texts: Vec<_> = queue.take_changes().into_iter().map(|change| change.text).collect();
    assert_eq!(texts, ["disabled: 20 attempts in a row failed", "enabled by hand"]);
}

#[test]
fn a_pause_ends_in_a_trial_and_grows_when_that_fails() {
    let policy = assumed().backoff(Backoff::List(vec![SECONDS(1); 20])).while_off(WhileOff::Hold);
    let row = Failing::InARow { attempts: 2, within: Limit::NONE };
    let mut queue = started(policy.disable(off(row, pause(60, 2.0))));
    queue.enqueue(b"x", START);
    let mut made = 0;
    let told = drive(&mut queue, |_| {
        made += 1;
        answered(if made < 5 { 500 } else { 200 })
    });
    let seconds: Vec<_> = told.iter().map(|(at, ..)| at / 1_000).collect();
    assert_eq!(seconds, [0, 1, 61, 181, 421], "pauses of 60, 120 and 240 s");
    let texts: Vec<_> = queue.take_changes().into_iter().map(|change| change.text).collect();
    let expected = [
        "paused for 1m: 2 attempts in a row failed",
        "on trial: the pause is over",
        "paused for 2m: 2 attempts in a row failed",
        "on trial: the pause is over",
        "paused for 4m: 2 attempts in a row failed",
        "on trial: the pause is over",
        "enabled: the trial succeeded",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn a_pause_that_drops_loses_events() {
    let count = Failing::Count { failures: 1, within: SECONDS(10) };
    let mut queue = started(assumed().disable(off(count, pause(60, 1.0))));
    queue.enqueue(b"x", START);
    drive(&mut queue, |_| answered(500));
    assert_eq!(queue.state(), WebhookState::Paused(START + SECONDS(60)));
    assert_eq!(queue.next_due(), None, "there is nothing to come back for");
    assert_eq!(queue.enqueue(b"y", START + SECONDS(59)).deliveries, []);
    assert_eq!(queue.enqueue(b"z", START + SECONDS(60)).deliveries.len(), 1, "the pause is over");
    assert_eq!(queue.state(), WebhookState::OnTrial);
}

#[test]
fn a_disabled_webhook_is_enabled_after_a_time_or_by_a_probe() {
    let mut queue = started(holding().enable(Reenable::After(SECONDS(300))));
    queue.enqueue(b"x", START);
    queue.enqueue(b"y", START);
    let told = drive(&mut queue, |attempt| answered(if *attempt.body == *b"x" { 500 } else { 200 }));
    assert_eq!(told.iter().map(|(at, ..)| at / 1_000).collect::<Vec<_>>(), [0, 300], "y was held");

    let mut queue = started(holding().enable(Reenable::Probe(SECONDS(60))));
    queue.probes_with(b"?");
    queue.enqueue(b"x", START);
    queue.enqueue(b"y", START);
    let mut bodies = Vec::new();
    let told = drive(&mut queue, |attempt| {
        bodies.push(attempt.body.to_vec());
        answered(if bodies.len() < 3 { 500 } else { 200 })
    });
    assert_eq!(told.iter().map(|(at, ..)| at / 1_000).collect::<Vec<_>>(), [0, 60, 120, 120]);
    assert_eq!(bodies, [b"x", b"?", b"?", b"y"]);
}

#[test]
fn a_new_url_has_to_answer_a_probe_if_the_policy_says_so() {
    for (status, state) in [(200, WebhookState::Enabled), (404, WebhookState::Disabled)] {
        let mut queue = started(assumed().verify(true));
        assert_eq!(queue.state(), WebhookState::Unverified);
        assert_eq!(queue.enqueue(b"x", START).deliveries, []);
        let mut attempts = queue.poll(START).attempts;
        assert_eq!(queue.next_due(), None, "one probe is enough");
        queue.complete(attempts.remove(0), answered(status), START);
        assert_eq!(queue.state(), state);
    }
}

#[test]
fn headers_can_describe_the_attempt() {
    let mut late = HeaderRule::new("x-retry", "{retry} because {reason}");
    late.from_attempt = 2;
    let headers = vec![HeaderRule::new("x-id", "{id}"), HeaderRule::new("x-at", "{timestamp}/{attempt}"), late];
    let mut queue = started(assumed().headers(headers));
    queue.sign(Some(super::super::Signature::new("secret")));
    queue.enqueue(b"x", START);
    let mut seen = Vec::new();
    drive(&mut queue, |attempt| {
        let text = |name: &str| attempt.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        seen.push(["x-id", "x-at", "x-retry", "x-paragon-signature"].map(text));
        if seen.len() == 1 { failed(Failure::TimedOut) } else { answered(200) }
    });
    let [first, second] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&first[0], &first[3]), (&second[0], &second[3]));
    assert_eq!(first[3].as_deref(), Some(super::super::Signature::new("secret").of(b"x").as_str()));
    queue.enqueue(b"x", START);
    let next = queue.poll(START).attempts.pop().unwrap();
    assert_ne!(next.headers["x-id"].to_str().ok(), first[0].as_deref(), "another event");
    assert_eq!([&first[1], &second[1]].map(|it| it.as_deref()), [Some("0/1"), Some("20/2")]);
    assert_eq!([&first[2], &second[2]].map(|it| it.as_deref()), [None, Some("1 because timeout")]);
}

#[test]
fn delivery_faults_take_effect() {
    let sent = |what: DeliveryFaultKind, count: usize| {
        let mut queue = started(assumed());
        queue.begin(DeliveryFault::new(what).next(1));
        let enqueued: Vec<_> = (0..count).map(|n| queue.enqueue(n.to_string().as_bytes(), START)).collect();
        let mut bodies = Vec::new();
        let told = drive(&mut queue, |attempt| {
            bodies.push((String::from_utf8(attempt.body.to_vec()).unwrap(), attempt.wire, attempt.unreachable));
            if attempt.unreachable { failed(Failure::Unreachable) } else { answered(200) }
        });
        (enqueued, bodies, told)
    };
    let names = |bodies: &[(String, Wire, bool)]| bodies.iter().map(|(body, ..)| body.clone()).collect::<Vec<_>>();
    assert_eq!(names(&sent(DeliveryFaultKind::Duplicate, 2).1), ["0", "0", "1"]);
    assert_eq!(names(&sent(DeliveryFaultKind::Resend, 2).1), ["0", "1", "0"]);
    let (enqueued, bodies, _) = sent(DeliveryFaultKind::Lose, 2);
    assert!(enqueued[0].lost && !enqueued[1].lost);
    assert_eq!(names(&bodies), ["1"]);
    let (_, bodies, told) = sent(DeliveryFaultKind::Reorder, 5);
    assert_eq!((bodies.len(), told.len()), (5, 5), "{bodies:?}");
    let (_, _, told) = sent(DeliveryFaultKind::Delay(SECONDS(60)), 2);
    assert!(told[1].0 > 0 && told[1].0 < 60_000, "{told:?}");
    assert_eq!(sent(DeliveryFaultKind::Wire(Wire::HangUp), 1).1[0].1, Wire::HangUp);
    assert_eq!(sent(DeliveryFaultKind::Unreachable, 1).1.iter().map(|it| it.2).collect::<Vec<_>>(), [true, false]);

    let mut queue = started(assumed());
    queue.begin(DeliveryFault::new(DeliveryFaultKind::Together(3)).next(1));
    queue.enqueue(b"x", START);
    queue.enqueue(b"y", START);
    let together: Vec<_> = queue.poll(START).attempts.into_iter().map(|attempt| attempt.together).collect();
    assert_eq!(together, [Some(0); 3], "though the policy wants one at a time");
}

#[test]
fn jitter_follows_from_the_seed() {
    let waits = |seed| {
        let mut queue = Queue::new(assumed().jitter(Jitter::Full), seed).unwrap();
        queue.register("http://127.0.0.1:9/".parse().unwrap(), START);
        queue.enqueue(b"x", START);
        drive(&mut queue, |_| answered(500)).into_iter().map(|(at, ..)| at).collect::<Vec<_>>()
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn a_reordered_event_comes_one_to_three_places_later() {
    let places = (0..60).map(|seed| {
        let mut queue = Queue::new(assumed(), seed).unwrap();
        queue.register("http://127.0.0.1:9/".parse().unwrap(), START);
        queue.begin(DeliveryFault::new(DeliveryFaultKind::Reorder).next(1));
        for body in [b"0", b"1", b"2", b"3", b"4"] {
            queue.enqueue(body, START);
        }
        let mut bodies = Vec::new();
        drive(&mut queue, |attempt| {
            bodies.push(attempt.body.to_vec());
            answered(200)
        });
        let place = bodies.iter().position(|body| body == b"0").unwrap();
        bodies.remove(place);
        assert_eq!(bodies, [b"1", b"2", b"3", b"4"], "the others keep their order");
        place
    });
    let places: std::collections::BTreeSet<_> = places.collect();
    assert_eq!(places.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn delivery_faults_end() {
    let mut queue = started(assumed());
    queue.begin(DeliveryFault::new(DeliveryFaultKind::Resend));
    queue.begin(DeliveryFault::new(DeliveryFaultKind::Duplicate));
    assert_eq!(
        queue.faults().map(|it| it.what).collect::<Vec<_>>(),
        [DeliveryFaultKind::Resend, DeliveryFaultKind::Duplicate]
    );
    queue.end(DeliveryFaultKind::Duplicate);
    queue.enqueue(b"x", START);
    let told = drive(&mut queue, |_| answered(200));
    let rules: Vec<_> = told.iter().map(|(_, number, _, rule)| (*number, rule.as_str())).collect();
    assert_eq!(rules, [(1, "on purpose"), (1, "success")], "each attempt is made twice, and no more");
    assert!(!queue.is_busy(), "nothing is left to do");
    queue.begin(DeliveryFault::new(DeliveryFaultKind::Duplicate));
    queue.end_all();
    assert_eq!(queue.faults().count(), 0);
    queue.enqueue(b"x", START);
    assert_eq!(drive(&mut queue, |_| answered(200)).len(), 1);
}

#[test]
fn events_that_were_never_sent_are_reported_when_they_are_dropped() {
    let mut queue = started(assumed());
    let failing = queue.enqueue(b"x", START).deliveries[0];
    let attempt = queue.poll(START).attempts.pop().unwrap();
    assert_eq!((queue.waiting(failing), queue.is_busy(), queue.pending()), (None, true, 0), "it is under way");
    queue.complete(attempt, answered(500), START);
    let due = START + SECONDS(10);
    let new = queue.enqueue(b"y", due).deliveries[0];
    assert_eq!((queue.waiting(failing), queue.waiting(new)), (Some((2, due)), Some((1, due))));
    assert_eq!(queue.disable("disabled"), [failing, new]);
    assert_eq!((queue.pending(), queue.waiting(new), queue.is_busy()), (0, None, false));

    let mut queue = started(assumed());
    let url = queue.url().cloned();
    assert_eq!(url.as_ref().map(url::Url::as_str), Some("http://127.0.0.1:9/"));
    let held = queue.enqueue(b"x", START).deliveries;
    queue.set_policy(assumed().concurrent(0)).unwrap_err();
    assert_eq!((queue.url().cloned(), queue.pending()), (url, 1), "nothing has changed");
    assert_eq!(queue.set_policy(assumed().named("another").while_off(WhileOff::Hold)).unwrap(), held);
    assert_eq!((queue.url(), queue.state(), queue.policy().name.as_str()), (None, WebhookState::Unset, "another"));
}

#[test]
fn held_events_are_not_due_while_the_webhook_is_disabled_for_good() {
    for (enable, busy) in [(Reenable::ByHand, false), (Reenable::After(SECONDS(60)), true)] {
        let mut queue = started(holding().enable(enable));
        queue.enqueue(b"x", START);
        queue.enqueue(b"y", START);
        let attempt = queue.poll(START).attempts.pop().unwrap();
        queue.complete(attempt, answered(500), START);
        assert_eq!((queue.pending(), queue.is_busy()), (1, busy), "{enable:?}");
        // The span of 60 s is not over yet.
        queue.enqueue(b"z", START + SECONDS(59));
        assert_eq!(queue.state(), WebhookState::Disabled);
        queue.enqueue(b"z", START + SECONDS(60));
        assert_eq!(queue.state() == WebhookState::Enabled, busy);
    }
}

#[test]
fn a_disabling_rule_is_the_reason_even_if_events_are_held() {
    let rule = ClassRule::new(["410".parse().unwrap()], Then::Disable);
    let mut queue = started(assumed().on(vec![rule]).while_off(WhileOff::Hold));
    queue.enqueue(b"x", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    let record = queue.complete(attempt, answered(410), START).record;
    assert_eq!((record.decision, record.rule.as_str()), (Decision::Disabled, "on[0]"));
}

#[test]
fn a_probe_is_a_delivery_of_its_own_and_is_sent_when_it_is_due() {
    let mut queue = started(holding().enable(Reenable::Probe(SECONDS(60))));
    queue.enqueue(b"x", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    let first = attempt.delivery;
    queue.complete(attempt, answered(500), START);
    assert_eq!(queue.poll(START + SECONDS(59)).attempts.len(), 0);
    assert_eq!(queue.next_due(), Some(START + SECONDS(60)));
    queue.begin(DeliveryFault::new(DeliveryFaultKind::Unreachable));
    let probe = queue.poll(START + SECONDS(60)).attempts.pop().unwrap();
    assert_eq!((probe.unreachable, queue.in_flight(), queue.is_busy()), (true, 1, true));
    let second = probe.delivery;
    queue.complete(probe, failed(Failure::Unreachable), START + SECONDS(60));
    queue.end_all();
    let probe = queue.poll(START + SECONDS(120)).attempts.pop().unwrap();
    let third = probe.delivery;
    assert!(!probe.unreachable);
    queue.complete(probe, answered(200), START + SECONDS(120));
    let fourth = queue.enqueue(b"y", START + SECONDS(120)).deliveries[0];
    assert_eq!([first, second, third, fourth].map(|it| it.to_string()), ["#1", "#2", "#3", "#4"]);
}

#[test]
fn a_blocking_event_is_never_overtaken() {
    let mut queue = started(assumed().order(Order::HeadOfLine).concurrent(5));
    queue.enqueue(b"a", START);
    queue.enqueue(b"b", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    assert_eq!((&*attempt.body, queue.poll(START).attempts.len(), queue.next_due()), (&b"a"[..], 0, None));
    queue.complete(attempt, answered(500), START);
    assert_eq!((queue.poll(START + SECONDS(9)).attempts.len(), queue.next_due()), (0, Some(START + SECONDS(10))));
}

#[test]
fn next_due_is_the_earliest_event_even_if_new_events_are_sent_first() {
    let mut queue = started(assumed().order(Order::NewBeforeOld));
    queue.enqueue(b"a", START);
    let attempt = queue.poll(START).attempts.pop().unwrap();
    queue.complete(attempt, answered(500), START);
    queue.enqueue(b"b", START + SECONDS(20));
    assert_eq!(queue.next_due(), Some(START + SECONDS(10)));
}

#[test]
fn a_batch_stays_open_while_others_are_sent_and_is_retried_unchanged() {
    let mut queue = started(assumed().batch(Batch::of(3, SECONDS(5))));
    queue.enqueue(b"0", START);
    queue.enqueue(b"1", START);
    let first = queue.poll(START + SECONDS(5)).attempts.pop().unwrap();
    queue.complete(first, answered(500), START + SECONDS(5));
    let open = queue.enqueue(b"2", START + SECONDS(14)).deliveries;
    let again = queue.poll(START + SECONDS(15)).attempts.pop().unwrap();
    assert_eq!((again.number, &*again.body), (2, &b"[0,1]"[..]));
    queue.complete(again, answered(200), START + SECONDS(15));
    assert_eq!(queue.enqueue(b"3", START + SECONDS(16)).deliveries, open);
}

#[test]
fn a_rebuilt_body_is_not_rebuilt_again() {
    let mut queue = started(assumed().payload(Payload::Rebuilt));
    queue.enqueue(b"old", START);
    let mut attempt = queue.poll(START).attempts.pop().unwrap();
    attempt.body = (*b"new").into();
    queue.complete(attempt, answered(500), START);
    assert_eq!(&*queue.poll(START + SECONDS(10)).attempts[0].body, b"new");
}

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::delivery::{
    Address, Backoff, Batch, ClassRule, DisableRule, Failing, HeaderMatch, HeaderRule, Jitter, Limit, Off, On, Order,
    Payload, Policy, Probability, Reenable, RetryAfter, Success, Then, WhileOff,
};

/// Generates valid delivery policies. Every setting takes all the kinds of values that it supports. Policies shrink to
/// [`Policy::paragon_assumed`], setting by setting.
pub fn policy() -> impl Strategy<Value = Policy> {
    let calm = Policy::paragon_assumed;
    let times = (1..60_u64, option::weighted(0.3, 1..60_u64)).prop_map(|(timeout, connect)| {
        let connect = connect.map(|connect| Duration::from_secs(connect.min(timeout)));
        (Duration::from_secs(timeout), Limit(connect))
    });
    let tries = (backoff(), limit(), limit(), jitter(), 0..3_u32);
    let outcomes = (success(), 0..3_u32, vec(class_rule(), 0..3), vec(stop(), 0..2));
    let flow = (order(), 1..9_u32, batch(), payload(), address());
    let health = (vec(disable_rule(), 0..3), while_off(), enable(), any::<bool>(), vec(header(), 0..3));
    (times, tries, outcomes, flow, health).prop_map(move |(times, tries, outcomes, flow, health)| {
        let policy = calm().named("generated").timeout(times.0).connect_timeout(times.1);
        let policy = policy.backoff(tries.0).window(tries.1).ttl(tries.2).jitter(tries.3).resend(tries.4);
        let policy = policy.success(outcomes.0).redirects(outcomes.1).on(outcomes.2).stop_on(outcomes.3);
        let policy = policy.order(flow.0).concurrent(flow.1).batch(flow.2).payload(flow.3).address(flow.4);
        policy.disable(health.0).while_off(health.1).enable(health.2).verify(health.3).headers(health.4)
    })
}

fn span() -> impl Strategy<Value = Duration> {
    select(vec![1_u64, 10, 60, 600, 3_600, 43_200]).prop_map(Duration::from_secs)
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![4 => Just(Limit::NONE), 1 => span().prop_map(Limit::of)]
}

fn backoff() -> impl Strategy<Value = Backoff> {
    let list = vec(prop_oneof![1 => Just(Duration::ZERO), 6 => span()], 0..=6).prop_map(|mut waits| {
        waits.sort();
        Backoff::List(waits)
    });
    let factor = select(vec![1.0, 1.5, 2.0, 10.0]);
    let growing = (span(), factor, limit(), 0..8_u32)
        .prop_map(|(base, factor, at_most, retries)| Backoff::Exponential { base, factor, at_most, retries });
    prop_oneof![1 => Just(Backoff::None), 4 => list, 2 => growing]
}

fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![
        4 => Just(Jitter::None),
        1 => select(vec![0.0, 0.2, 1.0]).prop_map(Jitter::Symmetric),
        1 => span().prop_map(Jitter::Additive),
        1 => Just(Jitter::Full),
    ]
}

fn success() -> impl Strategy<Value = Success> {
    prop_oneof![3 => Just(Success::Any2xx), 1 => Just(Success::Only200)]
}

fn class_rule() -> impl Strategy<Value = ClassRule> {
    let names = vec!["410", "429", "3xx", "4xx", "5xx", "503", "timeout", "connect_timeout", "network", "refused"];
    let on = vec(select(names).prop_map(|name| name.parse::<On>().unwrap_or(On::Network)), 1..3);
    let then = prop_oneof![
        1 => Just(Then::Accept), 4 => Just(Then::Retry), 2 => Just(Then::Drop), 1 => Just(Then::Disable),
    ];
    let bounds = select(vec![(1.0, 2.0), (0.0, 1.0), (1.0, 1.0)]);
    let after = (option::of(span()), option::of(bounds)).prop_map(|(at_most, of_schedule)| {
        let mut after = RetryAfter::default();
        (after.at_most, after.of_schedule) = (at_most, of_schedule);
        after
    });
    (on, then, option::weighted(0.3, span()), option::weighted(0.4, after)).prop_map(|(on, then, at_least, after)| {
        let mut rule = ClassRule::new(on, then);
        (rule.at_least, rule.retry_after) = (at_least, after);
        rule
    })
}

fn stop() -> impl Strategy<Value = HeaderMatch> {
    Just(HeaderMatch::new("x-stop", "1"))
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![3 => Just(Order::Independent), 1 => Just(Order::HeadOfLine), 1 => Just(Order::NewBeforeOld)]
}

fn batch() -> impl Strategy<Value = Batch> {
    let several = (2..5_u32, prop_oneof![Just(Duration::ZERO), span()]).prop_map(|(most, wait)| Batch::of(most, wait));
    prop_oneof![5 => Just(Batch::NONE), 1 => several]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![Just(Payload::Frozen), Just(Payload::Rebuilt)]
}

fn address() -> impl Strategy<Value = Address> {
    prop_oneof![Just(Address::Current), Just(Address::Frozen)]
}

fn disable_rule() -> impl Strategy<Value = DisableRule> {
    let above =
        select(vec![0.0, 0.5, 0.95]).prop_map(|share| Probability::try_from(share).unwrap_or(Probability::ALWAYS));
    let when = prop_oneof![
        3 => (1..40_u32, limit()).prop_map(|(attempts, within)| Failing::InARow { attempts, within }),
        1 => span().prop_map(Failing::For),
        1 => (1..20_u32, span()).prop_map(|(failures, within)| Failing::Count { failures, within }),
        1 => (above, span(), 1..30_u32).prop_map(|(above, within, at_least)| Failing::Rate { above, within, at_least }),
        1 => (1..5_u32).prop_map(Failing::Exhausted),
    ];
    let pause = (span(), select(vec![1.0, 2.0]), limit()).prop_map(|(first, factor, at_most)| Off::Pause {
        first,
        factor,
        at_most,
    });
    (when, prop_oneof![2 => Just(Off::Disable), 1 => pause]).prop_map(|(when, then)| {
        let mut rule = DisableRule::new(when);
        rule.then = then;
        rule
    })
}

fn while_off() -> impl Strategy<Value = WhileOff> {
    prop_oneof![Just(WhileOff::Drop), Just(WhileOff::Hold)]
}

fn enable() -> impl Strategy<Value = Reenable> {
    prop_oneof![3 => Just(Reenable::ByHand), 1 => span().prop_map(Reenable::After), 1 => span().prop_map(Reenable::Probe)]
}

fn header() -> impl Strategy<Value = HeaderRule> {
    select(vec!["{id}", "{attempt}", "{retry}", "{timestamp}", "{reason}"])
        .prop_map(|value| HeaderRule::new("x-a", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer};

    fn strict() -> Contract {
        Contract { layer: Layer::Strict, ..Contract::default() }
    }

    proptest! {
        #[test]
        fn policies_run_and_are_the_same_after_a_round_trip_through_json(policy in policy()) {
            prop_assert!(policy.rules().is_ok(), "{:?}", policy.rules());
            let violations = strict().validate("policy", &serde_json::to_value(&policy).unwrap());
            prop_assert!(violations.is_empty(), "{violations:?}");
            let written = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy);
        }
    }
}

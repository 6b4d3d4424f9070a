//! Measures the contract, each part beside the plain operation that it is built on:

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use paragon_testkit::contract::{Contract, Event, EventKind, fixture};
use paragon_testkit::strategies::{Params, event_of, file, near_miss, payload};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value};

fn documented(kind: EventKind) -> &'static Value {
    let name = format!("{}/documented", kind.schema());
    &fixture(&name).unwrap_or_else(|| panic!("there is no {name}")).body
}

fn validate(criterion: &mut Criterion) {
    let contract = Contract::default();
    for kind in [EventKind::SyncComplete, EventKind::RecordCreated, EventKind::RecordErrored] {
        let event = documented(kind);
        let alone = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&contract.bundle(kind.schema()))
            .unwrap_or_else(|error| panic!("{error}"));
        let mut group = criterion.benchmark_group(format!("validate {kind}"));
        group.bench_function("jsonschema, is_valid", |bencher| bencher.iter(|| alone.is_valid(black_box(event))));
        group.bench_function("is_valid", |bencher| {
            bencher.iter(|| contract.is_valid(kind.schema(), black_box(event)));
        });
        group.bench_function("jsonschema, errors", |bencher| {
            bencher.iter(|| alone.iter_errors(black_box(event)).collect::<Vec<_>>());
        });
        group.bench_function("validate_event", |bencher| bencher.iter(|| contract.validate_event(black_box(event))));
    }
}

fn parse(criterion: &mut Criterion) {
    let body = documented(EventKind::RecordCreated).to_string();
    let mut group = criterion.benchmark_group("parse record_created");
    group.bench_function("serde_json, Value", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Value>(black_box(body.as_bytes())));
    });
    group.bench_function("Event::parse", |bencher| bencher.iter(|| Event::parse(black_box(body.as_bytes()))));
}

/// Strategies for an event about a record and for a file, as somebody would write them without a schema.
mod plain {
    use super::{Map, Strategy, Value, any};

    type Uuid = [u8; 16];
    type Envelope = (String, Uuid, Uuid, String);

    pub(super) fn event() -> impl Strategy<Value = (Envelope, Uuid, String)> {
        (("[a-z]{4,12}", any::<Uuid>(), any::<Uuid>(), "[a-z]{4,12}"), any::<Uuid>(), "[a-z]{4,12}")
    }

    type Texts = (String, String, Option<String>, Option<String>, Option<String>, Option<String>);

    type File = (Texts, Option<u64>, Option<(String, String)>, Map<String, Value>);

    pub(super) fn file() -> impl Strategy<Value = File> {
        let text = || "[a-z]{4,12} [a-z]{4,12}";
        let optional = || proptest::option::weighted(0.6, text());
        let fields = proptest::collection::vec((text(), text().prop_map(Value::String)), 0..=3);
        (
            (text(), text(), optional(), optional(), optional(), optional()),
            proptest::option::weighted(0.75, 0..100_000_u64),
            proptest::option::weighted(0.6, (text(), text())),
            fields.prop_map(|members| members.into_iter().collect()),
        )
    }
}

fn generate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("generate record_created");
    drawn(&mut group, "plain proptest", &plain::event());
    drawn(&mut group, "payload, tidy", &payload("webhooks/record_created", Params::tidy()));
    drawn(&mut group, "event_of, tidy", &event_of(EventKind::RecordCreated, Params::tidy()));
    drawn(&mut group, "near_miss, tidy", &near_miss("webhooks/record_created", Params::tidy()));
    group.finish();

    let mut group = criterion.benchmark_group("generate file");
    drawn(&mut group, "plain proptest", &plain::file());
    drawn(&mut group, "payload, tidy", &payload("records/file", Params::tidy()));
    drawn(&mut group, "file, tidy", &file(Params::tidy()));
    drawn(&mut group, "near_miss, tidy", &near_miss("records/file", Params::tidy()));
    drawn(&mut group, "payload, edge", &payload("records/file", Params::default()));
}

fn drawn<T: std::fmt::Debug>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    strategy: &impl Strategy<Value = T>,
) {
    let mut runner = TestRunner::deterministic();
    group.bench_function(name, |bencher| bencher.iter(|| strategy.new_tree(&mut runner).map(|tree| tree.current())));
}

criterion_group!(benches, validate, parse, generate);
criterion_main!(benches);

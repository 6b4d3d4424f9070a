//! `generate`: prints generated payloads, one per line.

use paragon_testkit::contract::{EventKind, Revision};
use paragon_testkit::report::exits;
use paragon_testkit::strategies::{HistoryParams, Params, history, near_miss, payload};
use proptest::strategy::{BoxedStrategy, Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::json;

use crate::{args, names, output};

/// Percentage of leaves that are edge cases with `--edge`.
const EDGE: u32 = 50;

pub(crate) fn run(typed: &args::Generate) -> u8 {
    match strategy(typed) {
        Ok(strategy) => {
            let mut runner = TestRunner::new_with_rng(Config::default(), rng(typed.seed));
            // None of these strategies rejects values, so `new_tree` always succeeds.
            output::lines((0..typed.count).map_while(|_| Some(strategy.new_tree(&mut runner).ok()?.current())));
            exits::PASSED
        }
        Err(error) => {
            output::error(&error);
            exits::USAGE
        }
    }
}

fn strategy(typed: &args::Generate) -> Result<BoxedStrategy<String>, String> {
    let params = Params::new(typed.revision.name).edge(if typed.edge { EDGE } else { 0 });
    let of = |schema: &'static str| {
        if typed.invalid {
            let line = |miss: paragon_testkit::strategies::NearMiss| {
                let breaks = json!({"path": miss.breaks.path, "rule": miss.breaks.rule});
                json!({"breaks": breaks, "payload": miss.payload}).to_string()
            };
            near_miss(schema, params).prop_map(line).boxed()
        } else {
            payload(schema, params).prop_map(|payload| payload.to_string()).boxed()
        }
    };
    match typed.kind.as_str() {
        "event" => Ok(Union::new(EventKind::ALL.map(|kind| of(kind.schema()))).boxed()),
        "history" if typed.invalid => Err("--invalid: a generated history is always valid".to_owned()),
        "history" => {
            let history = history(HistoryParams::default().payloads(params));
            Ok(history.prop_map(|scenario| json!(scenario).to_string()).boxed())
        }
        kind => match names::schema(kind)? {
            "report" | "scenario" => {
                Err(format!("{kind:?} cannot be generated; use `history` to generate histories of changes"))
            }
            schema if typed.invalid && unbreakable(schema) => {
                Err(format!("--invalid: the schema {schema} has no rule of its own that a payload could break"))
            }
            schema => Ok(of(schema)),
        },
    }
}

/// Returns whether a schema has no rule of its own that a payload could break. `records/any` is only a choice between
/// other schemas.
fn unbreakable(schema: &str) -> bool {
    matches!(schema, "records/any")
}

/// Returns the random number generator for a seed. The seed is in the first 8 of its 32 seed bytes.
fn rng(seed: u64) -> TestRng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRng::from_seed(RngAlgorithm::ChaCha, &bytes)
}

/// Returns the payload that `send --seed` sends.
pub(crate) fn one(schema: &str, revision: Revision, seed: u64) -> Option<serde_json::Value> {
    let mut runner = TestRunner::new_with_rng(Config::default(), rng(seed));
    let tree = payload(schema, Params::new(revision).edge(0)).new_tree(&mut runner).ok()?;
    Some(tree.current())
}

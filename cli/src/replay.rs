//! `replay`: plays one scenario against a receiver, and judges the receiver.

use paragon_testkit::contract::Pipeline;
use paragon_testkit::report::exits;
use paragon_testkit::scenario::{Action, Scenario};

use crate::plan::Aim;
use crate::player::{Judging, Play};
use crate::{args, output, policies};

pub(crate) fn run(typed: args::Replay, color: bool) -> u8 {
    match prepared(typed) {
        Ok((file, aim, scenario)) => {
            let Scenario { seed, revision, policy, .. } = &scenario;
            let seed = aim.typed.seed.unwrap_or(*seed);
            let judging = Judging::Scenario(&file, &scenario);
            Play { aim: &aim, seed, revision: *revision, policy, judging, color }.run()
        }
        Err(error) => {
            output::error(&error);
            exits::USAGE
        }
    }
}

fn prepared(typed: args::Replay) -> Result<(std::path::PathBuf, Aim, Scenario), String> {
    let args::Replay { file, target, comparing } = typed;
    let aim = Aim::of(target)?;
    let mut scenario = Scenario::load(&file).map_err(|error| {
        if error.is_unreadable() { error.to_string() } else { format!("{}: {error}", file.display()) }
    })?;
    let synced = scenario.steps.iter().filter_map(|step| match &step.action {
        Action::Enable { pipeline, .. } => Some(*pipeline),
        _ => None,
    });
    let mut synced: Vec<_> = synced.collect();
    if synced.is_empty() {
        synced.extend(Pipeline::ALL);
    }
    let aim = aim.comparing(comparing, &synced, scenario.revision)?;
    if let Some(name) = &aim.typed.policy {
        scenario.policy = policies::named(name)?;
    }
    Ok((file, aim, scenario))
}

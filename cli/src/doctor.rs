//! `doctor`: examines how a receiver is set up, without judging it.

use paragon_testkit::contract::Revision;
use paragon_testkit::delivery::Policy;
use paragon_testkit::report::exits;

use crate::plan::{Aim, a_seed};
use crate::player::{Judging, Play};
use crate::{args, output, policies};

pub(crate) fn run(typed: args::Doctor, color: bool) -> u8 {
    match prepared(typed) {
        Ok((aim, policy)) => {
            let seed = aim.typed.seed.unwrap_or_else(a_seed);
            let (revision, policy) = (Revision::default(), &policy);
            Play { aim: &aim, seed, revision, policy, judging: Judging::SetUp, color }.run()
        }
        Err(error) => {
            output::error(&error);
            exits::USAGE
        }
    }
}

fn prepared(typed: args::Doctor) -> Result<(Aim, Policy), String> {
    let aim = Aim::of(typed.target)?;
    let policy = policies::asked(aim.typed.policy.as_deref())?;
    Ok((aim, policy))
}

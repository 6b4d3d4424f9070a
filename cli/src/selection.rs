//! The cases that `check` judges, and the command that runs a case again.

use std::fs;

use globset::{Glob, GlobSet, GlobSetBuilder};
use paragon_testkit::check::{Case, Histories, Judgment, Known, Level, Suite, Verdict, cases};
use paragon_testkit::contract::{Pipeline, Revision};
use paragon_testkit::delivery::Policy;

use crate::plan::{Aim, a_seed, typed};
use crate::{args, output, policies, reports};

/// The checked options of a `check` run. All invalid values are reported here, before anything is started.
pub(crate) struct Selection {
    pub(crate) typed: args::Judging,
    pub(crate) aim: Aim,
    pub(crate) seed: u64,
    pub(crate) policy: Policy,
    policies: Vec<Policy>,
    only: GlobSet,
    exclude: GlobSet,
    /// Ids of the cases that failed in the last run, with `--rerun-failed`.
    failed: Option<Vec<String>>,
    known: Known,
}

/// Name of the report of the last failed run, in the folder of the failing histories.
const LAST: &str = "report.json";

impl Selection {
    pub(crate) fn of(typed: args::Check) -> Result<Self, String> {
        let args::Check { target, comparing, judging: typed } = typed;
        // The cases that play no histories sync files.
        let pipelines = [&[Pipeline::Files], &typed.pipelines[..]].concat();
        let aim = Aim::of(target)?.comparing(comparing, &pipelines, typed.revision.name)?;
        let failed = typed.rerun_failed.then(|| failed_last(&typed.failures.join(LAST))).transpose()?;
        let policy = policies::asked(aim.typed.policy.as_deref())?;
        let policies = if typed.all_policies { policies::runnable() } else { Vec::new() };
        let only = globs("--case", &typed.cases)?;
        let exclude = globs("--exclude", &typed.exclude)?;
        let known = typed.known.as_deref().map(|file| known(file, typed.write_known)).transpose()?.unwrap_or_default();
        let seed = aim.typed.seed.unwrap_or_else(a_seed);
        Ok(Self { typed, aim, seed, policy, policies, only, exclude, failed, known })
    }

    fn selects(&self, case: &Case) -> bool {
        let level = match self.typed.level {
            args::Level::Must => Level::Must,
            args::Level::Should => Level::Should,
            args::Level::May => Level::May,
        };
        let has_failed = |ids: &Vec<String>| ids.iter().any(|id| id == case.id);
        self.failed.as_ref().is_none_or(has_failed)
            && case.level <= level
            && (self.only.is_empty() || self.only.is_match(case.id))
            && !self.exclude.is_match(case.id)
    }

    pub(crate) fn selected(&self) -> impl Iterator<Item = &'static Case> {
        cases().iter().filter(|case| self.selects(case))
    }

    fn histories(&self) -> Histories {
        let args::Judging { histories, max_time, pipelines, .. } = &self.typed;
        Histories::default().cases(*histories as usize).max_time(*max_time).pipelines(pipelines.iter().copied())
    }

    /// Applies the options of `check` to a suite.
    pub(crate) fn suite<'a>(&'a self, suite: Suite<'a>) -> Suite<'a> {
        let suite = if self.typed.fail_fast { suite.fail_fast() } else { suite };
        suite
            .histories(self.histories())
            .without(self.typed.without.iter().copied())
            .policies(self.policies.clone())
            .failures(&self.typed.failures)
            .known(self.known.clone())
            .select(|case| self.selects(case))
    }

    /// Saves the report of a failed run for `--rerun-failed`. Removes the saved report if no case failed and the run
    /// was not interrupted: an interrupted run does not know whether a later case would have failed.
    pub(crate) fn remember(&self, judgment: &Judgment, report: &str, is_interrupted: bool) {
        let (folder, file) = (&self.typed.failures, self.typed.failures.join(LAST));
        if judgment.count(Verdict::Fail) > 0 {
            let kept = fs::create_dir_all(folder).and_then(|()| reports::replace(&file, report));
            if let Err(error) = kept {
                output::note(&format!("cannot save the failed cases to {}: {error}", file.display()));
            }
        } else if !is_interrupted && fs::remove_file(&file).is_ok() {
            // Removes the folder only if it is empty.
            let _ = fs::remove_dir(folder);
        }
    }

    /// Updates the file of known failures if `--write-known` asks for that. Returns what was changed.
    pub(crate) fn write_known(&self, judgment: &Judgment) -> Result<Option<String>, String> {
        let Some(file) = self.typed.known.as_deref().filter(|_| self.typed.write_known) else { return Ok(None) };
        let known = self.known.after(judgment);
        reports::replace(file, &known.to_string()).map_err(|error| format!("--known {}: {error}", file.display()))?;
        let among = |list: &Known, name: &str| list.names().any(|other| other == name);
        let added = known.names().filter(|name| !among(&self.known, name)).count();
        let taken_out = self.known.names().filter(|name| !among(&known, name)).count();
        let all = known.names().count();
        let cases = if all == 1 { "1 case" } else { &format!("{all} cases") };
        Ok(Some(format!("{}: {cases} known to fail, {added} added, {taken_out} taken out\n", file.display())))
    }

    /// Returns the command that runs one case of this run again.
    pub(crate) fn reproduce(&self, case: &str) -> String {
        let default = Histories::default();
        let mut more: Vec<(&str, String)> = Vec::new();
        if self.typed.revision.name != Revision::default() {
            more.push(("--revision", self.typed.revision.name.name().to_owned()));
        }
        if self.typed.level != args::Level::Should {
            more.push(("--level", self.typed.level.name().to_owned()));
        }
        if !self.typed.without.is_empty() {
            let names: Vec<_> = self.typed.without.iter().map(|kind| kind.name()).collect();
            more.push(("--without", names.join(",")));
        }
        if self.typed.all_policies && case.starts_with("pol-") {
            more.push(("--all-policies", String::new()));
        }
        if case.starts_with("conv-") {
            let Histories { cases, max_time, pipelines, .. } = self.histories();
            if max_time != default.max_time {
                more.push(("--max-time", typed(max_time)));
            }
            if cases != default.cases {
                more.push(("--cases", cases.to_string()));
            }
            if pipelines != default.pipelines {
                let names: Vec<_> = pipelines.iter().map(|pipeline| pipeline.name()).collect();
                more.push(("--pipelines", names.join(",")));
            }
        }
        more.push(("--case", case.to_owned()));
        more.push(("--seed", self.seed.to_string()));
        self.aim.again("check", None, &more)
    }
}

/// Reads the file of `--known`. If the file is to be written, it need not exist.
fn known(file: &std::path::Path, is_written: bool) -> Result<Known, String> {
    match fs::read_to_string(file) {
        Ok(text) => Known::parse(&text)
            .map_err(|error| format!("--known {}: {error} (`paragon-testkit cases` lists all cases)", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_written => Ok(Known::default()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("--known {}: the file does not exist; --write-known writes it", file.display()))
        }
        Err(error) => Err(format!("--known {}: {error}", file.display())),
    }
}

/// Returns the ids of the cases that failed in the last run, from the saved report.
fn failed_last(file: &std::path::Path) -> Result<Vec<String>, String> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(format!(
                "--rerun-failed: nothing has failed in an earlier run: the file {} does not exist",
                file.display()
            ));
        }
        Err(error) => return Err(format!("--rerun-failed: {}: {error}", file.display())),
    };
    let wrong = || format!("--rerun-failed: {} is not a report of `check`; remove the file", file.display());
    let report: serde_json::Value = serde_json::from_str(&text).map_err(|_| wrong())?;
    let results = report["cases"].as_array().ok_or_else(wrong)?.iter();
    let failed = results.filter(|case| case["verdict"] == "fail").filter_map(|case| case["id"].as_str());
    Ok(failed.map(str::to_owned).collect())
}

fn globs(flag: &str, patterns: &[String]) -> Result<GlobSet, String> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(
            Glob::new(pattern)
                .map_err(|error| format!("{flag} {pattern:?}: expected a pattern such as rec-* ({error})"))?,
        );
    }
    set.build().map_err(|error| format!("{flag}: {error}"))
}

use std::path::PathBuf;

use crate::scenario::{Scenario, ScenarioError};

/// Folder of histories that have failed. It keeps the shortest one of each case, as a scenario file named after the
/// case. The next run plays the file first, and removes the file when the case passes.
#[derive(Clone, Debug)]
pub(super) struct Failures(pub(super) PathBuf);

impl Failures {
    fn file(&self, case: &str) -> PathBuf {
        self.0.join(format!("{case}.json"))
    }

    /// Returns the history that failed in an earlier run, if there is one.
    pub(super) fn of(&self, case: &str) -> Result<Option<Scenario>, ScenarioError> {
        let file = self.file(case);
        if file.exists() { Scenario::load(file).map(Some) } else { Ok(None) }
    }

    /// Saves a history, and replaces an older one of the same case.
    pub(super) fn keep(&self, case: &str, scenario: &Scenario) -> std::io::Result<PathBuf> {
        let file = self.file(case);
        std::fs::create_dir_all(&self.0)?;
        // The file is renamed into place, so a concurrent reader finds either the old or the new history, never half of
        // one.
        let unfinished = file.with_extension("json.new");
        std::fs::write(&unfinished, scenario.to_json())?;
        std::fs::rename(unfinished, &file)?;
        Ok(file)
    }

    /// Removes the history of a case that passes again, and the folder if it is then empty.
    pub(super) fn forget(&self, case: &str) {
        if std::fs::remove_file(self.file(case)).is_ok() {
            let _ = std::fs::remove_dir(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_kept_until_it_passes() {
        let folder = tempfile::tempdir().unwrap();
        let failures = Failures(folder.path().join("deep").join("failures"));
        assert_eq!(failures.of("conv-quiet").unwrap(), None);
        failures.forget("conv-quiet");
        let scenario = Scenario::new(7, Vec::new());
        let file = failures.keep("conv-quiet", &scenario).unwrap();
        assert_eq!(failures.of("conv-quiet").unwrap(), Some(scenario.clone()));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), scenario.to_json());
        assert_eq!(failures.keep("conv-quiet", &Scenario::new(8, Vec::new())).unwrap(), file);
        assert_eq!(failures.of("conv-quiet").unwrap().unwrap().seed, 8);
        failures.keep("conv-api", &scenario).unwrap();
        failures.forget("conv-quiet");
        assert_eq!(failures.of("conv-quiet").unwrap(), None);
        failures.forget("conv-api");
        assert!(!failures.0.exists());
    }

    #[test]
    fn a_file_that_is_no_scenario_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("conv-quiet.json"), "{}").unwrap();
        let error = Failures(folder.path().to_owned()).of("conv-quiet").unwrap_err();
        assert!(error.to_string().starts_with("not a scenario"), "{error}");
    }
}

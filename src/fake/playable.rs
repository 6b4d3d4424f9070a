use super::simulation::{Simulation, check_configuration};
use crate::contract::SyncId;
use crate::scenario::{Action, Scenario, ScenarioError};
use crate::sync::EnableError;

/// Checks whether the steps can happen here, as far as this can be known in advance.
pub(super) fn can_play(simulation: &Simulation, scenario: &Scenario) -> Result<(), ScenarioError> {
    for (index, step) in scenario.steps.iter().enumerate() {
        let wrong = |problem: String| ScenarioError::of_step(index, problem);
        let Action::Enable { user, integration: name, pipeline, configuration_name, configuration } = &step.action
        else {
            continue;
        };
        let id = SyncId::derive(simulation.engine.project(), user, name, pipeline.name(), configuration_name);
        if simulation.engine.get(&id).is_some() {
            return Err(wrong(EnableError::exists(id).to_string()));
        }
        check_configuration(name, *pipeline, configuration).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

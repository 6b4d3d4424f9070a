//! `policies`: lists and prints the presets. Also loads the policy of the option `--policy`.

use std::path::Path;

use paragon_testkit::delivery::Policy;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Policies) -> u8 {
    output::result_or_error(typed.name.as_ref().map_or_else(|| Ok(table()), |name| json(name, typed.filled)))
}

fn json(name: &str, filled: bool) -> Result<String, String> {
    let found = if filled { Policy::preset_filled(name) } else { Policy::preset(name) };
    let policy = found.map_err(|error| format!("{error}{}", meant(name)))?;
    serde_json::to_string_pretty(&policy).map(|json| format!("{json}\n")).map_err(|error| error.to_string())
}

/// Returns a suggestion, if a preset has a similar name.
fn meant(text: &str) -> String {
    names::meant(text, Policy::PRESETS.iter().map(|(name, _)| *name))
}

fn table() -> String {
    let head = format!("{:<20} {:<11} {:<5} what it is from\n", "policy", "grade", "open");
    Policy::PRESETS.iter().filter_map(|(name, _)| Policy::preset(name).ok()).fold(head, |table, policy| {
        let open = policy.open_cells().len();
        format!("{table}{:<20} {:<11} {open:<5} {}\n", policy.name, policy.grade.to_string(), policy.source)
    })
}

/// Loads the policy of `--policy` if it is given, and `paragon-assumed` otherwise.
pub(crate) fn asked(text: Option<&str>) -> Result<Policy, String> {
    text.map_or_else(|| Ok(Policy::paragon_assumed()), named)
}

/// Loads the policy of `--policy`: a preset, or a file. The cells that the policy leaves open are filled from
/// `paragon-assumed`; for a file a note lists them.
pub(crate) fn named(text: &str) -> Result<Policy, String> {
    let extension = Path::new(text).extension().and_then(|extension| extension.to_str());
    let policy = match extension {
        Some("json" | "toml") => {
            let wrong = |why: String| format!("--policy {text}: {why}");
            let read = std::fs::read_to_string(text).map_err(|error| wrong(error.to_string()))?;
            let policy = if extension == Some("json") {
                serde_json::from_str::<Policy>(&read).map_err(|error| error.to_string())
            } else {
                toml::from_str::<Policy>(&read).map_err(|error| error.to_string())
            };
            let policy = policy.map_err(wrong)?;
            let open = policy.open_cells();
            if !open.is_empty() {
                output::note(&format!(
                    "{text} leaves these settings open: {}; they are filled from paragon-assumed",
                    open.join(", ")
                ));
            }
            policy.with_fallback(&Policy::paragon_assumed())
        }
        _ => Policy::preset_filled(text).map_err(|error| {
            format!(
                "--policy: {error}; expected one of these names, or a file that ends in .toml or .json{}",
                meant(text)
            )
        })?,
    };
    policy.rules().map_err(|error| format!("--policy: {error}"))?;
    Ok(policy)
}

/// Returns all presets that can run.
pub(crate) fn runnable() -> Vec<Policy> {
    let filled = Policy::PRESETS.iter().filter_map(|(name, _)| Policy::preset_filled(name).ok());
    filled.filter(|policy| policy.rules().is_ok()).collect()
}

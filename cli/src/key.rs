//! `key`: prints the signing key of the project.

use paragon_testkit::fake::Project;

use crate::{args, output, plan};

pub(crate) fn run(typed: &args::Key) -> u8 {
    output::result_or_error(text(typed))
}

fn text(typed: &args::Key) -> Result<String, String> {
    let own = typed.signing_key.as_deref().map(plan::signing_key).transpose()?;
    let project = Project::new(plan::PROJECT, own);
    let public = project.public_key().map_err(|error| match &typed.signing_key {
        Some(file) => format!("--signing-key {}: {error}", file.display()),
        None => error.to_string(),
    })?;
    Ok(if typed.public { public } else { project.signing_key })
}

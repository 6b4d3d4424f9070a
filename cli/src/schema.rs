//! `schema`: lists, prints and exports the JSON Schemas and the API descriptions.

use std::fs;
use std::path::Path;

use paragon_testkit::contract::{ADMIN_API, ASYNCAPI, Contract, Layer, OPENAPI, schemas};
use paragon_testkit::report::exits;

use crate::{args, names, output};

/// API descriptions, which refer to the schemas. Each has a name, a title and the text.
const DESCRIPTIONS: [(&str, &str, &str); 3] = [
    ("openapi", "Sync API and Permissions API, in OpenAPI", OPENAPI),
    ("asyncapi", "the webhooks, in AsyncAPI", ASYNCAPI),
    ("admin", "the admin API of the fake, in OpenAPI", ADMIN_API),
];

/// Name of the schema of `paragon-testkit.toml`. The other schemas are part of the contract with Paragon.
const CONFIG: &str = "config";

fn config() -> String {
    format!("{:#}\n", crate::config::schema())
}

pub(crate) fn run(typed: &args::Schema) -> u8 {
    let layer = if typed.strict { Layer::Strict } else { Layer::Tolerant };
    let contract = Contract::new(typed.revision.name, layer);
    if let Some(folder) = &typed.export {
        return match export(contract, folder) {
            Ok(()) => exits::PASSED,
            Err(error) => {
                output::error(&format!("--export {}: {error}", folder.display()));
                exits::USAGE
            }
        };
    }
    match typed.name.as_deref() {
        None => output::result(&table()),
        Some(CONFIG) => output::result(&config()),
        Some(name) => match DESCRIPTIONS.iter().find(|(description, ..)| *description == name) {
            Some((.., text)) => output::result(text),
            None => match names::schema(name) {
                Ok(name) => output::result(&format!("{:#}\n", contract.bundle(name))),
                Err(error) => {
                    output::error(&error);
                    return exits::USAGE;
                }
            },
        },
    }
    exits::PASSED
}

fn export(contract: Contract, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for schema in schemas() {
        let file = folder.join(format!("{}.json", schema.name));
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(file, format!("{:#}\n", contract.schema(schema.name)))?;
    }
    for (name, _, text) in DESCRIPTIONS {
        fs::write(folder.join(format!("{name}.yaml")), text)?;
    }
    fs::write(folder.join(format!("{CONFIG}.json")), config())?;
    let (schemas, descriptions) = (schemas().len() + 1, DESCRIPTIONS.len());
    output::note(&format!("{schemas} schemas and {descriptions} descriptions are in {}", folder.display()));
    Ok(())
}

fn table() -> String {
    let line = |schema: &paragon_testkit::contract::Schema| {
        let title = schema.json["title"].as_str().unwrap_or_default();
        format!("{:<34} {:<11} {title}\n", schema.name, schema.provenance.grade)
    };
    let head = format!("{:<34} {:<11} what it is\n", "schema", "grade");
    let descriptions = DESCRIPTIONS.map(|(name, about, _)| format!("{name:<34} {:<11} {about}\n", ""));
    let config = format!("{CONFIG:<34} {:<11} the file paragon-testkit.toml\n", "");
    schemas().iter().map(line).fold(head, |table, line| table + &line) + &descriptions.concat() + &config
}

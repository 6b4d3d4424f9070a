//! `schema`: the JSON Schemas and the descriptions.

use std::fs;
use std::path::Path;

use paragon_testkit::contract::{ADMIN_API, ASYNCAPI, Contract, Layer, OPENAPI, schemas};
use paragon_testkit::report::exits;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Schema) -> u8 {
    let layer = if typed.strict { Layer::Strict } else { Layer::Tolerant };
    let contract = Contract { revision: typed.revision.name, layer };
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
        Some("openapi") => output::result(OPENAPI),
        Some("asyncapi") => output::result(ASYNCAPI),
        Some("admin") => output::result(ADMIN_API),
        Some(name) => match names::schema(name) {
            Ok(name) => output::result(&format!("{:#}\n", contract.bundle(name))),
            Err(error) => {
                output::error(&error);
                return exits::USAGE;
            }
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
    fs::write(folder.join("openapi.yaml"), OPENAPI)?;
    fs::write(folder.join("asyncapi.yaml"), ASYNCAPI)?;
    fs::write(folder.join("admin.yaml"), ADMIN_API)?;
    output::note(&format!("{} schemas and two descriptions are in {}", schemas().len(), folder.display()));
    Ok(())
}

fn table() -> String {
    let line = |schema: &paragon_testkit::contract::Schema| {
        let title = schema.json["title"].as_str().unwrap_or_default();
        format!("{:<34} {:<11} {title}\n", schema.name, schema.provenance.grade)
    };
    let head = format!("{:<34} {:<11} what it is\n", "schema", "grade");
    let descriptions =
        ["openapi", "asyncapi"].map(|name| format!("{name:<34} {:<11} a description that refers to all of them\n", ""));
    schemas().iter().map(line).fold(head, |table, line| table + &line) + &descriptions.concat()
}

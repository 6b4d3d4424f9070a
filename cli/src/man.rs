//! `man`: generates the manual pages from the definitions in `args`.

use std::path::Path;
use std::{fs, io, iter};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Man) -> u8 {
    let mut program = args::Program::command();
    // Passes the global options and the full names on to the commands.
    program.build();
    let said = match (&typed.export, &typed.verb) {
        (Some(folder), _) => {
            export(&program, folder).map_err(|error| format!("--export {}: {error}", folder.display()))
        }
        (None, None) => page(&program).map_err(|error| error.to_string()),
        (None, Some(verb)) => find(&program, verb).and_then(|verb| page(verb).map_err(|error| error.to_string())),
    };
    output::result_or_error(said)
}

fn verbs(program: &Command) -> impl Iterator<Item = &Command> {
    program.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

fn find<'a>(program: &'a Command, name: &str) -> Result<&'a Command, String> {
    verbs(program).find(|verb| verb.get_name() == name).ok_or_else(|| {
        let meant = names::meant(name, verbs(program).map(Command::get_name));
        format!("there is no command {name:?}{meant}; `paragon-testkit help` lists all commands")
    })
}

fn page(command: &Command) -> io::Result<String> {
    let mut page = Vec::new();
    let version = concat!("paragon-testkit ", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone()).source(version).manual("paragon-testkit").render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

fn export(program: &Command, folder: &Path) -> io::Result<String> {
    fs::create_dir_all(folder)?;
    // The page of a command refers to the pages of its own commands.
    let pages = || iter::once(program).chain(verbs(program).flat_map(|verb| iter::once(verb).chain(verbs(verb))));
    for command in pages() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    }
    output::note(&format!("{} manual pages are in {}", pages().count(), folder.display()));
    Ok(String::new())
}

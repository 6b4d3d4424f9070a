//! `fixture`: lists and prints the example payloads.

use paragon_testkit::contract::{Fixture, fixture, fixtures};
use paragon_testkit::report::exits;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Fixture) -> u8 {
    match typed.name.as_deref() {
        None => output::result(&table(|_| true)),
        Some(name) => match find(name) {
            Ok(Found::One(fixture)) => output::result(&format!("{:#}\n", fixture.body)),
            Ok(Found::Of(schema)) => output::result(&table(|fixture| fixture.schema() == schema)),
            Err(error) => {
                output::error(&error);
                return exits::USAGE;
            }
        },
    }
    exits::PASSED
}

enum Found {
    One(&'static Fixture),
    Of(&'static str),
}

fn find(name: &str) -> Result<Found, String> {
    if let Some(fixture) = fixture(name) {
        return Ok(Found::One(fixture));
    }
    let of = names::schema(name).ok().filter(|schema| fixtures().iter().any(|fixture| fixture.schema() == *schema));
    of.map(Found::Of).ok_or_else(|| {
        let meant = names::meant(name, fixtures().iter().map(|fixture| fixture.name.as_str()));
        format!("there is no fixture {name:?}{meant}; `paragon-testkit fixture` lists all fixtures")
    })
}

fn table(of: impl Fn(&Fixture) -> bool) -> String {
    let mut fixtures: Vec<_> = fixtures().iter().filter(|fixture| of(fixture)).collect();
    fixtures.sort_by_key(|fixture| fixture.breaks.is_some());
    let width = fixtures.iter().map(|fixture| fixture.name.len()).max().unwrap_or_default();
    let line = |fixture: &&Fixture| {
        let Fixture { name, revision, provenance, about, .. } = fixture;
        format!("{name:<width$}  {:<13}  {:<10}  {about}\n", revision, provenance.grade)
    };
    format!("{:<width$}  revision       grade       what it shows\n", "fixture")
        + &fixtures.iter().map(line).collect::<String>()
}

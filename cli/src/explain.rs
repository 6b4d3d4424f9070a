//! `explain`: prints what a rule, case, schema, member or fixture says, why, and how certain that is.

use std::fmt::Write as _;

use paragon_testkit::check::{Case, cases};
use paragon_testkit::contract::{
    Contract, Fixture, Grade, Member, Provenance, Rule, fixture, fixtures, members, provenance_table, rule, rules,
    schemas,
};
use paragon_testkit::report::exits;

use crate::{args, names, output};

pub(crate) fn run(typed: &args::Explain) -> u8 {
    if typed.all {
        output::result(&provenance_table());
        return exits::PASSED;
    }
    let id = typed.id.as_deref().unwrap_or_default();
    if let Some(text) = explain(id) {
        output::result(&text);
        return exits::PASSED;
    }
    let known = rules().map(|rule| rule.id).chain(cases().iter().map(|case| case.id));
    let known = known.chain(schemas().iter().map(|schema| schema.name));
    let meant = names::meant(id, known.chain(fixtures().iter().map(|fixture| fixture.name.as_str())));
    let lists = "`explain --all`, `cases`, `schema` and `fixture` list all names";
    output::error(&format!("there is no rule, case, schema, member or fixture {id:?}{meant}; {lists}"));
    exits::USAGE
}

fn explain(id: &str) -> Option<String> {
    if let Some(rule) = rule(id) {
        return Some(of_rule(rule));
    }
    if let Some(case) = cases().iter().find(|case| case.id == id) {
        return Some(of_case(case));
    }
    if let Some(fixture) = fixture(id) {
        return Some(of_fixture(fixture));
    }
    let (name, path) = id.split_once('#').map_or((id, None), |(name, path)| (name, Some(path)));
    let name = names::schema(name).ok()?;
    match path {
        None => Some(of_schema(name)),
        Some(path) => {
            let path = path.trim_start_matches('/').replace('/', ".");
            members().iter().find(|member| member.schema == name && member.path == path).map(of_member)
        }
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<10} {value}");
}

fn sure(text: &mut String, grade: Grade, source: &str, checked: &str) {
    line(text, "how sure", &format!("{grade}, last read {checked}"));
    line(text, "source", source);
}

fn of_rule(rule: &Rule) -> String {
    let mut text = format!("{} ({})\n", rule.id, rule.kind);
    line(&mut text, "what", rule.says);
    if let Some(here) = rule.here {
        line(&mut text, "here", here);
    }
    if let Some(knob) = rule.knob {
        line(&mut text, "changed by", knob);
    }
    sure(&mut text, rule.grade, rule.source, rule.checked);
    let resting =
        cases().iter().filter(|case| case.rests_on.contains(&rule.id)).map(|case| case.id).collect::<Vec<_>>();
    if !resting.is_empty() {
        line(&mut text, "cases", &resting.join(", "));
    }
    text
}

fn of_case(case: &Case) -> String {
    let mut text = format!("{} (case, {})\n", case.id, case.level);
    line(&mut text, "what", case.title);
    line(&mut text, "why", case.why);
    line(&mut text, "fix", case.fix);
    line(&mut text, "how sure", &format!("{}, the weakest grade of the rules that the case rests on", case.grade()));
    for rule in case.rules() {
        line(&mut text, "rests on", &format!("{} ({}): {}", rule.id, rule.grade, rule.says));
    }
    text
}

fn of_fixture(fixture: &Fixture) -> String {
    let mut text = format!("{} (fixture)\n", fixture.name);
    line(&mut text, "what", &fixture.about);
    line(&mut text, "contract", &format!("{}, {}", fixture.revision, fixture.layer));
    if let Some(breaks) = &fixture.breaks {
        let path = if breaks.path.is_empty() { "the payload" } else { &breaks.path };
        line(&mut text, "breaks", &format!("{} at {path}", breaks.rule));
    }
    let Provenance { grade, source, checked, .. } = &fixture.provenance;
    sure(&mut text, *grade, source, checked);
    text
}

fn of_schema(name: &'static str) -> String {
    let schema = Contract::default().schema(name);
    let mut text = format!("{name} (schema)\n");
    line(&mut text, "what", schema["title"].as_str().unwrap_or_default());
    if let Some(description) = schema["description"].as_str() {
        line(&mut text, "note", description);
    }
    if let Some(schema) = schemas().iter().find(|schema| schema.name == name) {
        let Provenance { grade, source, checked, .. } = &schema.provenance;
        sure(&mut text, *grade, source, checked);
    }
    for member in members().iter().filter(|member| member.schema == name) {
        let required = if member.required { "" } else { ", optional" };
        line(&mut text, "member", &format!("{} ({}{required}, {})", member.path, member.kind, member.provenance.grade));
    }
    text
}

fn of_member(member: &Member) -> String {
    let mut text = format!("{}#{} (member)\n", member.schema, member.path);
    line(&mut text, "what", member.description);
    line(&mut text, "type", &member.kind);
    line(&mut text, "required", if member.required { "yes" } else { "no" });
    if let Some(since) = member.since {
        line(&mut text, "since", since.name());
    }
    if let Some(name) = member.formerly {
        line(&mut text, "formerly", name);
    }
    let Provenance { grade, source, checked, .. } = &member.provenance;
    sure(&mut text, *grade, source, checked);
    text
}

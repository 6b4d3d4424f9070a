use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::case::ReportedCase;
use super::digest::{INTERRUPTED, plain};
use super::escape::{cut, one_line, visible};
use super::json::Report;
use super::policies::policies;
use crate::check::{MENDED, Verdict};

/// Maximum number of characters of the message that CI servers show first.
const MESSAGE: usize = 200;

/// Status of a case in the `JUnit` report.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Passed,
    Failed,
    Skipped,
}

impl Status {
    fn of(case: &ReportedCase) -> Self {
        match case.verdict {
            _ if case.decides => Self::Failed,
            Verdict::Pass => Self::Passed,
            Verdict::Fail | Verdict::NotEvaluable | Verdict::Skipped => Self::Skipped,
        }
    }
}

pub(super) fn write(report: &Report) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Writing to memory cannot fail, and the bytes are UTF-8 because all text came from strings.
    suites(report, &mut xml).unwrap_or_else(|error| unreachable!("a vector takes all: {error}"));
    let mut text = String::from_utf8(xml.into_inner()).unwrap_or_else(|error| unreachable!("all text: {error}"));
    text.push('\n');
    text
}

type Xml = Writer<Vec<u8>>;

fn suites(report: &Report, xml: &mut Xml) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all: Vec<_> = report.cases.iter().collect();
    // The Jenkins schema is the only public schema that CI servers follow. It allows no `skipped` attribute here.
    let attributes = totals(&all, report.interrupted).into_iter().filter(|(name, _)| *name != "skipped");
    let mut element = xml.create_element("testsuites").with_attribute(("name", "paragon-testkit"));
    for (name, value) in attributes {
        element = element.with_attribute((name, value.as_str()));
    }
    element.write_inner_content(|xml| {
        policies(&report.cases).into_iter().try_for_each(|policy| suite(report, policy, xml))?;
        if report.interrupted { interruption(xml) } else { Ok(()) }
    })?;
    Ok(())
}

/// Writes a separate suite with an error, so that no CI server takes an interrupted run for a complete one.
fn interruption(xml: &mut Xml) -> io::Result<()> {
    let mut element = xml.create_element("testsuite").with_attribute(("name", "paragon-testkit"));
    for (name, value) in [("tests", "1"), ("failures", "0"), ("errors", "1"), ("skipped", "0"), ("time", "0.000")] {
        element = element.with_attribute((name, value));
    }
    element.write_inner_content(|xml| {
        let element = xml.create_element("testcase").with_attribute(("classname", "paragon-testkit"));
        let element = element.with_attribute(("name", "the run reaches its end")).with_attribute(("time", "0.000"));
        element.write_inner_content(|xml| {
            let error = xml.create_element("error").with_attribute(("type", "interrupted"));
            error.with_attribute(("message", INTERRUPTED)).write_empty()?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn suite(report: &Report, policy: &str, xml: &mut Xml) -> io::Result<()> {
    let cases: Vec<_> = report.cases.iter().filter(|case| case.policy == policy).collect();
    let name = one_line(policy);
    let mut element = xml.create_element("testsuite").with_attribute(("name", name.as_str()));
    for (name, value) in totals(&cases, false) {
        element = element.with_attribute((name, value.as_str()));
    }
    let properties = [
        ("target", one_line(&report.target)),
        ("seed", report.seed.to_string()),
        ("revision", report.revision.to_string()),
        ("policy", name.clone()),
        ("version", report.version.to_owned()),
        ("started", report.started.to_string()),
        ("seconds", seconds(report.seconds)),
    ];
    element.write_inner_content(|xml| {
        xml.create_element("properties").write_inner_content(|xml| {
            properties.iter().try_for_each(|(name, value)| {
                let property = xml.create_element("property").with_attribute(("name", *name));
                property.with_attribute(("value", value.as_str())).write_empty().map(|_| ())
            })
        })?;
        cases.iter().try_for_each(|case| testcase(case, &name, xml))
    })?;
    Ok(())
}

fn testcase(case: &ReportedCase, policy: &str, xml: &mut Xml) -> io::Result<()> {
    let family = case.id.split('-').next().unwrap_or(case.id);
    // Some CI servers identify a test by these two attributes alone, so the class name includes the policy.
    let element = xml
        .create_element("testcase")
        .with_attribute(("classname", format!("{policy}.{family}").as_str()))
        .with_attribute(("name", format!("{}: {}", case.id, case.title).as_str()))
        .with_attribute(("time", seconds(case.seconds).as_str()));
    let first = cut(&one_line(case.detail.lines().next().unwrap_or_default()), MESSAGE);
    let (tag, kind, message, body) = match (Status::of(case), case.verdict) {
        (Status::Passed, _) => {
            element.write_empty()?;
            return Ok(());
        }
        (Status::Failed, Verdict::Pass) => ("failure", "known".to_owned(), MENDED.to_owned(), None),
        (Status::Failed, _) => ("failure", case.level.to_string(), first, Some(plain(case))),
        (_, Verdict::Fail) if case.known => {
            ("skipped", "known".to_owned(), format!("known to fail: {first}"), Some(plain(case)))
        }
        (_, Verdict::Fail) => (
            "skipped",
            "may".to_owned(),
            format!("failed, but a failure at level may never decides: {first}"),
            Some(plain(case)),
        ),
        (_, Verdict::NotEvaluable) => ("skipped", "not_evaluable".to_owned(), first, Some(visible(&case.detail))),
        _ => ("skipped", "skipped".to_owned(), first, None),
    };
    element.write_inner_content(|xml| {
        let element = xml.create_element(tag).with_attribute(("type", kind.as_str()));
        let element = element.with_attribute(("message", message.as_str()));
        match body {
            Some(body) => element.write_text_content(BytesText::new(&body))?,
            None => element.write_empty()?,
        };
        Ok(())
    })?;
    Ok(())
}

/// Returns the totals of a suite. An interrupted run counts one more test, which is an error.
fn totals(cases: &[&ReportedCase], interrupted: bool) -> [(&'static str, String); 5] {
    let errors = usize::from(interrupted);
    let count = |status| cases.iter().filter(|case| Status::of(case) == status).count().to_string();
    [
        ("tests", (cases.len() + errors).to_string()),
        ("failures", count(Status::Failed)),
        ("errors", errors.to_string()),
        ("skipped", count(Status::Skipped)),
        ("time", seconds(cases.iter().map(|case| case.seconds).sum())),
    ]
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

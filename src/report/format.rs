use std::fmt;
use std::str::FromStr;

use super::json::Report;
use super::{html, junit, markdown, sarif};

/// What a report can be written as.
///
/// ```
/// use paragon_testkit::report::Format;
///
/// assert_eq!("junit".parse(), Ok(Format::Junit));
/// let error = "xml".parse::<Format>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown format \"xml\", expected one of json, junit, sarif, md, html");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Everything; `schemas/report.json` is its schema.
    Json,
    /// `JUnit` XML, which every CI reads. A suite for each policy. What fails at level `may`, and what could not be
    /// judged, is skipped in it, so that it never decides.
    Junit,
    /// SARIF 2.1.0, for code scanning. A rule for each case, a result for each failure; what could not be judged is a
    /// notification, since code scanning would take any result for an alert. A receiver has no source file that is
    /// known here, so the path of its webhook stands for one.
    Sarif,
    /// Markdown, such as for the summary of a step on GitHub, which takes 1 MiB: past that the last failures are told
    /// by their names alone.
    Md,
    /// One page that needs nothing else: no network, no script.
    Html,
}

/// A format that there is none of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {name:?}, expected one of {}", Format::ALL.map(Format::name).join(", "))]
#[non_exhaustive]
pub struct UnknownFormat {
    /// What was asked for.
    pub name: String,
}

impl Format {
    /// Each of them.
    pub const ALL: [Self; 5] = [Self::Json, Self::Junit, Self::Sarif, Self::Md, Self::Html];

    /// What it is called on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Md => "md",
            Self::Html => "html",
        }
    }

    /// The report in this format, with a newline at the end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use paragon_testkit::{FakeParagon, check::Suite, report::Report};
    /// use paragon_testkit::report::Format;
    /// # let suite = Suite::for_receiver("http://127.0.0.1:3000/webhook".parse()?).select(|_| false);
    /// # let judgement = suite.run(&FakeParagon::start().await).await;
    ///
    /// let report = Report::new(&judgement, |case| format!("paragon-testkit check … --case {case}"));
    /// assert!(Format::Md.write(&report).starts_with("## "));
    /// # Ok(()) }
    /// ```
    pub fn write(self, report: &Report) -> String {
        match self {
            Self::Json => report.to_json(),
            Self::Junit => junit::write(report),
            Self::Sarif => sarif::write(report),
            Self::Md => markdown::write(report),
            Self::Html => html::write(report),
        }
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.into_iter().find(|format| format.name() == name);
        known.ok_or_else(|| UnknownFormat { name: name.to_owned() })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

use std::fmt;
use std::str::FromStr;

use super::json::Report;
use super::{html, junit, markdown, sarif};

/// Format of a report.
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
    /// JSON with all details. `schemas/report.json` is its schema.
    Json,
    /// `JUnit` XML, which every CI server reads, with one suite for each policy. Failing cases at level `may` and cases
    /// that could not be judged are skipped, so they cannot fail a build.
    Junit,
    /// SARIF 2.1.0, for code scanning, with one rule for each case and one result for each failure. Cases that could
    /// not be judged are notifications, because code scanning treats any result as an alert. The source file of a
    /// receiver is not known, so the path of its webhook stands for the file.
    Sarif,
    /// Markdown, for example for the summary of a step on GitHub. GitHub accepts 1 MiB, so failures beyond that are
    /// only listed by name.
    Md,
    /// A single HTML page that works without network and without scripts.
    Html,
}

/// Error of an unknown format name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {name:?}, expected one of {}", Format::ALL.map(Format::name).join(", "))]
#[non_exhaustive]
pub struct UnknownFormat {
    /// The name that was requested.
    pub name: String,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::Json, Self::Junit, Self::Sarif, Self::Md, Self::Html];

    /// Returns the name of the format on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Md => "md",
            Self::Html => "html",
        }
    }

    /// Writes a report in this format, with a newline at the end.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use paragon_testkit::{FakeParagon, check::Suite, report::Report};
    /// use paragon_testkit::report::Format;
    /// # let suite = Suite::for_receiver("http://127.0.0.1:3000/webhook".parse()?).select(|_| false);
    /// # let judgment = suite.run(&FakeParagon::start().await).await;
    ///
    /// let report = Report::new(&judgment, |case| format!("paragon-testkit check … --case {case}"));
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

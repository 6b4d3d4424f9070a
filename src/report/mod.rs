//! Reports: one result model and several formats. A [`Report`] can be written in each [`Format`]. There are also
//! [`annotations`] for GitHub and [`Text`] for people.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use paragon_testkit::FakeParagon;
//! use paragon_testkit::check::Suite;
//! use paragon_testkit::report::{self, Format, Report};
//!
//! let paragon = FakeParagon::start().await;
//! let suite = Suite::for_receiver("http://127.0.0.1:3000/webhook".parse()?);
//! # let suite = suite.select(|_| false);
//! let judgment = suite.run(&paragon).await;
//!
//! let report = Report::new(&judgment, |case| format!("paragon-testkit check … --case {case}"));
//! let page = Format::Html.write(&report);
//! assert!(page.starts_with("<!doctype html>"));
//! assert_eq!(report::exit_code(&judgment), report::exits::NOTHING_JUDGED); // no case was selected
//! # Ok(()) }
//! ```
//!
//! The same report always gives the same bytes. All text from a receiver, such as responses and names of files, is
//! escaped. Invisible characters become visible: an escape character becomes `␛`. Only JSON keeps such characters, with
//! its own escapes.

mod annotations;
mod case;
mod digest;
mod escape;
mod format;
mod html;
mod json;
mod junit;
mod lanes;
mod markdown;
mod policies;
mod sarif;
mod text;

#[cfg(test)]
mod tests;

pub use annotations::annotations;
pub use case::ReportedCase;
pub use format::{Format, UnknownFormat};
pub use json::{ComparedPolicies, Report, Summary};
pub use text::{Text, exit_code, exits};

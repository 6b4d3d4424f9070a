//! One result model, several writers: [`Report`] as JSON, and as text for people.
//!
//! ```
//! # use paragon_testkit::check::{Judgement};
//! # use paragon_testkit::report::{self, Report};
//! # fn example(judgement: &Judgement) {
//! let report = Report::new(judgement, |case| format!("paragon-testkit check … --case {case}"));
//! println!("{}", report.to_json());
//! std::process::exit(report::exit_code(judgement).into());
//! # }
//! ```

mod json;
mod text;

pub use json::{Report, ReportedCase, Summary};
pub use text::{Text, exit_code, exits};

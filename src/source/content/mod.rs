//! What a download answers. Paragon keeps no contents, it passes on what the provider has; here they are made from the
//! record, so that nothing has to be stored and the same record always has the same bytes.
//!
//! [`content`] is the way in. PDF, PNG, SVG, JSON, Office documents and ZIP are real; everything is as
//! long as its `size` says, if that is possible. Each names its record and the external id, so that a mixed-up download shows.
//!
//! ```
//! use paragon_testkit::contract::{ExternalId, File, Object};
//! use paragon_testkit::fake::content;
//!
//! let notes = Object::from(File { size: Some(20_000), ..File::named("notes.txt") });
//! let content = content(&notes, &ExternalId::from("1kfr"), "googledrive")?;
//! assert_eq!((content.media_type.as_str(), content.bytes.len()), ("text/plain", 20_000));
//! assert!(content.bytes.starts_with(b"notes.txt\n1kfr\n"));
//! # Ok::<(), paragon_testkit::fake::NotDownloadable>(())
//! ```

mod answer;
mod filler;
mod ooxml;
mod pdf;
mod png;
mod text;
mod ticket;
mod zip;

pub(crate) use answer::checked;
pub use answer::{Content, LONGEST, NotDownloadable, content};

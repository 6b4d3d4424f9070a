//! Contents of downloads. Paragon stores no contents: it forwards those of the provider. Here they are computed from
//! the record, so nothing has to be stored and the same record always gives the same bytes.
//!
//! The entry point is [`content`]. PDF, PNG, SVG, JSON, Office documents and ZIP are valid files. Every content has the
//! length that its `size` says, if possible. Every content includes the record's title and external id, so that
//! mixed-up downloads can be noticed.
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

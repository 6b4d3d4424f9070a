//! A fake Paragon for testing Managed Sync webhook receivers.
//!
//! [Paragon](https://useparagon.com) pulls a customer's files and records from other services, POSTs webhook events to
//! your receiver, and serves the records through its Sync API. This crate plays Paragon, so that a test can ask:
//! will this receiver end up with the right data, whatever Paragon does?
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use axum::{Router, routing::post};
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let webhook = format!("http://{}/webhook", listener.local_addr()?);
//! # tokio::spawn(async { axum::serve(listener, Router::new().route("/webhook", post(|| async { "" }))).await });
//! use std::time::Duration;
//! use paragon_testkit::FakeParagon;
//! use paragon_testkit::contract::File;
//!
//! let paragon = FakeParagon::start().await;
//! // Start your receiver with paragon.api_url() and paragon.project(), then say where it listens:
//! paragon.set_webhook(webhook.parse()?).await;
//!
//! let drive = paragon.user("user_ada").connect("googledrive");
//! let report = drive.create(File::named("Q1 report.pdf"));
//! let sync = drive.enable("files")?;
//! paragon.settle().await;                             // the initial sync, and its sync_complete
//!
//! drive.delete(&report);
//! paragon.advance(Duration::from_secs(86_400)).await; // a day of syncs; the full one sees the deletion
//!
//! assert_eq!(sync.records().len(), 0);                // what your receiver should hold now
//! println!("{}", paragon.timeline());
//! # Ok(()) }
//! ```
//!
//! # The map
//!
//! | module | what it is |
//! |---|---|
//! | [`contract`] | what Paragon says: events, records, schemas, fixtures, rules, each with its grade |
//! | [`clock`] | virtual time, and waiting for a condition |
//! | [`source`] | the simulated integration: the truth |
//! | [`sync`] | when syncs run, and which events follow |
//! | [`delivery`] | attempts, retries, and the webhook that is disabled |
//! | [`scenario`] | a history with its troubles, as a file |
//! | [`strategies`] | proptest strategies of all of it, and of what breaks it |
//! | [`fake`] | [`FakeParagon`]: all of it behind the Sync API |
//! | [`check`] | the conformance suite |
//! | [`report`] | its results as text, JSON, `JUnit`, SARIF, Markdown and HTML |
//! | [`snapshot`] | timelines, calls, what a receiver holds and what a handler does, as text that stays the same |
//!
//! Each module imports only from those above it.
//!
//! # Features
//!
//! The default is what a dev-dependency needs.
//!
//! | feature | brings | on |
//! |---|---|---|
//! | | [`contract`], and [`snapshot::handled`] | always |
//! | `fake` | [`FakeParagon`] and what it is made of, [`snapshot::Snapshot`] | by default |
//! | `strategies` | [`strategies`]; those of policies and histories together with `fake` | by default |
//! | `check` | [`check`] and [`report`]; needs both above | by default |
//! | `insta` | [`Snapshot::bind`](snapshot::Snapshot::bind) | by default |
//! | `tower` | [`delivery::InProcess`]: a receiver without a socket | by default |
//! | `tls` | deliveries to `https` URLs | when asked for |

// On docs.rs, what needs a feature says so.
#![cfg_attr(docsrs, feature(doc_cfg))]
// What modules share is used by those that may be left out.
#![cfg_attr(not(feature = "check"), allow(dead_code, unused_imports))]

#[cfg(feature = "check")]
pub mod check;
#[cfg(feature = "fake")]
pub mod clock;
pub mod contract;
#[cfg(feature = "fake")]
pub mod delivery;
#[cfg(feature = "fake")]
pub mod fake;
#[cfg(feature = "check")]
pub mod report;
#[cfg(feature = "fake")]
pub mod scenario;
pub mod snapshot;
#[cfg(feature = "fake")]
pub mod source;
#[cfg(feature = "strategies")]
pub mod strategies;
#[cfg(feature = "fake")]
pub mod sync;

#[cfg(feature = "fake")]
pub use fake::FakeParagon;

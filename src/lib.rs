//! A fake Paragon for testing Managed Sync webhook receivers.
//!
//! [Paragon](https://useparagon.com) pulls a customer's files and records from other services, POSTs webhook events to
//! your receiver, and serves the records through its Sync API. This crate takes the place of Paragon in a test. The
//! test shows whether your receiver ends up with the right data, whatever Paragon does.
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
//! // Start your receiver with paragon.api_url() and paragon.project(), then register its webhook URL:
//! paragon.set_webhook(webhook.parse()?).await;
//!
//! let drive = paragon.user("user_ada").connect("googledrive");
//! let report = drive.create(File::named("Q1 report.pdf"));
//! let sync = drive.enable("files")?;
//! paragon.settle().await;                             // runs the initial sync and delivers sync_complete
//!
//! drive.delete(&report);
//! paragon.advance(Duration::from_secs(86_400)).await; // runs a day of syncs; the full sync notices the deletion
//!
//! assert_eq!(sync.records().len(), 0);                // the records that your receiver should hold now
//! println!("{}", paragon.timeline());
//! # Ok(()) }
//! ```
//!
//! # What a test needs
//!
//! | to | names |
//! |---|---|
//! | start a fake, move its clock, read its timeline | [`FakeParagon`], [`Builder`](fake::Builder), [`StartError`](fake::StartError), [`Server`](fake::Server), [`blocking`](fake::blocking), [`Timestamp`](clock::Timestamp), [`Timeline`](fake::Timeline), [`TimelineEntry`](fake::TimelineEntry), [`EntryKind`](fake::EntryKind) |
//! | change what a user has | [`User`](fake::User), [`Connection`](fake::Connection), [`Item`](fake::Item), [`SyncHandle`](fake::SyncHandle), [`File`](contract::File), [`Contact`](contract::Contact), [`Company`](contract::Company), [`Deal`](contract::Deal), [`Ticket`](contract::Ticket), [`CustomObject`](contract::CustomObject), [`Pipeline`](contract::Pipeline), [`Synthetic`](fake::Synthetic), [`Role`](fake::Role), [`Status`](fake::Status), [`RunKind`](fake::RunKind) |
//! | make something fail | [`ApiFault`](fake::ApiFault), [`ApiFaultKind`](fake::ApiFaultKind), [`Endpoint`](fake::Endpoint), [`DeliveryFault`](delivery::DeliveryFault), [`DeliveryFaultKind`](delivery::DeliveryFaultKind), [`ProviderFault`](fake::ProviderFault), [`ProviderFaultKind`](fake::ProviderFaultKind) |
//! | deliver by the rules of a sender | [`Policy`](delivery::Policy), [`WebhookState`](delivery::WebhookState), [`InProcess`](delivery::InProcess), [`Signature`](delivery::Signature) |
//! | mint tokens as the app does | [`Project`](fake::Project), [`Flaw`](fake::Flaw), [`Oddity`](fake::Oddity) |
//! | read events and records | [`Event`](contract::Event), [`EventKind`](contract::EventKind), [`Record`](contract::Record), [`Revision`](contract::Revision), [`Contract`](contract::Contract), [`fixtures`](contract::fixtures) |
//! | judge a receiver | [`Suite`](check::Suite), [`StateUrl`](check::StateUrl), [`HeldRecord`](check::HeldRecord), [`Judgment`](check::Judgment), [`Verdict`](check::Verdict), [`Scenario`](scenario::Scenario) |
//! | take snapshots | [`Snapshot`](snapshot::Snapshot), [`handled`](snapshot::handled()) |
//!
//! # Modules
//!
//! | module | content |
//! |---|---|
//! | [`contract`] | Paragon's contract: events, records, schemas, fixtures and rules, each with its grade |
//! | [`clock`] | virtual time, and waiting for a condition |
//! | [`delivery`] | webhook delivery: attempts, retries, and disabling of the webhook |
//! | [`scenario`] | a history of changes and faults, saved as a file |
//! | [`strategies`] | proptest strategies for valid and invalid payloads, policies and histories |
//! | [`fake`] | [`FakeParagon`], which combines these modules behind the Sync API |
//! | [`check`] | the conformance suite |
//! | [`report`] | the results of the suite as text, JSON, `JUnit`, SARIF, Markdown and HTML |
//! | [`snapshot`] | reproducible text of timelines, API calls, a receiver's state and a handler's results |
//!
//! Each module imports only from modules above it in this table. Two more modules stand between `clock` and `delivery`:
//! `source`, the simulated integration, and `sync`, the sync engine. They are unstable and hidden here; [`fake`]
//! re-exports what a test needs of them.
//!
//! # Features
//!
//! The default features are those that a dev-dependency needs.
//!
//! | feature | what the feature adds | enabled |
//! |---|---|---|
//! | | [`contract`] and [`snapshot::handled`] | always |
//! | `fake` | [`FakeParagon`], the modules that it consists of, and [`snapshot::Snapshot`] | by default |
//! | `strategies` | [`strategies`]; the strategies of policies and histories also need `fake` | by default |
//! | `check` | [`check`] and [`report`]; enables `fake` and `strategies` | by default |
//! | `insta` | [`Snapshot::bind`](snapshot::Snapshot::bind) | by default |
//! | `tower` | [`delivery::InProcess`]: a receiver without a socket | by default |
//! | `tls` | deliveries to `https` URLs | on request |

// On docs.rs, items that need a feature show the name of the feature.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Without `check`, some shared items are unused, because only modules that are left out use them.
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
#[doc(hidden)]
pub mod source;
#[cfg(feature = "strategies")]
pub mod strategies;
#[cfg(feature = "fake")]
#[doc(hidden)]
pub mod sync;

#[cfg(feature = "fake")]
pub use fake::FakeParagon;

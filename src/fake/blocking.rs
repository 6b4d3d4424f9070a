//! The fake for tests without `async`.
//!
//! ```
//! use std::time::Duration;
//! use paragon_testkit::contract::File;
//! use paragon_testkit::fake::blocking::FakeParagon;
//!
//! let paragon = FakeParagon::start();
//! let drive = paragon.user("user_ada").connect("googledrive");
//! let report = drive.create(File::named("Q1 report.pdf"));
//! let sync = drive.enable("files")?;
//! paragon.settle();
//! drive.delete(&report);
//! paragon.advance(Duration::from_secs(86_400));
//! assert_eq!(sync.records().len(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use tokio::runtime::Runtime;
use url::Url;

use super::builder::{Builder, StartError};
use crate::delivery::Outcome;

/// A running fake with its own async runtime. It dereferences to the [async fake](super::FakeParagon), so that all
/// methods of the async fake are available. The methods that are async there block here. Dropping the fake stops
/// everything.
///
/// # Panics
///
/// Panics inside an async runtime, where blocking is not allowed. Use the [async fake](super::FakeParagon) there.
pub struct FakeParagon {
    // This field is dropped first, because the fake needs the runtime while it is dropped.
    paragon: super::FakeParagon,
    runtime: Runtime,
}

#[track_caller]
fn not_async() {
    assert!(
        tokio::runtime::Handle::try_current().is_err(),
        "fake::blocking::FakeParagon cannot wait inside of async code: use paragon_testkit::FakeParagon there"
    );
}

impl fmt::Debug for FakeParagon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.paragon.fmt(f)
    }
}

impl Builder {
    /// Starts the fake with an async runtime of its own.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Builder::start`].
    ///
    /// # Panics
    ///
    /// Panics inside an async runtime, or if no thread can be started.
    #[track_caller]
    pub fn start_blocking(self) -> Result<FakeParagon, StartError> {
        not_async();
        // The runtime has one thread of its own. Tasks that the fake leaves running, such as its connections, go on
        // while the test does other things.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
        let paragon = runtime.block_on(self.start())?;
        Ok(FakeParagon { paragon, runtime })
    }
}

impl Deref for FakeParagon {
    type Target = super::FakeParagon;
    fn deref(&self) -> &super::FakeParagon {
        &self.paragon
    }
}

impl FakeParagon {
    /// Starts a fake with the default settings.
    ///
    /// # Panics
    ///
    /// Panics if no port of 127.0.0.1 is free, or if no thread can be started.
    #[track_caller]
    pub fn start() -> Self {
        match Self::builder().start_blocking() {
            Ok(paragon) => paragon,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the default settings. Call [`start_blocking`](Builder::start_blocking) on them to start the fake.
    ///
    /// ```
    /// use paragon_testkit::fake::blocking::FakeParagon;
    ///
    /// let paragon = FakeParagon::builder().seed(7).start_blocking()?;
    /// paragon.settle();
    /// # Ok::<(), paragon_testkit::fake::StartError>(())
    /// ```
    pub fn builder() -> Builder {
        super::FakeParagon::builder()
    }

    /// Blocks until `future` is complete. This is for other async functions, such as `Suite::run`.
    ///
    /// ```no_run
    /// # #[cfg(feature = "check")] {
    /// use paragon_testkit::check::Suite;
    /// use paragon_testkit::fake::blocking::FakeParagon;
    ///
    /// let paragon = FakeParagon::start();
    /// let suite = Suite::for_receiver("http://127.0.0.1:3000/webhook".parse().unwrap());
    /// paragon.block_on(suite.run(&paragon)).assert_passed();
    /// # }
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        not_async();
        self.runtime.block_on(future)
    }

    /// Sets the URL that events are sent to; see [`FakeParagon::set_webhook`](super::FakeParagon::set_webhook).
    #[track_caller]
    pub fn set_webhook(&self, url: Url) {
        self.block_on(self.paragon.set_webhook(url));
    }

    /// Runs and sends everything that is due now; see [`FakeParagon::settle`](super::FakeParagon::settle).
    #[track_caller]
    pub fn settle(&self) {
        self.block_on(self.paragon.settle());
    }

    /// Moves the clock by `span`; see [`FakeParagon::advance`](super::FakeParagon::advance).
    #[track_caller]
    pub fn advance(&self, span: Duration) {
        self.block_on(self.paragon.advance(span));
    }

    /// Moves the clock until no event is left to send; see
    /// [`FakeParagon::run_until_idle`](super::FakeParagon::run_until_idle).
    #[track_caller]
    pub fn run_until_idle(&self) {
        self.block_on(self.paragon.run_until_idle());
    }

    /// POSTs a body to a URL once; see [`FakeParagon::post_raw`](super::FakeParagon::post_raw).
    #[track_caller]
    pub fn post_raw(&self, url: &Url, body: &[u8]) -> Outcome {
        self.block_on(self.paragon.post_raw(url, body))
    }

    /// Mounts a mock on the server of the API; see [`FakeParagon::mount`](super::FakeParagon::mount).
    ///
    /// # Panics
    ///
    /// Panics if the API is not served by wiremock; see [`Builder::server`].
    #[track_caller]
    pub fn mount(&self, mock: wiremock::Mock) {
        self.block_on(self.paragon.mount(mock));
    }
}

use std::pin::Pin;

/// Future of an action on the receiver's process.
pub type Acting<'a> = Pin<Box<dyn Future<Output = Result<(), ProcessError>> + Send + 'a>>;

/// Error of a receiver's process that did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProcessError(String);

impl ProcessError {
    /// Creates an error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// The receiver's process. Some cases end it on purpose, and a process that has ended by itself is started again. The
/// program has a process with `--spawn`. In your own tests, implement this trait for whatever starts your receiver. A
/// process that is started again must have the same environment.
pub trait Process: Send + Sync {
    /// Ends the process at once, without a chance to clean up (`SIGKILL`).
    fn kill(&self) -> Acting<'_>;

    /// Asks the process to end (`SIGTERM`) and waits until it has ended.
    fn stop(&self) -> Acting<'_>;

    /// Starts the process again. Does not wait until it accepts connections.
    fn launch(&self) -> Acting<'_>;

    /// Waits until the process accepts connections.
    fn ready(&self) -> Acting<'_>;

    /// Returns whether the process is running.
    fn is_running(&self) -> bool;
}

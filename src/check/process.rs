use std::pin::Pin;

/// Something that is done to the receiver's process.
pub type Acting<'a> = Pin<Box<dyn Future<Output = Result<(), ProcessError>> + Send + 'a>>;

/// A receiver's process that did not do what it was told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProcessError(pub String);

/// The process of the receiver. Some cases end it on purpose, and a process that has ended by itself is started again.
/// The program has one with `--spawn`; in a test of your own, implement this trait for what starts your receiver. Started
/// again, the process must have the same environment.
pub trait Process: Send + Sync {
    /// Ends it at once, without a chance to do anything (`SIGKILL`).
    fn kill(&self) -> Acting<'_>;

    /// Asks it to end (`SIGTERM`) and waits until it has.
    fn stop(&self) -> Acting<'_>;

    /// Starts it again. Does not wait until it listens.
    fn launch(&self) -> Acting<'_>;

    /// Waits until it listens.
    fn ready(&self) -> Acting<'_>;

    /// Whether it runs.
    fn is_running(&self) -> bool;
}

//! Waits for a signal that asks the program to end.

/// Waits for Ctrl-C; on Unix also for SIGTERM and SIGHUP. On Unix, signals count from this call on, even before the
/// returned future is first polled.
pub(crate) fn interrupted() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(|kind| signal(kind).ok())
    };
    async move {
        #[cfg(unix)]
        {
            let mut signals = signals;
            std::future::poll_fn(|cx| {
                let came = signals.iter_mut().flatten().any(|signal| signal.poll_recv(cx).is_ready());
                if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    }
}

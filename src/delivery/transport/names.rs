use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Error for a host name without an address, and for a failed lookup.
#[derive(Debug, thiserror::Error)]
#[error("no IP address found for {0}")]
pub(super) struct NoAddress(pub(super) String);

/// Returns the addresses of a host name.
pub(super) async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
    let found: Vec<_> = match tokio::net::lookup_host((name, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() { Err(NoAddress(name.to_owned())) } else { Ok(found) }
}

/// Resolver of reqwest that uses the system's lookup. reqwest's own error for a failed lookup has no type by which it
/// could be told from other errors.
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

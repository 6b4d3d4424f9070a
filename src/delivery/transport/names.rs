use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// A name has no address; a system that cannot ask says the same.
#[derive(Debug, thiserror::Error)]
#[error("no address for {0}")]
pub(super) struct NoAddress(pub(super) String);

/// Where a name leads to.
pub(super) async fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, NoAddress> {
    let found: Vec<_> = match tokio::net::lookup_host((name, port)).await {
        Ok(found) => found.collect(),
        Err(_) => Vec::new(),
    };
    if found.is_empty() { Err(NoAddress(name.to_owned())) } else { Ok(found) }
}

/// The system's names for reqwest, whose own error of it has no type that could be told from others.
pub(super) struct Names;

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use super::body::ChunkedBody;
use super::classify::{classify, reason};
use super::names::Names;
use super::outcome::Failure;
use super::pool::IDLE;
use super::redirect::Hop;
#[cfg(feature = "tls")]
use super::trust::Trust;

/// Clients of reqwest, which makes the requests over TLS. There is one client for each connect timeout.
#[derive(Debug, Default)]
pub(super) struct Clients {
    clients: Mutex<BTreeMap<Option<Duration>, reqwest::Client>>,
    #[cfg(feature = "tls")]
    trust: Trust,
}

impl Clients {
    /// Creates clients that accept these certificates.
    #[cfg(feature = "tls")]
    pub(super) fn trusting(trust: Trust) -> Self {
        Self { trust, ..Self::default() }
    }

    /// Sends a request, and waits for the head of the response.
    pub(super) async fn ask(
        &self,
        hop: &Hop,
        body: ChunkedBody,
        connect: Option<Duration>,
    ) -> Result<reqwest::Response, Failure> {
        if !cfg!(feature = "tls") {
            return Err(Failure::Tls("built without the feature `tls`".to_owned()));
        }
        let mut request =
            self.client(connect)?.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        if hop.method == Method::POST {
            request = request.body(reqwest::Body::wrap(body));
        }
        request.send().await.map_err(|error| classify(&error, true))
    }

    fn client(&self, connect: Option<Duration>) -> Result<reqwest::Client, Failure> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connect) {
            return Ok(client.clone());
        }
        // On a system without certificates, a client for https cannot be built.
        let builder = builder(connect);
        #[cfg(feature = "tls")]
        let builder = self.trust.apply(builder).map_err(|error| Failure::Tls(error.to_string()))?;
        let client = builder.build().map_err(|error| Failure::Tls(reason(&error)))?;
        clients.insert(connect, client.clone());
        Ok(client)
    }
}

fn builder(connect: Option<Duration>) -> reqwest::ClientBuilder {
    // Requests must stay the same, whatever features of reqwest other crates enable.
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .no_gzip()
        .no_brotli()
        .no_deflate()
        .no_zstd()
        .dns_resolver(Names)
        .pool_idle_timeout(IDLE);
    if let Some(connect) = connect {
        builder = builder.connect_timeout(connect);
    }
    builder
}

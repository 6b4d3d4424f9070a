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

/// Clients of reqwest, which makes the requests over TLS. There is one client for each connect timeout.
#[derive(Debug, Default)]
pub(super) struct Clients(Mutex<BTreeMap<Option<Duration>, reqwest::Client>>);

impl Clients {
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
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&connect) {
            return Ok(client.clone());
        }
        // On a system without certificates, a client for https cannot be built.
        let client = build(connect).map_err(|error| Failure::Tls(reason(&error)))?;
        clients.insert(connect, client.clone());
        Ok(client)
    }
}

fn build(connect: Option<Duration>) -> reqwest::Result<reqwest::Client> {
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
    builder.build()
}

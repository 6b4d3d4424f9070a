use std::sync::Arc;

use http::{Request, Response};

use super::api::Handled;
use super::endpoint::Endpoint;
use super::fault::ApiFaultKind;
use super::received::Received;
use super::response::{ApiResponse, Body};
use super::shared::Shared;
use crate::clock::Timestamp;
use crate::contract::Revision;

/// A call of the API and its response, as shown to the observers of [`Builder::observe`](super::Builder::observe).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The endpoint of the call; `None` if the call matches no endpoint.
    pub endpoint: Option<Endpoint>,
    /// The request as the client sent it: method, path with query, headers and body.
    pub request: Request<Vec<u8>>,
    /// The response: status, headers and body. The headers of the framing are missing, because the server adds them
    /// later. A body that a fault loses on the way is still included. The body of an endless response is empty.
    pub response: Response<Vec<u8>>,
    /// The faults that struck the call, in the order in which they were added.
    pub faults: Vec<ApiFaultKind>,
    /// The contract revision of the response: that of the sync in the path, or else that of the fake.
    pub revision: Revision,
}

type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// The observers that are shown each call.
#[derive(Clone, Default)]
pub(super) struct Observers(Vec<Observer>);

impl Observers {
    pub(super) fn add(&mut self, observer: impl Fn(&Exchange) + Send + Sync + 'static) {
        self.0.push(Arc::new(observer));
    }

    /// Answers a request of the API and shows it to the observers. The lock is released before, because an observer may
    /// call back into the fake.
    pub(super) fn answer(&self, shared: &Shared, request: &Received<'_>) -> ApiResponse {
        let Handled { response, decision, revision } = shared.lock().handle(request, Timestamp::wall());
        if self.0.is_empty() {
            return response;
        }
        let exchange = Exchange {
            endpoint: decision.endpoint,
            request: self::request(request),
            response: copy_of(&response),
            faults: decision.kinds().collect(),
            revision,
        };
        self.0.iter().for_each(|observer| observer(&exchange));
        response
    }
}

fn request(received: &Received<'_>) -> Request<Vec<u8>> {
    let mut request = Request::new(received.body.to_vec());
    request.method_mut().clone_from(received.method);
    // Both servers parsed the target from the request line, so it parses again.
    *request.uri_mut() = received.target().parse().unwrap_or_default();
    request.headers_mut().clone_from(received.headers);
    request
}

fn copy_of(reply: &ApiResponse) -> Response<Vec<u8>> {
    let body = match &reply.body {
        Body::Whole(bytes) => bytes.to_vec(),
        Body::Lines(lines) => lines.concat(),
        Body::Open(_) => Vec::new(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.all_headers();
    response
}

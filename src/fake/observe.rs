use std::sync::Arc;

use http::{Request, Response};

use super::endpoint::{Endpoint, Parts};
use super::fault::Trouble;
use super::received::Received;
use super::reply::{Body, Reply};
use super::shared::{Shared, lock};
use crate::clock::Moment;
use crate::contract::Revision;

/// A call of the API and what it was answered: what [`Builder::observe`](super::Builder::observe) shows.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// What the call was for; `None` where no endpoint is.
    pub endpoint: Option<Endpoint>,
    /// Method, path with query, headers and body, as the client sent them.
    pub request: Request<Vec<u8>>,
    /// Status, headers and body. A server adds the headers of the framing. A body that is lost on its way is here
    /// all the same; one without an end is empty.
    pub response: Response<Vec<u8>>,
    /// The faults that struck, in the order in which they were added.
    pub faults: Vec<Trouble>,
    /// The age of the contract that the answer has: that of the sync in the path, or else that of the fake.
    pub revision: Revision,
}

type Observer = Arc<dyn Fn(&Exchange) + Send + Sync>;

/// Who is shown each call.
#[derive(Clone, Default)]
pub(super) struct Observers(Vec<Observer>);

impl Observers {
    pub(super) fn add(&mut self, observer: impl Fn(&Exchange) + Send + Sync + 'static) {
        self.0.push(Arc::new(observer));
    }

    /// Answers a request of the API and shows it. Not under the lock: an observer may ask the fake something.
    pub(super) fn answer(&self, world: &Shared, request: &Received<'_>) -> Reply {
        if self.0.is_empty() {
            return lock(world).handle(request, Moment::wall());
        }
        let mut world = lock(world);
        let reply = world.handle(request, Moment::wall());
        let faults = world.strike.troubles().collect();
        let sync = Parts::of(request.path).get(2).and_then(|id| world.engine.get(&**id));
        let revision = sync.map_or_else(|| world.engine.revision(), |sync| sync.revision);
        drop(world);
        let exchange = Exchange {
            endpoint: Endpoint::of(request.method, request.path),
            request: self::request(request),
            response: response(&reply),
            faults,
            revision,
        };
        self.0.iter().for_each(|observer| observer(&exchange));
        reply
    }
}

fn request(received: &Received<'_>) -> Request<Vec<u8>> {
    let mut request = Request::new(received.body.to_vec());
    request.method_mut().clone_from(received.method);
    // Both servers have read it from the request line, so that it parses.
    *request.uri_mut() = received.target().parse().unwrap_or_default();
    request.headers_mut().clone_from(received.headers);
    request
}

fn response(reply: &Reply) -> Response<Vec<u8>> {
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

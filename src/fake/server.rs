use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

use super::world::{World, lock};
use crate::clock::Moment;

/// Serves the Sync API through a wiremock server of its own: pooled ones keep their port and their connections, so
/// that late calls of one test would reach the next. Ours is the last mock: a user's go ahead of it.
pub(super) async fn serve(world: Arc<Mutex<World>>, listener: TcpListener) -> MockServer {
    let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
    Mock::given(any()).respond_with(SyncApi(world)).with_priority(u8::MAX).mount(&server).await;
    server
}

struct SyncApi(Arc<Mutex<World>>);

impl Respond for SyncApi {
    fn respond(&self, request: &wiremock::Request) -> ResponseTemplate {
        let uri = request.url.as_str().strip_prefix(&request.url.origin().ascii_serialization()).unwrap_or("/");
        let mut plain = http::Request::builder().method(request.method.clone()).uri(uri);
        if let Some(headers) = plain.headers_mut() {
            headers.clone_from(&request.headers);
        }
        let Ok(plain) = plain.body(request.body.clone()) else { return ResponseTemplate::new(400) };
        let (head, body) = lock(&self.0).handle(&plain, Moment::wall()).into_parts();
        let template = ResponseTemplate::new(head.status).append_headers(&head.headers);
        template.set_body_raw(body, "application/json; charset=utf-8")
    }
}

//! Runs the receiver of the demo in the process of the test.

#[path = "../../cli/src/demo/receiver.rs"]
mod demo;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::middleware::Next;
use paragon_testkit::FakeParagon;
use paragon_testkit::check::{Acting, Process, ProcessError};
use tokio::task::AbortHandle;
use url::Url;

/// Serves a router, and returns its base URL.
async fn serve(router: axum::Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    base
}

/// Returns the webhook of a receiver that responds 200 and does nothing.
pub(crate) async fn idle() -> Url {
    serve(axum::Router::new().fallback(|| async { "ok" })).await
}

/// Returns a webhook that responds 404 as long as `refuses` returns true, and then 200.
pub(crate) async fn refuses(refuses: impl Fn() -> bool + Clone + Send + Sync + 'static) -> Url {
    let status = move || {
        let status = if refuses() { axum::http::StatusCode::NOT_FOUND } else { axum::http::StatusCode::OK };
        std::future::ready(status)
    };
    serve(axum::Router::new().fallback(status)).await
}

/// Returns a webhook that passes each event to `seen`, and responds 200 when the future of `seen` is done.
pub(crate) async fn hook<T: Future<Output = ()> + Send>(
    seen: impl Fn(serde_json::Value) -> T + Clone + Send + Sync + 'static,
) -> Url {
    let take = move |axum::Json(event)| seen(event);
    serve(axum::Router::new().fallback(take)).await
}

/// Returns the configuration of a receiver that signs its tokens for this project.
fn config(paragon: &FakeParagon, project_id: &str) -> demo::Config {
    let (api_url, signing_key) = (paragon.api_url(), paragon.project().signing_key);
    demo::Config { api_url, project_id: project_id.to_owned(), signing_key }
}

pub(crate) struct Receiver {
    base: Url,
}

impl Receiver {
    pub(crate) async fn start(paragon: &FakeParagon) -> Self {
        Self::start_as(paragon, paragon.project().id.as_str()).await
    }

    /// Starts a receiver that signs its tokens for this project.
    pub(crate) async fn start_as(paragon: &FakeParagon, project_id: &str) -> Self {
        Self { base: serve(demo::router(config(paragon, project_id)).unwrap()).await }
    }

    pub(crate) fn webhook(&self) -> Url {
        self.base.join("/webhook").unwrap()
    }

    pub(crate) fn state(&self) -> Url {
        self.base.join("/state").unwrap()
    }

    /// Returns the sorted names of the files that the receiver holds.
    pub(crate) async fn names(&self) -> Vec<String> {
        let state: serde_json::Value = reqwest::get(self.state()).await.unwrap().json().await.unwrap();
        let records = state["records"].as_array().unwrap().iter();
        let mut names: Vec<_> = records.map(|held| held["record"]["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }
}

/// A right receiver that ends at each event of one kind. As with a receiver that a shell has started, its port is
/// closed at once, but its process counts as running until someone has tried to connect. If it is managed, it is then
/// started again, and counts as running all the time.
pub(crate) struct Fragile {
    router: axum::Router,
    address: SocketAddr,
    runs: Arc<AtomicBool>,
    is_known_to_have_ended: AtomicBool,
    is_managed: bool,
    serving: Arc<Mutex<Option<AbortHandle>>>,
}

impl Fragile {
    pub(crate) async fn start(paragon: &FakeParagon, ends_at: &'static str, is_managed: bool) -> Self {
        let (serving, runs) = (Arc::<Mutex<Option<AbortHandle>>>::default(), Arc::new(AtomicBool::new(false)));
        let (end, ended) = (Arc::clone(&serving), Arc::clone(&runs));
        let ends = move |request: Request, next: Next| {
            let (end, ended) = (Arc::clone(&end), Arc::clone(&ended));
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                let is_last = String::from_utf8_lossy(&body).contains(ends_at);
                let mut response = next.run(Request::from_parts(head, body.into())).await;
                response.headers_mut().insert("connection", "close".parse().unwrap());
                if is_last && let Some(serving) = end.lock().unwrap().take() {
                    serving.abort();
                    ended.store(false, Ordering::SeqCst);
                }
                response
            }
        };
        let router = demo::router(config(paragon, paragon.project().id.as_str())).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let router = router.layer(axum::middleware::from_fn(ends));
        let is_known_to_have_ended = AtomicBool::new(true);
        let fragile = Self { router, address, runs, is_known_to_have_ended, is_managed, serving };
        fragile.launch().await.unwrap();
        fragile
    }

    pub(crate) fn at(&self, path: &str) -> Url {
        format!("http://{}/{path}", self.address).parse().unwrap()
    }
}

impl Process for Fragile {
    fn kill(&self) -> Acting<'_> {
        unreachable!("no case of the test ends the process")
    }

    fn stop(&self) -> Acting<'_> {
        self.kill()
    }

    fn launch(&self) -> Acting<'_> {
        Box::pin(async {
            let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
            let router = self.router.clone();
            let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
            *self.serving.lock().unwrap() = Some(serving.abort_handle());
            self.runs.store(true, Ordering::SeqCst);
            self.is_known_to_have_ended.store(false, Ordering::SeqCst);
            Ok(())
        })
    }

    fn ready(&self) -> Acting<'_> {
        let runs = self.runs.load(Ordering::SeqCst);
        if !runs && self.is_managed {
            return self.launch();
        }
        self.is_known_to_have_ended.store(!runs, Ordering::SeqCst);
        Box::pin(async move { if runs { Ok(()) } else { Err(ProcessError::new("it has ended")) } })
    }

    fn is_running(&self) -> bool {
        !self.is_known_to_have_ended.load(Ordering::SeqCst)
    }
}

//! Runs the receiver of the demo in the process of the test.

#[path = "../../cli/src/demo/receiver.rs"]
mod demo;

use paragon_testkit::FakeParagon;
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

pub(crate) struct Receiver {
    base: Url,
}

impl Receiver {
    pub(crate) async fn start(paragon: &FakeParagon) -> Self {
        Self::start_as(paragon, paragon.project().id.as_str()).await
    }

    /// Starts a receiver that signs its tokens for this project.
    pub(crate) async fn start_as(paragon: &FakeParagon, project_id: &str) -> Self {
        let config = demo::Config {
            api_url: paragon.api_url(),
            project_id: project_id.to_owned(),
            signing_key: paragon.project().signing_key,
        };
        Self { base: serve(demo::router(config).unwrap()).await }
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

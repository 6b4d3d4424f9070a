//! The receiver as a program. Its settings come from the environment: `PORT`, `PARAGON_API_URL`, `PARAGON_PROJECT_ID`,
//! `PARAGON_SIGNING_KEY`, `DATABASE` (a file) and `EXPOSE_STATE` (for tests).

use std::error::Error;

use paragon_receiver_axum::{App, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = App::open(Config::from_env()?)?;
    let port: u16 = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let worker = tokio::spawn(app.clone().work());
    // The program may end at any moment: every event with a 2xx response is stored, and the remaining work is done
    // after the next start.
    tokio::select! {
        served = async { axum::serve(listener, app.router()).await } => served?,
        ended = worker => ended?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

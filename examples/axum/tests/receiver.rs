//! Tests the receiver with a fake Paragon: on good and bad days, and with the whole conformance suite.

use std::process::Stdio;
use std::time::Duration;

use paragon_receiver_axum::{App, Config};
use paragon_testkit::FakeParagon;
use paragon_testkit::check::{Acting, Process, ProcessError, Suite};
use paragon_testkit::clock::eventually;
use paragon_testkit::contract::File;
use paragon_testkit::delivery::DeliveryFaultKind;
use paragon_testkit::delivery::{InProcess, WebhookState};
use paragon_testkit::fake::{Connection, SyncHandle};
use paragon_testkit::snapshot::Snapshot;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// Timeout for things that take only a moment.
const SOON: Duration = Duration::from_secs(10);

/// The receiver in the process of the test. Its webhook is called without a socket.
struct Running {
    paragon: FakeParagon,
    app: App,
    worker: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Running {
    async fn start() -> Self {
        let paragon = FakeParagon::start().await;
        let folder = tempfile::tempdir().unwrap();
        let app = App::open(Config {
            api_url: paragon.api_url(),
            project_id: paragon.project().id.to_string(),
            signing_key: paragon.project().signing_key,
            database: folder.path().join("db").display().to_string(),
            expose_state: false,
        });
        let app = app.unwrap();
        paragon.set_transport(InProcess::new(app.router()));
        paragon.set_webhook("http://app/webhook".parse().unwrap()).await;
        let worker = tokio::spawn(app.clone().work());
        Self { paragon, app, worker, _folder: folder }
    }

    /// Connects an account with these files, enables its sync, and waits until the receiver holds the files.
    async fn synced(&self, user: &str, files: &[&str]) -> (Connection, SyncHandle) {
        let drive = self.paragon.user(user).connect("googledrive");
        for name in files {
            drive.create(File::named(*name));
        }
        let sync = drive.enable("files").unwrap();
        self.paragon.settle().await;
        self.holds(&sync, files).await;
        (drive, sync)
    }

    /// Waits until the receiver holds these files of a sync, and no others.
    async fn holds(&self, sync: &SyncHandle, names: &[&str]) {
        let held = || self.app.names().remove(sync.id().as_str()).unwrap_or_default();
        let right = eventually(SOON, || {
            let right = held() == names;
            async move { right.then_some(()) }
        });
        assert!(
            right.await.is_some(),
            "held {:?}, expected {names:?}\n{}",
            held(),
            self.paragon.timeline().with_calls()
        );
    }
}

#[tokio::test]
async fn files_reach_the_index_and_leave_it() {
    let running = Running::start().await;
    let (drive, sync) = running.synced("user_ada", &["Q1 report.pdf", "draft.docx"]).await;
    let files = drive.objects::<File>();
    drive.update(&files[0].item, |file| file.name = "Q1 report (final).pdf".into());
    drive.delete(&files[1].item);
    running.paragon.advance(DAY).await;
    running.holds(&sync, &["Q1 report (final).pdf"]).await;

    let snapshot = Snapshot::of(&running.paragon);
    insta::assert_snapshot!(snapshot.timeline());
    insta::assert_snapshot!(snapshot.state(&running.app.state()));
}

#[tokio::test]
async fn changes_missed_in_an_outage_are_caught_up() {
    let running = Running::start().await;
    let (drive, sync) = running.synced("user_ada", &["a.pdf"]).await;
    running.paragon.delivery_fault(DeliveryFaultKind::Unreachable);
    for number in 0..4 {
        drive.create(File::named(format!("missed {number}.pdf")));
    }
    running.paragon.advance(MINUTE).await;
    running.paragon.run_until_idle().await;
    assert_eq!(running.paragon.webhook(), WebhookState::Disabled, "after so many failures");
    running.paragon.end_delivery_fault(DeliveryFaultKind::Unreachable);
    running.paragon.enable_webhook();
    drive.create(File::named("next.pdf"));
    running.paragon.advance(MINUTE).await;
    let all = ["a.pdf", "missed 0.pdf", "missed 1.pdf", "missed 2.pdf", "missed 3.pdf", "next.pdf"];
    running.holds(&sync, &all).await;
}

#[tokio::test]
async fn users_are_kept_apart() {
    let running = Running::start().await;
    let (ada, of_ada) = running.synced("user_ada", &["ada.pdf"]).await;
    let (_, of_bob) = running.synced("user_bob", &["bob.pdf"]).await;
    ada.create(File::named("more.pdf"));
    running.paragon.advance(MINUTE).await;
    running.holds(&of_ada, &["ada.pdf", "more.pdf"]).await;
    running.holds(&of_bob, &["bob.pdf"]).await;
    let timeline = running.paragon.timeline();
    assert!(timeline.calls().all(|call| call.status == 200), "{}", timeline.with_calls());
}

/// The program of the receiver, which the suite may kill and start again.
struct Program {
    command: Box<dyn Fn() -> Command + Send + std::marker::Sync>,
    port: u16,
    running: Mutex<Option<Child>>,
}

impl Program {
    async fn listens(&self, listens: bool) -> Result<(), ProcessError> {
        let connects = || async {
            let connected = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok();
            (connected == listens).then_some(())
        };
        eventually(SOON, connects).await.ok_or_else(|| ProcessError::new("it does not come up, or does not end"))
    }
}

impl Process for Program {
    fn kill(&self) -> Acting<'_> {
        Box::pin(async {
            if let Some(mut child) = self.running.lock().await.take() {
                child.kill().await.map_err(|error| ProcessError::new(error.to_string()))?;
            }
            self.listens(false).await
        })
    }

    /// This receiver needs no orderly end, so stopping kills it.
    fn stop(&self) -> Acting<'_> {
        self.kill()
    }

    fn launch(&self) -> Acting<'_> {
        Box::pin(async {
            let child = (self.command)().spawn().map_err(|error| ProcessError::new(error.to_string()))?;
            *self.running.lock().await = Some(child);
            Ok(())
        })
    }

    fn ready(&self) -> Acting<'_> {
        Box::pin(self.listens(true))
    }

    fn is_running(&self) -> bool {
        self.running.try_lock().is_ok_and(|mut child| {
            child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_none()))
        })
    }
}

#[tokio::test]
async fn the_receiver_passes_the_whole_suite() {
    let paragon = FakeParagon::start().await;
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (api_url, project, database) = (paragon.api_url(), paragon.project(), folder.path().join("db"));
    let command = move || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_paragon-receiver-axum"));
        command.env("PORT", port.to_string()).env("EXPOSE_STATE", "1").env("DATABASE", &database);
        command.env("PARAGON_API_URL", &api_url).env("PARAGON_PROJECT_ID", project.id.as_str());
        command.env("PARAGON_SIGNING_KEY", &project.signing_key).stderr(Stdio::null()).kill_on_drop(true);
        command
    };
    let program = Program { command: Box::new(command), port, running: Mutex::default() };
    program.launch().await.unwrap();
    program.ready().await.unwrap();
    let at = |path: &str| format!("http://127.0.0.1:{port}/{path}").parse().unwrap();
    // The run ends at the first failure. To see all failures, run `paragon-testkit check`.
    let suite = Suite::for_receiver(at("webhook")).state_url(at("state")).process(program).fail_fast();
    suite.run(&paragon).await.assert_passed();
}

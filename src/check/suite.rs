use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::case::{Case, Family};
use super::cases::{REPLAY, cases};
use super::examine::{Examination, examine};
use super::failures::Failures;
use super::histories::Histories;
use super::known::Known;
use super::members::Members;
use super::probe::{Probe, StateUrl};
use super::process::Process;
use super::result::{CaseResult, Judgment};
use super::run::Run;
use super::schedule::{Planned, Schedule};
use super::settings::{Settings, Starting};
use super::target::Target;
use crate::clock::Stopwatch;
use crate::contract::{Pipeline, Revision, SpecialRecord};
use crate::delivery::Policy;
use crate::fake::{self, FakeParagon};
use crate::scenario::Scenario;

/// A selection of cases to run on one receiver, with the options of the run.
///
/// ```no_run
/// # async fn example(app_url: url::Url) {
/// use paragon_testkit::FakeParagon;
/// use paragon_testkit::check::{Family, Suite};
///
/// let paragon = FakeParagon::start().await;
/// let suite = Suite::for_receiver(app_url).select(|case| case.family == Family::Rec);
/// suite.run(&paragon).await.assert_passed();
/// # }
/// ```
#[must_use = "call `.run(&paragon).await`"]
pub struct Suite<'a> {
    target: Target<'a>,
    settings: Settings<'a>,
    select: Box<dyn Fn(&Case) -> bool + Send + Sync + 'a>,
}

impl std::fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite").field("webhook", &self.target.webhook.as_str()).finish_non_exhaustive()
    }
}

impl<'a> Suite<'a> {
    /// Creates a suite with all cases, for the receiver with this webhook endpoint.
    pub fn for_receiver(webhook: Url) -> Self {
        Self { target: Target::new(webhook), settings: Settings::default(), select: Box::new(|_| true) }
    }

    /// Sets the probe of the receiver's own state: a closure that returns the held records, or any other [`Probe`].
    pub fn state(mut self, probe: impl Probe + 'a) -> Self {
        self.target.state = Some(Box::new(probe));
        self
    }

    /// Sets the URL of the receiver's own state. For the format see [`StateUrl`].
    pub fn state_url(self, url: Url) -> Self {
        self.state(StateUrl::new(url))
    }

    /// Lets cases end the receiver's process and start it again. Without a process, the cases that need one are not
    /// evaluable. With a process, a receiver that ends by itself is noticed and started again, and the case that made
    /// it end fails.
    pub fn process(mut self, process: impl Process + 'a) -> Self {
        self.target.process = Some(Box::new(process));
        self
    }

    /// Sets a callback that is called with each sync after the sync is enabled and before its first run. It serves
    /// receivers that must know their users or syncs beforehand. If the callback fails, the case is not evaluable.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url, users: std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    /// use paragon_testkit::check::Suite;
    ///
    /// let suite = Suite::for_receiver(app_url).before_sync(|sync| {
    ///     let (users, user) = (users.clone(), sync.envelope().user.id.to_string());
    ///     async move {
    ///         users.lock().map_err(|_| "the users are lost".to_owned())?.push(user);
    ///         Ok(())
    ///     }
    /// });
    /// # }
    /// ```
    pub fn before_sync<F, T>(mut self, before_sync: F) -> Self
    where
        F: Fn(&fake::SyncHandle) -> T + Send + Sync + 'a,
        T: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.target.before_sync = Some(Box::new(move |sync| Box::pin(before_sync(sync))));
        self
    }

    /// Sets the time without activity after which a wrong receiver counts as at rest. The time is 3.5 times as long
    /// after a failed call, and until it is known whether the receiver polls by itself. Default 10 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.target.settle = settle;
        self
    }

    /// Sets how long to wait for a receiver that is not right yet and still at work. Other cases go on meanwhile. After
    /// this time the case is not evaluable. Default 90 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.target.patience = patience;
        self
    }

    /// Sets the seed. Another seed gives other users, histories and choices. Default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.target.seed = seed;
        self
    }

    /// Sets a name from which the ids of all users and syncs derive, together with the project and the seed. With a new
    /// name for each run, a receiver that keeps its data need not be emptied. The values of objects and all choices
    /// depend on the seed alone. By default the name is empty.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url) {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::check::Suite;
    ///
    /// let paragon = FakeParagon::start().await;
    /// let suite = Suite::for_receiver(app_url).seed(7).users(std::process::id().to_string());
    /// suite.run(&paragon).await.assert_passed();
    /// # }
    /// ```
    pub fn users(mut self, name: impl Into<String>) -> Self {
        self.target.users = name.into();
        self
    }

    /// Skips all cases after the first failure. By default, all cases are played.
    pub fn fail_fast(mut self) -> Self {
        self.settings.fail_fast = true;
        self
    }

    /// Sets the number and kind of the histories that the `conv-` cases play.
    pub fn histories(mut self, histories: Histories) -> Self {
        self.target.histories = histories;
        self
    }

    /// Leaves records of these kinds out of all cases and all generated histories, for receivers that do not keep them.
    /// A case that is about nothing else is not evaluable. By default, nothing is left out.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url) {
    /// use paragon_testkit::check::Suite;
    /// use paragon_testkit::contract::SpecialRecord;
    ///
    /// let suite = Suite::for_receiver(app_url).without([SpecialRecord::Folders, SpecialRecord::GoogleDocs]);
    /// # }
    /// ```
    pub fn without(mut self, kinds: impl IntoIterator<Item = SpecialRecord>) -> Self {
        self.target.without.extend(kinds);
        self.target.without.sort_unstable();
        self.target.without.dedup();
        self
    }

    /// Compares only these members of records with the receiver's state, for receivers that keep nothing else. A path
    /// with dots, such as `hash.value`, names a member inside a member. By default, every member that the state gives
    /// is compared. A case that changes a record in no compared member is not evaluable.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url) {
    /// use paragon_testkit::check::Suite;
    ///
    /// let suite = Suite::for_receiver(app_url).compare(["id", "name"]);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if no record of any pipeline has one of these members.
    #[track_caller]
    pub fn compare(mut self, members: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.target.members = known(self.target.members.only(members));
        self
    }

    /// Leaves a member of records out of the comparison with the receiver's state. For the path see [`Suite::compare`].
    ///
    /// # Panics
    ///
    /// Panics if no record of any pipeline has this member.
    #[track_caller]
    pub fn ignore_member(mut self, member: impl Into<String>) -> Self {
        self.target.members = known(self.target.members.ignore(member));
        self
    }

    /// Runs the `pol-` cases under each of these policies. By default, they run only under the policy of the fake.
    pub fn policies(mut self, policies: impl IntoIterator<Item = Policy>) -> Self {
        self.settings.policies = policies.into_iter().collect();
        self
    }

    /// Keeps the shortest history that fails in this folder, as one scenario file for each case. The next run plays the
    /// file first, and removes the file when the case passes. By default, nothing is kept.
    pub fn failures(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.failures = Some(Failures(folder.into()));
        self
    }

    /// Sets the list of cases that are known to fail. Such a failure does not fail the run, but the pass of a listed case
    /// does. By default the list is empty.
    pub fn known(mut self, known: Known) -> Self {
        self.settings.known = known;
        self
    }

    /// Runs only the cases for which `select` returns true.
    pub fn select(mut self, select: impl Fn(&Case) -> bool + Send + Sync + 'a) -> Self {
        self.select = Box::new(select);
        self
    }

    /// Sets a callback that is called before each case.
    pub fn on_start(mut self, on_start: impl Fn(&Starting) + Send + Sync + 'a) -> Self {
        self.settings.on_start = Box::new(on_start);
        self
    }

    /// Sets a callback that is called with each verdict, in the order of the cases. The next cases may have begun by
    /// then.
    pub fn on_result(mut self, on_result: impl Fn(&CaseResult) + Send + Sync + 'a) -> Self {
        self.settings.on_result = Box::new(on_result);
        self
    }

    /// Plays the cases and returns the verdicts in the order of [`cases`]. Each case has its own clock, users, faults
    /// and timeline. While a case waits for the receiver, the next cases go on. Sets the webhook of the fake.
    pub async fn run(&self, paragon: &FakeParagon) -> Judgment {
        let own = paragon.policy();
        let selected: Vec<_> = cases().iter().filter(|case| (self.select)(case)).collect();
        let of_policies: Vec<_> = selected.iter().copied().filter(|case| case.family == Family::Pol).collect();
        let mut planned: Vec<Planned<'_>> = Vec::new();
        for case in selected {
            if case.family != Family::Pol || self.settings.policies.is_empty() {
                planned.push((case, &own));
            } else if of_policies.first().is_some_and(|first| first.id == case.id) {
                // All `pol-` cases run in the place of the first one, grouped by policy.
                for policy in &self.settings.policies {
                    planned.extend(of_policies.iter().map(|case| (*case, policy)));
                }
            }
        }
        self.judge(paragon, &planned, None).await
    }

    /// Examines how the receiver is set up, without judging it: whether the state probe works, whether the webhook
    /// takes an event, and whether the calls that follow have the right base URL, project and signing key. What does
    /// not work yet is tried again until the settle time is over. The user of the examination is in no case. Sets the
    /// webhook of the fake.
    ///
    /// ```no_run
    /// # async fn example(app_url: url::Url) {
    /// use paragon_testkit::FakeParagon;
    /// use paragon_testkit::check::Suite;
    ///
    /// let paragon = FakeParagon::start().await;
    /// let suite = Suite::for_receiver(app_url);
    /// let examination = suite.examine(&paragon).await;
    /// assert!(!examination.is_wrong(), "{:?}", examination.findings);
    /// suite.run(&paragon).await.assert_passed();
    /// # }
    /// ```
    pub async fn examine(&self, paragon: &FakeParagon) -> Examination {
        let examined = examine(&Run::new(&self.target, paragon)).await;
        paragon.set_webhook(self.target.webhook.clone()).await;
        examined
    }

    /// Plays one scenario on the receiver, lets everything work again for a day, and judges what the receiver then
    /// holds. Uses the revision and the policy of the fake, see [`Builder::scenario`](crate::fake::Builder::scenario).
    pub async fn replay(&self, paragon: &FakeParagon, scenario: &Scenario) -> Judgment {
        let own = paragon.policy();
        self.judge(paragon, &[(&REPLAY, &own)], Some(scenario)).await
    }

    async fn judge(&self, paragon: &FakeParagon, planned: &[Planned<'_>], scenario: Option<&Scenario>) -> Judgment {
        let watch = Stopwatch::start();
        let run = Run::new(&self.target, paragon);
        let results = Schedule::of(&run, &self.settings, planned, scenario).play().await;
        paragon.set_webhook(self.target.webhook.clone()).await;
        run.remark_uncompared();
        let (target, seed, took) = (self.target.webhook.clone(), self.target.seed, watch.elapsed());
        let judgment = Judgment::of_results(target, seed, paragon.policy().name, paragon.revision(), results, took);
        Judgment { remarks: run.remarks(), ..judgment }
            .narrowed(self.target.without.clone(), self.target.members.clone())
    }
}

/// Returns the members if records have all of them.
#[track_caller]
fn known(members: Members) -> Members {
    let unknown = members.first_unknown(&Pipeline::ALL, &Revision::ALL);
    assert!(
        unknown.is_none(),
        "expected members of records, got {:?}, which no record has",
        unknown.unwrap_or_default()
    );
    members
}

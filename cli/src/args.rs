//! What can be typed. What it means is worked out in `plan`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use paragon_testkit::clock::Moment;
use paragon_testkit::contract::{Pipeline, Revision};

/// Plays Paragon to a Managed Sync webhook receiver, and judges whether it ends up with the right data.
#[derive(Parser)]
#[command(name = "paragon-testkit", version, after_help = EXITS, args_override_self = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Whether to print in colours; `auto`: on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

const EXITS: &str = "Exit codes: 0 judged and passed; 1 a case failed or a payload is invalid; 2 usage; 3 receiver or environment unreachable; \
4 nothing was judged; 130 interrupted.";

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Shows the whole story on a receiver of its own: syncs, changes, retries, a disabled webhook, a judgement.
    Demo,
    /// Judges the receiver whose webhook endpoint is URL.
    Check(Box<Check>),
    /// Plays a scenario to a receiver again, and judges what it then holds.
    ///
    /// Its seed, revision and policy hold, unless `--seed` or `--policy` says otherwise.
    Replay(Box<Replay>),
    /// Lists what is judged.
    Cases(Cases),
    /// Lists the delivery policies, or prints one as JSON: what a sender is known to do.
    Policies(Policies),
    /// Judges payloads against the contract: JSON, NDJSON, or standard input.
    ///
    /// An event is judged by the schema that it names, anything else with `--as`. Exit code 1 when one is invalid, 4
    /// when there was none.
    Validate(Validate),
    /// Lists the JSON Schemas, or prints one whole, with those that it refers to.
    Schema(Schema),
    /// Lists the example payloads, or prints one.
    Fixture(Fixture),
    /// Generates payloads, one in each line: the same for the same seed.
    Generate(Generate),
    /// Sends one event and shows the answer. Exit code 1 when the answer is not 2xx, 3 when there is none.
    Send(Send),
    /// Plays Paragon for as long as it runs, for development and for tests in other languages.
    ///
    /// Its Sync API is what your app calls; beside it, under `/_testkit/`, lies an admin API (`schema admin`). Ctrl-C
    /// ends it with a summary and exit code 0.
    Serve(Serve),
    /// Lets a running `serve` send an event now, about one of its syncs, and shows what was answered.
    ///
    /// Exit code 1 when the answer is not 2xx, 3 when nothing was sent.
    Trigger(Trigger),
    /// Says what a rule, case, schema, member or fixture is, why, and how sure.
    Explain(Explain),
    /// Prints a script with which a shell completes what is typed.
    ///
    /// For bash, `source <(paragon-testkit completions bash)` in `~/.bashrc`.
    Completions(Completions),
    /// Prints the manual page of the program, or of a verb, such as for `man -l -`.
    #[command(hide = true)]
    Man(Man),
    /// Runs a command, and ends it when standard input ends.
    #[command(name = "__supervise", hide = true)]
    Supervise { command: String },
}

#[derive(Args)]
pub(crate) struct Validate {
    /// What to judge; standard input when left out or `-`.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The schema to judge by, such as `records/file`; without it payloads are events.
    #[arg(long = "as", value_name = "SCHEMA")]
    pub(crate) schema: Option<String>,
    /// Refuses members that are not listed, as the fake's own payloads are judged. Otherwise what a receiver has to
    /// accept is valid.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct OfRevision {
    /// The age of the contract: `snake_case` (until July 2025), `camel_case` (from then on), `credential_id` (from
    /// March 2026).
    #[arg(id = "revision", long = "revision", value_name = "NAME", default_value = "credential_id", value_parser = revision)]
    pub(crate) name: Revision,
}

#[derive(Args)]
pub(crate) struct Cases {
    /// As JSON, with why, how to fix it, what a case needs and what it rests on.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Policies {
    /// Which one to print.
    pub(crate) name: Option<String>,
    /// As it runs: what it leaves open filled from `paragon-assumed`.
    #[arg(long, requires = "name")]
    pub(crate) filled: bool,
}

#[derive(Args)]
pub(crate) struct Schema {
    /// Such as `webhooks/sync_complete`, or `sync_complete`; `openapi`, `asyncapi` and `admin` for the descriptions.
    pub(crate) name: Option<String>,
    /// Refuses members that are not listed.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
    /// Writes all of them, and both descriptions, into a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "name")]
    pub(crate) export: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Fixture {
    /// Such as `webhooks/sync_complete/documented`; a schema, such as `sync_complete`, lists its own.
    pub(crate) name: Option<String>,
}

#[derive(Args)]
pub(crate) struct Generate {
    /// `event`, a schema such as `record_created` or `records/file`, or `history`.
    pub(crate) kind: String,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u64,
    /// What they follow from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Odd ones: empty and huge, deep, at the limits, with difficult text.
    #[arg(long)]
    pub(crate) edge: bool,
    /// Each breaks exactly one rule, which stands beside it: `{"breaks":{"path":…,"rule":…},"payload":…}`.
    #[arg(long)]
    pub(crate) invalid: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Send {
    /// An event such as `record_created`, or a fixture such as `webhooks/sync_complete/documented`.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) event: Option<String>,
    /// Where to, such as <http://127.0.0.1:3000/webhook>.
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Sends a file's bytes as they are, or with `--set` and `--remove` its JSON; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Generates the event from this seed, instead of taking the fixture.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub(crate) seed: Option<u64>,
    /// Sets a member, such as `user.id=ada` or `data.numRecords=0`; the value is JSON, or else text. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Removes a member, such as `credentialId`. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) remove: Vec<String>,
    /// How often, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: u32,
    /// How long to wait for each answer.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The port; 0: any that is free.
    #[arg(long, value_name = "N", default_value_t = 8642)]
    pub(crate) port: u16,
    /// The address to listen on. Whoever reaches it may do everything: keep it to this machine.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// Where events go, such as <http://127.0.0.1:3000/webhook>.
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    /// How webhooks are delivered: a policy that `policies` lists, or a file with one (TOML or JSON). Default
    /// `paragon-assumed`.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: Option<String>,
    /// Everything that is made up follows from it. The scenario's own, or 0, when left out.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many times as fast as real time its clock moves. With 0 it stands still, at the beginning of 2026, until
    /// the admin API moves it: then runs are the same each time.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed, allow_hyphen_values = true)]
    pub(crate) speed: f64,
    /// What its clock shows at first, such as 2026-01-01T00:00:00Z. Now, when left out and the clock moves.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) start: Option<Moment>,
    /// Plays a scenario first. Its days pass at once, and the clock goes on from there; its events go to the webhook, so
    /// the receiver has to be up.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Fills the accounts of a user `user_demo`, such as `files=1000,contacts=50`, and enables a sync of each pipeline.
    /// With `integration=NAME` in the list it is that one; otherwise, for each pipeline, one that has it.
    #[arg(long, value_name = "PIPELINE=COUNT,…")]
    pub(crate) source: Option<String>,
    /// The project's id; made from the seed when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// The RSA private key that the app signs user tokens with, as PEM; a public test key when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// The age of the contract: `snake_case` (until July 2025), `camel_case` (from then on), `credential_id` (from
    /// March 2026). The scenario's own, or the newest, when left out.
    #[arg(long, value_name = "NAME", value_parser = revision)]
    pub(crate) revision: Option<Revision>,
    /// Prints where it is, and what the app needs to know, as one line of JSON on standard output.
    #[arg(long)]
    pub(crate) ready_json: bool,
    /// Does not print what happens.
    #[arg(long)]
    pub(crate) quiet: bool,
}

#[derive(Args)]
pub(crate) struct Trigger {
    /// An event such as `record_updated`.
    pub(crate) event: String,
    /// Where `serve` has its admin API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8642/_testkit")]
    pub(crate) to: String,
    /// Which sync it is about; the first when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) sync: Option<String>,
    /// Sets a member, such as `data.recordId=x`; the value is JSON, or else text. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Explain {
    /// A rule such as `webhook.retry`, a case such as `rec-deleted`, a schema such as `records/file`, a member such as
    /// `records/file#size`, or a fixture.
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Prints the whole ledger as Markdown.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Such as `check`; the program's own page when left out.
    pub(crate) verb: Option<String>,
    /// Writes all of them into a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    pub(crate) export: Option<PathBuf>,
}

/// The receiver, and how it is played with: what `check` and `replay` share.
#[derive(Args)]
pub(crate) struct Target {
    /// The webhook endpoint, such as <http://127.0.0.1:3000/webhook>; `{port}` stands for a free port.
    pub(crate) url: String,
    /// Starts the receiver with this shell command and ends it afterwards. It finds `PORT`, `PARAGON_API_URL`,
    /// `PARAGON_PROJECT_ID` and `PARAGON_SIGNING_KEY` in its environment. To end the receiver in order, the program sends
    /// SIGTERM and waits up to 5 s. Cases that kill the receiver need `--spawn`.
    #[arg(long, value_name = "CMD")]
    pub(crate) spawn: Option<String>,
    /// Adds to the environment of the spawned receiver; the template may use `{api_url}`, `{port}`, `{project_id}`
    /// and `{signing_key}`. May be repeated.
    #[arg(long, value_name = "NAME=TEMPLATE", requires = "spawn")]
    pub(crate) env: Vec<String>,
    /// Where the receiver tells what it holds: `{"records":[{"syncInstanceId":…,"recordId":…,"record":…}]}`.
    /// May contain `{port}`. At most 64 MiB are read.
    #[arg(long, value_name = "URL")]
    pub(crate) state_url: Option<String>,
    /// A shell command that prints the same, at most 64 MiB within 5 s. It is run again and again: keep it quick. When it
    /// has ended, everything that it started is ended too.
    #[arg(long, value_name = "CMD", conflicts_with = "state_url")]
    pub(crate) state_cmd: Option<String>,
    /// A shell command that lets the receiver know of a sync before its first event, for a receiver that leaves events of
    /// users or syncs alone that it does not know. It finds `PARAGON_USER_ID`, `PARAGON_SYNC_ID`, `PARAGON_INTEGRATION`
    /// and `PORT` in its environment, and has 5 s.
    #[arg(long, value_name = "CMD")]
    pub(crate) before_sync: Option<String>,
    /// How events are delivered: a policy that `policies` lists, or a file with one (TOML or JSON). Default
    /// `paragon-assumed`.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: Option<String>,
    /// Reproduces a run: users, syncs, records and histories follow from it. A new one each time when left out.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// What the virtual clock shows at first, such as 2026-01-01T00:00:00Z; now, when left out. With the same seed and the
    /// same start a run is the same again.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) start: Option<Moment>,
    /// How long the receiver has to answer an event (assumed: Paragon says only "timely").
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// A receiver that is not right yet is judged after it has made no call for this long. After a failed call, and at
    /// the start of a run until it is known whether the receiver polls, it has 3.5 times as long.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// The longest wait for a receiver that is not right yet but still at work. After that, the case is not evaluable.
    /// Other cases go on meanwhile.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// How long to wait for the receiver to come up.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) wait_for: Duration,
    /// Writes a report, such as `junit=report.xml`; the formats are `json`, `junit`, `sarif`, `md` and `html`. May be
    /// repeated. `md` is added to what is in the file if that is `$GITHUB_STEP_SUMMARY`; any other file is removed when the
    /// run begins and written when it ends, also when it is interrupted.
    #[arg(long, value_name = "FORMAT=FILE")]
    pub(crate) report: Vec<String>,
    /// The port of the fake's Sync API on 127.0.0.1; 0: any that is free.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) api_port: u16,
    /// The project's id; made from the seed when left out.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// The RSA private key that the receiver signs user tokens with, as PEM; a public test key when left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Prints what the receiver needs to know as one line of JSON on standard output, before anything else.
    #[arg(long)]
    pub(crate) ready_json: bool,
}

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// What is judged.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Judging {
    /// Runs only the cases that match, such as `rec-*`. May be repeated.
    #[arg(long = "case", value_name = "GLOB")]
    pub(crate) cases: Vec<String>,
    /// Leaves out the cases that match. May be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Runs the cases down to this level.
    #[arg(long, default_value = "should")]
    pub(crate) level: Level,
    /// Lists the cases that would run, and ends.
    #[arg(long)]
    pub(crate) list: bool,
    /// Skips what follows the first case that fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Runs the `pol-` cases under every policy that `policies` lists, and tells under which the receiver is safe.
    #[arg(long, conflicts_with = "policy")]
    pub(crate) all_policies: bool,
    /// What the `conv-` cases sync: `files`, `contacts`, `companies`, `deals`, `custom_objects`, `tickets`.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "files", value_parser = pipeline)]
    pub(crate) pipelines: Vec<Pipeline>,
    /// How many histories each `conv-` case plays.
    #[arg(long = "cases", value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) histories: u32,
    /// After so long a `conv-` case begins no more histories.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) max_time: Duration,
    /// Where histories that fail are kept until they pass.
    #[arg(long, value_name = "FOLDER", default_value = ".paragon-testkit/failures")]
    pub(crate) failures: PathBuf,
    /// Runs only the cases that failed the last time; kept histories first, on users that the receiver does not know.
    #[arg(long, conflicts_with = "cases")]
    pub(crate) rerun_failed: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// The scenario: one that `check` has kept, or one of your own.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    Must,
    Should,
    May,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Must => "must",
            Self::Should => "should",
            Self::May => "may",
        }
    }
}

fn revision(text: &str) -> Result<Revision, String> {
    let names = Revision::ALL.map(Revision::name).join(", ");
    Revision::from_name(text).ok_or_else(|| format!("expected one of {names}"))
}

fn pipeline(text: &str) -> Result<Pipeline, String> {
    let names = Pipeline::ALL.map(Pipeline::name).join(", ");
    Pipeline::from_name(text).ok_or_else(|| format!("expected one of {names}"))
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "expected a time in RFC 3339, such as 2026-01-01T00:00:00Z".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed >= 0.0);
    speed.ok_or_else(|| "expected a number from 0 on, such as 60".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("expected a duration such as 500ms, 2s or 1m ({error})"))
        .and_then(|span| if span.is_zero() { Err("expected more than nothing".to_owned()) } else { Ok(span) })
}

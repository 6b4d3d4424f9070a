//! Definition of the command line: commands, options and their help texts. `plan` and the modules of the commands check
//! the values.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use paragon_testkit::clock::Timestamp;
use paragon_testkit::contract::{Pipeline, Revision, SpecialRecord};

use crate::names;

/// Simulates Paragon for a Managed Sync webhook receiver, and judges whether the receiver ends up with the right data.
#[derive(Parser)]
#[command(name = "paragon-testkit", version, after_help = EXITS, args_override_self = true)]
pub(crate) struct Program {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// When to print in color. `auto` prints in color on a terminal, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

const EXITS: &str = "Exit codes: 0 judged and passed; 1 a case failed or a payload is invalid; 2 usage; 3 receiver or environment unreachable or set up wrongly; \
4 nothing was judged; 130 interrupted.";

/// Default port of the API, which clients expect without being told.
pub(crate) const API_PORT: u16 = 8642;

/// Default of `--wait-for`.
pub(crate) const WAIT_FOR: &str = "30s";

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Runs a demo with a built-in receiver: syncs, changes, retries, a disabled webhook, the conformance suite.
    Demo,
    /// Runs the conformance suite against the receiver whose webhook endpoint is URL.
    Check(Box<Check>),
    /// Examines how a receiver is set up, without judging it: its state probe, its webhook, its calls of the Sync API.
    ///
    /// `check` and `replay` begin with the same examination. The exit code is 0 if each part was seen to work, 3 if a part
    /// is set up wrongly, and otherwise 4.
    Doctor(Box<Doctor>),
    /// Plays a scenario against a receiver, and judges the records that the receiver then holds.
    ///
    /// The seed, the revision and the policy of the scenario apply, unless `--seed` or `--policy` overrides them.
    Replay(Box<Replay>),
    /// Lists the cases of the conformance suite.
    Cases(Cases),
    /// Lists the delivery policies, or prints one as JSON. A policy says how a sender delivers webhooks.
    Policies(Policies),
    /// Validates payloads against the contract: JSON, NDJSON, or standard input.
    ///
    /// The output of `generate` can be validated, also with `--invalid`.
    ///
    /// Without `--as` each payload must be an event, and is validated against the schema of that event. The exit code
    /// is 1 if a payload is invalid, and 4 if there was no payload.
    Validate(Validate),
    /// Lists the JSON Schemas, or prints one together with the schemas that it refers to.
    Schema(Schema),
    /// Lists the example payloads, or prints one.
    Fixture(Fixture),
    /// Generates payloads, one per line. The same seed gives the same payloads.
    Generate(Generate),
    /// Sends one event and shows the response. Exit code 1 if the status is not 2xx, 3 if there is no response.
    Send(Send),
    /// Runs the fake Paragon as a server, for development and for tests in other languages.
    ///
    /// Your app calls its Sync API. Your tests control it through an admin API under `/_testkit/`, which `schema admin`
    /// describes. Ctrl-C ends the server with a summary and exit code 0.
    Serve(Serve),
    /// Makes a running `serve` send an event about one of its syncs now, and shows the response.
    ///
    /// The exit code is 1 if the response does not count as delivered, and 3 if nothing was sent or there is no
    /// response.
    Trigger(Trigger),
    /// Explains a rule, case, schema, member or fixture: what it says, why, and how certain that is.
    Explain(Explain),
    /// Writes a `paragon-testkit.toml` into the current folder. Each of its lines is a comment that explains an option.
    Init,
    /// Shows the options that the environment and `paragon-testkit.toml` set.
    #[command(disable_help_subcommand = true)]
    Config(Config),
    /// Prints the key that a receiver signs user tokens with, as PEM. Without `--signing-key` it is the same in each run.
    Key(Key),
    /// Prints the completion script for a shell.
    ///
    /// For bash, put `source <(paragon-testkit completions bash)` into `~/.bashrc`.
    Completions(Completions),
    /// Prints the manual page of the program or of one of its commands, for example for `man -l -`.
    #[command(hide = true)]
    Man(Man),
    /// Runs a shell command, and ends the command when standard input ends.
    #[command(name = "__supervise", hide = true)]
    Supervise { command: String },
}

#[derive(Args)]
pub(crate) struct Validate {
    /// Files to validate. Standard input if no file is given, or for `-`.
    #[arg(value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Schema to validate against, such as `records/file`. Default: `event`, the schema of the event that the payload
    /// names.
    #[arg(long = "as", value_name = "SCHEMA")]
    pub(crate) schema: Option<String>,
    /// Rejects members that the schema does not list; the fake's own payloads have none. Without this option everything
    /// that a receiver must accept is valid.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct OfRevision {
    /// Revision of the contract: `snake_case` (until July 2025), `camel_case` (since July 2025) or `credential_id`
    /// (since March 2026).
    #[arg(id = "revision", long = "revision", value_name = "NAME", default_value = "credential_id", value_parser = revision)]
    pub(crate) name: Revision,
}

#[derive(Args)]
pub(crate) struct Cases {
    /// Prints JSON, with the reason, the fix, the needs and the rules of each case.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Policies {
    /// Policy to print.
    pub(crate) name: Option<String>,
    /// Prints the policy as it runs: the cells that it leaves open are filled from `paragon-assumed`.
    #[arg(long, requires = "name")]
    pub(crate) filled: bool,
}

#[derive(Args)]
pub(crate) struct Schema {
    /// Schema to print, such as `webhooks/sync_complete` or `sync_complete`. `openapi`, `asyncapi` and `admin` print
    /// the API descriptions, and `config` prints the schema of `paragon-testkit.toml`.
    pub(crate) name: Option<String>,
    /// Prints the strict schema, which rejects members that it does not list.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
    /// Writes all schemas and all API descriptions into a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "name")]
    pub(crate) export: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Fixture {
    /// Fixture to print, such as `webhooks/sync_complete/documented`. The name of a schema, such as `sync_complete`,
    /// lists the fixtures of that schema.
    pub(crate) name: Option<String>,
}

#[derive(Args)]
pub(crate) struct Generate {
    /// Kind of payload: `event`, a schema such as `record_created` or `records/file`, or `history`.
    pub(crate) kind: String,
    /// Number of payloads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) count: u64,
    /// Seed of the generator.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Generates edge cases: empty, huge and deeply nested values, values at the limits, difficult text.
    #[arg(long)]
    pub(crate) edge: bool,
    /// Generates invalid payloads. Each breaks exactly one rule, and is printed with that rule:
    /// `{"breaks":{"path":…,"rule":…},"payload":…}`.
    #[arg(long)]
    pub(crate) invalid: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Send {
    /// Event to send, such as `record_created`, or a fixture, such as `webhooks/sync_complete/documented`.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) event: Option<String>,
    /// URL to send the event to, such as <http://127.0.0.1:3000/webhook>.
    #[arg(long, value_name = "URL")]
    pub(crate) to: String,
    /// Sends the bytes of a file unchanged, or its JSON as edited by `--set` and `--remove`. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Generates the event from this seed, instead of sending the example of the event.
    #[arg(long, value_name = "N", conflicts_with = "file")]
    pub(crate) seed: Option<u64>,
    /// Sets a member, such as `user.id=ada` or `data.numRecords=0`. A value that is not JSON is text. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Removes a member, such as `credentialId`. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) remove: Vec<String>,
    /// Number of times to send the event, one request after the other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) times: u32,
    /// Timeout of each request.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) trust: Trust,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Port to listen on. 0 takes any free port.
    #[arg(long, value_name = "N", default_value_t = API_PORT)]
    pub(crate) port: u16,
    /// Address to listen on. Every client that reaches the address has full control of the fake, so keep it local.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(crate) host: IpAddr,
    /// URL that events are sent to, such as <http://127.0.0.1:3000/webhook>.
    #[arg(long, value_name = "URL")]
    pub(crate) webhook: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Delivery policy: one that `policies` lists, or a TOML or JSON file. Default: the policy of the scenario, or
    /// `paragon-assumed`.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: Option<String>,
    /// Seed of all generated data. Default: the seed of the scenario, or 0.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Speed of the virtual clock, as a multiple of real time. With 0 the clock moves only when the admin API moves it,
    /// so that each run is the same.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed, allow_hyphen_values = true)]
    pub(crate) speed: f64,
    /// Start time of the virtual clock, such as 2026-01-01T00:00:00Z. Default: now, or the beginning of 2026 if
    /// `--speed` is 0.
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) start: Option<Timestamp>,
    /// Plays a scenario at the start. Its days pass at once, and the clock goes on from its end. Its events go to the
    /// webhook, so the receiver must be running.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// Creates objects in accounts of the user `user_demo`, such as `files=1000,contacts=50`, and enables a sync of each
    /// pipeline. `integration=NAME` in the list chooses the integration. Without it, each pipeline gets an integration
    /// that supports the pipeline.
    #[arg(long, value_name = "PIPELINE=COUNT,…")]
    pub(crate) source: Option<String>,
    /// Project id. Default: an id that is the same in each run.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// PEM file with the RSA private key that the app signs user tokens with. Default: a public test key.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Revision of the contract: `snake_case` (until July 2025), `camel_case` (since July 2025) or `credential_id`
    /// (since March 2026). Default: the revision of the scenario, or the newest.
    #[arg(long, value_name = "NAME", value_parser = revision)]
    pub(crate) revision: Option<Revision>,
    /// Prints the URLs, the project id and the signing key as one line of JSON on standard output.
    #[arg(long)]
    pub(crate) ready_json: bool,
    /// Does not print the timeline while the server runs.
    #[arg(long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

#[derive(Args)]
pub(crate) struct Trigger {
    /// Event to send, such as `record_updated`.
    pub(crate) event: String,
    /// URL of the admin API of `serve`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8642/_testkit")]
    pub(crate) to: String,
    /// Id of the sync that the event is about. Default: the first sync.
    #[arg(long, value_name = "ID")]
    pub(crate) sync: Option<String>,
    /// Sets a member, such as `data.recordId=x`. A value that is not JSON is text. May be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Explain {
    /// Name of a rule such as `webhook.retry`, a case such as `rec-deleted`, a schema such as `records/file`, a member
    /// such as `records/file#size`, or a fixture.
    #[arg(required_unless_present = "all")]
    pub(crate) id: Option<String>,
    /// Prints the whole provenance table as Markdown: rules, integrations, members and fixtures.
    #[arg(long, conflicts_with = "id")]
    pub(crate) all: bool,
}

#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) verb: ConfigVerb,
}

#[derive(Subcommand)]
pub(crate) enum ConfigVerb {
    /// Prints each option of a command, its value, and where the value comes from. Values of headers and of `--env` are
    /// left out, because they may be secrets.
    Show(Show),
}

#[derive(Args)]
pub(crate) struct Show {
    /// Command whose options are printed.
    #[arg(default_value = "check")]
    pub(crate) verb: ConfiguredVerb,
    /// Options of that command, as they would be typed.
    #[arg(value_name = "OPTION", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) typed: Vec<OsString>,
}

/// A command whose options may come from the environment or from a file.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConfiguredVerb {
    Check,
    Doctor,
    Replay,
    Serve,
}

impl ConfiguredVerb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Doctor => "doctor",
            Self::Replay => "replay",
            Self::Serve => "serve",
        }
    }
}

/// Options that say where the other options come from.
#[derive(Args)]
pub(crate) struct Configuration {
    /// File with options. Default: `paragon-testkit.toml` in the current folder, or else in the nearest folder above it.
    /// An option that is not typed comes from the environment variable `PARAGON_TESTKIT_<OPTION>`, such as
    /// `PARAGON_TESTKIT_STATE_URL`, or else from this file.
    #[arg(id = "config", long = "config", value_name = "FILE", conflicts_with = "no_config")]
    pub(crate) file: Option<PathBuf>,
    /// Reads no file with options.
    #[arg(long)]
    pub(crate) no_config: bool,
}

#[derive(Args)]
pub(crate) struct Key {
    /// Prints the public key, with which the Sync API verifies the tokens.
    #[arg(long)]
    pub(crate) public: bool,
    /// PEM file with an RSA private key of your own. Default: a public test key.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Completions {
    /// Shell to print the script for.
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Command to print the page of, such as `check`. Default: the page of the program.
    pub(crate) verb: Option<String>,
    /// Writes all manual pages into a folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    pub(crate) export: Option<PathBuf>,
}

/// Options that say which certificates are accepted from a receiver.
#[derive(Args)]
pub(crate) struct Trust {
    /// PEM file with a certificate to accept from the receiver over https: the receiver's own certificate, or the
    /// certificate of the authority that signed it. May be repeated. The file may contain several. Certificates that the
    /// operating system trusts are accepted anyway.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// Accepts every certificate from the receiver.
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// Options that `check` and `replay` share: the receiver, and how to run it.
#[derive(Args)]
pub(crate) struct Target {
    /// Webhook endpoint of the receiver, such as <http://127.0.0.1:3000/webhook>. `{port}` stands for a free port.
    pub(crate) url: String,
    /// Shell command that starts the receiver. The command gets `PORT`, `PARAGON_API_URL`, `PARAGON_PROJECT_ID` and
    /// `PARAGON_SIGNING_KEY` in its environment. At the end the receiver gets SIGTERM, and has 5 s to end. Cases that
    /// kill the receiver need `--spawn`.
    #[arg(long, value_name = "CMD")]
    pub(crate) spawn: Option<String>,
    /// Sets an environment variable of the spawned receiver. The template may use `{api_url}`, `{port}`, `{project_id}`
    /// and `{signing_key}`. May be repeated.
    #[arg(long, value_name = "NAME=TEMPLATE", requires = "spawn")]
    pub(crate) env: Vec<String>,
    /// URL at which the receiver lists the records that it holds, as JSON:
    /// `{"records":[{"syncInstanceId":…,"recordId":…,"record":…}]}`. May contain `{port}`. At most 64 MiB are
    /// read. If the URL contains `{sync}`, the receiver is asked for one sync at a time, with the id of the sync in
    /// this place; for an unknown sync it lists no records.
    #[arg(long, value_name = "URL")]
    pub(crate) state_url: Option<String>,
    /// Shell command that prints the same JSON as `--state-url`, at most 64 MiB within 5 s. It is run many times, so it
    /// must be fast. When the command ends, processes that it started are ended too. If the command contains `{sync}`,
    /// it is run for one sync at a time. The id of the sync replaces `{sync}`, and is in `PARAGON_SYNC_ID`.
    #[arg(long, value_name = "CMD", conflicts_with = "state_url")]
    pub(crate) state_cmd: Option<String>,
    /// Shell command that registers a sync with the receiver before the first event of the sync, for receivers that
    /// ignore unknown users or syncs. The command gets `PARAGON_USER_ID`, `PARAGON_SYNC_ID`, `PARAGON_INTEGRATION`,
    /// `PARAGON_PIPELINE`, `PARAGON_CREDENTIAL_ID` and `PORT` in its environment, and has 5 s. A URL gets
    /// `{"user":…,"syncInstanceId":…,"integration":…,"pipeline":…,"credentialId":…}` by POST instead, and must answer
    /// 2xx. The URL may contain `{port}`.
    #[arg(long, value_name = "CMD|URL")]
    pub(crate) before_sync: Option<String>,
    /// Shell command that is run before the receiver is examined, for a receiver that must be emptied or prepared. The
    /// receiver is running by then, and so is the fake. The command gets `PORT`, `PARAGON_API_URL`,
    /// `PARAGON_PROJECT_ID` and `PARAGON_SIGNING_KEY` in its environment, and has 30 s. If it fails, nothing is judged.
    #[arg(long, value_name = "CMD")]
    pub(crate) reset_cmd: Option<String>,
    #[command(flatten)]
    pub(crate) trust: Trust,
    /// Adds a header to each webhook request, and to each request to `--state-url` and `--before-sync`, for a receiver that
    /// demands a cookie or an API key. May be repeated. No report contains the value.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// Delivery policy: one that `policies` lists, or a TOML or JSON file. Default: `paragon-assumed`, or the policy of
    /// the scenario for `replay`.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: Option<String>,
    /// Seed of the generated records and histories, and of all choices. Default: a new seed for each run, or the seed of
    /// the scenario for `replay`.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Start time of the virtual clock, such as 2026-01-01T00:00:00Z. Default: now. The same seed and the same start
    /// time give the same run, except for the ids of users and syncs (see `--users`).
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    pub(crate) start: Option<Timestamp>,
    /// Timeout of the receiver's response to an event (assumed: Paragon says only "timely").
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// A receiver whose data is not right is judged after it has made no call for this long. It has 3.5 times as long
    /// after a failed call, and at the start of a run until it is known whether the receiver polls.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// Longest wait for a receiver whose data is not right yet, but which is still working. After that, the case is not
    /// evaluable. Other cases go on meanwhile.
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// How long to wait until the receiver listens.
    #[arg(long, value_name = "DURATION", default_value = WAIT_FOR, value_parser = duration)]
    pub(crate) wait_for: Duration,
    /// Writes a report, such as `junit=report.xml`. The formats are `json`, `junit`, `sarif`, `md` and `html`. May be
    /// repeated. An old file is removed when the run begins, and the new one is written when the run ends or is
    /// interrupted. Only an `md` report to `$GITHUB_STEP_SUMMARY` is appended instead.
    #[arg(long, value_name = "FORMAT=FILE")]
    pub(crate) report: Vec<String>,
    /// Name that the ids of users and syncs derive from. Default: a new name for each run, so that a receiver that keeps
    /// its data need not be emptied between runs. With a name of your own, the same seed and start time give the same
    /// ids.
    #[arg(long, value_name = "NAME")]
    pub(crate) users: Option<String>,
    /// Port of the fake's Sync API on 127.0.0.1. 0 takes any free port. Default: 0 with `--spawn` or `--ready-json`.
    /// Otherwise 8642, so that a receiver that keeps running finds the API again in the next run.
    #[arg(long, value_name = "N")]
    pub(crate) api_port: Option<u16>,
    /// Project id. Default: an id that is the same in each run.
    #[arg(long, value_name = "ID")]
    pub(crate) project: Option<String>,
    /// PEM file with the RSA private key that the receiver signs user tokens with. Default: a public test key.
    #[arg(long, value_name = "FILE")]
    pub(crate) signing_key: Option<PathBuf>,
    /// Prints the four values that the receiver needs in its environment, as one line of JSON on standard output,
    /// before anything else.
    #[arg(long)]
    pub(crate) ready_json: bool,
    #[command(flatten)]
    pub(crate) configuration: Configuration,
}

/// Options that say which members of records are compared.
#[derive(Args)]
pub(crate) struct Comparing {
    /// Compares only these members of records with the state of the receiver, for a receiver that keeps nothing else.
    /// `hash.value` is a member inside a member. Default: every member that the state gives. A case that changes a
    /// record in no compared member is not evaluable.
    #[arg(long, value_name = "MEMBER,…", value_delimiter = ',')]
    pub(crate) compare: Vec<String>,
    /// Leaves a member of records, such as `updatedAt`, out of the comparison with the state of the receiver. May be
    /// repeated.
    #[arg(long, value_name = "MEMBER")]
    pub(crate) ignore_member: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) comparing: Comparing,
    #[command(flatten)]
    pub(crate) judging: Judging,
}

/// Options that select the cases of `check`, and say how to run them.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Judging {
    /// Runs only the cases that match the pattern, such as `rec-*`. May be repeated.
    #[arg(long = "case", value_name = "GLOB")]
    pub(crate) cases: Vec<String>,
    /// Leaves out the cases that match the pattern. May be repeated.
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Lowest level of the cases to run. `must` is the highest level.
    #[arg(long, default_value = "should")]
    pub(crate) level: Level,
    /// Lists the cases that would run, and exits.
    #[arg(long)]
    pub(crate) list: bool,
    /// Prints each case as soon as it is judged. Otherwise only failures are printed then, and the other verdicts are
    /// counted at the end.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Skips all cases after the first one that fails.
    #[arg(long)]
    pub(crate) fail_fast: bool,
    /// Runs the `pol-` cases under every policy of `policies` that can run, and says under which ones no data is lost.
    #[arg(long, conflicts_with = "policy")]
    pub(crate) all_policies: bool,
    /// Pipelines that the `conv-` cases sync: `files`, `contacts`, `companies`, `deals`, `custom_objects`, `tickets`.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "files", value_parser = pipeline)]
    pub(crate) pipelines: Vec<Pipeline>,
    /// Leaves these kinds of records out of all cases, for a receiver that does not keep them: `folders`,
    /// `google-docs`, `empty-types`, `empty-files` (0 bytes), `large-files` (more than 1 GiB), `odd-names`. A case that
    /// is about nothing else is not evaluable.
    #[arg(long, value_name = "KIND,…", value_delimiter = ',', value_parser = special_record)]
    pub(crate) without: Vec<SpecialRecord>,
    /// Number of histories that each `conv-` case plays.
    #[arg(long = "cases", value_name = "N", default_value_t = 36, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) histories: u32,
    /// Time after which a `conv-` case begins no new history.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) max_time: Duration,
    /// Folder where failing histories are kept until they pass.
    #[arg(long, value_name = "FOLDER", default_value = ".paragon-testkit/failures")]
    pub(crate) failures: PathBuf,
    /// Runs only the cases that failed in the last run; with `--case`, those of them that match. Kept histories run
    /// first, with users new to the receiver.
    #[arg(long)]
    pub(crate) rerun_failed: bool,
    /// File that lists cases that are known to fail, one on each line. Their failures do not fail the run. If a listed
    /// case passes, the run fails, so that the list cannot become outdated.
    #[arg(long, value_name = "FILE")]
    pub(crate) known: Option<PathBuf>,
    /// Updates the file of `--known` after the run: adds the cases that failed, and takes out the cases that passed,
    /// except for `conv-` cases. Comments and all other cases stay.
    #[arg(long, requires = "known")]
    pub(crate) write_known: bool,
    #[command(flatten)]
    pub(crate) revision: OfRevision,
}

#[derive(Args)]
pub(crate) struct Replay {
    /// Scenario file: one that `check` has kept, or one of your own.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) comparing: Comparing,
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

fn special_record(text: &str) -> Result<SpecialRecord, String> {
    let names = SpecialRecord::ALL.map(SpecialRecord::name);
    SpecialRecord::from_name(text)
        .ok_or_else(|| format!("expected one of {}{}", names.join(", "), names::meant(text, names.into_iter())))
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "expected a time in RFC 3339, such as 2026-01-01T00:00:00Z".to_owned())
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed >= 0.0);
    speed.ok_or_else(|| "expected a number of at least 0, such as 60".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("expected a duration such as 500ms, 2s or 1m ({error})"))
        .and_then(|span| if span.is_zero() { Err("expected a duration above 0".to_owned()) } else { Ok(span) })
}

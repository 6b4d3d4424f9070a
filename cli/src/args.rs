//! What can be typed. What it means is worked out in `plan`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

const EXITS: &str = "Exit codes: 0 judged and passed; 1 a case failed; 2 usage; 3 receiver or environment unreachable; \
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
    /// Lists what is judged.
    Cases,
    /// Runs a command, and ends it when standard input ends.
    #[command(name = "__supervise", hide = true)]
    Supervise { command: String },
}

#[derive(Args)]
pub(crate) struct Check {
    /// The webhook endpoint, such as <http://127.0.0.1:3000/webhook>; `{port}` stands for a free port.
    pub(crate) url: String,
    /// Starts the receiver with this shell command and ends it afterwards. It finds `PORT`, `PARAGON_API_URL`,
    /// `PARAGON_PROJECT_ID` and `PARAGON_SIGNING_KEY` in its environment.
    #[arg(long, value_name = "CMD")]
    pub(crate) spawn: Option<String>,
    /// Adds to the environment of the spawned receiver; the template may use `{api_url}`, `{port}`, `{project_id}`
    /// and `{signing_key}`. May be repeated.
    #[arg(long, value_name = "NAME=TEMPLATE", requires = "spawn")]
    pub(crate) env: Vec<String>,
    /// Where the receiver tells what it holds: `{"records":[{"syncInstanceId":…,"recordId":…,"record":…}]}`.
    /// May contain `{port}`.
    #[arg(long, value_name = "URL")]
    pub(crate) state_url: Option<String>,
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
    /// Reproduces a run: users, syncs and records follow from it. A new one each time when left out.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How long the receiver has to answer an event (assumed: Paragon says only "timely").
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long the receiver may take to come to rest after the last event. Only a wrong one takes so long.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// How long to wait for the receiver to come up.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) wait_for: Duration,
    /// Writes a report, such as `json=report.json`. May be repeated.
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

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("expected a duration such as 500ms, 2s or 1m ({error})"))
        .and_then(|span| if span.is_zero() { Err("expected more than nothing".to_owned()) } else { Ok(span) })
}

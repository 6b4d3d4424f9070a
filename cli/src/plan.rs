//! Checks the options of the target: URLs, templates, keys, files. All invalid values are reported here, before
//! anything is started.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use paragon_testkit::check::Members;
use paragon_testkit::clock::Timestamp;
use paragon_testkit::contract::{Pipeline, Revision};
use paragon_testkit::delivery::{Http, Trust};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::shell::BeforeSync;
use crate::{args, names, reports};

/// The checked options that say which receiver to test and how to reach it.
pub(crate) struct Aim {
    pub(crate) typed: args::Target,
    pub(crate) webhook: Url,
    pub(crate) state_url: Option<Url>,
    /// Value of `{port}` in templates, and of `PORT` in the environment.
    pub(crate) port: u16,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) trust: Trust,
    pub(crate) before_sync: Option<BeforeSync>,
    pub(crate) signing_key: Option<String>,
    pub(crate) reports: Vec<reports::RequestedReports>,
    /// Members of records that are compared with the receiver's state.
    pub(crate) members: Members,
    /// Start time of the virtual clock.
    pub(crate) start: Timestamp,
    /// Name that the ids of users derive from.
    pub(crate) users: String,
}

impl Aim {
    pub(crate) fn of(typed: args::Target) -> Result<Self, String> {
        let mentions_port = [Some(&typed.url), typed.state_url.as_ref()].iter().flatten().any(|t| t.contains("{port}"));
        let free = if mentions_port { free_port()? } else { 0 };
        let webhook = url("URL", &typed.url, free)?;
        let state_url = typed.state_url.as_ref().map(|text| url("--state-url", text, free)).transpose()?;
        let port = if mentions_port { free } else { webhook.port_or_known_default().unwrap_or_default() };
        let env = typed.env.iter().map(|text| variable(text)).collect::<Result<_, _>>()?;
        let headers = headers(&typed.header)?;
        let trust = trust(&typed.trust)?;
        let before_sync = match typed.before_sync.as_deref() {
            Some(text) if text.starts_with("http://") || text.starts_with("https://") => {
                let url = url("--before-sync", text, port)?;
                Some(BeforeSync::Post(url, headers.clone(), Http::trusting(trust.clone())))
            }
            command => command.map(|command| BeforeSync::Run(command.to_owned())),
        };
        let reports = reports::asked(&typed.report)?;
        let signing_key = typed.signing_key.as_deref().map(self::signing_key).transpose()?;
        let start = typed.start.unwrap_or_else(this_second);
        let users = typed.users.clone().unwrap_or_else(new_users);
        let members = Members::default();
        Ok(Self {
            typed,
            webhook,
            state_url,
            port,
            env,
            headers,
            trust,
            before_sync,
            signing_key,
            reports,
            members,
            start,
            users,
        })
    }

    /// Sets which members of records are compared. Returns an error if no record of these pipelines has one of the
    /// members, or if there is no state to compare with.
    pub(crate) fn comparing(
        self,
        typed: args::Comparing,
        pipelines: &[Pipeline],
        revision: Revision,
    ) -> Result<Self, String> {
        let members = Members::default().only(typed.compare);
        let members = typed.ignore_member.into_iter().fold(members, Members::ignore);
        let flag = |path: Option<&str>| match path {
            Some(path) if members.ignored().any(|ignored| ignored == path) => "--ignore-member",
            None if members.compared().next().is_none() => "--ignore-member",
            _ => "--compare",
        };
        if let Some(unknown) = members.first_unknown(pipelines, &[revision]) {
            let synced: BTreeSet<_> = pipelines.iter().map(|pipeline| pipeline.name()).collect();
            let known: Vec<_> = Members::known(pipelines, &[revision]).into_iter().collect();
            return Err(format!(
                "{} {unknown:?}: no record of {} has this member{}; expected one of {}, or a path to a member inside one \
                 of them, such as hash.value",
                flag(Some(unknown)),
                synced.into_iter().collect::<Vec<_>>().join(", "),
                names::meant(unknown, known.iter().copied()),
                known.join(", "),
            ));
        }
        if !members.are_all() && self.typed.state_url.is_none() && self.typed.state_cmd.is_none() {
            return Err(format!(
                "{}: without a state probe, no member of a record is compared; add --state-url or --state-cmd",
                flag(None)
            ));
        }
        Ok(Self { members, ..self })
    }

    /// Returns the command that repeats this run, with the additional options in `more`.
    pub(crate) fn again(&self, verb: &str, file: Option<&Path>, more: &[(&str, String)]) -> String {
        let mut words = vec!["paragon-testkit".to_owned(), verb.to_owned()];
        words.extend(file.map(|file| file.display().to_string()));
        words.push(self.typed.url.clone());
        let mut option = |name: &str, value: &str| {
            words.push(name.to_owned());
            if !value.is_empty() {
                words.push(value.to_owned());
            }
        };
        let typed = &self.typed;
        if let Some(command) = &typed.spawn {
            option("--spawn", command);
        }
        typed.env.iter().for_each(|env| option("--env", env));
        if let Some(state_url) = &typed.state_url {
            option("--state-url", state_url);
        }
        if let Some(command) = &typed.state_cmd {
            option("--state-cmd", command);
        }
        if let Some(command) = &typed.before_sync {
            option("--before-sync", command);
        }
        if let Some(command) = &typed.reset_cmd {
            option("--reset-cmd", command);
        }
        typed.trust.ca.iter().for_each(|file| option("--ca", &file.display().to_string()));
        if typed.trust.insecure {
            option("--insecure", "");
        }
        let compared: Vec<_> = self.members.compared().collect();
        if !compared.is_empty() {
            option("--compare", &compared.join(","));
        }
        self.members.ignored().for_each(|member| option("--ignore-member", member));
        // The values may be secrets, and the command is in reports.
        self.headers.keys().for_each(|name| option("--header", &format!("{name}: …")));
        if let Some(policy) = &typed.policy {
            option("--policy", policy);
        }
        if let Some(key) = &typed.signing_key {
            option("--signing-key", &key.display().to_string());
        }
        if let Some(project) = &typed.project {
            option("--project", project);
        }
        if let Some(port) = typed.api_port {
            option("--api-port", &port.to_string());
        }
        option("--timeout", &self::typed(typed.timeout));
        option("--settle", &self::typed(typed.settle));
        option("--patience", &self::typed(typed.patience));
        if self::typed(typed.wait_for) != args::WAIT_FOR {
            option("--wait-for", &self::typed(typed.wait_for));
        }
        option("--start", &self.start.to_string());
        // The command says everything itself, so that a file changes nothing.
        if typed.configuration.file.is_some() || typed.configuration.no_config {
            option("--no-config", "");
        }
        for (name, value) in more {
            option(name, value);
        }
        let quoted = words.iter().map(|word| shlex::try_quote(word).map_or(word.clone(), std::borrow::Cow::into_owned));
        quoted.collect::<Vec<_>>().join(" ")
    }
}

/// Default project id, which is the same in each run: a receiver that keeps running has it in its configuration.
pub(crate) const PROJECT: &str = "7dabbfd2-54d8-5238-8946-96c4a34144ff";

/// Returns the current time, rounded down to whole seconds. Every receiver can store times of this precision.
pub(crate) fn this_second() -> Timestamp {
    let now = Timestamp::wall().as_millis();
    Timestamp::from_millis(now - now.rem_euclid(1_000))
}

/// Returns a duration as it is typed, such as `1m30s`.
pub(crate) fn typed(span: Duration) -> String {
    humantime::format_duration(span).to_string().replace(' ', "")
}

/// Returns a seed that differs from run to run. The seed has at most six digits, so that it is easy to type.
pub(crate) fn a_seed() -> u64 {
    let millis = paragon_testkit::clock::Timestamp::wall().as_millis().unsigned_abs();
    (millis ^ (u64::from(std::process::id()) << 10)) % 1_000_000
}

/// Returns a name for users that no other run has: the time and the process id.
fn new_users() -> String {
    format!("{}-{}", Timestamp::wall().as_millis(), std::process::id())
}

/// Returns a free port from 10,000 to 29,999. These ports are below the ephemeral range (32,768 and up on Linux, 49,152
/// elsewhere), so the system does not hand out the port before the receiver starts. The search starts at a place that
/// depends on the process id, so that programs that run at the same time choose different ports.
fn free_port() -> Result<u16, String> {
    const LOWEST: u32 = 10_000;
    const PORTS: u32 = 20_000;
    let first = std::process::id().wrapping_mul(7_919) % PORTS;
    let mut ports = (0..PORTS).filter_map(|step| u16::try_from(LOWEST + (first + step) % PORTS).ok());
    let free = ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.ok_or_else(|| format!("there is no free port for {{port}} between {LOWEST} and {}", LOWEST + PORTS))
}

pub(crate) fn url(what: &str, text: &str, port: u16) -> Result<Url, String> {
    let expected = "expected an address such as http://127.0.0.1:3000/webhook";
    let url: Url = text
        .replace("{port}", &port.to_string())
        .parse()
        .map_err(|error| format!("{what} {text:?}: {expected} ({error})"))?;
    match url.scheme() {
        "http" | "https" if url.host_str().is_some() => Ok(url),
        scheme => Err(format!("{what} {text:?}: {expected}, got the scheme {scheme:?}")),
    }
}

/// Reads the file of `--signing-key`.
pub(crate) fn signing_key(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("--signing-key {}: {error}", file.display()))
}

/// Reads the files of `--ca`, and applies `--insecure`.
pub(crate) fn trust(typed: &args::Trust) -> Result<Trust, String> {
    let mut trust = Trust::default();
    for file in &typed.ca {
        let wrong = |why: &dyn std::fmt::Display| format!("--ca {}: {why}", file.display());
        let pem = fs::read(file).map_err(|error| wrong(&error))?;
        trust = trust.pem(&pem).map_err(|error| wrong(&error))?;
    }
    Ok(if typed.insecure { trust.all() } else { trust })
}

/// Parses all `--header` options.
fn headers(typed: &[String]) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for text in typed {
        // The messages do not repeat the value, which may be a secret.
        let expected = "expected 'NAME: VALUE', such as 'X-Api-Key: abc'";
        let (name, value) = text.split_once(':').ok_or_else(|| format!("--header: {expected} (there is no colon)"))?;
        let wrong = |why: &str| format!("--header {name:?}: {expected} ({why})");
        let parsed = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|error| wrong(&error.to_string()))?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|error| wrong(&error.to_string()))?;
        value.set_sensitive(true);
        headers.append(parsed, value);
    }
    Ok(headers)
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, template)) if !name.is_empty() => Ok((name.to_owned(), template.to_owned())),
        _ => Err(format!("--env {text:?}: expected NAME=TEMPLATE, such as API_URL={{api_url}}")),
    }
}

use serde_json::{Map, Value};

use super::grade::Grade;
use super::pipeline::Pipeline;
use Kind::{Boolean, Id, Object, OneOf, Strings, Text};
use Requirement::{Alternative, Optional, Required};

/// An integration that Managed Sync pulls from, with its pipelines and their settings.
///
/// ```
/// use paragon_testkit::contract::{Pipeline, integration};
/// use serde_json::json;
///
/// let teams = integration("microsoft-teams")?;
/// let problems = teams.check(Pipeline::Files, json!({"teamId": 7}).as_object().unwrap()).unwrap_err();
/// assert_eq!(problems[0].to_string(), "configuration.teamId: expected a string, got 7");
/// # Ok::<(), paragon_testkit::contract::UnknownIntegration>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Integration {
    /// Name in the API, such as `googledrive`.
    pub name: &'static str,
    /// Pipelines that the integration supports.
    pub pipelines: &'static [Supported],
    /// Whether the Permissions API covers the integration's files.
    pub permissions: bool,
    /// Grade of those members above that have no grade of their own.
    pub grade: Grade,
    /// Source of these facts.
    pub source: &'static str,
    /// Day on which the source was last read, as `YYYY-MM-DD`.
    pub checked: &'static str,
}

/// A pipeline that an integration supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Supported {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Documented members of the pipeline's configuration. Paragon's lists are not complete.
    pub settings: &'static [Setting],
    /// Certainty that the integration supports this pipeline.
    pub grade: Grade,
}

/// A member of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Name of the member.
    pub key: &'static str,
    /// Type of the value.
    pub kind: Kind,
    /// Whether the member is required.
    pub need: Requirement,
    /// Example of a value, as JSON.
    pub example: &'static str,
}

/// The type of a [`Setting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A string.
    Text,
    /// A string or an integer. The provider's ids are numbers, and the documentation does not show which type Paragon
    /// takes.
    Id,
    /// `true` or `false`.
    Boolean,
    /// A list of strings.
    Strings,
    /// One of the listed strings.
    OneOf(&'static [&'static str]),
    /// An object with the listed members.
    Object(&'static [Setting]),
}

/// Whether a [`Setting`] is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Requirement {
    /// The setting may be left out.
    Optional,
    /// The setting is required.
    Required,
    /// At least one of the alternatives, or a member that is not listed, is required. Some configurations choose single
    /// files or pages, and the members for this choice are not known.
    Alternative,
}

/// A reason why an integration rejects a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, got {got}")]
#[non_exhaustive]
pub struct ConfigurationProblem {
    /// Path of the member, such as `configuration.teamId` or `pipeline`.
    pub key: String,
    /// Description of the expected value.
    pub expected: String,
    /// The value that was found: JSON, the name of a pipeline, or `nothing`.
    pub got: String,
}

/// The error for an unknown integration name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown integration {name:?}{}", nearest.map(|nearest| format!("; did you mean {nearest}?")).unwrap_or_default())]
#[non_exhaustive]
pub struct UnknownIntegration {
    /// Name that was looked up.
    pub name: String,
    /// Name of the integration that was probably meant.
    pub nearest: Option<&'static str>,
}

/// Returns all integrations: those for files first, then those for customer relations, then those for tickets.
pub fn integrations() -> &'static [Integration] {
    INTEGRATIONS
}

/// Returns the integration with this name.
///
/// # Errors
///
/// Returns an error if no integration has this name. The error suggests an integration with a similar name, if any.
///
/// ```
/// use paragon_testkit::contract::integration;
/// let error = integration("google-drive").unwrap_err();
/// assert_eq!(error.to_string(), r#"unknown integration "google-drive"; did you mean googledrive?"#);
/// ```
pub fn integration(name: &str) -> Result<&'static Integration, UnknownIntegration> {
    let known = INTEGRATIONS.iter().find(|integration| integration.name == name);
    known.ok_or_else(|| UnknownIntegration { name: name.to_owned(), nearest: nearest(name) })
}

/// Type name of generated custom objects.
pub(crate) const SAMPLE_OBJECT: &str = "Product_Catalog__c";

/// Returns an integration that supports a pipeline, and a configuration that the integration accepts.
///
/// For files, the integration is Google Drive. For other pipelines, the function takes the first integration that
/// accepts an empty configuration. If there is none, it takes the first one that requires only the name of a custom
/// object.
///
/// ```
/// use paragon_testkit::contract::{Pipeline, sample_integration};
/// assert_eq!(sample_integration(Pipeline::Files).0, "googledrive");
/// ```
pub fn sample_integration(pipeline: Pipeline) -> (&'static str, Map<String, Value>) {
    let for_custom_objects = Map::from_iter([("customObjectName".to_owned(), Value::from(SAMPLE_OBJECT))]);
    let names = || std::iter::once("googledrive").chain(INTEGRATIONS.iter().map(|known| known.name));
    let found = [Map::new(), for_custom_objects].into_iter().find_map(|configuration| {
        let takes = |name: &&str| integration(name).is_ok_and(|known| known.check(pipeline, &configuration).is_ok());
        names().find(takes).map(|name| (name, configuration.clone()))
    });
    found.unwrap_or_else(|| unreachable!("a test shows that {pipeline} have one"))
}

/// Returns the name of the integration that is most similar to `name`; `None` if no name is similar enough. Ignores
/// case and punctuation, because people write `google-drive`, `Teams` or `monday.com`.
fn nearest(name: &str) -> Option<&'static str> {
    let plain = |name: &str| {
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect::<String>()
    };
    let name = plain(name);
    let likeness = |known: &str| {
        let known = plain(known);
        let within = name.len() > 1 && (known.contains(&name) || name.contains(&known));
        if within { 1.0 } else { strsim::jaro_winkler(&known, &name) }
    };
    super::nearest::nearest(INTEGRATIONS.iter().map(|integration| integration.name), likeness)
}

impl Integration {
    /// Returns the pipeline of this integration; `None` if the integration does not support the pipeline.
    pub fn supports(&self, pipeline: Pipeline) -> Option<&'static Supported> {
        self.pipelines.iter().find(|supported| supported.pipeline == pipeline)
    }

    /// Validates the configuration of a sync. Members that are not listed are accepted, and `null` counts as left out
    /// (rule `enable.configuration`, assumed).
    ///
    /// # Errors
    ///
    /// Returns all problems of the configuration.
    pub fn check(
        &self,
        pipeline: Pipeline,
        configuration: &Map<String, Value>,
    ) -> Result<(), Vec<ConfigurationProblem>> {
        let Some(supported) = self.supports(pipeline) else {
            let names: Vec<_> = self.pipelines.iter().map(|supported| supported.pipeline.name()).collect();
            let expected = format!("{} of {}", names.join(" or "), self.name);
            return Err(vec![ConfigurationProblem { key: "pipeline".to_owned(), expected, got: pipeline.to_string() }]);
        };
        let mut problems = Vec::new();
        look("configuration", supported.settings, configuration, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

fn look(at: &str, settings: &[Setting], members: &Map<String, Value>, problems: &mut Vec<ConfigurationProblem>) {
    let given = |key: &str| members.get(key).filter(|value| !value.is_null());
    let alternatives = || settings.iter().filter(|setting| setting.need == Alternative);
    let unlisted = || {
        let listed = |key: &str| settings.iter().any(|setting| setting.key == key);
        members.iter().any(|(key, value)| !listed(key) && !value.is_null())
    };
    for setting in settings {
        let key = format!("{at}.{}", setting.key);
        match (given(setting.key), setting.need) {
            (Some(value), need) => setting.kind.look(&key, value, need, problems),
            (None, Required) => problems.push(problem(key, setting.kind.to_string(), members.get(setting.key))),
            (None, Optional | Alternative) => {}
        }
    }
    let chosen = alternatives().next().is_none() || alternatives().any(|setting| given(setting.key).is_some());
    if !chosen && !unlisted() {
        let names: Vec<_> = alternatives().map(|setting| setting.key).collect();
        let expected = format!("{}, or a choice of single items", names.join(" or "));
        problems.push(problem(at.to_owned(), expected, Some(&Value::Object(members.clone()))));
    }
}

fn problem(key: String, expected: String, got: Option<&Value>) -> ConfigurationProblem {
    ConfigurationProblem { key, expected, got: got.map_or_else(|| "nothing".to_owned(), Value::to_string) }
}

impl Kind {
    fn look(self, key: &str, value: &Value, need: Requirement, problems: &mut Vec<ConfigurationProblem>) {
        let right = match (self, value) {
            (Object(settings), Value::Object(members)) => return look(key, settings, members, problems),
            (Text | Id, Value::String(text)) => need == Optional || !text.is_empty(),
            (Id, Value::Number(number)) => number.is_i64() || number.is_u64(),
            (Boolean, Value::Bool(_)) => true,
            (Strings, Value::Array(items)) => items.iter().all(Value::is_string),
            (OneOf(names), Value::String(name)) => names.contains(&name.as_str()),
            _ => false,
        };
        if !right {
            let filled = if value.as_str() == Some("") { " that is not empty" } else { "" };
            problems.push(problem(key.to_owned(), format!("{self}{filled}"), Some(value)));
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Text => f.pad("a string"),
            Id => f.pad("a string or an integer"),
            Boolean => f.pad("a boolean"),
            Strings => f.pad("a list of strings"),
            OneOf(names) => f.pad(&names.join(" or ")),
            Object(_) => f.pad("an object"),
        }
    }
}

const fn setting(key: &'static str, kind: Kind, need: Requirement, example: &'static str) -> Setting {
    Setting { key, kind, need, example }
}

const fn on(pipeline: Pipeline, settings: &'static [Setting]) -> Supported {
    Supported { pipeline, settings, grade: Grade::Documented }
}

const fn perhaps(pipeline: Pipeline, settings: &'static [Setting]) -> Supported {
    Supported { pipeline, settings, grade: Grade::Assumed }
}

const fn documented(name: &'static str, source: &'static str, pipelines: &'static [Supported]) -> Integration {
    let checked = "2026-11-24";
    Integration { name, pipelines, permissions: false, grade: Grade::Documented, source, checked }
}

impl Integration {
    const fn with_permissions(self) -> Self {
        Self { permissions: true, ..self }
    }
}

const PAGES: &str = "https://docs.useparagon.com/managed-sync/integrations";
const DRIVE_PAGE: &str = "https://docs.useparagon.com/managed-sync/integrations/googledrive";
const CONTENTFUL_PAGE: &str = "https://docs.useparagon.com/managed-sync/integrations/contentful";
const SHAREPOINT_PAGE: &str = "https://paragon.mintlify.app/managed-sync/integrations/sharepoint";

const MIME_TYPES: Setting = setting("mimeTypes", Strings, Optional, r#"["application/pdf"]"#);
const CUSTOM_OBJECT: Setting = setting("customObjectName", Text, Required, r#""Product_Catalog__c""#);

const HUBSPOT: [Setting; 2] =
    [setting("listViewId", Id, Optional, r#""42""#), setting("properties", Strings, Optional, r#"["hs_object_id"]"#)];
const DYNAMICS: Setting = setting(
    "view",
    Object(&[
        setting("type", OneOf(&["savedquery", "userquery"]), Optional, r#""savedquery""#),
        setting("id", Text, Optional, r#""00000000-0000-0000-00aa-000010001002""#),
    ]),
    Optional,
    r#"{"type":"savedquery","id":"00000000-0000-0000-00aa-000010001002"}"#,
);
const LIST_VIEW: Setting = setting("listViewId", Text, Optional, r#""00B5g00000AWN0qEAH""#);

const INTEGRATIONS: &[Integration] = &[
    documented(
        "amazons3",
        PAGES,
        &[on(Pipeline::Files, &[setting("bucket", Text, Required, r#""acme-documents""#), MIME_TYPES])],
    ),
    documented("box", PAGES, &[on(Pipeline::Files, &[MIME_TYPES])]).with_permissions(),
    documented("confluence", PAGES, &[on(Pipeline::Files, &[setting("spaceId", Id, Alternative, r#""123456789""#)])])
        .with_permissions(),
    documented(
        "contentful",
        CONTENTFUL_PAGE,
        &[on(
            Pipeline::Files,
            &[
                setting("spaceId", Text, Required, r#""f163o8lczdw1""#),
                setting("environmentId", Text, Optional, r#""master""#),
                setting("locale", Text, Optional, r#""en-US""#),
            ],
        )],
    ),
    documented(
        "dropbox",
        PAGES,
        &[on(Pipeline::Files, &[setting("orgWideSync", Boolean, Optional, "true"), MIME_TYPES])],
    )
    .with_permissions(),
    documented(
        "googledrive",
        DRIVE_PAGE,
        &[on(Pipeline::Files, &[setting("folderId", Text, Optional, r#""1kfrvDN3SPpY30Dli""#)])],
    )
    .with_permissions(),
    documented("guru", PAGES, &[on(Pipeline::Files, &[setting("collectionId", Text, Optional, r#""9d2f""#)])]),
    documented(
        "intercom",
        PAGES,
        &[on(Pipeline::Files, &[setting("helpCenterId", Id, Optional, r#""123""#)]), on(Pipeline::Tickets, &[])],
    ),
    documented(
        "microsoft-teams",
        PAGES,
        &[on(Pipeline::Files, &[setting("teamId", Text, Required, r#""19:acme@thread.tacv2""#), MIME_TYPES])],
    ),
    documented("notion", PAGES, &[on(Pipeline::Files, &[])]),
    documented("onedrive", PAGES, &[on(Pipeline::Files, &[setting("driveId", Text, Optional, r#""b!acme""#)])])
        .with_permissions(),
    documented(
        "servicenow",
        PAGES,
        &[on(Pipeline::Files, &[setting("kbId", Text, Optional, r#""a7e8""#)]), on(Pipeline::Tickets, &[])],
    ),
    documented(
        "sharepoint",
        SHAREPOINT_PAGE,
        &[on(
            Pipeline::Files,
            &[
                setting("siteId", Text, Alternative, r#""contoso.sharepoint.com,guid,guid""#),
                setting("folderId", Text, Alternative, r#""01ABCDEF2345GHIJKL""#),
                MIME_TYPES,
                setting("includeMetadata", Boolean, Optional, "false"),
            ],
        )],
    )
    .with_permissions(),
    documented(
        "zendesk",
        PAGES,
        &[
            on(Pipeline::Files, &[setting("locale", Text, Optional, r#""en-us""#)]),
            on(Pipeline::Tickets, &[setting("organizationId", Id, Optional, r#""360001234567""#)]),
        ],
    ),
    documented(
        "hubspot",
        PAGES,
        &[
            on(Pipeline::Contacts, &HUBSPOT),
            on(Pipeline::Companies, &HUBSPOT),
            on(Pipeline::Deals, &HUBSPOT),
            on(Pipeline::CustomObjects, &[CUSTOM_OBJECT, HUBSPOT[0], HUBSPOT[1]]),
        ],
    ),
    documented(
        "microsoftDynamics",
        PAGES,
        &[
            on(Pipeline::Contacts, &[DYNAMICS]),
            on(Pipeline::Companies, &[DYNAMICS]),
            on(Pipeline::Deals, &[DYNAMICS]),
            on(Pipeline::CustomObjects, &[CUSTOM_OBJECT, DYNAMICS]),
        ],
    ),
    // Only a part of the NetSuite page was seen. Contacts come first in its list, and the list looks like those of
    // similar integrations, so the other three pipelines are assumed.
    documented(
        "netsuite",
        PAGES,
        &[
            on(Pipeline::Contacts, &[]),
            perhaps(Pipeline::Companies, &[]),
            perhaps(Pipeline::Deals, &[]),
            perhaps(Pipeline::CustomObjects, &[CUSTOM_OBJECT]),
        ],
    ),
    documented(
        "pipedrive",
        PAGES,
        &[on(Pipeline::Contacts, &[]), on(Pipeline::Companies, &[]), on(Pipeline::Deals, &[])],
    ),
    documented(
        "salesforce",
        PAGES,
        &[
            on(Pipeline::Contacts, &[LIST_VIEW]),
            on(Pipeline::Companies, &[LIST_VIEW]),
            on(Pipeline::Deals, &[LIST_VIEW]),
            on(Pipeline::CustomObjects, &[CUSTOM_OBJECT, LIST_VIEW]),
        ],
    ),
    documented(
        "zohocrm",
        PAGES,
        &[
            on(Pipeline::Contacts, &[]),
            on(Pipeline::Companies, &[]),
            on(Pipeline::Deals, &[]),
            on(Pipeline::CustomObjects, &[CUSTOM_OBJECT]),
        ],
    ),
    documented("asana", PAGES, &[on(Pipeline::Tickets, &[setting("projectGid", Id, Required, r#""1201234567890""#)])]),
    documented("clickup", PAGES, &[on(Pipeline::Tickets, &[setting("listId", Id, Required, r#""901234567""#)])]),
    documented("freshdesk", PAGES, &[on(Pipeline::Tickets, &[setting("companyId", Id, Optional, r#""50001""#)])]),
    documented("jira", PAGES, &[on(Pipeline::Tickets, &[setting("projectId", Id, Required, r#""10001""#)])]),
    documented("monday", PAGES, &[on(Pipeline::Tickets, &[setting("boardId", Id, Required, r#""1234567890""#)])]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_pipeline_has_an_integration_that_takes_what_is_suggested() {
        for pipeline in Pipeline::ALL {
            let (name, configuration) = sample_integration(pipeline);
            assert_eq!(integration(name).unwrap().check(pipeline, &configuration), Ok(()), "{pipeline}");
        }
    }

    fn judged(name: &str, pipeline: Pipeline, configuration: Value) -> Vec<String> {
        let Value::Object(configuration) = configuration else { panic!("{configuration}") };
        let problems = integration(name).unwrap().check(pipeline, &configuration).err().unwrap_or_default();
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_25_integrations_accept_their_own_examples() {
        assert_eq!(integrations().len(), 25);
        assert_eq!(integrations().iter().filter(|integration| integration.permissions).count(), 6);
        let mut names = std::collections::BTreeSet::new();
        for integration in integrations() {
            assert!(names.insert(integration.name) && !integration.pipelines.is_empty(), "{}", integration.name);
            for supported in integration.pipelines {
                let example = |setting: &Setting| {
                    let value: Value = serde_json::from_str(setting.example).unwrap();
                    (setting.key.to_owned(), value)
                };
                let all: Map<_, _> = supported.settings.iter().map(example).collect();
                assert_eq!(integration.check(supported.pipeline, &all), Ok(()), "{}", integration.name);
                let needed = supported.settings.iter().filter(|setting| setting.need == Required);
                let none = integration.check(supported.pipeline, &Map::new()).err().unwrap_or_default();
                let alternative = supported.settings.iter().any(|setting| setting.need == Alternative);
                assert_eq!(none.len(), needed.count() + usize::from(alternative), "{}", integration.name);
                let own = supported.settings.iter().any(|setting| setting.key == "customObjectName");
                assert_eq!(own, supported.pipeline == Pipeline::CustomObjects, "{}", integration.name);
            }
        }
    }

    #[test]
    fn configurations_from_the_documentation_are_accepted() {
        for (name, pipeline, configuration) in [
            ("googledrive", Pipeline::Files, json!({})),
            ("googledrive", Pipeline::Files, json!({"folderId": null, "fileIds": ["a"]})),
            ("sharepoint", Pipeline::Files, json!({"siteId": "contoso.sharepoint.com,guid,guid"})),
            ("sharepoint", Pipeline::Files, json!({"folderId": "01AB"})),
            ("sharepoint", Pipeline::Files, json!({"folderId": "01AB", "siteId": "a,b,c", "includeMetadata": true})),
            ("sharepoint", Pipeline::Files, json!({"files": [{"id": "01AB"}]})),
            ("confluence", Pipeline::Files, json!({"pages": ["1"]})),
            ("jira", Pipeline::Tickets, json!({"projectId": 10001})),
            ("jira", Pipeline::Tickets, json!({"projectId": u64::MAX})),
            ("jira", Pipeline::Tickets, json!({"projectId": -1})),
            ("intercom", Pipeline::Tickets, json!({})),
        ] {
            assert_eq!(judged(name, pipeline, configuration.clone()), [""; 0], "{name} {configuration}");
        }
    }

    #[test]
    fn errors_in_a_configuration_are_named() {
        for (name, pipeline, configuration, told) in [
            (
                "microsoft-teams",
                Pipeline::Files,
                json!({"mimeTypes": ["a", 1]}),
                &[
                    "configuration.teamId: expected a string, got nothing",
                    r#"configuration.mimeTypes: expected a list of strings, got ["a",1]"#,
                ][..],
            ),
            (
                "amazons3",
                Pipeline::Files,
                json!({"bucket": ""}),
                &[r#"configuration.bucket: expected a string that is not empty, got """#],
            ),
            (
                "sharepoint",
                Pipeline::Files,
                json!({"mimeTypes": []}),
                &[r#"configuration: expected siteId or folderId, or a choice of single items, got {"mimeTypes":[]}"#],
            ),
            (
                "microsoftDynamics",
                Pipeline::Deals,
                json!({"view": {"type": "query"}}),
                &[r#"configuration.view.type: expected savedquery or userquery, got "query""#],
            ),
            (
                "salesforce",
                Pipeline::CustomObjects,
                json!({"customObjectName": null}),
                &["configuration.customObjectName: expected a string, got null"],
            ),
            (
                "dropbox",
                Pipeline::Files,
                json!({"orgWideSync": "yes"}),
                &[r#"configuration.orgWideSync: expected a boolean, got "yes""#],
            ),
            (
                "jira",
                Pipeline::Tickets,
                json!({"projectId": 1.5}),
                &["configuration.projectId: expected a string or an integer, got 1.5"],
            ),
            ("zendesk", Pipeline::Deals, json!({}), &["pipeline: expected files or tickets of zendesk, got deals"]),
        ] {
            assert_eq!(judged(name, pipeline, configuration), told, "{name}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        for (name, meant) in [
            ("google_drive", Some("googledrive")),
            ("Teams", Some("microsoft-teams")),
            ("monday.com", Some("monday")),
            ("s3", Some("amazons3")),
            ("dynamics", Some("microsoftDynamics")),
            ("zoho", Some("zohocrm")),
            ("zendesc", Some("zendesk")),
            ("", None),
            ("é", None),
            ("x", None),
            ("quickbooks", None),
        ] {
            assert_eq!(integration(name).unwrap_err().nearest, meant, "{name}");
        }
    }
}

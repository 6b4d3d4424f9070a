//! Objects as providers have them: realistic names, addresses, amounts and links, and members that agree with each
//! other. Everything else follows from the schema, as in [`payload`](super::payload()).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::Params;
use super::payload::payload_with;
use crate::contract::{File, Pipeline, Revision, SAMPLE_OBJECT, SpecialRecord, WORDS, sample_integration};

/// Contradiction in generated objects, used on request only. Providers do not produce it, but receivers must survive
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Incoherence {
    /// Times are anywhere between 2010 and 2040: an object may be created after its last change, and a change may move
    /// `updatedAt` back.
    Times,
    /// `parentFolderId` and `parentCompanyId` are ids of objects that do not exist.
    References,
    /// `size` and `hash` do not match the content.
    Contents,
}

impl Incoherence {
    /// All contradictions.
    pub const ALL: &[Self] = &[Self::Times, Self::References, Self::Contents];

    /// Returns the members that are left to the source unless this contradiction is requested.
    const fn members(self) -> &'static [&'static str] {
        match self {
            Self::Times => &["createdAt", "updatedAt", "lastActivityAt", "dueAt", "resolvedAt"],
            Self::References => &["parentFolderId", "parentCompanyId"],
            Self::Contents => &["size", "hash"],
        }
    }
}

/// Media types and extensions of generated files. Files shrink to the first one.
const TYPES: [(&str, &str); 9] = [
    ("application/pdf", ".pdf"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".docx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".xlsx"),
    ("text/markdown", ".md"),
    ("text/plain", ".txt"),
    ("text/csv", ".csv"),
    ("image/png", ".png"),
    ("application/vnd.google-apps.document", ""),
    ("application/vnd.google-apps.folder", ""),
];

const PEOPLE: [(&str, &str); 8] = [
    ("Ada", "Lovelace"),
    ("Bob", "Okafor"),
    ("Chioma", "Nakamura"),
    ("Dmitri", "Silva"),
    ("Elif", "Novak"),
    ("Farid", "Haddad"),
    ("Grace", "Kowalska"),
    ("Hiroshi", "Jensen"),
];
const COMPANIES: [&str; 6] =
    ["Acme Corporation", "Globex", "Initech", "Umbrella Logistics", "Vandelay Imports", "Wayne Health"];
const JOBS: [&str; 6] =
    ["Engineer", "Head of Sales", "Accountant", "Office Manager", "Chief Financial Officer", "Support Agent"];
const STREETS: [&str; 4] = ["1 Market Street", "221B Baker Street", "12 Harbour Road", "5 Rue de Rivoli"];
const CITIES: [(&str, &str); 4] = [("San Francisco", "US"), ("London", "GB"), ("Singapore", "SG"), ("Paris", "FR")];
const ZONES: [&str; 4] = ["America/New_York", "Europe/London", "Asia/Singapore", "Europe/Paris"];

/// Generates the members of an object of a pipeline, without its ids. No file is of a kind in `without`.
pub(super) fn members(
    pipeline: Pipeline,
    params: Params,
    incoherent: &[Incoherence],
    without: &[SpecialRecord],
) -> BoxedStrategy<Map<String, Value>> {
    // Objects in a source are of the newest revision. The API converts them if another revision is requested.
    let params = Params { revision: Revision::default(), ..params };
    let of_provider = Incoherence::ALL.iter().filter(|wrong| !incoherent.contains(wrong));
    let left_open: Vec<_> =
        of_provider.flat_map(|wrong| wrong.members()).chain(&["id", "externalId"]).copied().collect();
    let without = without.to_vec();
    let payload = payload_with(pipeline.schema(), params, Some(tidy_member));
    let object = payload.prop_map(move |value| {
        let Value::Object(mut members) = value else { unreachable!("records are objects") };
        members.retain(|name, _| !left_open.contains(&name.as_str()));
        agree(pipeline, &mut members, &without);
        members
    });
    object.boxed()
}

/// Returns the extension for the media type of a file.
pub(super) fn extension(members: &Map<String, Value>) -> &'static str {
    let kind = members.get("mimeType").and_then(Value::as_str);
    TYPES.iter().find(|(mime_type, _)| Some(*mime_type) == kind).map_or("", |(_, extension)| extension)
}

/// Returns realistic values of a member; `None` if the schema says enough.
fn tidy_member(schema: &str, name: &str) -> Option<BoxedStrategy<Value>> {
    let files = sample_integration(Pipeline::Files).0;
    let member = match (schema, name) {
        ("records/file" | "records/deal", "name") | ("records/ticket", "title") => text(words()),
        ("records/file", "mimeType") => one_of(TYPES.map(|(mime_type, _)| mime_type)),
        ("records/file", "url") => {
            id(20).prop_map(move |id| json!(format!("https://{}/{id}/view", host(files)))).boxed()
        }
        ("records/file", "thumbnailUrl") => {
            id(20).prop_map(|id| json!(format!("https://lh3.googleusercontent.com/{id}=s220"))).boxed()
        }
        ("records/contact", "firstName") => one_of(PEOPLE.map(|(first, _)| first)),
        ("records/contact", "lastName") => one_of(PEOPLE.map(|(_, last)| last)),
        ("records/contact", "jobTitle") => one_of(JOBS),
        ("records/contact", "emails") => list(person().prop_map(|(name, email)| json!({"name": name, "email": email}))),
        ("records/contact", "socialProfiles") => list(person().prop_map(|(name, _)| {
            let url = format!("https://www.linkedin.com/in/{}", name.to_lowercase().replace(' ', "-"));
            json!({"type": "linkedin", "url": url})
        })),
        ("records/contact", "lifecycleStage") => one_of(["subscriber", "lead", "opportunity", "customer"]),
        ("records/contact", "leadSource") => one_of(["Website", "Referral", "Trade Show", "Advertisement"]),
        ("records/contact", "companyName") | ("records/company", "name") => one_of(COMPANIES),
        ("records/contact" | "records/company", "phoneNumbers") => {
            list((100..200_u32).prop_map(|number| json!({"type": "work", "number": format!("+1 202 555 0{number}")})))
        }
        ("records/contact" | "records/company", "addresses") => list(
            (select(&STREETS[..]), select(&CITIES[..]))
                .prop_map(|(street, (city, country))| json!({"street": street, "city": city, "country": country})),
        ),
        ("records/contact" | "records/company", "website") => {
            select(&WORDS[..]).prop_map(|word| json!(format!("https://www.{word}.example.com/"))).boxed()
        }
        ("records/company", "annualRevenue") => (1..50_000_u32).prop_map(|thousands| json!(thousands * 1_000)).boxed(),
        ("records/company", "numberOfEmployees") => (1..20_000_u32).prop_map(Value::from).boxed(),
        ("records/company", "timezone") => one_of(ZONES),
        ("records/company", "type") => one_of(["Prospect", "Partner", "Vendor", "Competitor"]),
        ("records/company", "industry") => one_of(["Technology", "Finance", "Health", "Retail"]),
        ("records/deal", "amount") => (1..20_000_u32).prop_map(|hundreds| json!(hundreds * 100)).boxed(),
        ("records/deal", "closeDate") => (2027..2031_u32, 1..=12_u32, 1..=28_u32)
            .prop_map(|(year, month, day)| json!(format!("{year}-{month:02}-{day:02}")))
            .boxed(),
        ("records/deal", "nextStep") => one_of(["Call again", "Send the contract", "Wait for the budget"]),
        (_, "ownerId" | "accountId") => text(id(12)),
        ("records/ticket", "status") => object_of("name", ["Open", "In Progress", "Waiting", "Done"]),
        ("records/ticket", "type") => one_of(["task", "bug", "question", "incident"]),
        ("records/ticket", "assignees") => {
            list(person().prop_map(|(name, email)| json!({"name": name, "email": email})))
        }
        ("records/ticket", "createdBy") => {
            person().prop_map(|(name, email)| json!({"name": name, "email": email})).boxed()
        }
        ("records/ticket", "originalRecord") => {
            (1..10_000_u32).prop_map(|number| json!({"key": format!("OPS-{number}")})).boxed()
        }
        ("records/ticket", "externalUrl") => {
            let tickets = sample_integration(Pipeline::Tickets).0;
            (1..10_000_u32).prop_map(move |number| json!(format!("https://{}/tickets/{number}", host(tickets)))).boxed()
        }
        ("records/ticket", "project") => object_of("name", ["Operations", "Website", "Onboarding"]),
        _ => return None,
    };
    Some(member)
}

/// Makes the members of an object consistent with each other.
fn agree(pipeline: Pipeline, members: &mut Map<String, Value>, without: &[SpecialRecord]) {
    match pipeline {
        Pipeline::Files => {
            // A file must have a `size`; `null` leaves it to the source.
            members.entry("size").or_insert(Value::Null);
            // The extension follows from the type, and is a part of the name.
            for kind in without.iter().filter(|kind| **kind != SpecialRecord::OddNames) {
                make_ordinary(members, *kind);
            }
            let extension = extension(members);
            if let Some(Value::String(name)) = members.get_mut("name") {
                name.push_str(extension);
            }
            if without.contains(&SpecialRecord::OddNames) {
                make_ordinary(members, SpecialRecord::OddNames);
            }
        }
        Pipeline::Contacts => {
            let names = ["firstName", "lastName", "fullName"];
            if names.iter().any(|name| members.contains_key(*name)) {
                let part = |name: &str, otherwise: &str| {
                    members.get(name).and_then(Value::as_str).unwrap_or(otherwise).to_owned()
                };
                let (first, last) = (part("firstName", PEOPLE[0].0), part("lastName", PEOPLE[0].1));
                let full = format!("{first} {last}");
                members.extend(
                    names.into_iter().zip([first, last, full]).map(|(name, text)| (name.to_owned(), text.into())),
                );
            }
        }
        Pipeline::Deals => {
            let open = members.get("probability").and_then(Value::as_u64).unwrap_or(50).clamp(1, 99);
            let (status, probability) = match members.get("statusType").and_then(Value::as_str) {
                Some("closed_won") => (Some("Closed Won"), 100),
                Some("closed_lost") => (Some("Closed Lost"), 0),
                _ => (None, open),
            };
            members.insert("probability".to_owned(), probability.into());
            if let Some(status) = status {
                members.insert("status".to_owned(), status.into());
            }
        }
        Pipeline::CustomObjects => {
            members.insert("objectType".to_owned(), SAMPLE_OBJECT.into());
        }
        Pipeline::Companies | Pipeline::Tickets => {}
    }
}

/// Makes a file ordinary if it is of this special kind. The other members stay, so a seed gives the same history with
/// and without the kind, apart from such files.
fn make_ordinary(members: &mut Map<String, Value>, kind: SpecialRecord) {
    let file: File = serde_json::from_value(Value::Object(members.clone()))
        .unwrap_or_else(|error| unreachable!("the types take what the schemas let through: {error}"));
    if !kind.includes(&file) {
        return;
    }
    let (member, ordinary) = match kind {
        SpecialRecord::Folders | SpecialRecord::GoogleDocs | SpecialRecord::EmptyTypes => {
            ("mimeType", TYPES[0].0.into())
        }
        // The source sets the size to that of the content.
        SpecialRecord::EmptyFiles | SpecialRecord::LargeFiles => ("size", Value::Null),
        SpecialRecord::OddNames => ("name", format!("{}{}", WORDS[0], extension(members)).into()),
    };
    members.insert(member.to_owned(), ordinary);
}

/// Returns the host, and perhaps a path, of the web page where a person opens an object of an integration.
fn host(integration: &str) -> String {
    match integration {
        "googledrive" => "drive.google.com/file/d".to_owned(),
        other => format!("acme.{}.com", other.to_lowercase()),
    }
}

fn words() -> impl Strategy<Value = String> {
    (select(&WORDS[..]), select(&WORDS[..])).prop_map(|(one, other)| format!("{one} {other}"))
}

/// Generates an id of letters and digits, like those of providers.
fn id(length: usize) -> impl Strategy<Value = String> {
    const LETTERS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    vec(select(&LETTERS[..]), length).prop_map(|letters| letters.into_iter().map(char::from).collect())
}

/// Generates a name and an e-mail address.
fn person() -> impl Strategy<Value = (String, String)> {
    select(&PEOPLE[..])
        .prop_map(|(first, last)| (format!("{first} {last}"), format!("{first}.{last}@example.com").to_lowercase()))
}

fn text(strategy: impl Strategy<Value = String> + 'static) -> BoxedStrategy<Value> {
    strategy.prop_map(Value::String).boxed()
}

fn one_of<const N: usize>(values: [&'static str; N]) -> BoxedStrategy<Value> {
    select(values.to_vec()).prop_map(Value::from).boxed()
}

fn list(item: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    vec(item, 0..3).prop_map(Value::Array).boxed()
}

fn object_of<const N: usize>(name: &'static str, values: [&'static str; N]) -> BoxedStrategy<Value> {
    select(values.to_vec()).prop_map(move |value| json!({name: value})).boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer, Object};

    fn look_right(pipeline: Pipeline, members: &Map<String, Value>) {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        for url in ["url", "thumbnailUrl", "website", "externalUrl"].into_iter().filter_map(text) {
            let host = url.strip_prefix("https://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
            assert!(host.contains('.') && !url.contains(' '), "{url}");
        }
        for email in members.get("emails").and_then(Value::as_array).into_iter().flatten() {
            let (name, domain) = email["email"].as_str().unwrap().split_once('@').unwrap();
            assert!(!name.contains(' ') && domain == "example.com", "{email}");
        }
        for name in Incoherence::ALL.iter().flat_map(|wrong| wrong.members()) {
            assert!(members.get(*name).is_none_or(Value::is_null), "{name}: {members:?}");
        }
        match pipeline {
            Pipeline::Files => assert!(text("name").unwrap().ends_with(extension(members)), "{members:?}"),
            Pipeline::Contacts => {
                let full = text("firstName").zip(text("lastName")).map(|(first, last)| format!("{first} {last}"));
                assert_eq!(text("fullName"), full.as_deref());
            }
            Pipeline::Deals => {
                let amount = members["amount"].as_u64().unwrap();
                assert!((100..=2_000_000).contains(&amount), "{amount}");
                let closed = members["probability"].as_u64().unwrap().is_multiple_of(100);
                assert_eq!(closed, text("statusType") != Some("open"), "{members:?}");
            }
            _ => {}
        }
    }

    #[test]
    fn members_of_every_pipeline_are_coherent_and_valid() {
        for pipeline in Pipeline::ALL {
            proptest!(ProptestConfig::with_cases(200), |(members in members(pipeline, Params::tidy(), &[], &[]))| {
                look_right(pipeline, &members);
                let mut object = Object::from_members(pipeline, members).unwrap();
                object.fill_times(0);
                let mut record = object.to_members();
                record.insert("id".into(), "3ce16e33-0163-564d-98ce-99b0a25ab375".into());
                record.insert("externalId".into(), "x".into());
                let strict = Contract { layer: Layer::Strict, ..Contract::default() };
                prop_assert_eq!(strict.validate(pipeline.schema(), &Value::Object(record)), []);
            });
        }
    }

    #[test]
    fn members_that_are_found_by_name_are_generated() {
        let mut seen = std::collections::BTreeSet::new();
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        for pipeline in Pipeline::ALL {
            let strategy = members(pipeline, Params::default(), Incoherence::ALL, &[]);
            for _ in 0..200 {
                let made = proptest::strategy::ValueTree::current(&strategy.new_tree(&mut runner).unwrap());
                seen.extend(made.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| name));
            }
        }
        for name in Incoherence::ALL.iter().flat_map(|wrong| wrong.members()) {
            assert!(seen.contains(*name), "{name}");
        }
    }
}

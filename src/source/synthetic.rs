use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Timestamp;
use crate::contract::{ExternalId, Object, Pipeline, WORDS, scramble};

/// Objects that are computed from a seed on access, so that a large source needs no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Synthetic {
    /// Number of objects.
    pub count: u64,
    /// Seed that the objects are computed from.
    pub seed: u64,
    /// Latest possible time of an object. Default: the beginning of 2026.
    #[serde(default = "beginning_of_2026")]
    pub until: Timestamp,
}

const FIRST: [&str; 8] = ["Ada", "Bob", "Chioma", "Dmitri", "Elif", "Farid", "Grace", "Hiroshi"];
const LAST: [&str; 8] = ["Lovelace", "Okafor", "Nakamura", "Silva", "Novak", "Haddad", "Kowalska", "Jensen"];
const TYPES: [(&str, &str); 6] = [
    ("pdf", "application/pdf"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("md", "text/markdown"),
    ("png", "image/png"),
    ("csv", "text/csv"),
    ("gdoc", "application/vnd.google-apps.document"),
];
const PRIORITIES: [&str; 4] = ["low", "normal", "high", "urgent"];
/// Upper limit for the length of a content of the types above without any filler.
const LEAST_SIZE: u64 = 4_096;
/// Number of files in a group. The first file of each group is a folder that contains the others.
const FOLDER: u64 = 50;
const TWO_YEARS: u64 = 63_072_000_000;

const fn beginning_of_2026() -> Timestamp {
    Timestamp::from_millis(1_767_225_600_000)
}

impl Synthetic {
    /// Describes `count` objects that are computed from `seed`.
    pub fn new(count: u64, seed: u64) -> Self {
        Self { count, seed, until: beginning_of_2026() }
    }

    /// Returns the object with this number in a pipeline. `external` returns the external ids of the objects that it
    /// refers to.
    pub(crate) fn object(self, pipeline: Pipeline, number: u64, external: impl Fn(u64) -> ExternalId) -> Object {
        let dice = scramble(self.seed ^ scramble(number));
        let pick = |shift: u32, of: u64| dice.rotate_right(shift) % of;
        let word = |shift| WORDS[index(pick(shift, 16))];
        let before = |span| {
            let millis = i64::try_from(span).unwrap_or_default();
            Timestamp::from_millis(self.until.as_millis().saturating_sub(millis))
        };
        let (one, other) = (pick(3, TWO_YEARS), pick(17, TWO_YEARS));
        let (created, updated) = (before(one.max(other)), before(one.min(other)));
        let name = format!("{} {} {number}", word(0), word(4));
        let person = format!("{} {} {number}", FIRST[index(pick(8, 8))], LAST[index(pick(11, 8))]);
        let members = match pipeline {
            Pipeline::Files if number.is_multiple_of(FOLDER) => json!({
                "name": name, "mimeType": "application/vnd.google-apps.folder", "size": null,
                "createdAt": created, "updatedAt": updated,
            }),
            Pipeline::Files => {
                let (extension, mime_type) = TYPES[index(pick(20, 6))];
                let native = extension == "gdoc";
                json!({
                    "name": if native { name } else { format!("{name}.{extension}") }, "mimeType": mime_type,
                    // Every content can have this length, and a download serves exactly this length.
                    "size": (!native).then(|| LEAST_SIZE + pick(24, 5_000_000)), "createdAt": created,
                    "updatedAt": updated, "parentFolderId": external(number - number % FOLDER),
                    // The hash has no value, because computing the content on each access to the file would take too
                    // long.
                    "hash": {"type": "MD5"},
                })
            }
            Pipeline::Contacts => json!({
                "fullName": person, "jobTitle": word(28), "type": "lead", "status": "active",
                "emails": [{"email": format!("{}@example.com", person.to_lowercase().replace(' ', "."))}],
                "createdAt": created.as_millis(), "updatedAt": updated.as_millis(),
            }),
            Pipeline::Companies => json!({
                "name": format!("{} & {} {number}", LAST[index(pick(8, 8))], LAST[index(pick(11, 8))]),
                "numberOfEmployees": pick(24, 10_000), "industry": "Technology",
                "createdAt": created, "updatedAt": updated,
            }),
            Pipeline::Deals => json!({
                "name": name, "amount": pick(24, 1_000_000), "statusType": "open", "status": "Proposal Sent",
                "accountId": format!("001{:015x}", scramble(pick(30, self.count.max(1))) >> 4), "ownerId": "owner",
                "closeDate": "2030-01-31",
                "probability": pick(40, 101), "createdAt": created, "updatedAt": updated,
            }),
            Pipeline::CustomObjects => json!({
                "objectType": crate::contract::SAMPLE_OBJECT, "customFields": {"name": name, "price": pick(24, 1_000)},
                "createdAt": created, "updatedAt": updated,
            }),
            Pipeline::Tickets => json!({
                "title": name, "status": {"name": "Open"}, "type": "task", "assignees": [{"name": person}],
                "priority": PRIORITIES[index(pick(24, 4))], "originalRecord": {"key": number},
                "description": format!("{} the {}", word(28), word(32)),
            }),
        };
        let serde_json::Value::Object(members) = members else { unreachable!("objects are written above") };
        Object::from_members(pipeline, members)
            .unwrap_or_else(|error| unreachable!("the members above are those of the types: {error}"))
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer, RecordId};
    use crate::source::content::content;

    #[test]
    fn synthetic_objects_have_the_form_of_their_provider() {
        let early = Timestamp::from_millis(946_684_800_000);
        let external = |number: u64| ExternalId::from(format!("external-{number}"));
        for synthetic in [Synthetic::new(1_000, 7), Synthetic { until: early, ..Synthetic::new(1_000, 7) }] {
            for (pipeline, number) in
                Pipeline::ALL.into_iter().flat_map(|pipeline| (0..300).map(move |n| (pipeline, n)))
            {
                let object = synthetic.object(pipeline, number, external);
                if let (Some(created), Some(updated)) = object.times() {
                    assert!(created <= updated && updated <= synthetic.until.as_millis(), "{object:?}");
                }
                let Object::File(file) = &object else { continue };
                if let Some(parent) = &file.parent_folder_id {
                    let folder = (0..number).rev().find(|number| external(*number) == *parent).unwrap();
                    let folder = synthetic.object(pipeline, folder, external);
                    assert!(matches!(folder, Object::File(folder) if folder.is_folder()), "{file:?}");
                }
                // Contents are megabytes long, so only the first ones are checked.
                if let Some(size) = file.size.filter(|_| number < 20) {
                    let content = content(&object, &external(number), "googledrive").unwrap();
                    assert_eq!(content.bytes.len() as u64, size, "{file:?}");
                }
            }
        }
        for mime_type in TYPES.map(|(_, mime_type)| mime_type.to_owned()) {
            let shortest =
                Object::from(crate::contract::File { mime_type, ..crate::contract::File::named("x".repeat(99)) });
            let shortest = shortest.with(&serde_json::Map::from_iter([("size".to_owned(), 0.into())])).unwrap();
            let length = content(&shortest, &external(1), "box").unwrap().bytes.len() as u64;
            assert!(length <= LEAST_SIZE, "{length}");
        }
    }

    #[test]
    fn every_pipeline_is_valid_and_the_same_for_the_same_seed() {
        let synthetic = Synthetic::new(10_000_000, 7);
        let external = |number: u64| ExternalId::from(format!("external-{number}"));
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        for pipeline in Pipeline::ALL {
            for number in (0..200).chain([9_999_999]) {
                let object = synthetic.object(pipeline, number, external);
                assert_eq!(object, synthetic.object(pipeline, number, external));
                let id = RecordId::from("3ce16e33-0163-564d-98ce-99b0a25ab375");
                let record = object.record(crate::contract::Revision::default(), &id, &external(number));
                let record = serde_json::from_str(&record).unwrap();
                assert_eq!(strict.validate(pipeline.schema(), &record), [], "{record}");
            }
            let other = Synthetic::new(10, 8);
            assert_ne!(other.object(pipeline, 3, external), synthetic.object(pipeline, 3, external), "{pipeline}");
        }
    }
}

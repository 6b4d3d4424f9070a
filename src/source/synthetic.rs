use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::clock::Moment;
use crate::contract::{ExternalId, Object, Pipeline, WORDS, scramble};

/// Objects that are computed from a seed when they are looked at, so that a large source costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Synthetic {
    /// How many there are.
    pub count: u64,
    /// What they follow from.
    pub seed: u64,
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
/// The first of so many files is a folder, and holds the others.
const FOLDER: u64 = 50;
/// The first of January 2024.
const BEFORE: i64 = 1_704_067_200_000;
const TWO_YEARS: u64 = 63_072_000_000;

impl Synthetic {
    /// So many objects, made from a seed.
    pub fn new(count: u64, seed: u64) -> Self {
        Self { count, seed }
    }

    /// The object with this number, of a pipeline. `external` names objects that it refers to.
    pub(crate) fn object(self, pipeline: Pipeline, number: u64, external: impl Fn(u64) -> ExternalId) -> Object {
        let dice = scramble(self.seed ^ scramble(number));
        let pick = |shift: u32, of: u64| dice.rotate_right(shift) % of;
        let word = |shift| WORDS[index(pick(shift, 16))];
        let age = |shift| Moment::from_millis(BEFORE + i64::try_from(pick(shift, TWO_YEARS)).unwrap_or_default());
        let (created, updated) = (age(3).min(age(17)), age(3).max(age(17)));
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
                    "size": (!native).then_some(pick(24, 5_000_000)), "createdAt": created, "updatedAt": updated,
                    "parentFolderId": external(number - number % FOLDER),
                    "hash": {"type": "MD5", "value": format!("{dice:016x}{:016x}", scramble(dice))},
                })
            }
            Pipeline::Contacts => json!({
                "fullName": person, "jobTitle": word(28), "type": "lead", "status": "active",
                "emails": [{"email": format!("{number}@example.com")}],
                "createdAt": created.as_millis(), "updatedAt": updated.as_millis(),
            }),
            Pipeline::Companies => json!({
                "name": format!("{} & {} {number}", LAST[index(pick(8, 8))], LAST[index(pick(11, 8))]),
                "numberOfEmployees": pick(24, 10_000), "industry": "Technology",
                "createdAt": created, "updatedAt": updated,
            }),
            Pipeline::Deals => json!({
                "name": name, "amount": pick(24, 1_000_000), "statusType": "open", "status": "Proposal Sent",
                "accountId": external(pick(30, self.count.max(1))), "ownerId": "owner", "closeDate": "2030-01-31",
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

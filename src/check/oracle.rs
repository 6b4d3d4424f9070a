use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::members::Members;
use super::probe::{HeldRecord, canonical};
use crate::contract::{Pipeline, RecordId};
use crate::fake::Unfetched;
use same::{Comparing, Shape};

mod same;

/// Result of comparing what a receiver holds of one sync with what it should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Comparison {
    /// Differences that are wrong. Empty means right.
    pub found: Vec<Difference>,
    /// The missing folders, if every folder is missing and no other record is. Then the receiver keeps no folders,
    /// which is its choice. Otherwise empty, and missing folders are in `found`.
    pub folders: Vec<Difference>,
    /// Names of the members that were compared. `id` is among them if any record is held.
    pub members: BTreeSet<String>,
    /// Remarks on what is unusual but not wrong, such as a time with another offset. There is one remark for each
    /// member.
    pub remarks: BTreeSet<String>,
}

/// One way in which a held record is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Id of the record.
    pub record: RecordId,
    /// Kind of the difference.
    pub kind: DifferenceKind,
    /// The difference in words, for people.
    pub text: String,
}

/// Kind of a [`Difference`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// The record is not held.
    Missing,
    /// The record is a folder, and no folder is held. Perhaps the receiver keeps no folders.
    MissingFolder,
    /// The record is held, but should be gone.
    Extra,
    /// The record is held this many times.
    Copies(usize),
    /// A member differs from the latest version.
    Member {
        /// Name of the member.
        name: String,
    },
    /// The record is held, but its latest version was never fetched. The receiver holds a stub, not the record.
    Stub {
        /// Whether an older version was fetched.
        older: bool,
    },
    /// The state gives a value that is no JSON object, so nothing can be compared.
    NotAnObject,
}

/// Returns the texts of [`compare`] without a pipeline. Empty means right.
pub fn differences(expected: &[Value], held: &[&HeldRecord], unfetched: &[Unfetched]) -> Vec<String> {
    compare(None, expected, held, unfetched).found.into_iter().map(|difference| difference.text).collect()
}

/// Compares what a receiver holds of one sync with what it should hold. [`Members::compare`] compares some members
/// only.
///
/// A member of a held record is compared if the latest version has it. Members that the receiver adds are ignored.
/// Values are compared by the types in the schema of the pipeline. Two texts for the same time are equal. So are a
/// number and its digits as text, and a UUID in lower case and in upper case. A held record whose latest version was
/// never fetched is a stub, not the record.
///
/// `unfetched` lists the records whose latest version was not fetched.
///
/// ```
/// use paragon_testkit::check::{HeldRecord, compare};
/// use paragon_testkit::contract::Pipeline;
/// use serde_json::json;
///
/// let expected = [json!({"id": "r", "updatedAt": "2026-01-01T00:00:00.000Z"})];
/// let state = r#"{"records": [
///     {"syncInstanceId": "s", "recordId": "r", "record": {"updatedAt": "2026-01-01T00:00:00+00:00"}}
/// ]}"#;
/// let held = HeldRecord::parse(state)?;
/// let comparison = compare(Some(Pipeline::Files), &expected, &held.iter().collect::<Vec<_>>(), &[]);
/// assert!(comparison.found.is_empty());
/// assert!(comparison.remarks.first().unwrap().starts_with("the state gives `updatedAt` with another offset"));
/// # Ok::<(), String>(())
/// ```
pub fn compare(
    pipeline: Option<Pipeline>,
    expected: &[Value],
    held: &[&HeldRecord],
    unfetched: &[Unfetched],
) -> Comparison {
    Members::default().compare(pipeline, expected, held, unfetched)
}

impl Members {
    /// Does the same as [`compare`](fn@super::compare), but compares only these members of records.
    pub fn compare(
        &self,
        pipeline: Option<Pipeline>,
        expected: &[Value],
        held: &[&HeldRecord],
        unfetched: &[Unfetched],
    ) -> Comparison {
        let mut comparison = Comparison::default();
        let mut by_record: BTreeMap<Cow<'_, str>, Vec<&HeldRecord>> = BTreeMap::new();
        for held in held {
            by_record.entry(canonical(held.record.as_str())).or_default().push(held);
        }
        for latest in expected {
            let id = latest["id"].as_str().unwrap_or_default();
            let copies = by_record.remove(&canonical(id)).unwrap_or_default();
            comparison.record(self, pipeline, latest, &copies, unfetched);
        }
        for (id, copies) in by_record {
            let name = copies.iter().find_map(|held| Some(Told::of(held).members()?.get("name")?.as_str()?.to_owned()));
            let name = name.map_or_else(|| "a record".to_owned(), |name| format!("{name:?}"));
            let text = format!("{name} is held, but it was deleted (record {id})");
            comparison.found.push(Difference { record: id.into(), kind: DifferenceKind::Extra, text });
        }
        comparison.put_folders_apart(expected);
        comparison
    }

    /// Returns whether a comparison of these members tells two versions of a record apart.
    pub(super) fn tell_apart(&self, pipeline: Pipeline, one: &Value, other: &Value) -> bool {
        let shape = Shape::of_records(Some(pipeline));
        !shape.same("", one, other, &mut Comparing { members: self, remarks: &mut BTreeSet::new() })
    }
}

impl Comparison {
    /// Compares one record with the copies that the receiver holds.
    fn record(
        &mut self,
        members: &Members,
        pipeline: Option<Pipeline>,
        latest: &Value,
        copies: &[&HeldRecord],
        unfetched: &[Unfetched],
    ) {
        let shape = Shape::of_records(pipeline);
        let id = latest["id"].as_str().unwrap_or_default();
        let name = latest["name"].as_str().unwrap_or(id);
        let mut find = |kind, text| self.found.push(Difference { record: id.into(), kind, text });
        if copies.is_empty() {
            return find(DifferenceKind::Missing, format!("{name:?} is missing (record {id})"));
        }
        if copies.len() > 1 {
            let text = format!("{name:?} is held {} times (record {id})", copies.len());
            find(DifferenceKind::Copies(copies.len()), text);
        }
        let mut is_whole = true;
        let told: Vec<_> = copies.iter().map(|held| Told::of(held)).collect();
        for told in &told {
            match told {
                Told::Text(_) => {
                    self.remarks.insert(
                        "the state gives `record` as a string of JSON; the string was read as an object".to_owned(),
                    );
                }
                Told::Other(value) => {
                    is_whole = false;
                    let start: String = value.to_string().chars().take(80).collect();
                    let must = "`record` must be an object or left out";
                    find(DifferenceKind::NotAnObject, format!("{name:?} is held as {start}: {must} (record {id})"));
                }
                Told::Nothing | Told::Members(_) => {}
            }
        }
        let compared = latest.as_object().into_iter().flatten().filter(|(member, _)| members.include(member));
        let mut comparing = Comparing { members, remarks: &mut self.remarks };
        // Whether the state gives each compared member.
        let mut is_complete = true;
        self.members.insert("id".to_owned());
        for (member, latest) in compared {
            for told in &told {
                let Some(held) = told.members().and_then(|members| members.get(member)) else {
                    is_complete &= member == "id";
                    continue;
                };
                if !self.members.contains(member) {
                    self.members.insert(member.clone());
                }
                if !shape.member(member).same(member, held, latest, &mut comparing) {
                    is_whole = false;
                    let text = format!("{name:?} has {member} {held}, the latest version has {latest}");
                    find(DifferenceKind::Member { name: member.clone() }, text);
                }
            }
        }
        let stale = unfetched.iter().find(|unfetched| canonical(unfetched.record.as_str()) == canonical(id));
        // If a change is in no compared member, the receiver need not fetch the new version.
        let is_unchanged = !members.are_all() && is_complete;
        let stale = stale.filter(|stale| is_whole && !(is_unchanged && stale.older_fetched));
        if let Some(Unfetched { older_fetched: older, .. }) = stale {
            let what = if *older { "only an older version of it was fetched" } else { "it was never fetched" };
            let text = format!("{name:?} is held, but {what} (record {id})");
            find(DifferenceKind::Stub { older: *older }, text);
        }
    }

    /// Moves missing folders from `found` to `folders` and adds a remark, if every folder is missing and no other
    /// record is.
    fn put_folders_apart(&mut self, expected: &[Value]) {
        let folders: BTreeSet<&str> =
            expected.iter().filter(|record| is_folder(record)).filter_map(|record| record["id"].as_str()).collect();
        let missing = self.found.iter().filter(|difference| difference.kind == DifferenceKind::Missing);
        let missing: BTreeSet<&str> = missing.map(|difference| difference.record.as_str()).collect();
        if folders.is_empty() || missing != folders {
            return;
        }
        let (apart, found) = std::mem::take(&mut self.found)
            .into_iter()
            .partition(|difference| difference.kind == DifferenceKind::Missing);
        (self.folders, self.found) = (apart, found);
        self.remarks.insert("the receiver keeps no folders; everything else was compared".to_owned());
    }
}

/// Returns whether a record is a folder: by a type that names a folder, as in Google Drive, or by an empty type, as in
/// `SharePoint`.
fn is_folder(record: &Value) -> bool {
    let kind = ["mimeType", "mime_type"].iter().find_map(|name| record.get(name)?.as_str());
    kind.is_some_and(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.is_empty() || kind.contains("folder") || kind.contains("directory")
    })
}

/// What the state says about a record.
enum Told<'a> {
    /// Only that the record is held.
    Nothing,
    /// The members of the record.
    Members(&'a Map<String, Value>),
    /// The members of the record, parsed from a text that holds JSON.
    Text(Map<String, Value>),
    /// A value from which no member can be read.
    Other(&'a Value),
}

impl<'a> Told<'a> {
    fn of(held: &'a HeldRecord) -> Self {
        match &held.value {
            None | Some(Value::Null) => Self::Nothing,
            Some(Value::Object(members)) => Self::Members(members),
            Some(value) => {
                let members = value.as_str().and_then(|text| serde_json::from_str(text).ok());
                members.map_or(Self::Other(value), Self::Text)
            }
        }
    }

    fn members(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Members(members) => Some(members),
            Self::Text(members) => Some(members),
            Self::Nothing | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::ApiFault;
    use serde_json::json;

    fn held(record: &str, value: Option<Value>) -> HeldRecord {
        HeldRecord { sync: "s".into(), record: record.into(), value }
    }

    #[test]
    fn right_states_pass_with_and_without_details() {
        let expected = [json!({"id": "a", "name": "A", "size": 1, "hash": {"n": 2}})];
        for value in [
            None,
            Some(json!({})),
            Some(json!({"size": 1.0, "mine": true, "hash": {"n": 2.0}})),
            Some(json!({"hash": {"n": 2, (ApiFault::UNKNOWN_MEMBER): true}})),
            Some(expected[0].clone()),
        ] {
            assert_eq!(differences(&expected, &[&held("a", value)], &[]), [] as [&str; 0]);
        }
    }

    #[test]
    fn each_kind_of_difference_is_reported() {
        let expected = [json!({"id": "a", "name": "A", "size": 1})];
        let a = held("a", None);
        let told = |held: &[&HeldRecord], unfetched: &[Unfetched]| differences(&expected, held, unfetched).join("; ");
        assert_eq!(told(&[], &[]), r#""A" is missing (record a)"#);
        assert_eq!(told(&[&a, &a], &[]), r#""A" is held 2 times (record a)"#);
        assert_eq!(told(&[&a, &held("b", None)], &[]), "a record is held, but it was deleted (record b)");
        let old = held("a", Some(json!({"size": null})));
        assert_eq!(
            told(&[&old], &[Unfetched::new("a").older_fetched()]),
            r#""A" has size null, the latest version has 1"#
        );
        assert_eq!(told(&[&a], &[Unfetched::new("a")]), r#""A" is held, but it was never fetched (record a)"#);
        let older = r#""A" is held, but only an older version of it was fetched (record a)"#;
        assert_eq!(told(&[&a], &[Unfetched::new("a").older_fetched()]), older);
        let differ = |latest: Value, held_value: Value| {
            let held = held("a", Some(json!({"it": held_value})));
            !differences(&[json!({"id": "a", "it": latest})], &[&held], &[]).is_empty()
        };
        assert!(
            differ(json!([1, 2]), json!([1])) && differ(json!([1]), json!([1, 2])) && differ(json!([1]), json!([2]))
        );
        assert!(differ(json!({"a": 1}), json!({})) && differ(json!({}), json!({"a": 1})));
        assert!(differ(json!({"a": 1}), json!({"b": 1})) && !differ(json!({"a": [1]}), json!({"a": [1.0]})));
    }

    /// Compares one record of a pipeline. Returns the texts of the differences, and the remarks.
    fn of(pipeline: Option<Pipeline>, latest: &Value, value: Value) -> (Vec<String>, Vec<String>) {
        let id = latest["id"].as_str().unwrap_or("a");
        let mut latest = latest.clone();
        latest["id"] = json!(id);
        let comparison = compare(pipeline, &[latest], &[&held(id, Some(value))], &[]);
        (comparison.found.into_iter().map(|found| found.text).collect(), comparison.remarks.into_iter().collect())
    }

    #[test]
    fn the_same_moment_is_the_same_value_where_the_schema_has_a_time() {
        let told = |latest: Value, value: Value| {
            let wrong = of(Some(Pipeline::Files), &json!({"updatedAt": latest}), json!({"updatedAt": value}));
            assert_eq!(wrong, of(None, &json!({"updatedAt": latest}), json!({"updatedAt": value})));
            wrong
        };
        let latest = json!("2026-01-01T10:00:00.250Z");
        for (value, form) in [
            (json!("2026-01-01T10:00:00.250+00:00"), "with another offset or precision"),
            (json!("2026-01-01T12:00:00.250000+02:00"), "with another offset or precision"),
            (json!("2026-01-01 10:00:00.25+00"), "with another offset or precision"),
            (json!("2026-01-01T10:00:00.250"), "without an offset, which is read as UTC"),
            (json!("2026-01-01T10:00:00Z"), "in whole seconds"),
            (json!("2026-01-01T10:00:00"), "in whole seconds"),
            (json!(1_767_261_600_250_i64), "as milliseconds since 1970"),
            (json!("1767261600250"), "as text with milliseconds since 1970"),
            (json!(1_767_261_600.25), "as seconds since 1970"),
            (json!(1_767_261_600), "as seconds since 1970"),
        ] {
            let remark = format!("the state gives `updatedAt` {form}: the same time in another form");
            assert_eq!(told(latest.clone(), value.clone()), (vec![], vec![remark]), "{value}");
        }
        for value in [
            json!("2026-01-01T10:00:01.250Z"),
            json!("2026-01-01T10:00:00.000Z"),
            json!("2026-01-01T10:00:00.250+01:00"),
            json!("2026-01-01T10:00:02Z"),
            json!("soon"),
            json!(null),
            json!(1_767_261_600_251_i64),
            json!(1_767_261_602),
            json!(true),
        ] {
            let (found, remarks) = told(latest.clone(), value.clone());
            assert_eq!((found.len(), remarks.len()), (1, 0), "{value}");
        }
        assert_eq!(told(json!("soon"), json!("Soon")).0.len(), 1, "what is no moment is compared as it is");
        // Contacts have times as numbers, and deals have dates.
        let contact = json!({"createdAt": 1_767_261_600_250_i64});
        assert_eq!(of(Some(Pipeline::Contacts), &contact, json!({"createdAt": "2026-01-01T10:00:00.250Z"})).0.len(), 0);
        let deal = json!({"closeDate": "2026-01-01"});
        assert_eq!(of(Some(Pipeline::Deals), &deal, json!({"closeDate": "2026-01-01T00:00:00.000Z"})).0.len(), 0);
        assert_eq!(of(Some(Pipeline::Deals), &deal, json!({"closeDate": "2026-01-02T00:00:00.000Z"})).0.len(), 1);
        let name = json!({"name": "2026-01-01T10:00:00Z"});
        let (found, _) = of(Some(Pipeline::Files), &name, json!({"name": "2026-01-01T10:00:00+00:00"}));
        assert_eq!(found.len(), 1, "a name is no time");
    }

    #[test]
    fn the_same_moment_in_an_older_revision_is_the_same_value_too() {
        let latest = json!({"updated_at": 1_767_261_600_250_i64});
        let (found, remarks) = of(Some(Pipeline::Files), &latest, json!({"updated_at": "2026-01-01T10:00:00.250Z"}));
        assert_eq!((found.len(), remarks.len()), (0, 1), "{found:?}");
    }

    #[test]
    fn numbers_as_text_are_numbers_where_the_schema_has_one() {
        let told =
            |latest: Value, value: Value| of(Some(Pipeline::Files), &json!({"size": latest}), json!({"size": value}));
        let remark = vec!["the state gives `size` as text: the same number in another form".to_owned()];
        assert_eq!(told(json!(42), json!("42")), (vec![], remark.clone()));
        assert_eq!(told(json!(42), json!("42.0")), (vec![], remark.clone()));
        assert_eq!(told(json!(9_007_199_254_740_993_u64), json!("9007199254740993")), (vec![], remark));
        for value in ["9007199254740992", "", "many", "0x2a"] {
            assert_eq!(told(json!(9_007_199_254_740_993_u64), json!(value)).0.len(), 1, "{value}");
        }
        assert_eq!(told(json!(42), json!("43")).0.len(), 1);
        assert_eq!(told(json!(null), json!("")).0.len(), 1);
        let (found, _) = of(Some(Pipeline::Files), &json!({"externalId": "7"}), json!({"externalId": 7}));
        assert_eq!(found.len(), 1, "an id is text");
        let (found, _) =
            of(Some(Pipeline::Files), &json!({"customFields": {"n": 7}}), json!({"customFields": {"n": "7"}}));
        assert_eq!(found.len(), 1, "the schema does not know what is in there");
    }

    #[test]
    fn uuids_are_compared_as_uuids() {
        let id = "3ce16e33-0163-564d-98ce-99b0a25ab375";
        let expected = [json!({"id": id, "externalId": id})];
        for capitals in [id.to_uppercase(), id.replace('-', "")] {
            let right = held(&capitals, Some(json!({"id": capitals})));
            let comparison = compare(Some(Pipeline::Files), &expected, &[&right], &[]);
            let remark = "the state gives `id` in capitals or without hyphens; this counts as the same UUID".to_owned();
            assert_eq!((comparison.found, comparison.remarks), (vec![], BTreeSet::from([remark])));
            let provider = held(&capitals, Some(json!({"externalId": capitals})));
            assert_eq!(compare(None, &expected, &[&provider], &[]).found.len(), 1, "the provider's ids are its own");
        }
        let twice = [&held(id, None), &held(&id.to_uppercase(), None)];
        assert_eq!(compare(None, &expected, &twice, &[]).found[0].kind, DifferenceKind::Copies(2));
        let stub = compare(None, &expected, &[&held(&id.to_uppercase(), None)], &[Unfetched::new(id).older_fetched()]);
        assert_eq!(stub.found[0].kind, DifferenceKind::Stub { older: true });
    }

    #[test]
    fn a_remark_is_made_once_for_each_member() {
        let record = |id: &str, at: &str| json!({"id": id, "updatedAt": at});
        let expected = [record("a", "2026-01-01T10:00:00.000Z"), record("b", "2026-01-02T10:00:00.000Z")];
        let of = |id, at: &str| held(id, Some(json!({"updatedAt": at})));
        let (a, b) = (of("a", "2026-01-01T10:00:00.0+00:00"), of("b", "2026-01-02T11:00:00.0+01:00"));
        assert_eq!(compare(Some(Pipeline::Files), &expected, &[&a, &b], &[]).remarks.len(), 1);
    }

    #[test]
    fn a_record_that_is_no_object_is_parsed_or_reported() {
        let latest = json!({"name": "A", "size": 1});
        let (found, remarks) = of(None, &latest, json!(r#"{"name": "A", "size": 1}"#));
        assert_eq!(found, [] as [&str; 0]);
        assert_eq!(remarks, ["the state gives `record` as a string of JSON; the string was read as an object"]);
        let (found, _) = of(None, &latest, json!(r#"{"name": "B"}"#));
        assert_eq!(found, [r#""A" has name "B", the latest version has "A""#]);
        for (value, shown) in [(json!("A"), "\"A\""), (json!([]), "[]"), (json!(7), "7"), (json!("[1]"), "\"[1]\"")] {
            let (found, _) = of(None, &latest, value);
            let told = format!(r#""A" is held as {shown}: `record` must be an object or left out (record a)"#);
            assert_eq!(found, [told]);
        }
        let gone = held("b", Some(json!(r#"{"name": "B"}"#)));
        assert_eq!(differences(&[], &[&gone], &[]), [r#""B" is held, but it was deleted (record b)"#]);
    }

    #[test]
    fn only_the_chosen_members_are_compared() {
        let latest =
            json!({"id": "a", "name": "A", "size": 1, "hash": {"type": "MD5", "value": "1"}, "tags": [{"n": 1}]});
        let found = |members: &Members, value: &Value, unfetched: &[Unfetched]| {
            let held = held("a", Some(value.clone()));
            let comparison = members.compare(Some(Pipeline::Files), std::slice::from_ref(&latest), &[&held], unfetched);
            comparison.found.into_iter().map(|found| found.text).collect::<Vec<_>>()
        };
        let all = Members::default();
        let stored = json!({"name": "A", "size": 2, "hash": {"type": "MD5", "value": "2"}, "tags": [{"n": 2}]});
        assert_eq!(found(&all, &stored, &[]).len(), 3);
        assert_eq!(found(&all.clone().only(["id", "name"]), &stored, &[]).len(), 0);
        assert_eq!(found(&all.clone().only(["id", "name", "size"]), &stored, &[]).len(), 1);
        assert_eq!(found(&all.clone().only(["hash.type"]), &stored, &[]).len(), 0);
        assert_eq!(found(&all.clone().only(["hash"]), &stored, &[]).len(), 1);
        let but = all.clone().ignore("size").ignore("hash.value");
        assert_eq!(found(&but, &stored, &[]), [r#""A" has tags [{"n":2}], the latest version has [{"n":1}]"#]);
        assert_eq!(found(&but.ignore("tags.n"), &stored, &[]).len(), 0);
        assert_eq!(found(&all.clone().only(["name"]), &json!({"name": "B"}), &[]).len(), 1, "the name is still wrong");

        // A version that differs in no compared member need not be fetched, but the record must be fetched once.
        let older = [Unfetched::new("a").older_fetched()];
        let names = all.clone().only(["id", "name"]);
        assert_eq!(found(&names, &stored, &older).len(), 0);
        assert_eq!(found(&names, &json!({}), &older).len(), 1, "the state does not give the name");
        assert_eq!(found(&names, &stored, &[Unfetched::new("a")]).len(), 1);
        assert_eq!(found(&all, &json!({"name": "A"}), &older).len(), 1);
    }

    #[test]
    fn two_versions_are_told_apart_by_a_compared_member_only() {
        let version = |name: &str, hash: &str| json!({"id": "a", "name": name, "hash": {"value": hash}});
        let tells = |members: &Members, one: &Value, other: &Value| members.tell_apart(Pipeline::Files, one, other);
        let (before, after) = (version("A", "1"), version("B", "2"));
        assert!(tells(&Members::default(), &before, &after) && !tells(&Members::default(), &before, &before));
        assert!(!tells(&Members::default().only(["id"]), &before, &after));
        assert!(tells(&Members::default().only(["hash.value"]), &before, &after));
        assert!(!tells(&Members::default().ignore("name"), &before, &version("B", "1")));
    }

    #[test]
    fn a_receiver_may_keep_no_folders() {
        let record = |id: &str, kind: &str| json!({"id": id, "name": id, "mimeType": kind});
        let folders = [
            record("a", "application/vnd.google-apps.folder"),
            record("b", ""),
            record("c", "application/x-folder"),
            json!({"id": "d", "mime_type": "folder"}),
        ];
        let file = record("e", "application/pdf");
        let all = [&folders[..], std::slice::from_ref(&file)].concat();
        let e = held("e", None);
        let without = compare(Some(Pipeline::Files), &all, &[&e], &[]);
        assert_eq!((without.found.len(), without.folders.len(), without.remarks.len()), (0, 4, 1), "{without:?}");
        assert_eq!(compare(None, &folders, &[], &[]).found.len(), 0, "there is nothing but folders");
        // A receiver that keeps some folders, or that loses a file, is wrong.
        let some = compare(None, &all, &[&e, &held("a", None)], &[]);
        assert_eq!((some.found.len(), some.folders.len()), (3, 0));
        assert_eq!(compare(None, &all, &[], &[]).found.len(), 5);
        assert_eq!(compare(None, &[file], &[], &[]).found.len(), 1);
        let more = compare(None, &all, &[&e, &held("f", None)], &[]);
        assert_eq!(more.found.iter().map(|found| &found.kind).collect::<Vec<_>>(), [&DifferenceKind::Extra]);
    }

    #[test]
    fn differences_are_available_as_data_too() {
        let expected = [json!({"id": "a", "name": "A", "size": 1}), json!({"id": "b", "name": "B", "size": 1})];
        let held = [&held("a", Some(json!({"size": 2}))), &held("c", None)];
        let found = compare(Some(Pipeline::Files), &expected, &held, &[]).found;
        let told: Vec<_> = found.into_iter().map(|found| (found.record.to_string(), found.kind)).collect();
        let member = DifferenceKind::Member { name: "size".to_owned() };
        let told: Vec<_> = told.iter().map(|(record, kind)| (record.as_str(), kind)).collect();
        assert_eq!(told, [("a", &member), ("b", &DifferenceKind::Missing), ("c", &DifferenceKind::Extra)]);
    }
}

use std::collections::BTreeSet;
use std::fmt;

use crate::contract::{Contract, Layer, Pipeline, Place, Revision};

/// The members of records that are compared with what the receiver's state says. The default compares all members.
///
/// A path with dots names a member inside a member, such as `hash.value`.
///
/// ```
/// use paragon_testkit::check::{HeldRecord, Members};
/// use serde_json::json;
///
/// let expected = [json!({"id": "r", "name": "report.pdf", "updatedAt": "2026-01-01T00:00:00.000Z"})];
/// let state = r#"{"records": [
///     {"syncInstanceId": "s", "recordId": "r", "record": {"name": "report.pdf", "updatedAt": "yesterday"}}
/// ]}"#;
/// let held = HeldRecord::parse(state)?;
/// let held: Vec<_> = held.iter().collect();
/// assert_eq!(Members::default().compare(None, &expected, &held, &[]).found.len(), 1);
/// assert!(Members::default().only(["id", "name"]).compare(None, &expected, &held, &[]).found.is_empty());
/// assert!(Members::default().ignore("updatedAt").compare(None, &expected, &held, &[]).found.is_empty());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Paths of the members to compare. Empty means all.
    only: BTreeSet<String>,
    /// Paths of the members to leave out.
    ignored: BTreeSet<String>,
}

impl Members {
    /// Compares only these members, in addition to those of earlier calls.
    #[must_use]
    pub fn only(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.only.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Leaves a member out of the comparison.
    #[must_use]
    pub fn ignore(mut self, path: impl Into<String>) -> Self {
        self.ignored.insert(path.into());
        self
    }

    /// Returns the members that are compared; empty if all members are.
    pub fn compared(&self) -> impl Iterator<Item = &str> {
        self.only.iter().map(String::as_str)
    }

    /// Returns the members that are left out.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.ignored.iter().map(String::as_str)
    }

    /// Returns whether all members are compared.
    pub fn are_all(&self) -> bool {
        self.only.is_empty() && self.ignored.is_empty()
    }

    /// Returns the first member that no record of these pipelines has in any of these revisions.
    pub fn first_unknown(&self, pipelines: &[Pipeline], revisions: &[Revision]) -> Option<&str> {
        let is_known = |path: &str| records(pipelines, revisions).any(|record| has(record, path));
        self.only.iter().chain(&self.ignored).map(String::as_str).find(|path| !is_known(path))
    }

    /// Returns the names of the members that records of these pipelines have in these revisions, without the members
    /// inside of members.
    pub fn known(pipelines: &[Pipeline], revisions: &[Revision]) -> BTreeSet<&'static str> {
        records(pipelines, revisions).flat_map(Place::members).map(|(name, _)| name).collect()
    }

    /// Returns whether the member at this path is compared, wholly or in part.
    pub(super) fn include(&self, path: &str) -> bool {
        let is_within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_chosen = |chosen: &String| is_within(path, chosen) || is_within(chosen, path);
        !self.ignored.iter().any(|ignored| is_within(path, ignored))
            && (self.only.is_empty() || self.only.iter().any(is_chosen))
    }
}

/// Prints which members are compared, in one sentence without a full stop.
impl fmt::Display for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |paths: &BTreeSet<String>| paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        match (self.only.is_empty(), self.ignored.is_empty()) {
            (true, true) => f.write_str("all members of records were compared"),
            (false, true) => write!(f, "only these members of records were compared: {} (--compare)", list(&self.only)),
            (true, false) => {
                write!(f, "these members of records were not compared: {} (--ignore-member)", list(&self.ignored))
            }
            (false, false) => write!(
                f,
                "only these members of records were compared: {}, without {} (--compare, --ignore-member)",
                list(&self.only),
                list(&self.ignored)
            ),
        }
    }
}

fn records<'a>(pipelines: &'a [Pipeline], revisions: &'a [Revision]) -> impl Iterator<Item = Place> + 'a {
    let of = |pipeline: &'a Pipeline| {
        revisions
            .iter()
            .map(|revision| Contract { revision: *revision, layer: Layer::Tolerant }.place(pipeline.schema()))
    };
    pipelines.iter().flat_map(of)
}

/// Returns whether a value at this place may have a member at this path. An object without listed members may have any.
fn has(place: Place, path: &str) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let place = place.items().unwrap_or(place);
    let members = place.members();
    if members.is_empty() {
        return !name.is_empty() && place.kinds().contains(&"object");
    }
    members.iter().any(|(known, member)| *known == name && rest.is_none_or(|rest| has(*member, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_compared_if_it_is_chosen_and_not_ignored() {
        let included = |members: &Members| {
            let paths = ["id", "name", "hash", "hash.type", "hash.value", "hashes"];
            paths.into_iter().filter(|path| members.include(path)).collect::<Vec<_>>()
        };
        assert_eq!(included(&Members::default()).len(), 6);
        assert_eq!(included(&Members::default().only(["id", "hash"])), ["id", "hash", "hash.type", "hash.value"]);
        assert_eq!(included(&Members::default().only(["hash.type"])), ["hash", "hash.type"]);
        let without = Members::default().ignore("hash").ignore("name");
        assert_eq!(included(&without), ["id", "hashes"]);
        assert_eq!(included(&without.only(["id", "name"])), ["id"]);
        let part = Members::default().only(["hash"]).ignore("hash.value");
        assert_eq!(included(&part), ["hash", "hash.type"]);
    }

    #[test]
    fn members_are_those_of_the_pipelines_and_the_revision() {
        let unknown = |path: &str, pipelines: &[Pipeline], revision| {
            Members::default().ignore(path).first_unknown(pipelines, &[revision]).is_some()
        };
        let (files, new, old) = (&[Pipeline::Files][..], Revision::default(), Revision::SnakeCase);
        for path in ["id", "externalId", "hash.value", "customFields", "customFields.a.b"] {
            assert!(!unknown(path, files, new), "{path}");
        }
        for path in ["", "title", "Name", "name.first", "hash.", "hash.md5.x", ".id"] {
            assert!(unknown(path, files, new), "{path}");
        }
        assert!(unknown("emails.email", files, new));
        assert!(!unknown("emails.email", &[Pipeline::Files, Pipeline::Contacts], new));
        assert!(unknown("updatedAt", files, old) && !unknown("updated_at", files, old));
        assert!(Members::known(files, &[new]).contains("mimeType"));
        assert!(!Members::known(files, &[new]).contains("mime_type"));
    }
}

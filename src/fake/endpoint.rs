use std::borrow::Cow;
use std::ops::Deref;

use http::Method;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

macro_rules! endpoints {
    ($($name:ident $method:ident $path:literal)*) => {
        /// An endpoint of the Sync API or the Permissions API. Its JSON form is the `operationId` in
        /// `schemas/openapi.yaml`, such as `pullRecords`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        #[non_exhaustive]
        pub enum Endpoint {
            $(#[doc = concat!("`", stringify!($method), " ", $path, "`")] $name,)*
        }

        impl Endpoint {
            /// All endpoints.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the endpoint of a call. A slash at the end of the path makes no difference.
            pub(super) fn at(method: &Method, path: &[Cow<'_, str>]) -> Option<Self> {
                $(if *method == Method::$method && leads_to(path, $path) {
                    return Some(Self::$name);
                })*
                None
            }
        }
    };
}

impl Endpoint {
    /// Returns whether a path that leads nowhere would lead to an endpoint if it began with `/api` and nothing else.
    pub(super) fn is_misplaced(method: &Method, path: &[Cow<'_, str>]) -> bool {
        let begins = path.iter().position(|part| matches!(&**part, "syncs" | "permissions"));
        begins.is_some_and(|begins| {
            let moved: Vec<_> = [Cow::Borrowed("api")].into_iter().chain(path[begins..].iter().cloned()).collect();
            Self::at(method, &moved).is_some()
        })
    }
}

endpoints! {
    EnableSync POST "/api/syncs"
    ListSyncs GET "/api/syncs"
    GetSyncStatus GET "/api/syncs/{syncId}"
    UpdateSync PATCH "/api/syncs/{syncId}"
    DeleteSync DELETE "/api/syncs/{syncId}"
    DisableSync POST "/api/syncs/{syncId}/disable"
    ReenableSync POST "/api/syncs/{syncId}/reenable"
    PullRecords GET "/api/syncs/{syncId}/records"
    GetRecord GET "/api/syncs/{syncId}/records/{recordId}"
    DownloadContent GET "/api/syncs/{syncId}/records/{recordId}/content"
    CheckAccess POST "/api/permissions/{syncId}/check"
    BatchCheckAccess POST "/api/permissions/{syncId}/batch-check"
    ListUsers POST "/api/permissions/{syncId}/list-users"
    ListObjects POST "/api/permissions/{syncId}/list-objects"
    StreamListObjects POST "/api/permissions/{syncId}/streamed-list-objects"
    StreamListObjectsAllSyncs POST "/api/permissions/streamed-list-objects"
    ExpandAccess POST "/api/permissions/{syncId}/expand"
    GetPermissionChanges GET "/api/permissions/{syncId}/changes"
}

/// The segments of a path, percent-decoded. A slash at the end of the path makes no difference.
///
/// At most 7 segments are kept: one more than the longest path of an endpoint has, so that a longer path matches no
/// endpoint. Every call is split, and a list on the heap would cost time. A segment is copied only if it is not written
/// in its usual form.
pub(super) struct Parts<'a> {
    parts: [Cow<'a, str>; 7],
    count: usize,
}

impl<'a> Parts<'a> {
    /// Index of the segment that is the id of a sync or of an account, in both APIs.
    const ID: usize = 2;

    pub(super) fn of(path: &'a str) -> Self {
        let mut all = Self { parts: [const { Cow::Borrowed("") }; 7], count: 0 };
        let encoded = path.as_bytes().contains(&b'%');
        for (part, place) in path.trim_matches('/').split('/').zip(&mut all.parts) {
            *place = if encoded { decoded(part) } else { part.into() };
            all.count += 1;
        }
        if let Cow::Owned(id) = usual_form(&all.parts[Self::ID]) {
            all.parts[Self::ID] = id.into();
        }
        all
    }
}

/// Undoes percent-encoding. A part that does not decode to text stays as it is.
fn decoded(part: &str) -> Cow<'_, str> {
    percent_decode_str(part).decode_utf8().unwrap_or(part.into())
}

/// Returns an id as the fake writes it: a UUID in lower case. UUIDs are compared without case (RFC 9562, 4). An id that
/// is no UUID stays as it is.
pub(super) fn usual_form(id: &str) -> Cow<'_, str> {
    let is_uuid = || id.len() == 36 && uuid::Uuid::try_parse(id).is_ok();
    if id.bytes().any(|byte| byte.is_ascii_uppercase()) && is_uuid() {
        id.to_ascii_lowercase().into()
    } else {
        id.into()
    }
}

impl<'a> Deref for Parts<'a> {
    type Target = [Cow<'a, str>];
    fn deref(&self) -> &[Cow<'a, str>] {
        &self.parts[..self.count]
    }
}

/// Returns whether a split path matches a template. The template is not split, because each call is compared with
/// several templates.
pub(super) fn leads_to(path: &[Cow<'_, str>], template: &str) -> bool {
    let mut rest = template;
    path.iter().all(|part| {
        let part = &**part;
        let Some(wanted) = rest.strip_prefix('/') else { return false };
        let after = if wanted.starts_with('{') && !part.is_empty() {
            wanted.split_once('}').map(|(_, after)| after)
        } else {
            // A percent-encoded slash does not separate segments.
            let after = wanted.strip_prefix(part).filter(|after| after.is_empty() || after.starts_with('/'));
            after.filter(|_| !part.contains('/'))
        };
        rest = after.unwrap_or_default();
        after.is_some()
    }) && rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &Method, path: &str) -> Option<Endpoint> {
        Endpoint::at(method, &Parts::of(path))
    }

    #[test]
    fn they_are_those_of_the_published_description() {
        let text = include_str!("../../schemas/openapi.yaml");
        let (mut path, mut method, mut described) = ("", "", Vec::new());
        for line in text.lines().take_while(|line| *line != "components:") {
            if let Some(name) = line.strip_prefix("  /").filter(|name| name.ends_with(':')) {
                path = &name[..name.len() - 1];
            } else if let Some(name) = line.strip_prefix("      operationId: ") {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let found = of(&method, &format!("/{path}")).unwrap();
                assert_eq!(serde_json::to_value(found).unwrap(), name);
                described.push(found);
            } else if line.starts_with("    ") && !line.starts_with("     ") {
                method = line.trim().trim_end_matches(':');
            }
        }
        described.sort();
        assert_eq!(described, Endpoint::ALL);
    }

    #[test]
    fn what_leads_nowhere_is_none() {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/api"),
            (Method::PUT, "/api/syncs"),
            (Method::GET, "/api/syncs//records"),
            (Method::GET, "/api/syncs/a/records/b/content/c"),
            (Method::GET, "/api/permissions/a/check"),
        ] {
            assert_eq!(of(&method, path), None, "{path}");
        }
        assert_eq!(of(&Method::GET, "/api/syncs/a/"), Some(Endpoint::GetSyncStatus));
    }

    #[test]
    fn a_path_with_another_beginning_is_told_from_one_that_never_was() {
        for (path, is_misplaced) in [
            ("/syncs/a/records", true),
            ("/api/api/syncs/a/records/b", true),
            ("/v1/permissions/a/changes", true),
            ("/syncs/a/rows", false),
            ("/records", false),
            ("/", false),
        ] {
            assert_eq!(Endpoint::is_misplaced(&Method::GET, &Parts::of(path)), is_misplaced, "{path}");
        }
    }

    #[test]
    fn parts_are_decoded_and_ids_are_in_lower_case() {
        let upper = "163A345E-2DD4-51FF-BCF5-7667DE564BB0";
        let lower = upper.to_lowercase();
        for (path, parts) in [
            ("/api/syncs/a/records/", &["api", "syncs", "a", "records"][..]),
            ("/%61pi/s%79ncs/%7bx%7D", &["api", "syncs", "{x}"]),
            ("/api/syncs/a%2Fb", &["api", "syncs", "a/b"]),
            ("/api/syncs/%ff/%zz/%", &["api", "syncs", "%ff", "%zz", "%"]),
            (&format!("/api/syncs/{upper}/records/{upper}"), &["api", "syncs", &lower, "records", upper]),
            (&format!("/api/syncs/{}", upper.replace('-', "%2D")), &["api", "syncs", &lower]),
            ("/API/syncs/ABC", &["API", "syncs", "ABC"]),
        ] {
            assert_eq!(*Parts::of(path), *parts, "{path}");
        }
        let usual = format!("/api/syncs/{lower}/records");
        assert!(Parts::of(&usual).iter().all(|part| matches!(part, Cow::Borrowed(_))), "nothing is copied");
        assert_eq!(of(&Method::GET, "/%61pi/s%79ncs/%7bx%7D"), Some(Endpoint::GetSyncStatus));
        assert_eq!(of(&Method::GET, "/api/syncs%2F{syncId}"), None, "an encoded slash separates nothing");
        assert_eq!(of(&Method::GET, "/API/syncs"), None, "paths are compared with case");
    }
}

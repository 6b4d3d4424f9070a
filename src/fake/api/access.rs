//! The endpoints of the Permissions API as pure functions: each takes a request body and the permissions of a sync, and
//! returns a response body.
//!
//! The endpoints accept more than is documented, because clients differ: they accept `user:` before an address, and
//! `file:` or `folder:` before an object id, everywhere. If the sync does not hold an object, nobody has access to that
//! object (assumed: `OpenFGA`, which Paragon runs, does not know which objects exist).

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::contract::{RecordId, SyncId};
use crate::source::permission::{
    ChangesCursorError, ChangesQuery, ObjectType, PermissionItem, PermissionLog, Permissions, Relation, Role,
};

/// Maximum number of users or objects in a list (`permissions.limit`: documented).
const LIMIT: usize = 1_000;

/// Maps record ids of a sync to numbers in the account, and back.
pub(super) trait Ids {
    /// Returns the id of a record, even if the record is deleted.
    fn record(&self, number: u64) -> RecordId;

    /// Returns the file or folder with this id; `None` if the sync has none.
    fn item(&self, record: &RecordId) -> Option<PermissionItem>;

    /// Returns whether the number belongs to a live item of this type.
    fn is(&self, number: u64, kind: ObjectType) -> bool;
}

/// The error response to a refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// The error code. Only the two cursor errors have one (documented).
    pub(super) code: Option<&'static str>,
}

impl Problem {
    fn bad(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message, code: None }
    }
}

impl From<ChangesCursorError> for Problem {
    fn from(error: ChangesCursorError) -> Self {
        let code = match error {
            ChangesCursorError::TypeMismatch { .. } => "PERMISSION_CHANGES_CURSOR_TYPE_MISMATCH",
            _ => "PERMISSION_CHANGES_CURSOR_INVALID",
        };
        Self { code: Some(code), ..Self::bad(error.to_string()) }
    }
}

/// Answers `POST /api/permissions/{syncId}/check`.
pub(super) fn check(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let question = Question::read(&body, "")?;
    Ok(json!({"hasAccess": question.answer(permissions, ids)?}).to_string())
}

/// Answers `POST /api/permissions/{syncId}/batch-check`.
///
/// A check that cannot be answered gets an `error` in its result; the other checks are still answered. A check that is
/// malformed (not an object, or a member is not a string) fails the whole batch, because its result could not repeat
/// the check.
pub(super) fn batch_check(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let Some(checks) = body.get("checks").and_then(Value::as_array) else {
        return Err(unexpected("checks", "an array", body.get("checks")));
    };
    let answer = |(index, check): (usize, &Value)| -> Result<Value, Problem> {
        let place = format!("checks[{index}].");
        let expected = || unexpected(&place[..place.len() - 1], "an object", Some(check));
        let question = Question::read(check.as_object().ok_or_else(expected)?, &place)?;
        // The result repeats the object without its type, as documented. Responses of mid-2025 included the type.
        let record = question.object().map_or_else(|_| RecordId::from(question.object), |(_, record)| record);
        let request = json!({"object": record, "user": question.user, "role": question.role});
        Ok(match question.answer(permissions, ids) {
            Ok(allowed) => json!({"allowed": allowed, "request": request}),
            Err(problem) => json!({"allowed": false, "request": request, "error": problem.message}),
        })
    };
    let result = checks.iter().enumerate().map(answer).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({"result": result}).to_string())
}

/// Answers `POST /api/permissions/{syncId}/list-users`.
pub(super) fn list_users(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let (kind, record) = object_id(text(&body, "object", "")?, "object")?;
    let role = role(text(&body, "role", "")?, "role")?;
    let mut users = find(kind, &record, ids).map_or_else(Vec::new, |item| permissions.users(item, role));
    users.truncate(LIMIT);
    Ok(json!({"users": users}).to_string())
}

/// Answers `POST /api/permissions/{syncId}/list-objects`.
pub(super) fn list_objects(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let objects = Objects::read(body)?.find(permissions, ids).take(LIMIT);
    let objects: Vec<RecordId> = objects.map(|number| ids.record(number)).collect();
    Ok(json!({"objects": objects}).to_string())
}

/// Answers `POST /api/permissions/{syncId}/streamed-list-objects`, line by line.
pub(super) fn streamed_list_objects<'a, I: Ids>(
    body: &[u8],
    permissions: &'a Permissions,
    ids: &'a I,
) -> Result<impl Iterator<Item = String> + use<'a, I>, Problem> {
    let objects = Objects::read(body)?.find(permissions, ids);
    Ok(objects.map(|number| json!({"object": ids.record(number)}).to_string()))
}

/// A sync in the stream over all syncs of a user.
pub(super) struct Store<'a, I> {
    pub(super) sync: &'a SyncId,
    pub(super) integration: &'a str,
    /// The permissions of the sync, or the reason why the sync cannot answer. A sync without permissions does not
    /// become a `Store` at all: the stream leaves it out silently.
    pub(super) permissions: Result<&'a Permissions, String>,
    pub(super) ids: &'a I,
}

/// Answers `POST /api/permissions/streamed-list-objects`, line by line. A sync that fails has one line with the reason.
pub(super) fn streamed_list_objects_of_all<'a, I: Ids + 'a>(
    body: &[u8],
    stores: impl Iterator<Item = Store<'a, I>>,
) -> Result<impl Iterator<Item = String>, Problem> {
    let asked = Objects::read(body)?;
    Ok(stores.flat_map(move |Store { sync, integration, permissions, ids }| {
        let (objects, error) = match permissions {
            Ok(permissions) => (Some(asked.find(permissions, ids)), None),
            Err(error) => (None, Some(error)),
        };
        let start = move || json!({"syncInstanceId": sync, "integration": integration});
        let with = move |name: &str, value: Value| {
            let mut entry = start();
            entry[name] = value;
            entry.to_string()
        };
        let objects = objects.into_iter().flatten().map(move |number| with("object", json!(ids.record(number))));
        objects.chain(error.map(|error| with("error", error.into())))
    }))
}

/// Answers `POST /api/permissions/{syncId}/expand`.
///
/// The relation is a role or any other relation that appears in a tree (assumed: in `OpenFGA` every relation can be
/// expanded). An object that the sync does not hold has no tree, so the response is 404.
pub(super) fn expand(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let (kind, record) = object_id(text(&body, "object", "")?, "object")?;
    let name = text(&body, "relation", "")?;
    let relation = Relation::from_name(name)
        .ok_or_else(|| unexpected("relation", &names(Relation::ALL, Relation::name), Some(&name.into())))?;
    let item = find(kind, &record, ids).ok_or_else(|| Problem {
        status: StatusCode::NOT_FOUND,
        message: "Object not found".to_owned(),
        code: None,
    })?;
    let root = permissions.expand(item, relation, &|number| ids.record(number));
    Ok(json!({"tree": {"root": root}}).to_string())
}

/// The query parameters of `GET /api/permissions/{syncId}/changes`, not yet parsed. The values of `type` are assumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChangesParameters<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) start_time: Option<&'a str>,
    /// The continuation token. An empty token counts as absent.
    pub(super) token: Option<&'a str>,
    pub(super) size: usize,
}

/// Answers `GET /api/permissions/{syncId}/changes` with a page of the log. `applied` is the number of changes in the
/// log that the sync has seen.
pub(super) fn changes(
    parameters: ChangesParameters<'_>,
    log: &PermissionLog,
    applied: usize,
    ids: &impl Ids,
) -> Result<String, Problem> {
    let kind = parameters.kind.map(|name| object_type(name, "type")).transpose()?;
    let token = parameters.token.filter(|token| !token.is_empty());
    let start = |text: &str| {
        Timestamp::parse(text).ok_or_else(|| unexpected("startTime", "an RFC 3339 timestamp", Some(&text.into())))
    };
    let start_time = parameters.start_time.map(start).transpose()?;
    let page = log.page(applied, ChangesQuery { kind, token, start_time, size: parameters.size })?;
    let changes: Vec<_> = page.changes.iter().map(|change| change.to_api(&|number| ids.record(number))).collect();
    Ok(json!({"changes": changes, "continuationToken": page.token}).to_string())
}

/// The question whether a user has a role on an object. The three members are known to be strings; `answer` checks
/// their contents.
struct Question<'a> {
    object: &'a str,
    user: &'a str,
    role: &'a str,
    /// Prefix of the member names in error messages: `checks[0].` or empty.
    place: &'a str,
}

impl<'a> Question<'a> {
    fn read(body: &'a Map<String, Value>, place: &'a str) -> Result<Self, Problem> {
        let member = |name| text(body, name, place);
        Ok(Self { object: member("object")?, user: member("user")?, role: member("role")?, place })
    }

    fn object(&self) -> Result<(Option<ObjectType>, RecordId), Problem> {
        object_id(self.object, &format!("{}object", self.place))
    }

    fn answer(&self, permissions: &Permissions, ids: &impl Ids) -> Result<bool, Problem> {
        let (kind, record) = self.object()?;
        let user = user(self.user, &format!("{}user", self.place))?;
        let role = role(self.role, &format!("{}role", self.place))?;
        Ok(find(kind, &record, ids).is_some_and(|item| permissions.check(item, user, role)))
    }
}

/// The question on which objects of a type a user has a role.
struct Objects {
    kind: ObjectType,
    user: String,
    role: Role,
}

impl Objects {
    fn read(body: &[u8]) -> Result<Self, Problem> {
        let body = object(body)?;
        Ok(Self {
            kind: object_type(text(&body, "objectType", "")?, "objectType")?,
            user: user(text(&body, "user", "")?, "user")?.to_owned(),
            role: role(text(&body, "role", "")?, "role")?,
        })
    }

    /// Returns the numbers of the objects. The default owner of computed objects owns a range of numbers, which also
    /// covers folders, so each number's type is checked.
    fn find<'a, I: Ids>(&self, permissions: &'a Permissions, ids: &'a I) -> impl Iterator<Item = u64> + use<'a, I> {
        let kind = self.kind;
        permissions.objects(kind, &self.user, self.role, 0).filter(move |number| ids.is(*number, kind))
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(unexpected("the body", "an object", Some(&other))),
        Err(error) => Err(Problem::bad(format!("the body is not JSON: {error}"))),
    }
}

fn text<'a>(body: &'a Map<String, Value>, name: &str, place: &str) -> Result<&'a str, Problem> {
    let value = body.get(name);
    value.and_then(Value::as_str).ok_or_else(|| unexpected(&format!("{place}{name}"), "a string", value))
}

fn user<'a>(text: &'a str, place: &str) -> Result<&'a str, Problem> {
    match text.strip_prefix("user:").unwrap_or(text) {
        "" => Err(unexpected(place, "an e-mail address", Some(&text.into()))),
        user => Ok(user),
    }
}

fn role(text: &str, place: &str) -> Result<Role, Problem> {
    Role::from_name(text).ok_or_else(|| unexpected(place, &names(Role::ALL, Role::name), Some(&text.into())))
}

fn object_type(text: &str, place: &str) -> Result<ObjectType, Problem> {
    let expected = || unexpected(place, &names(ObjectType::ALL, ObjectType::name), Some(&text.into()));
    ObjectType::from_name(text).ok_or_else(expected)
}

/// Parses a record id with an optional type prefix.
fn object_id(text: &str, place: &str) -> Result<(Option<ObjectType>, RecordId), Problem> {
    let (kind, id) = match text.split_once(':').map(|(kind, id)| (ObjectType::from_name(kind), id)) {
        Some((Some(kind), id)) => (Some(kind), id),
        _ => (None, text),
    };
    // `Uuid::try_parse` also accepts forms without hyphens and forms in braces.
    match Uuid::try_parse(id) {
        Ok(uuid) if id.len() == 36 => Ok((kind, RecordId::from(uuid.to_string()))),
        _ => Err(unexpected(place, "a record id (a UUID)", Some(&text.into()))),
    }
}

fn find(kind: Option<ObjectType>, record: &RecordId, ids: &impl Ids) -> Option<PermissionItem> {
    ids.item(record).filter(|item| kind.is_none_or(|kind| kind == item.kind))
}

fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> String {
    let names: Vec<&str> = all.iter().map(|one| name(*one)).collect();
    format!("one of {}", names.join(", "))
}

fn unexpected(place: &str, expected: &str, got: Option<&Value>) -> Problem {
    let got = got.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let short: String = got.chars().take(60).collect();
    let dots = if short.len() < got.len() { "…" } else { "" };
    Problem::bad(format!("{place}: expected {expected}, got {short}{dots}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::{Contract, Layer};
    use crate::source::permission::DefaultOwner;

    /// Numbers below 10 are files, those from 10 to 1,999 are folders, and those from 2,000 to 9,999 are files again.
    struct Numbers;

    impl Ids for Numbers {
        fn record(&self, number: u64) -> RecordId {
            RecordId::from(Uuid::from_u128(number.into()).to_string())
        }

        fn item(&self, record: &RecordId) -> Option<PermissionItem> {
            let number = u64::try_from(Uuid::try_parse(record.as_str()).ok()?.as_u128()).ok()?;
            let kind = if (10..2_000).contains(&number) { ObjectType::Folder } else { ObjectType::File };
            (number < 10_000).then_some(PermissionItem { kind, number })
        }

        fn is(&self, number: u64, kind: ObjectType) -> bool {
            self.item(&self.record(number)).is_some_and(|item| item.kind == kind)
        }
    }

    /// The file 1 is in folder 11; ada writes the folder, bob reads the file, and cyd owns many files.
    fn log() -> PermissionLog {
        let now = Timestamp::from_millis(0);
        let mut log = PermissionLog::owned_by(DefaultOwner { files: 2_000..4_000, user: "cyd@x".into(), since: now });
        log.put(PermissionItem::file(1), Some(11), now);
        log.grant("ada@x", Role::CanWrite, PermissionItem::folder(11), now);
        log.grant("bob@x", Role::CanRead, PermissionItem::file(1), now);
        log
    }

    fn id(number: u64) -> String {
        Numbers.record(number).to_string()
    }

    type Endpoint = fn(&[u8], &Permissions, &Numbers) -> Result<String, Problem>;

    fn ask(endpoint: Endpoint, schema: &str, body: &Value) -> Result<Value, String> {
        let answer = endpoint(body.to_string().as_bytes(), log().now(), &Numbers).map_err(|problem| problem.message)?;
        let answer = serde_json::from_str(&answer).unwrap();
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        assert_eq!(strict.validate(&format!("api/{schema}_response"), &answer), [], "{answer}");
        Ok(answer)
    }

    #[test]
    fn check_answers_and_names_what_it_cannot_read() {
        let check = |object: &str, user: &str, role: &str| {
            ask(check, "check_access", &json!({"object": object, "user": user, "role": role}))
        };
        let yes = Ok(json!({"hasAccess": true}));
        let no = Ok(json!({"hasAccess": false}));
        assert_eq!(check(&id(1), "ada@x", "can_write"), yes);
        assert_eq!(check(&format!("file:{}", id(1)), "user:ada@x", "can_read"), yes);
        assert_eq!(check(&format!("folder:{}", id(1)), "ada@x", "can_read"), no);
        assert_eq!(check(&id(1), "bob@x", "can_write"), no);
        assert_eq!(check(&id(99_999), "ada@x", "can_read"), no);
        let message = check(&id(1), "ada@x", "read").unwrap_err();
        assert_eq!(message, r#"role: expected one of can_read, can_write, is_owner, got "read""#);
        let message = check("1", "ada@x", "can_read").unwrap_err();
        assert_eq!(message, r#"object: expected a record id (a UUID), got "1""#);
        assert_eq!(check(&id(1), "user:", "can_read").unwrap_err(), r#"user: expected an e-mail address, got "user:""#);
        let missing = super::check(br#"{"object": "1", "user": 7}"#, log().now(), &Numbers).unwrap_err();
        assert_eq!((missing.status.as_u16(), &*missing.message), (400, "user: expected a string, got 7"));
        let message = super::check(b"[]", log().now(), &Numbers).unwrap_err().message;
        assert_eq!(message, "the body: expected an object, got []");
    }

    #[test]
    fn one_bad_question_does_not_spoil_the_batch() {
        let question = |object: &str, user: &str, role: &str| json!({"object": object, "user": user, "role": role});
        let prefixed = format!("file:{}", id(1));
        let asked = [
            question(&id(1), "user:ada@x", "can_read"),
            question(&prefixed, "bob@x", "is_owner"),
            question(&id(99_999), "user:ada@x", "can_read"),
            question(&id(1), "user:", "can_read"),
        ];
        let answer = ask(batch_check, "batch_check_access", &json!({"checks": asked})).unwrap();
        let error = r#"checks[3].user: expected an e-mail address, got "user:""#;
        let result = json!([
            {"allowed": true, "request": asked[0]},
            {"allowed": false, "request": question(&id(1), "bob@x", "is_owner")},
            {"allowed": false, "request": asked[2]},
            {"allowed": false, "request": asked[3], "error": error},
        ]);
        assert_eq!(answer, json!({"result": result}));
        // The result repeats a check that no schema allows exactly as the request had it.
        let body = json!({"checks": [question("x", "u", "r"), asked[0]]}).to_string();
        let answer = batch_check(body.as_bytes(), log().now(), &Numbers).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["result"][0]["request"], question("x", "u", "r"));
        assert_eq!(answer["result"][0]["error"], r#"checks[0].object: expected a record id (a UUID), got "x""#);
        assert_eq!(answer["result"][1]["allowed"], true);
        let refused = |body| ask(batch_check, "batch_check_access", &body).unwrap_err();
        assert_eq!(refused(json!({})), "checks: expected an array, got nothing");
        assert_eq!(refused(json!({"checks": [[]]})), "checks[0]: expected an object, got []");
        let numbers = json!({"checks": [{"object": id(1), "user": "u", "role": 1}]});
        assert_eq!(refused(numbers), "checks[0].role: expected a string, got 1");
    }

    #[test]
    fn lists_and_streams_agree_and_a_list_ends_at_its_limit() {
        let users = |object: &str| ask(list_users, "list_users", &json!({"object": object, "role": "can_read"}));
        assert_eq!(users(&id(1)), Ok(json!({"users": ["ada@x", "bob@x"]})));
        assert_eq!(users(&id(99_999)), Ok(json!({"users": []})));
        let body = |kind: &str, user: &str| json!({"objectType": kind, "user": user, "role": "can_read"});
        let folders = ask(list_objects, "list_objects", &body("folder", "ada@x")).unwrap();
        assert_eq!(folders, json!({"objects": [id(11)]}));
        let many = ask(list_objects, "list_objects", &body("file", "cyd@x")).unwrap();
        let log = log();
        let asked = body("file", "cyd@x").to_string();
        let lines: Vec<String> = streamed_list_objects(asked.as_bytes(), log.now(), &Numbers).unwrap().collect();
        assert_eq!(lines.len(), 2_000);
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        for (line, object) in lines.iter().zip(many["objects"].as_array().unwrap()) {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(strict.validate("api/streamed_object", &line), []);
            assert_eq!(line["object"], *object);
        }
        assert_eq!(many["objects"].as_array().unwrap().len(), LIMIT);
        let message = ask(list_objects, "list_objects", &body("space", "ada@x")).unwrap_err();
        assert_eq!(message, r#"objectType: expected one of file, folder, got "space""#);
    }

    #[test]
    fn a_sync_that_fails_has_a_line_and_the_others_go_on() {
        let (log, sync) = (log(), SyncId::from(id(7)));
        let store = |permissions| Store { sync: &sync, integration: "box", permissions, ids: &Numbers };
        let stores = [store(Err("no answer".to_owned())), store(Ok(log.now()))];
        let body = br#"{"objectType": "file", "user": "bob@x", "role": "can_read"}"#;
        let lines: Vec<String> = streamed_list_objects_of_all(body, stores.into_iter()).unwrap().collect();
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let strict = Contract { layer: Layer::Strict, ..Contract::default() };
        assert!(lines.iter().all(|line| strict.is_valid("api/streamed_object_all_syncs", line)));
        let start = |name: &str, value: &str| json!({"syncInstanceId": sync, "integration": "box", name: value});
        assert_eq!(lines, [start("error", "no answer"), start("object", &id(1))]);
    }

    #[test]
    fn each_name_in_a_tree_can_be_expanded() {
        let tree = |object: &str, relation: &str| {
            ask(expand, "expand", &json!({"object": object, "relation": relation}))
                .map(|answer| answer["tree"]["root"].clone())
        };
        for relation in Relation::ALL {
            assert_eq!(tree(&id(1), relation.name()).unwrap()["name"], format!("file:{}#{relation}", id(1)));
        }
        let parent = tree(&id(1), "parent").unwrap();
        assert_eq!(parent["leaf"]["users"]["users"], json!([format!("folder:{}", id(11))]));
        let owner = tree(&id(2_000), "owner").unwrap();
        assert_eq!(owner["leaf"]["users"]["users"], json!(["user:cyd@x"]));
        assert!(tree(&id(1), "member").unwrap_err().starts_with("relation: expected one of can_read"));
        let body = json!({"object": id(99_999), "relation": "can_read"}).to_string();
        assert_eq!(expand(body.as_bytes(), log().now(), &Numbers).unwrap_err().status, StatusCode::NOT_FOUND);
    }

    #[test]
    fn changes_end_with_the_same_token_and_refuse_another_one() {
        let log = log();
        let ask = |parameters: ChangesParameters<'_>| {
            let answer: Value = serde_json::from_str(&changes(parameters, &log, 3, &Numbers)?).unwrap();
            let strict = Contract { layer: Layer::Strict, ..Contract::default() };
            assert_eq!(strict.validate("api/permission_changes_response", &answer), []);
            Ok::<_, Problem>(answer)
        };
        let folders = ChangesParameters { kind: Some("folder"), token: Some(""), start_time: None, size: 10 };
        let page = ask(folders).unwrap();
        let tuple = json!({"user": "user:ada@x", "relation": "editor", "object": format!("folder:{}", id(11))});
        let change = json!({
            "tuple_key": tuple, "operation": "TUPLE_OPERATION_WRITE", "timestamp": "1970-01-01T00:00:00.000Z",
        });
        assert_eq!(page["changes"], json!([change]));
        let token = page["continuationToken"].as_str();
        let end = ask(ChangesParameters { token, ..folders }).unwrap();
        assert_eq!(end, json!({"changes": [], "continuationToken": token}));
        let code = |parameters| ask(parameters).unwrap_err().code;
        let mismatch = Some("PERMISSION_CHANGES_CURSOR_TYPE_MISMATCH");
        assert_eq!(code(ChangesParameters { token, kind: None, ..folders }), mismatch);
        let invalid = Some("PERMISSION_CHANGES_CURSOR_INVALID");
        assert_eq!(code(ChangesParameters { token: Some("eyJwayI6IkxBVEVTVCJ9"), ..folders }), invalid);
        let problem = ask(ChangesParameters { start_time: Some("today"), ..folders }).unwrap_err();
        assert_eq!(problem.message, r#"startTime: expected an RFC 3339 timestamp, got "today""#);
        let problem = ask(ChangesParameters { kind: Some("user"), ..folders }).unwrap_err();
        assert_eq!((problem.message, problem.code), (r#"type: expected one of file, folder, got "user""#.into(), None));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "\\PC*", member in 0..5_usize) {
            let name = ["object", "user", "role", "objectType", "checks"][member];
            let mut body = json!({"object": id(1), "user": "u", "role": "can_read", "relation": "viewer", "objectType": "file"});
            body[name] = text.into();
            let log = log();
            let endpoints: [Endpoint; 5] = [check, batch_check, list_users, list_objects, expand];
            for endpoint in endpoints {
                prop_assert!(endpoint(&bytes, log.now(), &Numbers).is_err());
                let _ = endpoint(body.to_string().as_bytes(), log.now(), &Numbers);
            }
        }
    }
}

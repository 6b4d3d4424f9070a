//! The endpoints of the Permissions API as pure functions: a body in, what a sync knows, a body out.
//!
//! What an endpoint takes is wider than what is documented, where clients differ: `user:` before an address and `file:`
//! or `folder:` before an object are let through everywhere. An object that the sync does not hold is one that nobody
//! may use (assumed: `OpenFGA`, which Paragon runs, does not know which objects there are).

use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::clock::Moment;
use crate::contract::{RecordId, SyncId};
use crate::source::permission::{
    ChangesQuery, CursorError, Item, ObjectType, PermissionLog, Permissions, Relation, Role,
};

/// How many users or objects a list holds (`permissions.limit`: documented).
const LIMIT: usize = 1_000;

/// Records of a sync by their number in the account, and back.
pub(super) trait Ids {
    /// The id of a record, also of one that is gone.
    fn record(&self, number: u64) -> RecordId;

    /// The file or folder with this id; `None` when the sync has none.
    fn item(&self, record: &RecordId) -> Option<Item>;

    /// Whether a number is that of a file or of a folder that lives.
    fn is(&self, number: u64, kind: ObjectType) -> bool;
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    pub(super) message: String,
    /// The two that are documented.
    pub(super) code: Option<&'static str>,
}

impl Problem {
    fn bad(message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message, code: None }
    }
}

impl From<CursorError> for Problem {
    fn from(error: CursorError) -> Self {
        let code = match error {
            CursorError::TypeMismatch { .. } => "PERMISSION_CHANGES_CURSOR_TYPE_MISMATCH",
            _ => "PERMISSION_CHANGES_CURSOR_INVALID",
        };
        Self { code: Some(code), ..Self::bad(error.to_string()) }
    }
}

/// `POST /api/permissions/{syncId}/check`
pub(super) fn check(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let question = Question::read(&body, "")?;
    Ok(json!({"hasAccess": question.answer(permissions, ids)?}).to_string())
}

/// `POST /api/permissions/{syncId}/batch-check`
///
/// A question that cannot be answered has an `error` beside it, and the others are answered. One that is not even a
/// question (no object, or a member that is no text) refuses the whole batch: its answer could not repeat it.
pub(super) fn batch_check(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let Some(checks) = body.get("checks").and_then(Value::as_array) else {
        return Err(unexpected("checks", "an array", body.get("checks")));
    };
    let answer = |(index, check): (usize, &Value)| -> Result<Value, Problem> {
        let place = format!("checks[{index}].");
        let expected = || unexpected(&place[..place.len() - 1], "an object", Some(check));
        let question = Question::read(check.as_object().ok_or_else(expected)?, &place)?;
        // The object is repeated without its type, as documented; answers of mid-2025 had it.
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

/// `POST /api/permissions/{syncId}/list-users`
pub(super) fn list_users(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let body = object(body)?;
    let (kind, record) = object_id(text(&body, "object", "")?, "object")?;
    let role = role(text(&body, "role", "")?, "role")?;
    let mut users = find(kind, &record, ids).map_or_else(Vec::new, |item| permissions.users(item, role));
    users.truncate(LIMIT);
    Ok(json!({"users": users}).to_string())
}

/// `POST /api/permissions/{syncId}/list-objects`
pub(super) fn list_objects(body: &[u8], permissions: &Permissions, ids: &impl Ids) -> Result<String, Problem> {
    let objects = Objects::read(body)?.find(permissions, ids).take(LIMIT);
    let objects: Vec<RecordId> = objects.map(|number| ids.record(number)).collect();
    Ok(json!({"objects": objects}).to_string())
}

/// `POST /api/permissions/{syncId}/streamed-list-objects`, line by line.
pub(super) fn streamed_list_objects<'a, I: Ids>(
    body: &[u8],
    permissions: &'a Permissions,
    ids: &'a I,
) -> Result<impl Iterator<Item = String> + use<'a, I>, Problem> {
    let objects = Objects::read(body)?.find(permissions, ids);
    Ok(objects.map(|number| json!({"object": ids.record(number)}).to_string()))
}

/// A sync in the stream over all of a user's syncs.
pub(super) struct Store<'a, I> {
    pub(super) sync: &'a SyncId,
    pub(super) integration: &'a str,
    /// What it knows, or why it cannot say. A sync without permissions is not a store at all: it is left out silently.
    pub(super) permissions: Result<&'a Permissions, String>,
    pub(super) ids: &'a I,
}

/// `POST /api/permissions/streamed-list-objects`, line by line. A sync that fails has one line that says why.
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

/// `POST /api/permissions/{syncId}/expand`
///
/// The relation is a role, or one that a tree names (assumed: in `OpenFGA` every relation can be expanded). There is no
/// tree without an object, so one that the sync does not hold is not found.
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

/// The query of `GET /api/permissions/{syncId}/changes`, as it came. The values of `type` are assumed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChangesParameters<'a> {
    pub(super) kind: Option<&'a str>,
    pub(super) start_time: Option<&'a str>,
    /// One that is empty is none.
    pub(super) token: Option<&'a str>,
    pub(super) size: usize,
}

/// `GET /api/permissions/{syncId}/changes`: what a sync has seen of the log.
pub(super) fn changes(
    parameters: ChangesParameters<'_>,
    log: &PermissionLog,
    applied: usize,
    ids: &impl Ids,
) -> Result<String, Problem> {
    let kind = parameters.kind.map(|name| object_type(name, "type")).transpose()?;
    let token = parameters.token.filter(|token| !token.is_empty());
    let start = |text: &str| {
        Moment::parse(text).ok_or_else(|| unexpected("startTime", "an RFC 3339 timestamp", Some(&text.into())))
    };
    let start_time = parameters.start_time.map(start).transpose()?;
    let page = log.page(applied, ChangesQuery { kind, token, start_time, size: parameters.size })?;
    let changes: Vec<_> = page.changes.iter().map(|change| change.to_api(&|number| ids.record(number))).collect();
    Ok(json!({"changes": changes, "continuationToken": page.token}).to_string())
}

/// May this user do this with that? Only that the three are texts is sure.
struct Question<'a> {
    object: &'a str,
    user: &'a str,
    role: &'a str,
    /// What its members are called in messages: `checks[0].`, or nothing.
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

/// What may this user do?
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

    /// Computed objects are owned by number, so folders are among the files there.
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

/// A record id, with or without its type before it.
fn object_id(text: &str, place: &str) -> Result<(Option<ObjectType>, RecordId), Problem> {
    let (kind, id) = match text.split_once(':').map(|(kind, id)| (ObjectType::from_name(kind), id)) {
        Some((Some(kind), id)) => (Some(kind), id),
        _ => (None, text),
    };
    // The crate reads forms without hyphens and in braces too.
    match Uuid::try_parse(id) {
        Ok(uuid) if id.len() == 36 => Ok((kind, RecordId::from(uuid.to_string()))),
        _ => Err(unexpected(place, "a record id (a UUID)", Some(&text.into()))),
    }
}

fn find(kind: Option<ObjectType>, record: &RecordId, ids: &impl Ids) -> Option<Item> {
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

    /// Numbers below 10 are files, those from 10 folders, and from 2,000 files again.
    struct Numbers;

    impl Ids for Numbers {
        fn record(&self, number: u64) -> RecordId {
            RecordId::from(Uuid::from_u128(number.into()).to_string())
        }

        fn item(&self, record: &RecordId) -> Option<Item> {
            let number = u64::try_from(Uuid::try_parse(record.as_str()).ok()?.as_u128()).ok()?;
            let kind = if (10..2_000).contains(&number) { ObjectType::Folder } else { ObjectType::File };
            (number < 10_000).then_some(Item { kind, number })
        }

        fn is(&self, number: u64, kind: ObjectType) -> bool {
            self.item(&self.record(number)).is_some_and(|item| item.kind == kind)
        }
    }

    /// The file 1 is in folder 11; ada writes the folder, bob reads the file, and cyd owns many files.
    fn log() -> PermissionLog {
        let now = Moment::from_millis(0);
        let mut log = PermissionLog::owned_by(DefaultOwner { files: 2_000..4_000, user: "cyd@x".into(), since: now });
        log.put(Item::file(1), Some(11), now);
        log.grant("ada@x", Role::CanWrite, Item::folder(11), now);
        log.grant("bob@x", Role::CanRead, Item::file(1), now);
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
        // What no schema allows is repeated as it came.
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

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;
use crate::contract::RecordId;
use crate::contract::api::Userset;

const USERS: [&str; 3] = ["ada@example.com", "bob@example.com", "cyd@example.com"];

/// Numbers 0 to 3 are files, 4 to 7 are folders.
fn item(number: u64) -> PermissionItem {
    if number < 4 { PermissionItem::file(number) } else { PermissionItem::folder(number) }
}

fn record(number: u64) -> RecordId {
    RecordId::from(number.to_string())
}

#[derive(Clone, Copy, Debug)]
enum Deed {
    Grant(usize, Role, u64),
    Revoke(usize, Role, u64),
    Put(u64, Option<u64>),
    Remove(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let role = || prop::sample::select(Role::ALL);
    let deed = prop_oneof![
        4 => (0..3_usize, role(), 0..8_u64).prop_map(|(user, role, number)| Deed::Grant(user, role, number)),
        2 => (0..3_usize, role(), 0..8_u64).prop_map(|(user, role, number)| Deed::Revoke(user, role, number)),
        4 => (0..8_u64, prop::option::weighted(0.8, 4..8_u64)).prop_map(|(number, folder)| Deed::Put(number, folder)),
        1 => (0..8_u64).prop_map(Deed::Remove),
    ];
    prop::collection::vec(deed, 0..40)
}

/// Naive reference model: all tuples as text, and the rules applied until nothing new follows.
#[derive(Default)]
struct Naive(BTreeSet<[String; 3]>);

impl Naive {
    fn text(number: u64) -> String {
        item(number).text(&record)
    }

    fn tuple(user: usize, role: Role, number: u64) -> [String; 3] {
        let relation = ["viewer", "editor", "owner"][role as usize];
        [format!("user:{}", USERS[user]), relation.to_owned(), Self::text(number)]
    }

    fn act(&mut self, deed: Deed) {
        match deed {
            Deed::Grant(user, role, number) => drop(self.0.insert(Self::tuple(user, role, number))),
            Deed::Revoke(user, role, number) => drop(self.0.remove(&Self::tuple(user, role, number))),
            Deed::Put(number, folder) => {
                let text = Self::text(number);
                self.0.retain(|[_, relation, object]| relation != "parent" || *object != text);
                self.0.extend(folder.map(|folder| [Self::text(folder), "parent".to_owned(), text]));
            }
            Deed::Remove(number) => {
                let text = Self::text(number);
                self.0.retain(|[subject, _, object]| *subject != text && *object != text);
            }
        }
    }

    /// Returns all triples `[user, relation, object]` that follow from the tuples, including roles.
    fn all(&self) -> BTreeSet<[String; 3]> {
        let mut all = self.0.clone();
        loop {
            let mut more = Vec::new();
            for [user, relation, object] in &all {
                let follows: &[&str] = match &**relation {
                    "owner" => &["editor", "is_owner"],
                    "editor" => &["can_read", "can_write"],
                    "viewer" => &["can_read"],
                    _ => &[],
                };
                more.extend(follows.iter().map(|relation| [user.clone(), (*relation).to_owned(), object.clone()]));
                if matches!(&**relation, "editor" | "viewer") {
                    let children = self.0.iter().filter(|[parent, tie, _]| tie == "parent" && parent == object);
                    more.extend(children.map(|[_, _, child]| [user.clone(), relation.clone(), child.clone()]));
                }
            }
            let before = all.len();
            all.extend(more);
            if all.len() == before {
                return all;
            }
        }
    }
}

fn act(log: &mut PermissionLog, deed: Deed, at: i64) {
    let at = Timestamp::from_millis(at);
    match deed {
        Deed::Grant(user, role, number) => log.grant(USERS[user], role, item(number), at),
        Deed::Revoke(user, role, number) => log.revoke(USERS[user], role, item(number), at),
        Deed::Put(number, folder) => log.put(item(number), folder, at),
        Deed::Remove(number) => log.remove(item(number), at),
    };
}

/// Applies the deeds to both models. Ada owns the first `owned` files from the start.
fn play(deeds: &[Deed], owned: u64) -> (PermissionLog, Naive) {
    let start = DefaultOwner { files: 0..owned, user: USERS[0].to_owned(), since: Timestamp::from_millis(-1) };
    let mut log = if owned > 0 { PermissionLog::owned_by(start) } else { PermissionLog::new() };
    let mut naive = Naive::default();
    naive.0.extend((0..owned).map(|number| Naive::tuple(0, Role::IsOwner, number)));
    for (at, deed) in (0..).zip(deeds) {
        act(&mut log, *deed, at);
        naive.act(*deed);
    }
    (log, naive)
}

/// Returns the users of an expanded tree. Names in the tree are expanded in turn, each once.
fn evaluate(permissions: &Permissions, tree: &Userset, seen: &mut BTreeSet<String>) -> BTreeSet<String> {
    let mut users = BTreeSet::new();
    let mut names = Vec::new();
    for node in tree.union.iter().flat_map(|union| &union.nodes).chain([tree]) {
        let Some(leaf) = &node.leaf else { continue };
        users.extend(leaf.users.iter().flat_map(|leaf| leaf.users.clone()));
        let through = leaf.tuple_to_userset.iter().flat_map(|through| &through.computed);
        names.extend(leaf.computed.iter().chain(through).map(|computed| computed.userset.clone()));
    }
    for name in names {
        if seen.insert(name.clone()) {
            let (object, relation) = name.split_once('#').unwrap();
            let number = object.split_once(':').unwrap().1.parse().unwrap();
            let tree = permissions.expand(item(number), Relation::from_name(relation).unwrap(), &record);
            assert!(tree.name == name && item(number).text(&record) == object);
            users.extend(evaluate(permissions, &tree, seen));
        }
    }
    users
}

/// Reads all pages. The end is an empty page with an unchanged token.
fn drain(log: &PermissionLog, applied: usize, kind: Option<ObjectType>, size: usize) -> (Vec<TupleChange>, String) {
    let (mut all, mut token) = (Vec::new(), None);
    loop {
        let query = ChangesQuery { kind, token: token.as_deref(), start_time: None, size };
        let page = log.page(applied, query).unwrap();
        assert!(page.changes.len() <= size);
        if page.changes.is_empty() {
            assert!(token.is_none_or(|token| token == page.token));
            return (all, page.token);
        }
        all.extend(page.changes);
        token = Some(page.token);
    }
}

/// Returns the complete feed: the tuples of the default owner, then the log.
fn whole(log: &PermissionLog) -> Vec<TupleChange> {
    let owned = log.default_owner().into_iter().flat_map(|owner| {
        owner.files.clone().map(|number| TupleChange {
            at: owner.since,
            operation: Operation::Write,
            tuple: Tuple { item: PermissionItem::file(number), tie: Tie::of(Role::IsOwner, &*owner.user) },
        })
    });
    owned.chain(log.changes().iter().cloned()).collect()
}

proptest! {
    #[test]
    fn all_responses_match_those_of_the_naive_model(deeds in deeds(), owned in 0..4_u64) {
        let (log, naive) = play(&deeds, owned);
        let all = naive.all();
        let mut seen = log.start();
        log.catch_up(&mut seen);
        prop_assert_eq!(&seen, log.now());
        for role in Role::ALL.iter().copied() {
            let may = |user: &str, number| all.contains(&[format!("user:{user}"), role.to_string(), Naive::text(number)]);
            for number in 0..8 {
                let expected: Vec<&str> = USERS.into_iter().filter(|user| may(user, number)).collect();
                prop_assert_eq!(&seen.users(item(number), role), &expected);
                let checked: Vec<&str> = USERS.into_iter().filter(|user| seen.check(item(number), user, role)).collect();
                prop_assert_eq!(&checked, &expected);
                let tree = seen.expand(item(number), role, &record);
                let users = evaluate(&seen, &tree, &mut BTreeSet::new());
                prop_assert_eq!(users, expected.iter().map(|user| format!("user:{user}")).collect::<BTreeSet<_>>());
            }
            for user in USERS {
                for from in [0, 2, 6] {
                    let files: Vec<u64> = (from..4).filter(|number| may(user, *number)).collect();
                    let folders: Vec<u64> = (from.max(4)..8).filter(|number| may(user, *number)).collect();
                    prop_assert_eq!(seen.objects(ObjectType::File, user, role, from).collect::<Vec<_>>(), files);
                    prop_assert_eq!(seen.objects(ObjectType::Folder, user, role, from).collect::<Vec<_>>(), folders);
                }
            }
        }
    }

    #[test]
    fn applying_changes_in_parts_gives_the_same_result(deeds in deeds(), owned in 0..4_u64, stops in prop::collection::vec(1..10_usize, 0..10)) {
        let (log, _) = play(&deeds, owned);
        let mut piecewise = log.start();
        for stop in stops {
            for change in log.changes().iter().skip(piecewise.applied()).take(stop) {
                prop_assert!(piecewise.apply(change), "what changes nothing is not in the log");
            }
            let file = serde_json::to_string(&piecewise).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Permissions>(&file).unwrap(), &piecewise);
        }
        log.catch_up(&mut piecewise);
        prop_assert_eq!(&piecewise, log.now());
        prop_assert_eq!(log.catch_up(&mut piecewise), 0);
        let file = serde_json::to_string(&log).unwrap();
        prop_assert_eq!(serde_json::from_str::<PermissionLog>(&file).unwrap(), log);
    }

    #[test]
    fn the_feed_contains_each_change_once(deeds in deeds(), owned in 0..4_u64, size in 1..7_usize, applied in 0..60_usize) {
        let (log, _) = play(&deeds, owned);
        let all = whole(&log);
        let end = (usize::try_from(owned).unwrap() + applied).min(all.len());
        for kind in [None, Some(ObjectType::File), Some(ObjectType::Folder)] {
            let of_kind = |change: &&TupleChange| kind.is_none_or(|kind| change.tuple.item.kind == kind);
            let (drained, token) = drain(&log, applied, kind, size);
            prop_assert_eq!(&drained, &all[..end].iter().filter(of_kind).cloned().collect::<Vec<_>>());
            // The kept token finds the later changes. The token takes precedence over the start time.
            let query = ChangesQuery { kind, token: Some(&token), start_time: Some(Timestamp::from_millis(-1)), size: 100 };
            let later = log.page(usize::MAX, query).unwrap();
            prop_assert_eq!(later.changes, all[end..].iter().filter(of_kind).cloned().collect::<Vec<_>>());
        }
        for from in [-2, -1, 0, 3, 100] {
            let start_time = Some(Timestamp::from_millis(from));
            let page = log.page(usize::MAX, ChangesQuery { kind: None, token: None, start_time, size: 100 }).unwrap();
            let expected: Vec<_> = all.iter().filter(|change| change.at.as_millis() >= from).cloned().collect();
            prop_assert_eq!(page.changes, expected);
        }
    }

    #[test]
    fn no_token_and_no_file_causes_a_panic(token in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..20), files: (u64, u64)) {
        use base64::Engine;
        let (log, _) = play(&[], 2);
        for token in [token, base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)] {
            let query = ChangesQuery { kind: None, token: Some(&token), start_time: None, size: 1 };
            prop_assert_eq!(log.page(9, query), Err(ChangesCursorError::Invalid));
        }
        let (start, end) = files;
        let file = serde_json::json!({
            "default_owner": {"files": {"start": start, "end": end}, "user": "ada", "since": i64::MIN},
            "changes": [
                {"at": 5, "operation": "TUPLE_OPERATION_DELETE", "tuple": {"item": {"type": "file", "number": start}, "tie": {"owner": "ada"}}},
                {"at": 1, "operation": "TUPLE_OPERATION_WRITE", "tuple": {"item": {"type": "folder", "number": 1}, "tie": {"parent": 1}}},
            ],
        });
        let log: PermissionLog = serde_json::from_value(file).unwrap();
        let query = ChangesQuery { kind: None, token: None, start_time: Some(Timestamp::from_millis(1)), size: 0 };
        let page = log.page(usize::MAX, query).unwrap();
        prop_assert_eq!(page.changes.len(), 1);
        let next = log.page(usize::MAX, ChangesQuery { token: Some(&page.token), ..query });
        prop_assert!(next.is_ok());
        prop_assert!(!log.now().check(PermissionItem::folder(1), "ada", Role::CanRead));
        prop_assert!(log.now().objects(ObjectType::File, "ada", Role::CanRead, 0).take(3).count() <= 3);
    }
}

#[test]
fn a_token_belongs_to_its_type_and_to_its_feed() {
    let (log, _) = play(&[Deed::Grant(0, Role::CanRead, 0), Deed::Grant(1, Role::CanRead, 5)], 0);
    let query = ChangesQuery { kind: Some(ObjectType::File), token: None, start_time: None, size: 10 };
    let page = log.page(2, query).unwrap();
    assert_eq!(page.changes, log.changes()[..1]);
    for kind in [None, Some(ObjectType::Folder)] {
        let error = log.page(2, ChangesQuery { kind, token: Some(&page.token), ..query }).unwrap_err();
        assert!(matches!(error, ChangesCursorError::TypeMismatch { .. }), "{error}");
    }
    assert_eq!(log.page(0, ChangesQuery { token: Some(&page.token), ..query }), Err(ChangesCursorError::Invalid));
}

#[test]
fn ten_million_files_of_one_owner_cost_nothing() {
    let files = 0..10_000_000;
    let since = Timestamp::from_millis(0);
    let mut log = PermissionLog::owned_by(DefaultOwner { files, user: USERS[0].to_owned(), since });
    log.revoke(USERS[0], Role::IsOwner, PermissionItem::file(9_999_997), since);
    log.grant(USERS[0], Role::CanRead, PermissionItem::file(10_000_001), since);
    log.grant(USERS[0], Role::CanRead, PermissionItem::file(9_999_998), since);
    let seen = log.now();
    let last: Vec<u64> = seen.objects(ObjectType::File, USERS[0], Role::CanRead, 9_999_996).collect();
    assert_eq!(last, [9_999_996, 9_999_998, 9_999_999, 10_000_001]);
    assert!(serde_json::to_string(&log).unwrap().len() < 1_000);
    // The feed contains the owner of the files, but does not compute ten million changes for one page.
    let query = ChangesQuery { kind: None, token: None, start_time: None, size: 2 };
    assert_eq!(log.page(3, query).unwrap().changes[1].tuple.item, PermissionItem::file(1));
    let folders = ChangesQuery { kind: Some(ObjectType::Folder), ..query };
    assert_eq!(log.page(3, folders).unwrap().changes, []);
}

#[test]
fn deep_folders_and_folders_in_each_other_end() {
    let now = Timestamp::from_millis(0);
    let mut log = PermissionLog::new();
    for depth in 0..10_000 {
        log.put(PermissionItem::folder(depth + 1), Some(depth), now);
    }
    log.put(PermissionItem::folder(0), Some(10_000), now);
    log.put(PermissionItem::folder(0), Some(0), now);
    log.grant(USERS[0], Role::IsOwner, PermissionItem::folder(0), now);
    let seen = log.now();
    assert!(seen.check(PermissionItem::folder(10_000), USERS[0], Role::CanWrite));
    assert!(
        !seen.check(PermissionItem::folder(10_000), USERS[0], Role::IsOwner),
        "who owns a folder does not own what is in it"
    );
    assert_eq!(seen.objects(ObjectType::Folder, USERS[0], Role::CanRead, 0).count(), 10_001);
}

#[test]
fn the_tree_has_the_form_that_paragon_shows() {
    let (log, _) = play(&[Deed::Put(1, Some(4))], 0);
    let tree = serde_json::to_value(log.now().expand(item(1), Role::CanRead, &record)).unwrap();
    let node = |leaf| serde_json::json!({"name": "file:1#can_read", "leaf": leaf});
    let nodes = [
        node(serde_json::json!({"computed": {"userset": "file:1#viewer"}})),
        node(serde_json::json!({"computed": {"userset": "file:1#editor"}})),
        node(serde_json::json!({
            "tupleToUserset": {"tupleset": "file:1#parent", "computed": [{"userset": "folder:4#viewer"}]},
        })),
    ];
    assert_eq!(tree, serde_json::json!({"name": "file:1#can_read", "union": {"nodes": nodes}}));
}

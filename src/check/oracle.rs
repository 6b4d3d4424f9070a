use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::probe::Held;
use crate::contract::RecordId;
use crate::fake::ApiFault;

/// How what a receiver holds of one sync differs from what it should hold. Empty means right.
///
/// A member of a held record is compared when the latest version has it; what the receiver adds is its own affair.
/// A record that is listed without its latest version ever having been fetched is a stub, not the record.
pub fn differences(expected: &[Value], held: &[&Held], unfetched: &[(RecordId, bool)]) -> Vec<String> {
    let mut found = Vec::new();
    let mut by_record: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for held in held {
        by_record.entry(held.record.as_str()).or_default().push(held);
    }
    for latest in expected {
        let id = latest["id"].as_str().unwrap_or_default();
        let name = latest["name"].as_str().unwrap_or(id);
        let Some(copies) = by_record.remove(id) else {
            found.push(format!("{name:?} is missing (record {id})"));
            continue;
        };
        if copies.len() > 1 {
            found.push(format!("{name:?} is held {} times (record {id})", copies.len()));
        }
        let before = found.len();
        for (member, latest) in latest.as_object().into_iter().flatten() {
            for held in &copies {
                let held = held.value.as_ref().and_then(|held| held.get(member));
                if let Some(held) = held.filter(|held| !same(held, latest)) {
                    found.push(format!("{name:?} has {member} {held}, the latest version has {latest}"));
                }
            }
        }
        let stale = unfetched.iter().find(|(record, _)| record.as_str() == id);
        if let Some((_, older)) = stale.filter(|_| before == found.len()) {
            let what = if *older { "only an older version of it was fetched" } else { "it was never fetched" };
            found.push(format!("{name:?} is held, but {what} (record {id})"));
        }
    }
    found.extend(by_record.into_iter().map(|(id, copies)| {
        let name = copies.iter().find_map(|held| held.value.as_ref()?.get("name")?.as_str());
        let name = name.map_or_else(|| "a record".to_owned(), |name| format!("{name:?}"));
        format!("{name} is held, but it was deleted (record {id})")
    }));
    found
}

/// JSON has one kind of number: 1 and 1.0 are the same. Members that [`Trouble::UnknownMembers`](crate::fake::Trouble)
/// adds make no difference.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            // What was put in on purpose, and a receiver may well keep.
            let kept =
                |members: &Map<String, Value>| members.keys().filter(|key| *key != ApiFault::UNKNOWN_MEMBER).count();
            kept(a) == kept(b)
                && a.iter().all(|(key, a)| key == ApiFault::UNKNOWN_MEMBER || b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held(record: &str, value: Option<Value>) -> Held {
        Held { sync: "s".into(), record: record.into(), value }
    }

    #[test]
    fn right_states_pass_however_much_they_tell() {
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
    fn each_way_to_be_wrong_is_told() {
        let expected = [json!({"id": "a", "name": "A", "size": 1})];
        let a = held("a", None);
        let told = |held: &[&Held], unfetched: &[(RecordId, bool)]| differences(&expected, held, unfetched).join("; ");
        assert_eq!(told(&[], &[]), r#""A" is missing (record a)"#);
        assert_eq!(told(&[&a, &a], &[]), r#""A" is held 2 times (record a)"#);
        assert_eq!(told(&[&a, &held("b", None)], &[]), "a record is held, but it was deleted (record b)");
        let old = held("a", Some(json!({"size": null})));
        assert_eq!(told(&[&old], &[("a".into(), true)]), r#""A" has size null, the latest version has 1"#);
        assert_eq!(told(&[&a], &[("a".into(), false)]), r#""A" is held, but it was never fetched (record a)"#);
        let older = r#""A" is held, but only an older version of it was fetched (record a)"#;
        assert_eq!(told(&[&a], &[("a".into(), true)]), older);
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
}

//! `--set a.b=c` and `--remove a.b`: edit the members of a payload by path.

use serde_json::Value;

/// Sets the member at a path, and creates missing objects on the way. A value that is not JSON is text.
pub(crate) fn set(payload: &mut Value, text: &str) -> Result<(), String> {
    let wrong = |why: &str| format!("--set {text:?}: {why}");
    let (path, value) = text.split_once('=').ok_or_else(|| wrong("expected PATH=VALUE, such as user.id=ada"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    let mut place = payload;
    for name in path.split('.') {
        if name.is_empty() {
            return Err(wrong("a name in the path is empty"));
        }
        place = match place {
            Value::Array(items) => {
                let index: usize =
                    name.parse().map_err(|_| wrong(&format!("expected an index of a list, got {name:?}")))?;
                let length = items.len();
                items
                    .get_mut(index)
                    .ok_or_else(|| wrong(&format!("there is no item {index}: the list has {length} item(s)")))?
            }
            Value::Object(members) => members.entry(name).or_insert_with(|| Value::Object(serde_json::Map::new())),
            other => {
                return Err(wrong(&format!("cannot set {name:?} in {other}, which is neither an object nor a list")));
            }
        };
    }
    *place = value;
    Ok(())
}

/// Removes the member at a path. Returns an error if there is no such member.
pub(crate) fn remove(payload: &mut Value, path: &str) -> Result<(), String> {
    let (pointer, name) = match path.rsplit_once('.') {
        Some((parent, name)) => (format!("/{}", parent.replace('.', "/")), name),
        None => (String::new(), path),
    };
    let removed = match payload.pointer_mut(&pointer) {
        Some(Value::Object(members)) => members.remove(name),
        Some(Value::Array(items)) => name.parse().ok().filter(|i| *i < items.len()).map(|i: usize| items.remove(i)),
        _ => None,
    };
    removed.map(drop).ok_or_else(|| format!("--remove {path:?}: the payload has no member with this path"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn members_are_set_made_and_removed() {
        let mut payload = json!({"user": {"id": "u"}, "list": [1, 2]});
        for text in ["user.id=ada", "data.numRecords=0", "list.1=null", "note=a=b", "empty="] {
            set(&mut payload, text).unwrap();
        }
        let expected =
            json!({"user": {"id": "ada"}, "data": {"numRecords": 0}, "list": [1, null], "note": "a=b", "empty": ""});
        assert_eq!(payload, expected);
        remove(&mut payload, "user.id").unwrap();
        remove(&mut payload, "list.0").unwrap();
        assert_eq!((&payload["user"], &payload["list"]), (&json!({}), &json!([null])));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        let mut payload = json!({"user": {"id": "u"}, "list": [1]});
        let mut errors = Vec::new();
        for text in ["user", "user..id=1", "user.id.x=1", "list.x=1", "list.7=1"] {
            errors.push(set(&mut payload, text).unwrap_err());
        }
        for path in ["x", "user.x", "list.1"] {
            errors.push(remove(&mut payload, path).unwrap_err());
        }
        insta::assert_snapshot!(errors.join("\n"));
    }
}

use serde_json::{Map, Value};

use crate::contract::{ExternalId, Object};
use crate::source::Collection;

/// The part of an account that a configuration selects. The fake supports the settings that can be decided from a
/// record and its folders alone: `mimeTypes`, `folderId`, `customObjectName` (`enable.filters`, assumed).
#[derive(Clone, Debug, Default)]
pub(super) struct Filter<'a> {
    mime_types: Option<Vec<&'a str>>,
    folder: Option<ExternalId>,
    object_type: Option<&'a str>,
}

/// Maximum number of nested folders that are searched. It is more than people use, and ends the search in a cycle of
/// folders.
const DEPTH: usize = 100;

impl<'a> Filter<'a> {
    /// Returns the filter of a configuration. A folder that the account does not have is ignored, so that a
    /// configuration from production can be used unchanged.
    pub(super) fn of(configuration: &'a Map<String, Value>, collection: &Collection) -> Self {
        let text = |name: &str| configuration.get(name).and_then(Value::as_str);
        let types = configuration.get("mimeTypes").and_then(Value::as_array);
        Self {
            mime_types: types
                .map(|types| types.iter().filter_map(Value::as_str).collect())
                .filter(|types: &Vec<_>| !types.is_empty()),
            folder: text("folderId").map(ExternalId::from).filter(|folder| collection.get(folder).is_some()),
            object_type: text("customObjectName"),
        }
    }

    /// Returns whether the filter admits every object.
    pub(super) fn is_open(&self) -> bool {
        self.mime_types.is_none() && self.folder.is_none() && self.object_type.is_none()
    }

    pub(super) fn admits(&self, object: &Object, collection: &Collection) -> bool {
        match object {
            Object::File(file) => {
                let folder = file.is_folder();
                let of_type = |types: &Vec<&str>| folder || types.contains(&file.mime_type.as_str());
                let inside = |root: &ExternalId| lies_in(file.parent_folder_id.clone(), root, collection);
                self.mime_types.as_ref().is_none_or(of_type) && self.folder.as_ref().is_none_or(inside)
            }
            Object::CustomObject(object) => self.object_type.is_none_or(|wanted| wanted == object.object_type),
            _ => true,
        }
    }
}

fn lies_in(parent: Option<ExternalId>, root: &ExternalId, collection: &Collection) -> bool {
    let up = |folder: &ExternalId| match collection.get(folder)? {
        Object::File(file) => file.parent_folder_id,
        _ => None,
    };
    std::iter::successors(parent, up).take(DEPTH).any(|folder| folder == *root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::contract::{CustomObject, File, Pipeline};
    use crate::source::Account;
    use serde_json::json;

    fn admits(configuration: &Value, object: impl Into<Object>, account: &mut Account) -> bool {
        let (configuration, object) = (configuration.as_object().unwrap().clone(), object.into());
        let collection = account.collection_mut(object.pipeline());
        Filter::of(&configuration, collection).admits(&object, collection)
    }

    #[test]
    fn filters_by_folder_type_and_object_name_are_applied() {
        let mut account = Account::new(&"p".into(), &"u".into(), "googledrive", "default");
        let files = account.collection_mut(Pipeline::Files);
        let mut folder = File { mime_type: "application/vnd.google-apps.folder".into(), ..File::named("outer") };
        let outer = files.create(folder.clone().into(), Timestamp::from_millis(0));
        folder.parent_folder_id = Some(outer.clone());
        let inner = files.create(folder.clone().into(), Timestamp::from_millis(0));
        let file = File { parent_folder_id: Some(inner.clone()), ..File::named("a.pdf") };
        assert!(admits(&json!({"folderId": outer}), file.clone(), &mut account));
        assert!(!admits(&json!({"folderId": outer}), File::named("a.pdf"), &mut account));
        assert!(admits(&json!({"folderId": "elsewhere"}), File::named("a.pdf"), &mut account));
        assert!(!admits(&json!({"mimeTypes": ["text/plain"]}), file.clone(), &mut account));
        assert!(admits(&json!({"mimeTypes": ["application/pdf"]}), file, &mut account));
        assert!(admits(&json!({"mimeTypes": ["text/plain"]}), folder, &mut account));
        let thing = CustomObject::named("x");
        assert!(admits(&json!({"customObjectName": crate::contract::SAMPLE_OBJECT}), thing.clone(), &mut account));
        assert!(!admits(&json!({"customObjectName": "Other__c"}), thing, &mut account));
        let files = account.collection_mut(Pipeline::Files);
        files.update(
            &outer,
            |object| <File as crate::contract::Synced>::of(object).unwrap().parent_folder_id = Some(inner.clone()),
            Timestamp::from_millis(0),
        );
        let loose = File { parent_folder_id: Some(inner), ..File::named("a.pdf") };
        assert!(!admits(&json!({"folderId": files_root(&mut account)}), loose, &mut account), "loops end");
    }

    fn files_root(account: &mut Account) -> ExternalId {
        account.collection_mut(Pipeline::Files).create(File::named("root").into(), Timestamp::from_millis(0))
    }
}

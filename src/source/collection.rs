use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Synthetic;
use super::content::checked;
use super::permission::PermissionItem;
use crate::clock::Timestamp;
use crate::contract::{CredentialId, ExternalId, File, Numbering, Object, Pipeline};

/// The objects of one pipeline in an account. Each object has a number, and its external id is derived from that
/// number.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pipeline: Pipeline,
    /// Integration of the account. Downloaded contents, and so sizes and hashes, depend on it.
    integration: String,
    ids: Numbering,
    /// The objects with the numbers `0..count`. The changed ones are in `entries`.
    synthetic: Synthetic,
    /// Objects that were created or changed.
    entries: BTreeMap<u64, Entry>,
    next: u64,
    /// Numbers of the changed objects, one entry for each change, oldest first.
    log: Vec<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Current version of the object, or its last version if it is deleted.
    object: Object,
    presence: Presence,
    #[serde(default)]
    open: Open,
}

/// Content members that a file leaves open. The source computes them for each version.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    size: bool,
    hash: bool,
}

impl Open {
    /// Returns which members a new object leaves open.
    fn of_new(object: &Object) -> Self {
        match object {
            Object::File(File { size, hash, .. }) => Self { size: size.is_none(), hash: hash.is_none() },
            _ => Self::default(),
        }
    }

    /// Returns which members are still open after a change. A member that the change touched counts as set, even if its
    /// new value is `None`.
    fn after_change(self, before: &Object, after: &Object) -> Self {
        match (before, after) {
            (Object::File(before), Object::File(after)) => {
                Self { size: self.size && before.size == after.size, hash: self.hash && before.hash == after.hash }
            }
            _ => self,
        }
    }

    /// Fills in the open members with the values of the content.
    fn fill(self, object: &mut Object, external: &ExternalId, integration: &str) {
        let Object::File(file) = object else { return };
        if self.size {
            file.size = None;
        }
        if self.size || self.hash {
            let (size, hash) = checked(file, external, integration).unzip();
            if self.size {
                file.size = size;
            }
            if self.hash {
                file.hash = hash.flatten();
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Presence {
    Here,
    Deleted,
    /// The connected account has no access to the object.
    Hidden,
    /// The provider lists the object but fails to return it, for this reason.
    Unreadable(String),
}

/// What a run sees of an object.
#[expect(clippy::large_enum_variant, reason = "looked at once and dropped; most are borrowed")]
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<'a> {
    /// The object exists and can be read.
    Here(Cow<'a, Object>),
    /// The object does not exist, or the account has no access to it.
    Gone,
    /// The provider lists the object but fails to return it, for this reason.
    Unreadable(&'a str),
}

impl Collection {
    pub(super) fn new(credential: &CredentialId, integration: &str, pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            integration: integration.to_owned(),
            ids: Numbering::of(&["external", credential.as_str(), pipeline.name()]),
            synthetic: Synthetic::new(0, 0),
            entries: BTreeMap::new(),
            next: 0,
            log: Vec::new(),
        }
    }

    /// Fills an empty collection with synthetic objects, which are computed on access. Returns false if the collection
    /// is not empty.
    pub fn fill(&mut self, synthetic: Synthetic) -> bool {
        if self.next > 0 {
            return false;
        }
        self.synthetic = synthetic;
        self.next = synthetic.count;
        true
    }

    /// Returns the first inconsistency in a deserialized collection.
    pub(super) fn problem(&self) -> Option<String> {
        let numbers = self.entries.keys().chain(&self.log).copied();
        let last = numbers.chain(self.synthetic.count.checked_sub(1)).max()?;
        (last >= self.next).then(|| format!("next: expected more than {last}, got {}", self.next))
    }

    /// Returns the synthetic objects that the collection was filled with.
    pub fn synthetic(&self) -> Synthetic {
        self.synthetic
    }

    /// Returns the numbering of the external ids.
    pub(crate) fn ids(&self) -> Numbering {
        self.ids
    }

    /// Creates an object and returns its id. The object must belong to the collection's pipeline; debug builds check
    /// this.
    ///
    /// Members that the object leaves open are filled in. Open times become `now`, but `createdAt` is never after
    /// `updatedAt`. The size and the hash of a file are those of the content that a download serves. Contents of more
    /// than 1 MiB have no hash.
    pub fn create(&mut self, mut object: Object, now: Timestamp) -> ExternalId {
        debug_assert_eq!(object.pipeline(), self.pipeline, "objects are put where they belong");
        let number = self.next;
        self.next += 1;
        let open = Open::of_new(&object);
        object.fill_times(now.as_millis());
        self.put(number, object, Presence::Here, open);
        self.external_id(number)
    }

    /// Changes an object. Returns false if the object does not exist.
    ///
    /// `updatedAt` becomes `now`, or one millisecond more than before if that is later, so each version is later than
    /// the previous one. `change` may set another time. Size and hash follow the content unless they were set.
    pub fn update(&mut self, id: &ExternalId, change: impl FnOnce(&mut Object), now: Timestamp) -> bool {
        let Some(number) = self.number_of(id) else { return false };
        let Some(mut object) = self.living(number) else { return false };
        let before = object.clone();
        object.touch(now.as_millis());
        change(&mut object);
        let open = self.open(number).after_change(&before, &object);
        self.put(number, object, self.presence(number), open);
        true
    }

    /// Restores an earlier version of an object, including its `updatedAt`. This models providers that give a restored
    /// version its original date. Returns the restored version; `None` if the object does not exist.
    ///
    /// For a sync this is a change like any other: the receiver gets `record_updated`.
    ///
    /// ```
    /// use paragon_testkit::clock::Timestamp;
    /// use paragon_testkit::contract::{File, Pipeline};
    /// use paragon_testkit::source::Account;
    ///
    /// let mut drive = Account::new(&"project".into(), &"ada".into(), "googledrive", "default");
    /// let files = drive.collection_mut(Pipeline::Files);
    /// let report = files.create(File::named("report.pdf").into(), Timestamp::from_millis(0));
    /// let first = files.get(&report).unwrap();
    /// files.update(&report, |file| file.rename("final.pdf"), Timestamp::from_millis(60_000));
    /// files.restore(&report, first.clone());
    /// assert_eq!(files.get(&report), Some(first));
    /// ```
    pub fn restore(&mut self, id: &ExternalId, earlier: Object) -> Option<Object> {
        let number = self.number_of(id)?;
        self.living(number).filter(|object| object.pipeline() == earlier.pipeline())?;
        self.log.push(number);
        let (presence, open) = (self.presence(number), self.open(number));
        self.entries.insert(number, Entry { object: earlier.clone(), presence, open });
        Some(earlier)
    }

    /// Deletes an object and returns its last version; `None` if the object does not exist.
    pub fn delete(&mut self, id: &ExternalId) -> Option<Object> {
        self.set_presence(id, Presence::Deleted)
    }

    /// Removes the account's access to an object, so that Paragon sees the object as deleted. Returns the object;
    /// `None` if it does not exist.
    pub fn hide(&mut self, id: &ExternalId) -> Option<Object> {
        self.set_presence(id, Presence::Hidden)
    }

    /// Restores the account's access to an object and returns the object. Paragon sees a new version, which is later
    /// than the previous one. Returns `None` if the object does not exist.
    pub fn show(&mut self, id: &ExternalId, now: Timestamp) -> Option<Object> {
        let number = self.number_of(id)?;
        let mut object = self.living(number)?;
        object.touch(now.as_millis());
        self.put(number, object, Presence::Here, self.open(number));
        self.living(number)
    }

    /// Makes the provider fail with this reason when Paragon reads the object. `None` as the reason makes the object
    /// readable again. Returns the object; `None` if it does not exist.
    pub fn break_reading(&mut self, id: &ExternalId, reason: Option<&str>) -> Option<Object> {
        self.set_presence(id, reason.map_or(Presence::Here, |reason| Presence::Unreadable(reason.to_owned())))
    }

    fn set_presence(&mut self, id: &ExternalId, presence: Presence) -> Option<Object> {
        let number = self.number_of(id)?;
        let object = self.living(number)?;
        self.log.push(number);
        self.entries.insert(number, Entry { object: object.clone(), presence, open: self.open(number) });
        Some(object)
    }

    /// Stores a version and fills in its open members.
    fn put(&mut self, number: u64, mut object: Object, presence: Presence, open: Open) {
        open.fill(&mut object, &self.external_id(number), &self.integration);
        self.log.push(number);
        self.entries.insert(number, Entry { object, presence, open });
    }

    fn presence(&self, number: u64) -> Presence {
        self.entries.get(&number).map_or(Presence::Here, |entry| entry.presence.clone())
    }

    fn open(&self, number: u64) -> Open {
        self.entries.get(&number).map_or_else(Open::default, |entry| entry.open)
    }

    /// Returns a live object, even if the account has no access to it.
    pub fn get(&self, id: &ExternalId) -> Option<Object> {
        self.living(self.number_of(id)?)
    }

    /// Returns the permission item of a live file or folder.
    pub fn item(&self, number: u64) -> Option<PermissionItem> {
        match self.living(number)? {
            Object::File(file) if file.is_folder() => Some(PermissionItem::folder(number)),
            Object::File(_) => Some(PermissionItem::file(number)),
            _ => None,
        }
    }

    fn living(&self, number: u64) -> Option<Object> {
        match self.entries.get(&number) {
            Some(entry) if entry.presence == Presence::Deleted => None,
            Some(entry) => Some(entry.object.clone()),
            None => (number < self.synthetic.count).then(|| self.computed(number)),
        }
    }

    /// Returns all live objects in the order of their numbers.
    pub fn objects(&self) -> impl Iterator<Item = (ExternalId, Object)> {
        (0..self.next).filter_map(|number| Some((self.external_id(number), self.living(number)?)))
    }

    /// Returns what a run sees of the object with this number.
    pub fn look(&self, number: u64) -> Seen<'_> {
        match self.entries.get(&number) {
            Some(Entry { object, presence: Presence::Here, .. }) => Seen::Here(Cow::Borrowed(object)),
            Some(Entry { presence: Presence::Unreadable(reason), .. }) => Seen::Unreadable(reason),
            None if number < self.synthetic.count => Seen::Here(Cow::Owned(self.computed(number))),
            Some(_) | None => Seen::Gone,
        }
    }

    /// Returns the title of an object, or its last title if the object is deleted.
    pub fn title(&self, number: u64) -> String {
        match self.entries.get(&number) {
            Some(entry) => entry.object.title().to_owned(),
            None => self.computed(number).title().to_owned(),
        }
    }

    fn computed(&self, number: u64) -> Object {
        self.synthetic.object(self.pipeline, number, |number| self.external_id(number))
    }

    /// Returns the external id of the object with this number.
    pub fn external_id(&self, number: u64) -> ExternalId {
        external_id(self.ids, number)
    }

    /// Returns the number of the object with this external id; `None` if the id is not one of this collection.
    pub fn number_of(&self, id: &ExternalId) -> Option<u64> {
        let number = self.ids.number_of(Uuid::try_parse(id.as_str()).ok()?)?;
        (number < self.next).then_some(number)
    }

    /// Returns how many numbers are in use. Synthetic objects come first, then created ones.
    pub fn numbers(&self) -> u64 {
        self.next
    }

    /// Returns the number of changes so far. Pass it to [`Collection::changed_since`] later.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// Returns the numbers of the objects that changed after a mark. Each occurs once, in the order of the last
    /// changes. Filling the collection with synthetic objects is no change.
    pub fn changed_since(&self, mark: usize) -> Vec<u64> {
        let log = self.log.get(mark..).unwrap_or_default();
        let mut last = BTreeMap::new();
        for (position, number) in log.iter().enumerate() {
            last.insert(number, position);
        }
        let mut changed: Vec<_> = last.into_iter().collect();
        changed.sort_by_key(|&(_, position)| position);
        changed.into_iter().map(|(number, _)| *number).collect()
    }
}

/// Returns the external id for a number: a UUID without hyphens, like the ids of providers.
pub(crate) fn external_id(ids: Numbering, number: u64) -> ExternalId {
    ids.id_of(number).simple().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Synced as _;
    use crate::source::content::content;

    const NOW: Timestamp = Timestamp::from_millis(0);

    fn files() -> Collection {
        Collection::new(&CredentialId::from("c"), "box", Pipeline::Files)
    }

    fn title(seen: Seen<'_>) -> Option<String> {
        let Seen::Here(object) = seen else { return None };
        Some(object.title().to_owned())
    }

    #[test]
    fn each_change_is_returned_once_with_the_current_object() {
        let mut drive = files();
        let (a, b) = (drive.create(File::named("a").into(), NOW), drive.create(File::named("b").into(), NOW));
        let mark = drive.mark();
        assert!(drive.update(&b, |file| file.rename("b2"), NOW));
        assert!(drive.delete(&a).is_some());
        assert!(drive.update(&b, |file| file.rename("b3"), NOW));
        let changed: Vec<_> = drive.changed_since(mark).into_iter().map(|n| (n, title(drive.look(n)))).collect();
        assert_eq!(changed, [(0, None), (1, Some("b3".to_owned()))]);
        assert!(!drive.update(&a, |_| (), NOW), "what is gone cannot change");
        assert_eq!((drive.delete(&a), drive.hide(&a)), (None, None));
        assert_eq!(drive.title(0), "a", "what is gone had a name");
    }

    #[test]
    fn synthetic_objects_change_like_others() {
        let mut drive = files();
        assert!(drive.fill(Synthetic::new(1_000_000_000_000, 1)) && !drive.fill(Synthetic::new(1, 1)));
        let id = drive.external_id(999_999_999_999);
        assert_eq!(drive.number_of(&id), Some(999_999_999_999));
        assert!(drive.changed_since(0).is_empty());
        assert!(drive.update(&id, |file| file.rename("changed"), NOW));
        assert_eq!(drive.create(File::named("new").into(), NOW), drive.external_id(1_000_000_000_000));
        assert_eq!(drive.changed_since(0), [999_999_999_999, 1_000_000_000_000]);
        assert_eq!(title(drive.look(999_999_999_999)).as_deref(), Some("changed"));
        assert!(matches!(drive.look(5), Seen::Here(_)) && drive.look(1_000_000_000_001) == Seen::Gone);
        assert_eq!(drive.number_of(&"nothing".into()), None);
    }

    #[test]
    fn hidden_objects_still_exist() {
        let mut drive = files();
        let id = drive.create(File::named("a").into(), NOW);
        drive.hide(&id);
        assert_eq!((drive.look(0), drive.get(&id).is_some()), (Seen::Gone, true));
        drive.show(&id, NOW);
        drive.break_reading(&id, Some("404"));
        assert_eq!(drive.look(0), Seen::Unreadable("404"));
        drive.update(&id, |file| file.rename("b"), NOW);
        assert_eq!(drive.look(0), Seen::Unreadable("404"), "a change does not mend it");
        drive.break_reading(&id, None);
        assert_eq!(title(drive.look(0)).as_deref(), Some("b"));
    }

    fn file(drive: &Collection, id: &ExternalId) -> File {
        File::of(&mut drive.get(id).unwrap()).unwrap().clone()
    }

    /// Asserts that the size and the hash of a file match its downloaded content.
    fn agrees(drive: &Collection, id: &ExternalId) -> File {
        let served = content(&drive.get(id).unwrap(), id, "box").unwrap().bytes;
        let file = file(drive, id);
        assert_eq!(file.size, Some(served.len() as u64));
        let mut unhashed = file.clone();
        unhashed.hash = None;
        assert_eq!(file.hash, checked(&unhashed, id, "box").unwrap().1);
        file
    }

    #[test]
    fn every_version_is_later_than_the_one_before_it() {
        for pipeline in Pipeline::ALL.into_iter().filter(|pipeline| *pipeline != Pipeline::Tickets) {
            let mut objects = Collection::new(&CredentialId::from("c"), "box", pipeline);
            let id = objects.create(Object::named(pipeline, "a"), NOW);
            let mut last = objects.get(&id).unwrap().times().1;
            assert_eq!(last, Some(NOW.as_millis()));
            for change in 1..=5 {
                if change % 2 == 0 {
                    objects.hide(&id);
                    objects.show(&id, NOW);
                } else {
                    objects.update(&id, |object| object.rename("b"), NOW);
                }
                let (created, updated) = objects.get(&id).unwrap().times();
                assert_eq!(created, Some(NOW.as_millis()), "{pipeline}");
                assert!(updated > last, "{pipeline}: {updated:?} after {last:?}");
                last = updated;
            }
            let later = NOW + std::time::Duration::from_secs(60);
            objects.update(&id, |object| object.rename("c"), later);
            assert_eq!(objects.get(&id).unwrap().times().1, Some(later.as_millis()), "{pipeline}: the clock again");
        }
    }

    #[test]
    fn times_that_were_set_stay_until_the_next_change() {
        let mut drive = files();
        let old = File {
            created_at: Some("1999-01-01T00:00:00.000Z".into()),
            updated_at: Some("2038-01-19T03:14:08.000Z".into()),
            ..File::named("a.pdf")
        };
        let id = drive.create(old.clone().into(), NOW);
        let kept = file(&drive, &id);
        assert_eq!((&kept.created_at, &kept.updated_at), (&old.created_at, &old.updated_at));
        drive.update(&id, |file| file.rename("b.pdf"), NOW);
        assert_eq!(file(&drive, &id).updated_at.as_deref(), Some("2038-01-19T03:14:08.001Z"));
        let set = |object: &mut Object| File::of(object).unwrap().updated_at = Some("2001-01-01T00:00:00.000Z".into());
        drive.update(&id, set, NOW);
        assert_eq!(file(&drive, &id).updated_at.as_deref(), Some("2001-01-01T00:00:00.000Z"), "a change may set it");
    }

    #[test]
    fn size_and_hash_are_those_of_the_content_unless_they_are_set() {
        let mut drive = files();
        for name in ["a.pdf", "a.docx", "a.txt", "a.png", "a"] {
            let id = drive.create(File::named(name).into(), NOW);
            let first = agrees(&drive, &id);
            drive.update(&id, |file| file.rename(&format!("a longer {name}")), NOW);
            assert_ne!(agrees(&drive, &id).hash, first.hash, "another version, another content");
        }

        let id = drive.create(File { size: Some(20_000), ..File::named("a.docx") }.into(), NOW);
        assert_eq!(agrees(&drive, &id).size, Some(20_000), "the content is as long as it is said to be");
        drive.update(&id, |object| File::of(object).unwrap().size = Some(30_000), NOW);
        assert_eq!(agrees(&drive, &id).size, Some(30_000));
        drive.update(&id, |object| File::of(object).unwrap().size = None, NOW);
        drive.update(&id, |file| file.rename("b.docx"), NOW);
        assert_eq!(file(&drive, &id).size, None, "also nothing can be set");

        let folder = File { mime_type: "application/vnd.google-apps.folder".into(), ..File::named("folder") };
        let id = drive.create(folder.into(), NOW);
        assert_eq!((file(&drive, &id).size, file(&drive, &id).hash), (None, None));
        let id = drive.create(File { size: Some(u64::MAX), ..File::named("huge.bin") }.into(), NOW);
        assert_eq!((file(&drive, &id).size, file(&drive, &id).hash), (Some(u64::MAX), None));
    }

    #[test]
    fn an_earlier_version_is_restored_with_its_time() {
        let mut drive = files();
        let id = drive.create(File::named("a.pdf").into(), NOW);
        let first = drive.get(&id).unwrap();
        drive.update(&id, |file| file.rename("b.pdf"), NOW + std::time::Duration::from_secs(60));
        let mark = drive.mark();
        assert_eq!(drive.restore(&id, first.clone()), Some(first.clone()));
        assert_eq!((drive.get(&id), drive.changed_since(mark)), (Some(first.clone()), vec![0]));
        agrees(&drive, &id);
        drive.update(&id, |file| file.rename("c.pdf"), NOW + std::time::Duration::from_secs(90));
        assert_eq!(drive.get(&id).unwrap().times().1, Some(90_000), "and changes again like any other");
        agrees(&drive, &id);
        assert_eq!(drive.restore(&id, Object::named(Pipeline::Tickets, "a")), None, "a ticket is no version of a file");
        drive.delete(&id);
        assert_eq!(drive.restore(&id, first), None, "what is gone has no versions");
    }
}

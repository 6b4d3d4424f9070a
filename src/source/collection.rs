use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Synthetic;
use super::content::checked;
use super::permission::Item;
use crate::clock::Moment;
use crate::contract::{CredentialId, ExternalId, File, Numbering, Object, Pipeline};

/// The objects of one pipeline in an account. Each has a number, from which its external id follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pipeline: Pipeline,
    /// What is downloaded depends on it.
    integration: String,
    ids: Numbering,
    /// The objects `0..count`; those that changed are in `entries`.
    synthetic: Synthetic,
    /// What was created or changed.
    entries: BTreeMap<u64, Entry>,
    next: u64,
    /// The number of each change, in order.
    log: Vec<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// As it is, or was at last.
    object: Object,
    presence: Presence,
    #[serde(default)]
    open: Open,
}

/// What a file left open of its content, and the source fills in with each version.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    size: bool,
    hash: bool,
}

impl Open {
    /// What a new object leaves open.
    fn of_new(object: &Object) -> Self {
        match object {
            Object::File(File { size, hash, .. }) => Self { size: size.is_none(), hash: hash.is_none() },
            _ => Self::default(),
        }
    }

    /// What is still open after a change: a member that was changed was set, even to nothing.
    fn after_change(self, before: &Object, after: &Object) -> Self {
        match (before, after) {
            (Object::File(before), Object::File(after)) => {
                Self { size: self.size && before.size == after.size, hash: self.hash && before.hash == after.hash }
            }
            _ => self,
        }
    }

    /// Fills in what is open as the content has it.
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
    /// The connected account may not see it.
    Hidden,
    /// The provider lists it and fails to hand it out, for this reason.
    Unreadable(String),
}

/// What a run finds of an object.
#[expect(clippy::large_enum_variant, reason = "looked at once and dropped; most are borrowed")]
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<'a> {
    /// It is there.
    Here(Cow<'a, Object>),
    /// It is not, or the account may not see it.
    Gone,
    /// It is listed and cannot be read, for this reason.
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

    /// Fills an empty collection with objects that are computed when they are looked at; false when it is not empty.
    pub fn fill(&mut self, synthetic: Synthetic) -> bool {
        if self.next > 0 {
            return false;
        }
        self.synthetic = synthetic;
        self.next = synthetic.count;
        true
    }

    /// What is wrong with a collection that was read.
    pub(super) fn problem(&self) -> Option<String> {
        let numbers = self.entries.keys().chain(&self.log).copied();
        let last = numbers.chain(self.synthetic.count.checked_sub(1)).max()?;
        (last >= self.next).then(|| format!("next: expected more than {last}, got {}", self.next))
    }

    /// What it was filled with.
    pub fn synthetic(&self) -> Synthetic {
        self.synthetic
    }

    /// The numbering of its external ids.
    pub(crate) fn ids(&self) -> Numbering {
        self.ids
    }

    /// Puts a new object into the collection. Nothing happens to one of another pipeline.
    ///
    /// What the object leaves open is filled in: its times are `now`, and size and hash of a file are those of the
    /// content that a download serves. Contents of more than 1 MiB have no hash.
    pub fn create(&mut self, mut object: Object, now: Moment) -> ExternalId {
        debug_assert_eq!(object.pipeline(), self.pipeline, "objects are put where they belong");
        let number = self.next;
        self.next += 1;
        let open = Open::of_new(&object);
        object.fill_times(now.as_millis());
        self.put(number, object, Presence::Here, open);
        self.external_id(number)
    }

    /// Changes an object; false when it does not live here.
    ///
    /// Its `updatedAt` becomes `now`, or a millisecond more than it was where that is later: each version is later than
    /// the one before it. `change` may set another time. Size and hash follow the content unless they were set.
    pub fn update(&mut self, id: &ExternalId, change: impl FnOnce(&mut Object), now: Moment) -> bool {
        let Some(number) = self.number_of(id) else { return false };
        let Some(mut object) = self.living(number) else { return false };
        let before = object.clone();
        object.touch(now.as_millis());
        change(&mut object);
        let open = self.open(number).after_change(&before, &object);
        self.put(number, object, self.presence(number), open);
        true
    }

    /// Puts an earlier version of an object back as it was, its `updatedAt` included: some providers date a version that
    /// somebody restores to the day on which it was written. Hands the version back; `None` when the object does not live
    /// here.
    ///
    /// To a sync it is a change like any other, so that the receiver is told of `record_updated`.
    ///
    /// ```
    /// use paragon_testkit::clock::Moment;
    /// use paragon_testkit::contract::{File, Pipeline};
    /// use paragon_testkit::source::Account;
    ///
    /// let mut drive = Account::new(&"project".into(), &"ada".into(), "googledrive", "default");
    /// let files = drive.collection_mut(Pipeline::Files);
    /// let report = files.create(File::named("report.pdf").into(), Moment::from_millis(0));
    /// let first = files.get(&report).unwrap();
    /// files.update(&report, |file| file.rename("final.pdf"), Moment::from_millis(60_000));
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

    /// Deletes an object and hands it back; `None` when it does not live here.
    pub fn delete(&mut self, id: &ExternalId) -> Option<Object> {
        self.set_presence(id, Presence::Deleted)
    }

    /// Takes the account's access to an object away: to Paragon it is gone. `None` when it does not live here.
    pub fn hide(&mut self, id: &ExternalId) -> Option<Object> {
        self.set_presence(id, Presence::Hidden)
    }

    /// Gives the account's access to an object back. What Paragon sees then is a version of its own, and like each of
    /// them later than the one before it. `None` when it does not live here.
    pub fn show(&mut self, id: &ExternalId, now: Moment) -> Option<Object> {
        let number = self.number_of(id)?;
        let mut object = self.living(number)?;
        object.touch(now.as_millis());
        self.put(number, object, Presence::Here, self.open(number));
        self.living(number)
    }

    /// Makes the provider fail when it is asked for an object, for this reason; `None` makes it readable again. The
    /// answer is `None` when it does not live here.
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

    /// Stores a version, with what it leaves open filled in.
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

    /// An object that lives here, also one that the account may not see.
    pub fn get(&self, id: &ExternalId) -> Option<Object> {
        self.living(self.number_of(id)?)
    }

    /// What permissions know the object with this number as, if it lives here and is a file or a folder.
    pub fn item(&self, number: u64) -> Option<Item> {
        match self.living(number)? {
            Object::File(file) if file.is_folder() => Some(Item::folder(number)),
            Object::File(_) => Some(Item::file(number)),
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

    /// Everything that lives here, by number.
    pub fn objects(&self) -> impl Iterator<Item = (ExternalId, Object)> {
        (0..self.next).filter_map(|number| Some((self.external_id(number), self.living(number)?)))
    }

    /// What a run finds of the object with this number.
    pub fn look(&self, number: u64) -> Seen<'_> {
        match self.entries.get(&number) {
            Some(Entry { object, presence: Presence::Here, .. }) => Seen::Here(Cow::Borrowed(object)),
            Some(Entry { presence: Presence::Unreadable(reason), .. }) => Seen::Unreadable(reason),
            None if number < self.synthetic.count => Seen::Here(Cow::Owned(self.computed(number))),
            Some(_) | None => Seen::Gone,
        }
    }

    /// What an object is or was called.
    pub fn title(&self, number: u64) -> String {
        match self.entries.get(&number) {
            Some(entry) => entry.object.title().to_owned(),
            None => self.computed(number).title().to_owned(),
        }
    }

    fn computed(&self, number: u64) -> Object {
        self.synthetic.object(self.pipeline, number, |number| self.external_id(number))
    }

    /// The external id of a number.
    pub fn external_id(&self, number: u64) -> ExternalId {
        external_id(self.ids, number)
    }

    /// The number of an external id, if it is one of this collection.
    pub fn number_of(&self, id: &ExternalId) -> Option<u64> {
        let number = self.ids.number_of(Uuid::try_parse(id.as_str()).ok()?)?;
        (number < self.next).then_some(number)
    }

    /// How many numbers there are: those of synthetic objects, then those of created ones.
    pub fn numbers(&self) -> u64 {
        self.next
    }

    /// How many changes there have been: the mark to hand to [`Collection::changed_since`] later.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// The numbers of what changed after a mark, each once, in the order of its last change. Synthetic objects that
    /// are as they were filled in never changed.
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

/// As providers write theirs: without hyphens.
pub(crate) fn external_id(ids: Numbering, number: u64) -> ExternalId {
    ids.id_of(number).simple().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Synced as _;
    use crate::source::content::content;

    const NOW: Moment = Moment::from_millis(0);

    fn files() -> Collection {
        Collection::new(&CredentialId::from("c"), "box", Pipeline::Files)
    }

    fn title(seen: Seen<'_>) -> Option<String> {
        let Seen::Here(object) = seen else { return None };
        Some(object.title().to_owned())
    }

    #[test]
    fn changes_are_told_once_each_with_what_is_there_now() {
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
    fn what_may_not_be_seen_lives_on() {
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

    /// Holds what a file says of its content against what is downloaded.
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
    fn times_that_somebody_set_stay_until_the_next_change() {
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
    fn an_earlier_version_comes_back_with_its_time() {
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

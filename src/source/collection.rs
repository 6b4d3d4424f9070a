use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Synthetic;
use super::permission::Item;
use crate::clock::Moment;
use crate::contract::{CredentialId, ExternalId, Numbering, Object, Pipeline};

/// The objects of one pipeline in an account. Each has a number, from which its external id follows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pipeline: Pipeline,
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
    pub(super) fn new(credential: &CredentialId, pipeline: Pipeline) -> Self {
        Self {
            pipeline,
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

    /// A new object; times that it leaves open are `now`. Nothing happens to one of another pipeline.
    pub fn create(&mut self, mut object: Object, now: Moment) -> ExternalId {
        debug_assert_eq!(object.pipeline(), self.pipeline, "objects are put where they belong");
        let number = self.next;
        self.next += 1;
        object.touch(&now.to_string(), true);
        self.put(number, object, Presence::Here);
        self.external_id(number)
    }

    /// Changes an object; false when it does not live here.
    pub fn update(&mut self, id: &ExternalId, change: impl FnOnce(&mut Object), now: Moment) -> bool {
        let Some(number) = self.number_of(id) else { return false };
        let Some(mut object) = self.living(number) else { return false };
        object.touch(&now.to_string(), false);
        change(&mut object);
        let presence = self.entries.get(&number).map_or(Presence::Here, |entry| entry.presence.clone());
        self.put(number, object, presence);
        true
    }

    /// Deletes an object and hands it back; `None` when it does not live here.
    pub fn delete(&mut self, id: &ExternalId) -> Option<Object> {
        self.set_presence(id, Presence::Deleted)
    }

    /// Takes the account's access to an object away, or gives it back; to Paragon it is gone meanwhile. `None` when it
    /// does not live here.
    pub fn hide(&mut self, id: &ExternalId, hidden: bool) -> Option<Object> {
        self.set_presence(id, if hidden { Presence::Hidden } else { Presence::Here })
    }

    /// Makes the provider fail when it is asked for an object, for this reason; `None` makes it readable again. The
    /// answer is `None` when it does not live here.
    pub fn break_reading(&mut self, id: &ExternalId, reason: Option<&str>) -> Option<Object> {
        self.set_presence(id, reason.map_or(Presence::Here, |reason| Presence::Unreadable(reason.to_owned())))
    }

    fn set_presence(&mut self, id: &ExternalId, presence: Presence) -> Option<Object> {
        let number = self.number_of(id)?;
        let object = self.living(number)?;
        self.put(number, object.clone(), presence);
        Some(object)
    }

    fn put(&mut self, number: u64, object: Object, presence: Presence) {
        self.log.push(number);
        self.entries.insert(number, Entry { object, presence });
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
            Some(Entry { object, presence: Presence::Here }) => Seen::Here(Cow::Borrowed(object)),
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
    use crate::contract::{File, Pipeline};

    const NOW: Moment = Moment::from_millis(0);

    fn files() -> Collection {
        Collection::new(&CredentialId::from("c"), Pipeline::Files)
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
        assert_eq!((drive.delete(&a), drive.hide(&a, true)), (None, None));
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
        drive.hide(&id, true);
        assert_eq!((drive.look(0), drive.get(&id).is_some()), (Seen::Gone, true));
        drive.hide(&id, false);
        drive.break_reading(&id, Some("404"));
        assert_eq!(drive.look(0), Seen::Unreadable("404"));
        drive.update(&id, |file| file.rename("b"), NOW);
        assert_eq!(drive.look(0), Seen::Unreadable("404"), "a change does not mend it");
        drive.break_reading(&id, None);
        assert_eq!(title(drive.look(0)).as_deref(), Some("b"));
    }
}

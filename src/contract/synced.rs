use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::{ExternalId, RecordId};
use super::pipeline::Pipeline;
use super::record::{Company, Contact, CustomObject, Deal, File, Ticket};
use super::revision::{Revision, date_time, epoch_ms};

/// A type of synced object. Every pipeline pulls one type.
pub trait Synced: Clone + Into<Object> {
    /// Pipeline that pulls objects of this type.
    const PIPELINE: Pipeline;

    /// Returns the object if it has this type, and `None` otherwise.
    fn of(object: &mut Object) -> Option<&mut Self>;
}

macro_rules! pipelines {
    ($($(#[$doc:meta])* $kind:ident = $pipeline:ident, $name:literal;)*) => {
        /// A synced object of any pipeline, without its ids.
        ///
        /// ```
        /// use paragon_testkit::contract::{Deal, Object, Pipeline};
        /// let deal = Object::from(Deal::named("Renewal"));
        /// assert_eq!((deal.pipeline(), deal.title()), (Pipeline::Deals, "Renewal"));
        /// ```
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "pipeline", content = "object")]
        #[non_exhaustive]
        pub enum Object {
            $($(#[$doc])* #[serde(rename = $name)] $kind($kind),)*
        }

        impl Object {
            /// Returns the pipeline that pulls the object.
            pub const fn pipeline(&self) -> Pipeline {
                match self {
                    $(Self::$kind(_) => Pipeline::$pipeline,)*
                }
            }

            /// Builds an object of a pipeline from its members. `createdAt` and `updatedAt` may be left out, because
            /// the source sets them.
            ///
            /// # Errors
            ///
            /// Returns an error if a member is missing or wrong. The message names a missing member.
            pub fn from_members(pipeline: Pipeline, mut members: Map<String, Value>) -> Result<Self, serde_json::Error> {
                if matches!(pipeline, Pipeline::Companies | Pipeline::Deals | Pipeline::CustomObjects) {
                    for time in ["createdAt", "updatedAt"] {
                        members.entry(time).or_insert_with(|| "".into());
                    }
                }
                let members = Value::Object(members);
                match pipeline {
                    $(Pipeline::$pipeline => serde_json::from_value(members).map(Self::$kind),)*
                }
            }

            /// Returns the record that the Sync API serves for the object, as JSON text.
            pub(crate) fn record(&self, revision: Revision, id: &RecordId, external_id: &ExternalId) -> String {
                match self {
                    $(Self::$kind(object) => revision.print(Pipeline::$pipeline.schema(), &Record { id, external_id, object }),)*
                }
            }

            /// Returns the members of the object as JSON.
            pub fn to_members(&self) -> Map<String, Value> {
                let members = match self {
                    $(Self::$kind(object) => serde_json::to_value(object),)*
                };
                match members {
                    Ok(Value::Object(members)) => members,
                    other => unreachable!("objects are structs of JSON: {other:?}"),
                }
            }
        }

        $(
            impl From<$kind> for Object {
                fn from(object: $kind) -> Self {
                    Self::$kind(object)
                }
            }

            impl Synced for $kind {
                const PIPELINE: Pipeline = Pipeline::$pipeline;

                fn of(object: &mut Object) -> Option<&mut Self> {
                    match object {
                        Object::$kind(object) => Some(object),
                        _ => None,
                    }
                }
            }
        )*
    };
}

pipelines! {
    /// An object of the pipeline `files`.
    File = Files, "files";
    /// An object of the pipeline `contacts`.
    Contact = Contacts, "contacts";
    /// An object of the pipeline `companies`.
    Company = Companies, "companies";
    /// An object of the pipeline `deals`.
    Deal = Deals, "deals";
    /// An object of the pipeline `custom_objects`.
    CustomObject = CustomObjects, "custom_objects";
    /// An object of the pipeline `tickets`.
    Ticket = Tickets, "tickets";
}

impl Object {
    /// Creates a simple object of a pipeline with this name.
    pub fn named(pipeline: Pipeline, name: &str) -> Self {
        match pipeline {
            Pipeline::Files => File::named(name).into(),
            Pipeline::Contacts => Contact::named(name).into(),
            Pipeline::Companies => Company::named(name).into(),
            Pipeline::Deals => Deal::named(name).into(),
            Pipeline::CustomObjects => CustomObject::named(name).into(),
            Pipeline::Tickets => Ticket::named(name).into(),
        }
    }

    /// Returns the name that a person uses for the object.
    pub fn title(&self) -> &str {
        let of_contact = |contact: &Contact| contact.full_name.is_some();
        match self {
            Self::File(file) => &file.name,
            Self::Contact(contact) if of_contact(contact) => contact.full_name.as_deref().unwrap_or_default(),
            Self::Contact(contact) => contact.last_name.as_deref().unwrap_or("a contact"),
            Self::Company(company) => &company.name,
            Self::Deal(deal) => deal.name.as_deref().unwrap_or("a deal"),
            Self::CustomObject(object) => {
                let name = object.custom_fields.as_ref().and_then(|fields| fields.get("name"));
                name.and_then(Value::as_str).unwrap_or(&object.object_type)
            }
            Self::Ticket(ticket) => &ticket.title,
        }
    }

    /// Returns a copy of the object in which the members in `set` are added or replaced.
    ///
    /// # Errors
    ///
    /// Returns an error if a member in `set` has a value that the type of the member does not allow.
    pub fn with(&self, set: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut members = self.to_members();
        members.extend(set.clone());
        Self::from_members(self.pipeline(), members)
    }

    /// Sets the name of the object.
    pub fn rename(&mut self, name: &str) {
        let name = name.to_owned();
        match self {
            Self::File(file) => file.name = name,
            Self::Contact(contact) => contact.full_name = Some(name),
            Self::Company(company) => company.name = name,
            Self::Deal(deal) => deal.name = Some(name),
            Self::CustomObject(object) => {
                object.custom_fields.get_or_insert_default().insert("name".to_owned(), name.into());
            }
            Self::Ticket(ticket) => ticket.title = name,
        }
    }

    /// Fills in the times that a new object leaves open. Both times become `now` if both are open. A time that is set
    /// stays unchanged, and the other one is chosen so that the creation is not after the last change. Tickets have no
    /// times.
    pub(crate) fn fill_times(&mut self, now: i64) {
        let (created, updated) = self.times();
        let (created_is_open, updated_is_open) = self.open_times();
        let created_or_now = created.unwrap_or(now);
        if created_is_open {
            self.set_created(updated.map_or(now, |updated| updated.min(now)));
        }
        if updated_is_open {
            self.set_updated(created_or_now.max(now));
        }
    }

    /// Returns whether the time of creation and the time of the last change are open: absent or empty.
    fn open_times(&self) -> (bool, bool) {
        match self {
            Self::File(file) => (file.created_at.is_none(), file.updated_at.is_none()),
            Self::Contact(contact) => (contact.created_at.is_none(), contact.updated_at.is_none()),
            Self::Company(Company { created_at, updated_at, .. })
            | Self::Deal(Deal { created_at, updated_at, .. })
            | Self::CustomObject(CustomObject { created_at, updated_at, .. }) => {
                (created_at.is_empty(), updated_at.is_empty())
            }
            Self::Ticket(_) => (false, false),
        }
    }

    /// Moves the time of the last change to `now`. The new time is always at least one millisecond later than the old
    /// one, because a receiver may tell versions apart by their times. Tickets have no times.
    pub(crate) fn touch(&mut self, now: i64) {
        let (_, before) = self.times();
        self.set_updated(before.map_or(now, |before| now.max(before.saturating_add(1))));
    }

    /// Returns the time of creation and the time of the last change, in milliseconds since 1970. A time is `None` if it
    /// is open or cannot be parsed.
    pub(crate) fn times(&self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::File(File { created_at, updated_at, .. }) => {
                (created_at.as_deref().and_then(epoch_ms), updated_at.as_deref().and_then(epoch_ms))
            }
            Self::Contact(contact) => (contact.created_at, contact.updated_at),
            Self::Company(Company { created_at, updated_at, .. })
            | Self::Deal(Deal { created_at, updated_at, .. })
            | Self::CustomObject(CustomObject { created_at, updated_at, .. }) => {
                (epoch_ms(created_at), epoch_ms(updated_at))
            }
            Self::Ticket(_) => (None, None),
        }
    }

    fn set_created(&mut self, at: i64) {
        // RFC 3339 ends with the year 9999. Later times are ignored.
        let Some(text) = date_time(at) else { return };
        match self {
            Self::File(file) => file.created_at = Some(text),
            Self::Contact(contact) => contact.created_at = Some(at),
            Self::Company(Company { created_at, .. })
            | Self::Deal(Deal { created_at, .. })
            | Self::CustomObject(CustomObject { created_at, .. }) => *created_at = text,
            Self::Ticket(_) => {}
        }
    }

    fn set_updated(&mut self, at: i64) {
        let Some(text) = date_time(at) else { return };
        match self {
            Self::File(file) => file.updated_at = Some(text),
            Self::Contact(contact) => contact.updated_at = Some(at),
            Self::Company(Company { updated_at, .. })
            | Self::Deal(Deal { updated_at, .. })
            | Self::CustomObject(CustomObject { updated_at, .. }) => *updated_at = text,
            Self::Ticket(_) => {}
        }
    }
}

/// A [`Record`](super::Record) with borrowed parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a, T> {
    id: &'a RecordId,
    external_id: &'a ExternalId,
    #[serde(flatten)]
    object: &'a T,
}

/// Builds an object from members that are listed in this file and are always valid.
fn plain<T: for<'de> Deserialize<'de>>(members: Value) -> T {
    serde_json::from_value(members).unwrap_or_else(|error| unreachable!("the members are listed here: {error}"))
}

impl Contact {
    /// Creates a person. The last word of the name is the family name.
    pub fn named(name: &str) -> Self {
        let (first, last) = name.rsplit_once(' ').unwrap_or(("", name));
        plain(json!({"firstName": first, "lastName": last, "fullName": name}))
    }
}

impl Company {
    /// Creates a company. The source sets its times.
    pub fn named(name: &str) -> Self {
        plain(json!({"name": name, "createdAt": "", "updatedAt": ""}))
    }
}

impl Deal {
    /// Creates an open deal with the amount 0. The source sets its times.
    pub fn named(name: &str) -> Self {
        plain(json!({
            "name": name, "createdAt": "", "updatedAt": "", "amount": 0, "statusType": "open", "status": "New",
            "accountId": "account", "ownerId": "owner", "closeDate": "2030-01-31",
        }))
    }
}

impl CustomObject {
    /// Creates a custom object of the type `Product_Catalog__c` with the field `name`. The source sets its times.
    pub fn named(name: &str) -> Self {
        plain(
            json!({"objectType": super::integration::SAMPLE_OBJECT, "createdAt": "", "updatedAt": "", "customFields": {"name": name}}),
        )
    }
}

impl Ticket {
    /// Creates an open ticket with normal priority.
    pub fn named(title: &str) -> Self {
        plain(json!({
            "title": title, "status": {"name": "Open"}, "priority": "normal", "type": "task", "assignees": [],
            "originalRecord": {},
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Layer};

    const FIRST_OF_JANUARY: i64 = 1_767_225_600_000;
    const SECOND_OF_JANUARY: i64 = 1_767_312_000_000;

    fn with_times() -> impl Iterator<Item = Pipeline> {
        Pipeline::ALL.into_iter().filter(|pipeline| *pipeline != Pipeline::Tickets)
    }

    #[test]
    fn named_and_changed_objects_are_valid_in_every_pipeline() {
        for pipeline in Pipeline::ALL {
            let mut object = Object::named(pipeline, "A name");
            assert_eq!((object.pipeline(), object.title()), (pipeline, "A name"));
            object.rename("Another");
            assert_eq!(object.title(), "Another");
            object.fill_times(FIRST_OF_JANUARY);
            object.touch(SECOND_OF_JANUARY);
            let mut members = object.to_members();
            assert_eq!(Object::from_members(pipeline, members.clone()).unwrap(), object);
            if let Some(updated) = members.get("updatedAt") {
                assert!(*updated == "2026-01-02T00:00:00.000Z" || *updated == SECOND_OF_JANUARY, "{updated}");
            }
            members.insert("id".to_owned(), "3ce16e33-0163-564d-98ce-99b0a25ab375".into());
            members.insert("externalId".to_owned(), "x".into());
            let strict = Contract { layer: Layer::Strict, ..Contract::default() };
            assert_eq!(strict.validate(pipeline.schema(), &Value::Object(members)), [], "{pipeline}");
            let exported = serde_json::to_value(&object).unwrap();
            assert_eq!(exported["pipeline"], pipeline.name());
            assert_eq!(serde_json::from_value::<Object>(exported).unwrap(), object);
        }
    }

    #[test]
    fn a_contact_without_a_full_name_goes_by_the_family_name() {
        let title = |members: Value| Object::from(plain::<Contact>(members)).title().to_owned();
        assert_eq!(title(json!({"firstName": "Ada", "lastName": "Lovelace"})), "Lovelace");
        assert_eq!(title(json!({"firstName": "Ada"})), "a contact");
    }

    #[test]
    fn creation_sets_the_missing_times_and_a_change_moves_only_the_time_of_the_change() {
        for pipeline in with_times() {
            let mut object = Object::named(pipeline, "A name");
            object.fill_times(FIRST_OF_JANUARY);
            let times = object.times();
            assert_eq!(times, (Some(FIRST_OF_JANUARY), Some(FIRST_OF_JANUARY)), "{pipeline}: both were open");
            object.fill_times(SECOND_OF_JANUARY);
            assert_eq!(object.times(), times, "{pipeline}: none was open");
            object.touch(SECOND_OF_JANUARY);
            assert_eq!(object.times(), (Some(FIRST_OF_JANUARY), Some(SECOND_OF_JANUARY)), "{pipeline}");
        }
    }

    #[test]
    fn an_object_that_has_one_of_its_times_is_created_before_it_changes() {
        for pipeline in with_times() {
            for (set, then) in [
                // The times of creation and of the last change: before, then after `fill_times`.
                ((None, Some(1_000)), (Some(1_000), Some(1_000))),
                ((Some(1_000), None), (Some(1_000), Some(FIRST_OF_JANUARY))),
                ((Some(SECOND_OF_JANUARY), None), (Some(SECOND_OF_JANUARY), Some(SECOND_OF_JANUARY))),
                ((None, Some(SECOND_OF_JANUARY)), (Some(FIRST_OF_JANUARY), Some(SECOND_OF_JANUARY))),
                ((Some(2_000), Some(1_000)), (Some(2_000), Some(1_000))),
            ] {
                let mut object = Object::named(pipeline, "A name");
                let (created, updated): (Option<i64>, Option<i64>) = set;
                if let Some(at) = created {
                    object.set_created(at);
                }
                if let Some(at) = updated {
                    object.set_updated(at);
                }
                object.fill_times(FIRST_OF_JANUARY);
                assert_eq!(object.times(), then, "{pipeline}");
            }
        }
    }

    #[test]
    fn each_change_is_later_than_the_one_before_also_at_one_instant() {
        for pipeline in with_times() {
            let mut object = Object::named(pipeline, "A name");
            object.fill_times(FIRST_OF_JANUARY);
            for change in 1..=3 {
                object.touch(FIRST_OF_JANUARY);
                assert_eq!(object.times(), (Some(FIRST_OF_JANUARY), Some(FIRST_OF_JANUARY + change)), "{pipeline}");
            }
            object.set_updated(SECOND_OF_JANUARY);
            object.touch(FIRST_OF_JANUARY);
            assert_eq!(object.times().1, Some(SECOND_OF_JANUARY + 1), "{pipeline}: a time ahead of the clock");
        }
        let mut file =
            Object::from(File { updated_at: Some("2026-01-01T00:00:00.000999Z".into()), ..File::named("a") });
        file.touch(FIRST_OF_JANUARY);
        assert_eq!(file.times().1, Some(FIRST_OF_JANUARY + 1), "less than a millisecond is no difference");
        let mut file = Object::from(File { updated_at: Some("yesterday".into()), ..File::named("a") });
        file.touch(FIRST_OF_JANUARY);
        assert_eq!(file.times().1, Some(FIRST_OF_JANUARY), "what is no time is replaced");
    }

    #[test]
    fn times_may_be_left_out() {
        for pipeline in Pipeline::ALL {
            let mut members = Object::named(pipeline, "A name").to_members();
            members.retain(|name, _| !["createdAt", "updatedAt"].contains(&name.as_str()));
            let object = Object::from_members(pipeline, members).unwrap();
            assert_eq!(object, Object::named(pipeline, "A name"));
        }
    }

    #[test]
    fn an_object_is_seen_as_its_own_kind_only() {
        let mut object = Object::from(File::named("a.pdf"));
        assert_eq!(File::of(&mut object).unwrap().name, "a.pdf");
        assert!(Ticket::of(&mut object).is_none());
        let error = Object::from_members(Pipeline::Tickets, Map::new()).unwrap_err();
        assert!(error.to_string().contains("missing field `title`"), "{error}");
    }
}

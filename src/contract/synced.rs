use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::id::{ExternalId, RecordId};
use super::pipeline::Pipeline;
use super::record::{Company, Contact, CustomObject, Deal, File, Ticket};
use super::revision::{Revision, epoch_ms};

/// A kind of synced object: what a pipeline pulls.
pub trait Synced: Clone + Into<Object> {
    /// The pipeline that pulls it.
    const PIPELINE: Pipeline;

    /// The object, if it is of this kind.
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
            /// The pipeline that pulls it.
            pub const fn pipeline(&self) -> Pipeline {
                match self {
                    $(Self::$kind(_) => Pipeline::$pipeline,)*
                }
            }

            /// Reads the members of an object of a pipeline.
            ///
            /// # Errors
            ///
            /// Names the member that is missing or wrong.
            pub fn from_members(pipeline: Pipeline, members: Map<String, Value>) -> Result<Self, serde_json::Error> {
                let members = Value::Object(members);
                match pipeline {
                    $(Pipeline::$pipeline => serde_json::from_value(members).map(Self::$kind),)*
                }
            }

            /// The record that the Sync API serves of it, as JSON.
            pub(crate) fn record(&self, revision: Revision, id: &RecordId, external_id: &ExternalId) -> String {
                match self {
                    $(Self::$kind(object) => revision.print(Pipeline::$pipeline.schema(), &Record { id, external_id, object }),)*
                }
            }

            /// Its members.
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
    /// Of `files`.
    File = Files, "files";
    /// Of `contacts`.
    Contact = Contacts, "contacts";
    /// Of `companies`.
    Company = Companies, "companies";
    /// Of `deals`.
    Deal = Deals, "deals";
    /// Of `custom_objects`.
    CustomObject = CustomObjects, "custom_objects";
    /// Of `tickets`.
    Ticket = Tickets, "tickets";
}

impl Object {
    /// A plain object of a pipeline with this name.
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

    /// What a person calls it.
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

    /// The object with some members set.
    ///
    /// # Errors
    ///
    /// Names the member that is wrong.
    pub fn with(&self, set: &Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut members = self.to_members();
        members.extend(set.clone());
        Self::from_members(self.pipeline(), members)
    }

    /// Gives it another name.
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

    /// Sets the time of its creation, where it leaves that open, and of its last change. Tickets have neither.
    pub(crate) fn touch(&mut self, now: &str, created: bool) {
        let text = |at: &mut String| {
            if !created || at.is_empty() {
                now.clone_into(at);
            }
        };
        match self {
            Self::File(file) => {
                file.created_at.get_or_insert_with(|| now.to_owned());
                if !created || file.updated_at.is_none() {
                    file.updated_at = Some(now.to_owned());
                }
            }
            Self::Contact(contact) => {
                contact.created_at = contact.created_at.or_else(|| epoch_ms(now));
                if !created || contact.updated_at.is_none() {
                    contact.updated_at = epoch_ms(now);
                }
            }
            Self::Company(company) => {
                if created {
                    text(&mut company.created_at);
                }
                text(&mut company.updated_at);
            }
            Self::Deal(deal) => {
                if created {
                    text(&mut deal.created_at);
                }
                text(&mut deal.updated_at);
            }
            Self::CustomObject(object) => {
                if created {
                    text(&mut object.created_at);
                }
                text(&mut object.updated_at);
            }
            Self::Ticket(_) => {}
        }
    }
}

/// As [`Record`](super::Record), of borrowed parts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a, T> {
    id: &'a RecordId,
    external_id: &'a ExternalId,
    #[serde(flatten)]
    object: &'a T,
}

/// From members that are surely right.
fn plain<T: for<'de> Deserialize<'de>>(members: Value) -> T {
    serde_json::from_value(members).unwrap_or_else(|error| unreachable!("the members are listed here: {error}"))
}

impl Contact {
    /// A person; the last word is the family name.
    pub fn named(name: &str) -> Self {
        let (first, last) = name.rsplit_once(' ').unwrap_or(("", name));
        plain(json!({"firstName": first, "lastName": last, "fullName": name}))
    }
}

impl Company {
    /// A company. Its times are set by the source.
    pub fn named(name: &str) -> Self {
        plain(json!({"name": name, "createdAt": "", "updatedAt": ""}))
    }
}

impl Deal {
    /// An open deal of no amount. Its times are set by the source.
    pub fn named(name: &str) -> Self {
        plain(json!({
            "name": name, "createdAt": "", "updatedAt": "", "amount": 0, "statusType": "open", "status": "New",
            "accountId": "account", "ownerId": "owner", "closeDate": "2030-01-31",
        }))
    }
}

impl CustomObject {
    /// A record of the type `Thing__c` with this name among its fields. Its times are set by the source.
    pub fn named(name: &str) -> Self {
        plain(
            json!({"objectType": super::integration::SAMPLE_OBJECT, "createdAt": "", "updatedAt": "", "customFields": {"name": name}}),
        )
    }
}

impl Ticket {
    /// An open ticket of normal priority.
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

    #[test]
    fn what_is_named_and_touched_is_valid_in_every_pipeline() {
        for pipeline in Pipeline::ALL {
            let mut object = Object::named(pipeline, "A name");
            assert_eq!((object.pipeline(), object.title()), (pipeline, "A name"));
            object.rename("Another");
            assert_eq!(object.title(), "Another");
            object.touch("2026-01-01T00:00:00.000Z", true);
            object.touch("2026-01-02T00:00:00.000Z", false);
            let mut members = object.to_members();
            assert_eq!(Object::from_members(pipeline, members.clone()).unwrap(), object);
            if let Some(updated) = members.get("updatedAt") {
                assert!(*updated == "2026-01-02T00:00:00.000Z" || *updated == 1_767_312_000_000_i64, "{updated}");
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
    fn creation_fills_in_the_times_that_are_open_and_a_change_moves_only_the_last() {
        let (early, late) = ("2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z");
        for pipeline in Pipeline::ALL.into_iter().filter(|pipeline| *pipeline != Pipeline::Tickets) {
            let times = |object: &Object| ["createdAt", "updatedAt"].map(|name| object.to_members()[name].clone());
            let mut object = Object::named(pipeline, "A name");
            object.touch(early, true);
            let [created, updated] = times(&object);
            assert_eq!(created, updated, "{pipeline}: both were open");
            object.touch(late, true);
            assert_eq!(times(&object), [created.clone(), updated], "{pipeline}: none was open");
            object.touch(late, false);
            let [kept, moved] = times(&object);
            assert!(kept == created && moved != created, "{pipeline}: {kept} {moved}");
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

//! The endpoints for users, their accounts, and the objects in the accounts.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AdminRequest;
use super::body::{Answer, Refusal, merged, object, read_value};
use crate::contract::{CredentialId, ExternalId, Object, Pipeline, UserId};
use crate::fake::world::World;
use crate::source::permission::Role;
use crate::source::{Account, Collection, ProviderFaultKind, Seen, Synthetic};

/// Default `limit` of a list of objects.
const LISTED: usize = 1_000;
/// Maximum number of synthetic objects in an account. There is a limit because a sync keeps a bit for each record.
const MOST: u64 = 100_000_000;

impl World {
    pub(super) fn users(&self) -> Value {
        let mut users: Vec<&UserId> = Vec::new();
        for account in self.connected.iter().filter_map(|credential| self.accounts.get(credential)) {
            if !users.contains(&account.user()) {
                users.push(account.user());
            }
        }
        let of = |user: &UserId| {
            let accounts = self.connected.iter().filter(|id| self.accounts.get(*id).is_some_and(|a| a.user() == user));
            let syncs = self.engine.syncs().filter(|sync| sync.user == *user).map(|sync| &sync.id);
            json!({"id": user, "accounts": accounts.collect::<Vec<_>>(), "syncs": syncs.collect::<Vec<_>>()})
        };
        json!({"data": users.into_iter().map(of).collect::<Vec<_>>()})
    }

    pub(super) fn list_accounts(&self) -> Value {
        let of = |account: &Account| {
            let objects = Pipeline::ALL.into_iter().filter_map(|pipeline| {
                Some((pipeline.name().to_owned(), account.collection(pipeline)?.numbers().into()))
            });
            json!({
                "credentialId": account.credential(), "user": account.user(), "integration": account.integration(),
                "created": objects.collect::<Map<_, _>>(), "troubles": account.troubles().collect::<Vec<_>>(),
            })
        };
        let accounts = self.connected.iter().filter_map(|credential| self.accounts.get(credential));
        json!({"data": accounts.map(of).collect::<Vec<_>>()})
    }

    pub(super) fn create_account(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            user: UserId,
            integration: String,
            name: Option<String>,
        }
        let Wanted { user, integration, name } = asked.read()?;
        for (member, text) in [("user", user.as_str()), ("integration", &integration)] {
            if text.is_empty() {
                return Err(Refusal::bad(format!("/{member}: expected text, got \"\"")));
            }
        }
        let credential = self.connect(&user, &integration, name.as_deref().unwrap_or("default"));
        Ok(json!({"credentialId": credential}))
    }

    /// Returns the credential id in the path, if an account with this id exists.
    fn account_in(&self, asked: &AdminRequest<'_>) -> Result<CredentialId, Refusal> {
        let credential = CredentialId::from(asked.id());
        match self.accounts.get(&credential) {
            Some(_) => Ok(credential),
            None => Err(Refusal::missing("account", asked.id())),
        }
    }

    /// Returns the object in the path, if it lives in the account in the path.
    fn object_in(&self, asked: &AdminRequest<'_>) -> Result<(CredentialId, ExternalId, Object), Refusal> {
        let (credential, id) = (self.account_in(asked)?, ExternalId::from(asked.object()));
        let account = self.accounts.get(&credential);
        let object = account.and_then(|account| account.collection_of(&id)).and_then(|objects| objects.get(&id));
        let object = object.ok_or_else(|| Refusal::missing("object", asked.object()))?;
        Ok((credential, id, object))
    }

    pub(super) fn list_objects(&self, asked: &AdminRequest<'_>) -> Answer {
        let credential = self.account_in(asked)?;
        let text = asked.query("pipeline").ok_or_else(|| Refusal::bad(format!("?pipeline: {}", pipelines())))?;
        let unknown = || Refusal::bad(format!("?pipeline: {}, got {text:?}", pipelines()));
        let pipeline = Pipeline::from_name(&text).ok_or_else(unknown)?;
        let (limit, from) = (asked.number("limit", LISTED)?, asked.number("from", 0)? as u64);
        let mut data = Vec::new();
        let mut next = None;
        if let Some(objects) = self.accounts.get(&credential).and_then(|account| account.collection(pipeline)) {
            for number in from..objects.numbers() {
                if data.len() == limit {
                    next = Some(number);
                    break;
                }
                let id = objects.external_id(number);
                let Some(object) = objects.get(&id) else { continue };
                let mut listed = json!({"externalId": id, "object": object.to_members()});
                match objects.look(number) {
                    Seen::Here(_) => {}
                    Seen::Gone => listed["hidden"] = true.into(),
                    Seen::Unreadable(why) => listed["unreadable"] = why.into(),
                }
                data.push(listed);
            }
        }
        Ok(json!({"data": data, "next": next}))
    }

    pub(super) fn create_object(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            pipeline: Pipeline,
            object: Map<String, Value>,
        }
        let credential = self.account_in(asked)?;
        let Wanted { pipeline, object: members } = asked.read()?;
        // Members that the request leaves out have the values of a default object with this name.
        let name = members.get("name").and_then(Value::as_str).unwrap_or("untitled");
        let object = object(pipeline, &merged(Object::named(pipeline, name).to_members(), &members))?;
        Ok(json!({"externalId": self.create(&credential, object)}))
    }

    pub(super) fn update_object(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let (credential, id, was) = self.object_in(asked)?;
        let set: Map<String, Value> = asked.read()?;
        let pipeline = was.pipeline();
        object(pipeline, &merged(was.to_members(), &set))?;
        self.update(&credential, &id, |now| {
            // `now` already has the time of this change. `set` may replace this time.
            if let Ok(changed) = object(pipeline, &merged(now.to_members(), &set)) {
                *now = changed;
            }
        });
        let object = self.object_in(asked)?.2.to_members();
        Ok(json!({"externalId": id, "object": object}))
    }

    pub(super) fn delete_object(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let (credential, id, _) = self.object_in(asked)?;
        self.touch(&credential, "deleted", &id, Collection::delete);
        Ok(json!({"externalId": id}))
    }

    pub(super) fn set_access(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            hidden: bool,
        }
        let (credential, id, _) = self.object_in(asked)?;
        let Wanted { hidden } = asked.read()?;
        let verb = if hidden { "revoked access to" } else { "granted access to" };
        let now = self.clock.now();
        self.touch(
            &credential,
            verb,
            &id,
            |collection, id| {
                if hidden { collection.hide(id) } else { collection.show(id, now) }
            },
        );
        Ok(json!({"externalId": id, "hidden": hidden}))
    }

    pub(super) fn set_unreadable(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            #[serde(deserialize_with = "Option::deserialize")]
            message: Option<String>,
        }
        let (credential, id, _) = self.object_in(asked)?;
        let Wanted { message } = asked.read()?;
        let verb = if message.is_some() { "broke" } else { "mended" };
        self.touch(&credential, verb, &id, |collection, id| collection.break_reading(id, message.as_deref()));
        Ok(json!({"externalId": id, "message": message}))
    }

    pub(super) fn set_role(&mut self, asked: &AdminRequest<'_>, give: bool) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            user: String,
            role: Role,
        }
        let (credential, id, object) = self.object_in(asked)?;
        if object.pipeline() != Pipeline::Files {
            return Err(Refusal::bad(format!("expected a file or a folder, got one of {}", object.pipeline())));
        }
        let Wanted { user, role } = asked.read()?;
        let now = self.clock.now();
        let account = self.account(&credential);
        let changed = if give { account.share(&id, &user, role, now) } else { account.unshare(&id, &user, role, now) };
        Ok(json!({"externalId": id, "user": user, "role": role, "changed": changed}))
    }

    pub(super) fn fill_account(&mut self, asked: &AdminRequest<'_>) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            pipeline: Pipeline,
            count: u64,
            #[serde(default)]
            seed: u64,
        }
        let credential = self.account_in(asked)?;
        let Wanted { pipeline, count, seed } = asked.read()?;
        if count > MOST {
            return Err(Refusal::bad(format!("/count: expected at most {MOST}, got {count}")));
        }
        let now = self.clock.now();
        if !self.account(&credential).fill(pipeline, Synthetic::new(count, seed), now) {
            return Err(Refusal::conflict(format!("the {pipeline} of this account are not empty")));
        }
        Ok(json!({"pipeline": pipeline, "count": count, "seed": seed}))
    }

    pub(super) fn add_trouble(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let credential = self.account_in(asked)?;
        let mut members: Map<String, Value> = asked.read()?;
        let runs: Option<u32> = match members.remove("runs") {
            Some(runs) => {
                read_value(runs).map_err(|refusal| Refusal::bad(refusal.message.replacen("the body", "/runs", 1)))?
            }
            None => None,
        };
        let trouble: ProviderFaultKind = read_value(members.into())?;
        self.trouble(&credential, trouble, runs);
        Ok(self.troubles_of(&credential))
    }

    pub(super) fn end_troubles(&mut self, asked: &AdminRequest<'_>) -> Answer {
        let credential = self.account_in(asked)?;
        self.mend(&credential);
        Ok(self.troubles_of(&credential))
    }

    fn troubles_of(&self, credential: &CredentialId) -> Value {
        let troubles = self.accounts.get(credential).map(|account| account.troubles().collect::<Vec<_>>());
        json!({"credentialId": credential, "troubles": troubles})
    }
}

fn pipelines() -> String {
    format!("expected one of {}", Pipeline::ALL.map(Pipeline::name).join(", "))
}

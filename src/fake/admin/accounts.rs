//! The endpoints for users, their accounts, and the objects in the accounts.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::AdminCall;
use super::body::{Answer, Refusal, merged, object, read_value};
use crate::contract::{CredentialId, ExternalId, Object, Pipeline, UserId};
use crate::source::permission::Role;
use crate::source::{Account, Collection, ProviderFault, Seen, Synthetic};

/// Default `limit` of a list of objects.
const LISTED: usize = 1_000;
/// Maximum number of synthetic objects in an account. There is a limit because a sync keeps a bit for each record.
const MOST: u64 = 100_000_000;

impl AdminCall<'_> {
    pub(super) fn users(&self) -> Value {
        let mut users: Vec<&UserId> = Vec::new();
        for account in self.state.simulation.accounts.iter() {
            if !users.contains(&account.user()) {
                users.push(account.user());
            }
        }
        let of = |user: &UserId| {
            let accounts = self.state.simulation.accounts.iter().filter(|account| account.user() == user);
            let accounts = accounts.map(Account::credential);
            let syncs = self.state.simulation.engine.syncs().filter(|sync| sync.user == *user).map(|sync| &sync.id);
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
        json!({"data": self.state.simulation.accounts.iter().map(of).collect::<Vec<_>>()})
    }

    pub(super) fn create_account(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct CreateAccountBody {
            user: UserId,
            integration: String,
            name: Option<String>,
        }
        let CreateAccountBody { user, integration, name } = self.read()?;
        for (member, text) in [("user", user.as_str()), ("integration", &integration)] {
            if text.is_empty() {
                return Err(Refusal::bad(format!("/{member}: expected text, got \"\"")));
            }
        }
        let credential = self.state.simulation.connect(&user, &integration, name.as_deref().unwrap_or("default"));
        Ok(json!({"credentialId": credential}))
    }

    /// Returns the credential id in the path, if an account with this id exists.
    fn account_in(&self) -> Result<CredentialId, Refusal> {
        let credential = CredentialId::from(self.id());
        match self.state.simulation.accounts.get(&credential) {
            Some(_) => Ok(credential),
            None => Err(Refusal::missing("account", self.id())),
        }
    }

    /// Returns the object that the URL path names, if the account that the URL path names has this object.
    fn object_in(&self) -> Result<(CredentialId, ExternalId, Object), Refusal> {
        let (credential, id) = (self.account_in()?, ExternalId::from(self.object()));
        let account = self.state.simulation.accounts.get(&credential);
        let object = account.and_then(|account| account.collection_of(&id)).and_then(|objects| objects.get(&id));
        let object = object.ok_or_else(|| Refusal::missing("object", self.object()))?;
        Ok((credential, id, object))
    }

    pub(super) fn list_objects(&self) -> Answer {
        let credential = self.account_in()?;
        let text = self.query("pipeline").ok_or_else(|| Refusal::bad(format!("?pipeline: {}", pipelines())))?;
        let unknown = || Refusal::bad(format!("?pipeline: {}, got {text:?}", pipelines()));
        let pipeline = Pipeline::from_name(&text).ok_or_else(unknown)?;
        let (limit, from) = (self.number("limit", LISTED)?, self.number("from", 0)? as u64);
        let mut data = Vec::new();
        let mut next = None;
        if let Some(objects) =
            self.state.simulation.accounts.get(&credential).and_then(|account| account.collection(pipeline))
        {
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

    pub(super) fn create_object(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct CreateObjectBody {
            pipeline: Pipeline,
            object: Map<String, Value>,
        }
        let credential = self.account_in()?;
        let CreateObjectBody { pipeline, object: members } = self.read()?;
        // Members that the request leaves out have the values of a default object with this name.
        let name = members.get("name").and_then(Value::as_str).unwrap_or("untitled");
        let object = object(pipeline, &merged(Object::named(pipeline, name).to_members(), &members))?;
        Ok(json!({"externalId": self.state.simulation.create(&credential, object)}))
    }

    pub(super) fn update_object(&mut self) -> Answer {
        let (credential, id, was) = self.object_in()?;
        let set: Map<String, Value> = self.read()?;
        let pipeline = was.pipeline();
        object(pipeline, &merged(was.to_members(), &set))?;
        self.state.simulation.update(&credential, &id, |now| {
            // `now` already has the time of this change. `set` may replace this time.
            if let Ok(changed) = object(pipeline, &merged(now.to_members(), &set)) {
                *now = changed;
            }
        });
        let object = self.object_in()?.2.to_members();
        Ok(json!({"externalId": id, "object": object}))
    }

    pub(super) fn delete_object(&mut self) -> Answer {
        let (credential, id, _) = self.object_in()?;
        self.state.simulation.change(&credential, "deleted", &id, Collection::delete);
        Ok(json!({"externalId": id}))
    }

    pub(super) fn set_access(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct SetAccessBody {
            hidden: bool,
        }
        let (credential, id, _) = self.object_in()?;
        let SetAccessBody { hidden } = self.read()?;
        let verb = if hidden { "revoked access to" } else { "granted access to" };
        let now = self.state.simulation.now();
        self.state.simulation.change(&credential, verb, &id, |collection, id| {
            if hidden { collection.hide(id) } else { collection.show(id, now) }
        });
        Ok(json!({"externalId": id, "hidden": hidden}))
    }

    pub(super) fn set_unreadable(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct SetUnreadableBody {
            #[serde(deserialize_with = "Option::deserialize")]
            message: Option<String>,
        }
        let (credential, id, _) = self.object_in()?;
        let SetUnreadableBody { message } = self.read()?;
        let verb = if message.is_some() { "broke" } else { "mended" };
        self.state
            .simulation
            .change(&credential, verb, &id, |collection, id| collection.break_reading(id, message.as_deref()));
        Ok(json!({"externalId": id, "message": message}))
    }

    pub(super) fn set_role(&mut self, give: bool) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ShareObjectBody {
            user: String,
            role: Role,
        }
        let (credential, id, object) = self.object_in()?;
        if object.pipeline() != Pipeline::Files {
            return Err(Refusal::bad(format!("expected a file or a folder, got one of {}", object.pipeline())));
        }
        let ShareObjectBody { user, role } = self.read()?;
        let now = self.state.simulation.now();
        let account = self.state.simulation.account(&credential);
        let changed = if give { account.share(&id, &user, role, now) } else { account.unshare(&id, &user, role, now) };
        Ok(json!({"externalId": id, "user": user, "role": role, "changed": changed}))
    }

    pub(super) fn fill_account(&mut self) -> Answer {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct FillAccountBody {
            pipeline: Pipeline,
            count: u64,
            #[serde(default)]
            seed: u64,
        }
        let credential = self.account_in()?;
        let FillAccountBody { pipeline, count, seed } = self.read()?;
        if count > MOST {
            return Err(Refusal::bad(format!("/count: expected at most {MOST}, got {count}")));
        }
        let now = self.state.simulation.now();
        if !self.state.simulation.account(&credential).fill(pipeline, Synthetic::new(count, seed), now) {
            return Err(Refusal::conflict(format!("the {pipeline} of this account are not empty")));
        }
        Ok(json!({"pipeline": pipeline, "count": count, "seed": seed}))
    }

    pub(super) fn add_provider_fault(&mut self) -> Answer {
        let credential = self.account_in()?;
        let mut members: Map<String, Value> = self.read()?;
        let next: Option<u32> = match members.remove("runs") {
            Some(runs) => {
                read_value(runs).map_err(|refusal| Refusal::bad(refusal.message.replacen("the body", "/runs", 1)))?
            }
            None => None,
        };
        let fault = ProviderFault { next, ..ProviderFault::new(read_value(members.into())?) };
        self.state.simulation.provider_fault(&credential, fault);
        Ok(self.provider_faults_of(&credential))
    }

    pub(super) fn end_provider_faults(&mut self) -> Answer {
        let credential = self.account_in()?;
        self.state.simulation.end_provider_faults(&credential);
        Ok(self.provider_faults_of(&credential))
    }

    fn provider_faults_of(&self, credential: &CredentialId) -> Value {
        let troubles =
            self.state.simulation.accounts.get(credential).map(|account| account.troubles().collect::<Vec<_>>());
        json!({"credentialId": credential, "troubles": troubles})
    }
}

fn pipelines() -> String {
    format!("expected one of {}", Pipeline::ALL.map(Pipeline::name).join(", "))
}

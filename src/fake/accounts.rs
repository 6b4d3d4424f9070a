use std::collections::BTreeMap;

use crate::contract::{CredentialId, UserId};
use crate::source::Account;

/// Connected accounts of all users, and the order in which they were connected.
#[derive(Default)]
pub(super) struct Accounts {
    by_credential: BTreeMap<CredentialId, Account>,
    order: Vec<CredentialId>,
}

impl Accounts {
    /// Adds an account, unless there is one with the same credential already.
    pub(super) fn add(&mut self, account: Account) {
        let credential = account.credential().clone();
        if !self.by_credential.contains_key(&credential) {
            self.order.push(credential.clone());
            self.by_credential.insert(credential, account);
        }
    }

    pub(super) fn get(&self, credential: &CredentialId) -> Option<&Account> {
        self.by_credential.get(credential)
    }

    pub(super) fn get_mut(&mut self, credential: &CredentialId) -> Option<&mut Account> {
        self.by_credential.get_mut(credential)
    }

    /// Returns all accounts, in the order in which they were connected.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Account> + Clone {
        self.order.iter().filter_map(|credential| self.by_credential.get(credential))
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Returns all accounts by their credentials, for the sync engine.
    pub(super) fn by_credential(&mut self) -> &mut BTreeMap<CredentialId, Account> {
        &mut self.by_credential
    }

    /// Returns the default account of a user in an integration, for requests that name no account. This is the oldest
    /// account whose access is not revoked, or else the oldest one.
    pub(super) fn default_of(&self, user: &UserId, integration: &str) -> Option<&Account> {
        let mut of_user = self.iter().filter(|account| account.user() == user && account.integration() == integration);
        let first = of_user.clone().next();
        of_user.find(|account| !account.is_revoked()).or(first)
    }
}

impl FromIterator<Account> for Accounts {
    fn from_iter<T: IntoIterator<Item = Account>>(accounts: T) -> Self {
        let mut all = Self::default();
        accounts.into_iter().for_each(|account| all.add(account));
        all
    }
}

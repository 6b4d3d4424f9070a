//! The simulated integration: the records as the provider has them. This is the truth that a receiver is measured by.
//!
//! A [`Connection`] is one connected account. It keeps what lives in it and a log of what changed, so that a sync
//! looks only at what is new since its last run. Nobody writes webhooks by hand: a change here causes them.
//!
//! ```
//! use paragon_testkit::clock::Moment;
//! use paragon_testkit::contract::{File, ProjectId, UserId};
//! use paragon_testkit::source::Connection;
//!
//! let mut drive = Connection::new(&ProjectId::from("project"), &UserId::from("ada"), "googledrive");
//! let report = drive.create(File::named("report.pdf"), Moment::from_millis(0));
//! drive.update(&report, |file| file.size = Some(2), Moment::from_millis(1));
//! assert_eq!(drive.get(&report).and_then(|file| file.size), Some(2));
//! ```

use std::collections::BTreeMap;

use crate::clock::Moment;
use crate::contract::{CredentialId, ExternalId, File, ProjectId, UserId};

/// One connected account of a user, and the files in it.
#[derive(Clone, Debug)]
pub struct Connection {
    user: UserId,
    integration: String,
    credential: CredentialId,
    files: BTreeMap<ExternalId, File>,
    log: Vec<ExternalId>,
    created: u64,
}

impl Connection {
    /// An empty account; its credential follows from project, user and integration.
    pub fn new(project: &ProjectId, user: &UserId, integration: &str) -> Self {
        Self {
            user: user.clone(),
            integration: integration.to_owned(),
            credential: CredentialId::derive(project, user, integration),
            files: BTreeMap::new(),
            log: Vec::new(),
            created: 0,
        }
    }

    /// Whose account it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The integration, such as `googledrive`.
    pub fn integration(&self) -> &str {
        &self.integration
    }

    /// The credential that stands for the account.
    pub fn credential(&self) -> &CredentialId {
        &self.credential
    }

    /// A new file; times that it leaves open are `now`.
    pub fn create(&mut self, mut file: File, now: Moment) -> ExternalId {
        let id = ExternalId::derive(&self.credential, self.created);
        self.created += 1;
        file.created_at.get_or_insert_with(|| now.to_string());
        file.updated_at.get_or_insert_with(|| now.to_string());
        self.put(id.clone(), file);
        id
    }

    /// Changes a file; false when it does not live here.
    pub fn update(&mut self, id: &ExternalId, change: impl FnOnce(&mut File), now: Moment) -> bool {
        let Some(mut file) = self.get(id).cloned() else { return false };
        file.updated_at = Some(now.to_string());
        change(&mut file);
        self.put(id.clone(), file);
        true
    }

    /// Deletes a file and hands it back; `None` when it does not live here.
    pub fn delete(&mut self, id: &ExternalId) -> Option<File> {
        let file = self.files.remove(id)?;
        self.log.push(id.clone());
        Some(file)
    }

    /// A file that lives here.
    pub fn get(&self, id: &ExternalId) -> Option<&File> {
        self.files.get(id)
    }

    /// Everything that lives here, by external id.
    pub fn files(&self) -> impl Iterator<Item = (&ExternalId, &File)> {
        self.files.iter()
    }

    /// How many changes there have been: the mark to hand to [`Connection::changed_since`] later.
    pub fn mark(&self) -> usize {
        self.log.len()
    }

    /// What changed after a mark, each once, in the order of its last change; `None` for what is gone.
    pub fn changed_since(&self, mark: usize) -> impl Iterator<Item = (&ExternalId, Option<&File>)> {
        let mut last = BTreeMap::new();
        for (position, id) in self.log.iter().enumerate().skip(mark) {
            last.insert(id, position);
        }
        let mut changed: Vec<_> = last.into_iter().collect();
        changed.sort_by_key(|&(_, position)| position);
        changed.into_iter().map(|(id, _)| (id, self.get(id)))
    }

    fn put(&mut self, id: ExternalId, file: File) {
        self.log.push(id.clone());
        self.files.insert(id, file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_once_each_with_what_is_there_now() {
        let now = Moment::from_millis(0);
        let mut drive = Connection::new(&ProjectId::from("p"), &UserId::from("u"), "googledrive");
        let (a, b) = (drive.create(File::named("a"), now), drive.create(File::named("b"), now));
        let mark = drive.mark();
        drive.update(&b, |file| file.name = "b2".into(), now);
        drive.delete(&a);
        drive.update(&b, |file| file.name = "b3".into(), now);
        let changed: Vec<_> = drive.changed_since(mark).map(|(id, file)| (id, file.map(|f| f.name.as_str()))).collect();
        assert_eq!(changed, [(&a, None), (&b, Some("b3"))]);
        assert!(!drive.update(&a, |_| (), now), "what is gone cannot change");
        assert_eq!(drive.delete(&a), None);
    }
}

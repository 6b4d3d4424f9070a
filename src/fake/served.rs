use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::faults::Decision;
use crate::contract::SyncId;

/// The versions of records that were served, for each sync.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Served(BTreeMap<SyncId, Versions>);

impl Served {
    /// Notes the versions that a call has served, unless its response is lost on the way.
    pub(super) fn note(&mut self, strike: &Decision, sync: &SyncId, versions: impl IntoIterator<Item = usize>) {
        if strike.is_lost() {
            return;
        }
        if !self.0.contains_key(sync) {
            self.0.insert(sync.clone(), Versions::default());
        }
        let Some(served) = self.0.get_mut(sync) else { return };
        versions.into_iter().for_each(|version| served.insert(version));
    }

    pub(super) fn forget(&mut self, sync: &SyncId) {
        self.0.remove(sync);
    }

    pub(super) fn has(&self, sync: &SyncId, version: usize) -> bool {
        self.0.get(sync).is_some_and(|versions| versions.contains(version))
    }
}

/// A set of versions, with one bit for each version. In JSON it is a string with 16 hexadecimal digits for every 64
/// versions, because programs that read every number as a float would lose some versions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Versions(Vec<u64>);

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.0.iter().fold(Self::new(), |text, word| text + &format!("{word:016x}"))
    }
}

impl TryFrom<String> for Versions {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let word = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let words: Option<_> = text.as_bytes().chunks(16).map(word).collect();
        words.map(Self).ok_or_else(|| format!("expected hexadecimal digits, got {text:?}"))
    }
}

impl Versions {
    fn insert(&mut self, version: usize) {
        let word = version / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (version % 64);
    }

    fn contains(&self, version: usize) -> bool {
        self.0.get(version / 64).is_some_and(|word| word >> (version % 64) & 1 == 1)
    }
}

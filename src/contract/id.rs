use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[serde(from = "String")]
        // The text is shared through an `Arc`, because every logged call and event holds ids, and cloning an id must be
        // cheap.
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the id as it appears in JSON.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<String>> From<T> for $name {
            fn from(id: T) -> Self {
                Self(id.into().into())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        /// Lets maps keyed by this id be looked up with the `&str` from a request path.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

ids! {
    /// Id of a company's project in Paragon: the last part of a token's `aud`.
    ProjectId
    /// Id of a Connected User: `user.id` of an event, `sub` of a token.
    UserId
    /// Id of one connected account of a user: `credentialId`.
    CredentialId
    /// Id of a sync: `syncInstanceId` of an event, `id` in the Sync API.
    SyncId
    /// Paragon's id of a record: `recordId` of an event, `id` of a record.
    RecordId
    /// The provider's id of a record: `externalId`.
    ExternalId
}

impl ProjectId {
    /// Returns the project id for a seed. All other ids that are derived from the seed depend on the project id.
    pub(crate) fn from_seed(seed: u64) -> Self {
        Self::from(Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("paragon-testkit:{seed}").as_bytes()).to_string())
    }
}

impl UserId {
    /// Returns a user id that differs for every project, seed and case.
    pub(crate) fn for_case(project: &ProjectId, seed: u64, case: &str) -> Self {
        let id = derive(&["user", project.as_str(), &seed.to_string(), case]).replace('-', "").to_uppercase();
        Self::from(format!("user_{}", &id[..26]))
    }
}

impl SyncId {
    /// Derives a sync id. The same project, user, integration, pipeline and configuration name always give the same id.
    /// Documented: a sync that is deleted and created again has its old id. Observed: the id is a version 5 UUID.
    pub(crate) fn derive(
        project: &ProjectId,
        user: &UserId,
        integration: &str,
        pipeline: &str,
        configuration: &str,
    ) -> Self {
        Self::from(derive(&["sync", project.as_str(), user.as_str(), integration, pipeline, configuration]))
    }
}

impl CredentialId {
    /// Derives a credential id. `account` distinguishes several accounts of a user in one integration.
    pub(crate) fn derive(project: &ProjectId, user: &UserId, integration: &str, account: &str) -> Self {
        Self::from(derive(&["credential", project.as_str(), user.as_str(), integration, account]))
    }
}

/// A mapping between the numbers below 2^60 and the ids of one scope.
///
/// Every number has its own id. An id is converted back to its number without a table, so that millions of records cost
/// no memory. The ids look like any version 5 UUID: 60 bits hold the scrambled number, and 62 bits are a checksum that
/// shows whether an id belongs to the scope.
///
/// A record keeps its id while its sync exists, and has another id in another sync (rule `record.id`, observed).
///
/// In JSON, a numbering is a string, because programs that read every number as a float would lose its last digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Numbering {
    key: u64,
}

impl From<Numbering> for String {
    fn from(numbering: Numbering) -> Self {
        format!("{:016x}", numbering.key)
    }
}

impl TryFrom<String> for Numbering {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let key = u64::from_str_radix(&text, 16).map_err(|_| format!("expected 16 hexadecimal digits, got {text:?}"));
        key.map(|key| Self { key })
    }
}

const SIXTY: u64 = (1 << 60) - 1;
const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];

impl Numbering {
    /// Creates the numbering of a scope, such as `["record", sync]`.
    pub(crate) fn of(scope: &[&str]) -> Self {
        let bytes = Uuid::new_v5(&Uuid::NAMESPACE_OID, name(scope).as_bytes()).into_bytes();
        Self { key: u64::from_le_bytes(std::array::from_fn(|i| bytes[i])) }
    }

    /// Returns the id of a number. The number must be below 2^60.
    pub(crate) fn id_of(self, number: u64) -> Uuid {
        let mixed = self.mix(number & SIXTY);
        let bits = u128::from(mixed >> 12) << 80 | u128::from(mixed & 0xfff) << 64 | u128::from(self.check(mixed));
        uuid::Builder::from_sha1_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// Returns the number of an id; `None` if the id does not belong to this scope.
    pub(crate) fn number_of(self, id: Uuid) -> Option<u64> {
        let bits = id.as_u128();
        let [high, low] = [bits >> 80, bits >> 64 & 0xfff].map(|part| u64::try_from(part).unwrap_or_default());
        let number = self.unmix(high << 12 | low);
        (self.id_of(number) == id).then_some(number)
    }

    fn mix(self, number: u64) -> u64 {
        let mut x = number ^ self.key & SIXTY;
        for odd in ODD {
            x = (x ^ x >> 30).wrapping_mul(odd) & SIXTY;
        }
        x ^ x >> 30
    }

    /// Reverses [`Numbering::mix`]. XOR with a shift by 30, half of the 60 bits, is its own inverse. Multiplication by
    /// an odd factor has an inverse modulo 2^60.
    fn unmix(self, mixed: u64) -> u64 {
        let mut x = mixed ^ mixed >> 30;
        for odd in [ODD[1], ODD[0]] {
            x = x.wrapping_mul(inverse(odd)) & SIXTY;
            x ^= x >> 30;
        }
        x ^ self.key & SIXTY
    }

    fn check(self, mixed: u64) -> u64 {
        scramble(mixed ^ self.key.rotate_left(32))
    }
}

/// Returns the inverse of an odd number modulo 2^64 by Newton's method. Each step doubles the number of correct bits.
fn inverse(odd: u64) -> u64 {
    (0..5).fold(odd, |x, _| x.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(x))))
}

/// Applies the finalizer of `SplitMix64`. Every bit of the result depends on every bit of the input.
pub(crate) fn scramble(number: u64) -> u64 {
    let x = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn derive(parts: &[&str]) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_OID, name(parts).as_bytes()).to_string()
}

/// Joins the parts, each prefixed with its length, so that different lists of parts never give the same text.
fn name(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |name, part| format!("{name}{}:{part};", part.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_5_and_depend_on_every_part() {
        let project = ProjectId::from_seed(1);
        let user = UserId::from("ada");
        let id = SyncId::derive(&project, &user, "googledrive", "files", "default");
        assert_eq!(id, SyncId::derive(&project, &user, "googledrive", "files", "default"));
        assert_ne!(id, SyncId::derive(&project, &user, "googledrive", "files", "other"));
        assert_ne!(id, SyncId::derive(&project, &UserId::from("bob"), "googledrive", "files", "default"));
        assert_ne!(id, SyncId::derive(&ProjectId::from_seed(2), &user, "googledrive", "files", "default"));
        assert_eq!(Uuid::parse_str(id.as_str()).map(|id| id.get_version_num()), Ok(5));
        assert_ne!(derive(&["ab", "c"]), derive(&["a", "bc"]));
    }

    #[test]
    fn ids_do_not_change_between_versions_of_this_crate() {
        let project = ProjectId::from_seed(1);
        let user = UserId::from("ada");
        assert_eq!(project.as_str(), "9bffb16f-2fb0-5959-ba58-6d28069ff330");
        assert_eq!(UserId::for_case(&project, 1, "a case").as_str(), "user_CC17A2AA98415B998DCEDF11FA");
        let sync = SyncId::derive(&project, &user, "googledrive", "files", "default");
        assert_eq!(sync.as_str(), "5fb56ebd-ac84-5142-bde5-a070c1bf6389");
        let credential = CredentialId::derive(&project, &user, "googledrive", "default");
        assert_eq!(credential.as_str(), "1ccff115-f2a4-5cef-8276-5572af2ac65a");
        let ids = [0, 1].map(|number| Numbering::of(&["record", "a"]).id_of(number).to_string());
        assert_eq!(ids, ["f875b0b2-3813-5207-aa61-ab5b4e1291a9", "a6600952-1566-552a-8674-0d1478c3be3a"]);
    }

    #[test]
    fn a_numbering_survives_json_to_the_last_digit() {
        for (key, json) in [(7, r#""0000000000000007""#), (u64::MAX, r#""ffffffffffffffff""#)] {
            let numbering = Numbering { key };
            assert_eq!(serde_json::to_string(&numbering).unwrap(), json);
            assert_eq!(serde_json::from_str::<Numbering>(json).unwrap(), numbering);
        }
        let error = serde_json::from_str::<Numbering>(r#""seven""#).unwrap_err();
        insta::assert_snapshot!(error, @r#"expected 16 hexadecimal digits, got "seven""#);
    }

    #[test]
    fn scrambling_matches_the_published_numbers_of_split_mix() {
        // `SplitMix64` starts from the seed, here 1,234,567, and adds this constant to its state at each step.
        let states = [1, 2, 3].map(|step| 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(step).wrapping_add(1_234_567));
        let published = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(states.map(scramble), published);
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_read_back_from_ids_of_their_scope_only(number in 0..=SIXTY, bit in 0..128_u32) {
            let (here, there) = (Numbering::of(&["record", "a"]), Numbering::of(&["record", "b"]));
            let id = here.id_of(number);
            proptest::prop_assert_eq!(id.get_version_num(), 5);
            proptest::prop_assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
            proptest::prop_assert_eq!(here.number_of(id), Some(number));
            proptest::prop_assert_eq!(there.number_of(id), None);
            proptest::prop_assert_eq!(here.number_of(Uuid::from_u128(id.as_u128() ^ 1 << bit)), None);
        }
    }
}

use serde::{Deserialize, Serialize};

use crate::contract::scramble;

/// Probability from 0 (never) to 1 (always), in steps of one millionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Probability(u32);

impl Probability {
    /// Probability 1: always.
    pub const ALWAYS: Self = Self(Self::ONE);
    const ONE: u32 = 1_000_000;

    /// Returns whether this probability selects `choice`, a number that is uniformly distributed over all `u64`.
    pub(crate) fn takes(self, choice: u64) -> bool {
        (u128::from(choice) * u128::from(Self::ONE)) >> 64 < u128::from(self.0)
    }
}

impl TryFrom<f64> for Probability {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("expected a probability from 0 to 1, got {value}"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
        Ok(Self((value * f64::from(Self::ONE)).round() as u32))
    }
}

impl From<Probability> for f64 {
    fn from(probability: Probability) -> Self {
        Self::from(probability.0) / Self::from(Probability::ONE)
    }
}

/// Returns a pseudo-random number that is uniformly distributed over all `u64`. The same parts always give the same
/// number.
pub(super) fn choose(parts: &[u64]) -> u64 {
    parts.iter().fold(0, |state, part| scramble(state.wrapping_add(0x9E37_79B9_7F4A_7C15) ^ scramble(*part)))
}

/// Maps a number from [`choose`] to a fraction from 0 to below 1.
pub(super) fn fraction(choice: u64) -> f64 {
    f64::from(u32::try_from(choice >> 32).unwrap_or(u32::MAX)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_takes_its_share_of_the_lowest_choices() {
        let [never, half] = [0.0, 0.5].map(|share| Probability::try_from(share).unwrap());
        for choice in [0, 1 << 40, u64::MAX] {
            assert!(!never.takes(choice) && Probability::ALWAYS.takes(choice), "{choice}");
        }
        assert!(half.takes(0) && half.takes((1 << 63) - 1));
        assert!(!half.takes(1 << 63) && !half.takes(u64::MAX));
    }

    #[test]
    fn a_fraction_is_below_one() {
        for (choice, from, to) in [(0, 0.0, 0.001), (1 << 63, 0.499, 0.501), (u64::MAX, 0.999, 1.0)] {
            assert!((from..to).contains(&fraction(choice)), "{choice}");
        }
    }
}

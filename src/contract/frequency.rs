use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The time between two incremental syncs: `incrementalAccumulatorFrequency`. The eight variants are documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Frequency {
    /// One minute, `1m`.
    #[serde(rename = "1m")]
    OneMinute,
    /// Five minutes, `5m`.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// Ten minutes, `10m`.
    #[serde(rename = "10m")]
    TenMinutes,
    /// Thirty minutes, `30m`.
    #[serde(rename = "30m")]
    ThirtyMinutes,
    /// One hour, `1h`.
    #[serde(rename = "1h")]
    OneHour,
    /// Three hours, `3h`.
    #[serde(rename = "3h")]
    ThreeHours,
    /// Six hours, `6h`.
    #[serde(rename = "6h")]
    SixHours,
    /// One day, `24h`.
    #[serde(rename = "24h")]
    Day,
}

impl Frequency {
    /// All frequencies, the shortest interval first.
    pub const ALL: [Self; 8] = [
        Self::OneMinute,
        Self::FiveMinutes,
        Self::TenMinutes,
        Self::ThirtyMinutes,
        Self::OneHour,
        Self::ThreeHours,
        Self::SixHours,
        Self::Day,
    ];

    /// Returns the name in the API, such as `30m`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::TenMinutes => "10m",
            Self::ThirtyMinutes => "30m",
            Self::OneHour => "1h",
            Self::ThreeHours => "3h",
            Self::SixHours => "6h",
            Self::Day => "24h",
        }
    }

    /// Returns the frequency with this name; `None` if the name is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|frequency| frequency.name() == name)
    }

    /// Returns the time between two runs.
    pub const fn interval(self) -> Duration {
        Duration::from_secs(match self {
            Self::OneMinute => 60,
            Self::FiveMinutes => 300,
            Self::TenMinutes => 600,
            Self::ThirtyMinutes => 1_800,
            Self::OneHour => 3_600,
            Self::ThreeHours => 10_800,
            Self::SixHours => 21_600,
            Self::Day => 86_400,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_frequencies_are_those_of_the_schema_and_match_their_duration() {
        let schemas = crate::contract::schemas();
        let schema = &schemas.iter().find(|schema| schema.name == "common/frequency").unwrap().json;
        assert_eq!(schema["enum"], serde_json::json!(Frequency::ALL.map(Frequency::name)));
        for frequency in Frequency::ALL {
            assert_eq!(Frequency::from_name(frequency.name()), Some(frequency));
            assert_eq!(serde_json::to_value(frequency).unwrap(), frequency.name());
            let parsed: jiff::SignedDuration = frequency.name().parse().unwrap();
            assert_eq!(Duration::try_from(parsed).unwrap(), frequency.interval());
        }
        assert_eq!(Frequency::from_name("2m"), None);
    }
}

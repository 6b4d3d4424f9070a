use super::{Policy, PolicyError, PolicyErrorKind};

macro_rules! presets {
    ($($name:literal)*) => {
        [$(($name, include_str!(concat!("presets/", $name, ".json")))),*]
    };
}

impl Policy {
    /// Names of the presets, each with its policy as JSON.
    pub const PRESETS: [(&str, &str); 12] = presets! {
        "paragon-documented" "paragon-assumed" "standard-webhooks" "svix" "svix-open-source" "strict-fast"
        "head-of-line" "no-retry" "drop-4xx" "immediate-3" "gone-disables" "rate-disable"
    };

    /// Returns a preset: the behavior that is known of a sender. Cells that are not confirmed are open.
    ///
    /// # Errors
    ///
    /// When there is no preset of this name.
    ///
    /// ```
    /// use paragon_testkit::delivery::Policy;
    ///
    /// let svix = Policy::preset("svix")?;
    /// assert_eq!(svix.timeout, Some(std::time::Duration::from_secs(15)));
    /// assert!(svix.open_cells().contains(&"jitter"), "unpublished");
    /// # Ok::<(), paragon_testkit::delivery::PolicyError>(())
    /// ```
    pub fn preset(name: &str) -> Result<Self, PolicyError> {
        let found = Self::PRESETS.iter().find(|(preset, _)| *preset == name);
        let (name, text) = found.ok_or_else(|| PolicyErrorKind::Unknown { name: name.to_owned() })?;
        Ok(serde_json::from_str(text).unwrap_or_else(|error| unreachable!("preset {name}: {error}")))
    }

    /// Returns a preset with its open cells filled from [`Policy::paragon_assumed`]. Only `paragon-documented` is not
    /// filled and therefore cannot run, because you must choose knowingly what Paragon leaves open.
    ///
    /// # Errors
    ///
    /// When there is no preset of this name.
    pub fn preset_filled(name: &str) -> Result<Self, PolicyError> {
        let preset = Self::preset(name)?;
        let stays = name == "paragon-documented";
        Ok(if stays { preset } else { preset.with_fallback(&Self::paragon_assumed()) })
    }

    /// Returns the policy that Paragon documents: a 2xx response delivers an event. All other cells are open, so the
    /// policy cannot run as it is.
    pub fn paragon_documented() -> Self {
        Self::own("paragon-documented")
    }

    /// Returns our guess at the policy of Paragon, which documents only "2xx", "timely" and "repeatedly". The guess is
    /// a timeout of 10 s, six attempts within about 4 h 42 min, a webhook that is disabled after 20 failures in a row,
    /// and one request at a time.
    pub fn paragon_assumed() -> Self {
        Self::own("paragon-assumed")
    }

    fn own(name: &str) -> Self {
        Self::preset(name).unwrap_or_else(|error| unreachable!("{error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Contract, Grade, Layer};

    #[test]
    fn each_preset_names_its_source_and_runs_when_it_is_filled() {
        for (name, _) in Policy::PRESETS {
            let preset = Policy::preset(name).unwrap();
            assert_eq!(preset.name, name);
            assert!(!preset.source.is_empty() && !preset.note.is_empty(), "{name}");
            assert_eq!(preset.checked, "2026-11", "{name}");
            assert!(preset.filled.is_empty());
            let filled = Policy::preset_filled(name).unwrap();
            assert_eq!(filled.rules().is_err(), name == "paragon-documented", "{name}: {:?}", filled.rules());
            if name != "paragon-documented" {
                assert_eq!(filled.filled, preset.open_cells(), "{name}");
            }
            let preset: serde_json::Value = serde_json::to_value(&preset).unwrap();
            assert_eq!(
                Contract { layer: Layer::Strict, ..Contract::default() }.validate("policy", &preset),
                [],
                "{name}"
            );
            let written = serde_json::to_string(&filled).unwrap();
            assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), filled);
        }
    }

    #[test]
    fn the_presets_of_paragon_have_their_grades() {
        assert_eq!(Policy::paragon_documented().grade, Grade::Documented);
        assert_eq!(Policy::paragon_assumed().grade, Grade::Assumed);
        let open = Policy::paragon_documented().open_cells();
        assert_eq!(open.len(), Policy::CELLS.len() - 1, "all but `success`");
        let error = Policy::preset("svxi").unwrap_err();
        assert!(error.is_unknown() && error.open_cells().is_empty() && error.cell().is_none());
        let error = error.to_string();
        assert!(error.starts_with("there is no policy \"svxi\"; the policies are paragon-documented,"), "{error}");
        let error = Policy::paragon_documented().rules().unwrap_err();
        assert_eq!((error.open_cells(), error.cell(), error.is_unknown()), (&*open, None, false));
    }
}

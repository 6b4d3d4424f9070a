use serde::{Deserialize, Serialize};

/// The type of objects that a sync pulls. The six variants are documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pipeline {
    /// Files and folders.
    Files,
    /// People.
    Contacts,
    /// Companies.
    Companies,
    /// Deals.
    Deals,
    /// Objects of types that the customer defined.
    CustomObjects,
    /// Tickets.
    Tickets,
}

impl Pipeline {
    /// All pipelines, in the order of Paragon's own list.
    pub const ALL: [Self; 6] =
        [Self::Files, Self::Contacts, Self::Companies, Self::Deals, Self::CustomObjects, Self::Tickets];

    /// Returns the name in the API, such as `custom_objects`. The events carry this name as `model`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::Contacts => "contacts",
            Self::Companies => "companies",
            Self::Deals => "deals",
            Self::CustomObjects => "custom_objects",
            Self::Tickets => "tickets",
        }
    }

    /// Returns the pipeline with this name; `None` if the name is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pipeline| pipeline.name() == name)
    }

    /// Returns the name of the schema of the pipeline's records, such as `records/custom_object`.
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Files => "records/file",
            Self::Contacts => "records/contact",
            Self::Companies => "records/company",
            Self::Deals => "records/deal",
            Self::CustomObjects => "records/custom_object",
            Self::Tickets => "records/ticket",
        }
    }
}

impl std::fmt::Display for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::schemas;

    #[test]
    fn names_of_pipelines_are_those_of_the_schema() {
        let listed = &schemas().iter().find(|schema| schema.name == "common/pipeline").unwrap().json["enum"];
        assert_eq!(listed, &serde_json::json!(Pipeline::ALL.map(Pipeline::name)));
        for pipeline in Pipeline::ALL {
            assert_eq!(Pipeline::from_name(pipeline.name()), Some(pipeline));
            assert_eq!(serde_json::to_value(pipeline).unwrap(), pipeline.name());
            assert!(schemas().iter().any(|schema| schema.name == pipeline.schema()), "{pipeline}");
        }
        assert_eq!(Pipeline::from_name("messages"), None);
    }
}

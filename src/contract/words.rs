/// Words that generated names consist of.
pub(crate) const WORDS: [&str; 16] = [
    "quarterly",
    "report",
    "draft",
    "invoice",
    "contract",
    "roadmap",
    "notes",
    "budget",
    "plan",
    "review",
    "summary",
    "proposal",
    "figures",
    "agenda",
    "minutes",
    "offer",
];

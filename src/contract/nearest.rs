/// Returns the known name with the highest likeness, from 0 to 1. Returns `None` if no likeness is at least 0.8.
pub(crate) fn nearest<'a>(known: impl Iterator<Item = &'a str>, likeness: impl Fn(&str) -> f64) -> Option<&'a str> {
    let scored = known.map(|name| (likeness(name), name));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|(likeness, _)| *likeness >= 0.8).map(|(_, name)| name)
}

use std::fmt::{Debug, Write as _};

use crate::contract::{Event, Fixture, fixtures};

/// Calls a handler with every shipped event, one after the other. Returns the name of each fixture, and below it the
/// result of the handler.
///
/// Events of older revisions are converted to the newest one, as [`Revision::read`](crate::contract::Revision::read)
/// does. Events that [`Event::parse`] does not read are left out. A panic of the handler is not caught, and the name of
/// the fixture is printed on stderr.
///
/// ```
/// use paragon_testkit::contract::Event;
/// use paragon_testkit::snapshot::handled;
///
/// // In a test: insta::assert_snapshot!(handled(|event| …))
/// let text = handled(|event| match event {
///     Event::RecordDeleted(deleted) => format!("remove a {}", deleted.data.model),
///     Event::RecordCreated(_) | Event::RecordUpdated(_) => "fetch it".to_owned(),
///     other => format!("nothing to do at {}", other.name()),
/// });
/// assert!(text.contains("webhooks/record_deleted/documented\n    \"remove a files\"\n"), "{text}");
/// ```
pub fn handled<T: Debug>(mut handler: impl FnMut(Event) -> T) -> String {
    let mut told = String::new();
    for (fixture, event) in events() {
        let naming = Naming(&fixture.name);
        tell(&mut told, &fixture.name, &handler(event));
        drop(naming);
    }
    told
}

/// Does the same as [`handled`] for an async handler.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use paragon_testkit::snapshot::handled_async;
///
/// let text = handled_async(async |event| event.record_id().is_some()).await;
/// assert!(text.starts_with("webhooks/record_created/"), "{text}");
/// # }
/// ```
pub async fn handled_async<T: Debug>(mut handler: impl AsyncFnMut(Event) -> T) -> String {
    let mut told = String::new();
    for (fixture, event) in events() {
        let naming = Naming(&fixture.name);
        tell(&mut told, &fixture.name, &handler(event).await);
        drop(naming);
    }
    told
}

fn events() -> impl Iterator<Item = (&'static Fixture, Event)> {
    let valid = fixtures().iter().filter(|fixture| fixture.name.starts_with("webhooks/"));
    valid.filter_map(|fixture| {
        let newest = fixture.revision.read(fixture.schema(), &fixture.body);
        Some((fixture, Event::from_value(newest).ok()?))
    })
}

fn tell(told: &mut String, name: &str, made: &impl Debug) {
    let _ = writeln!(told, "{name}");
    for line in format!("{made:#?}").lines() {
        let _ = writeln!(told, "    {line}");
    }
}

/// Prints the name of the fixture if the handler panics.
struct Naming<'a>(&'a str);

impl Drop for Naming<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the handler panicked on the fixture {}", self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{EventKind, Layer};

    #[test]
    fn every_valid_event_of_every_age_is_handled() {
        let mut seen = Vec::new();
        let told = handled(|event| seen.push(event.name().to_owned()));
        for kind in EventKind::ALL {
            assert!(seen.iter().any(|name| name == kind.name()), "{kind}");
        }
        let all = fixtures().iter().filter(|fixture| fixture.name.starts_with("webhooks/"));
        let strict = all.filter(|fixture| fixture.layer == Layer::Strict);
        let missing: Vec<_> = strict.filter(|fixture| !told.contains(&format!("{}\n", fixture.name))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

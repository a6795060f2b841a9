//! New ids.

use uuid::Uuid;

/// A new id: a UUIDv7, so that ids made later sort later and indexes grow at one end.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn new() -> Uuid {
    Uuid::now_v7()
}

/// A new id that tells nothing about when it was made: for ids that strangers get to see and must not guess.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn random() -> Uuid {
    Uuid::new_v4()
}

/// The id a wire text stands for; `None` unless it is a UUID in its hyphenated form.
pub fn parse(text: &str) -> Option<Uuid> {
    (text.len() == 36).then(|| Uuid::try_parse(text).ok())?
}

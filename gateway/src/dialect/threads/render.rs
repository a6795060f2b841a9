//! One message store, two renderings.

pub(super) mod flat;
pub(super) mod paired;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// The sources of an answer, which are stored as the JSON array they came as. Most messages have none.
pub(super) struct Sources(Option<Box<RawValue>>);

impl Sources {
    fn of(json: String) -> Self {
        Self((!json.is_empty()).then(|| RawValue::from_string(json).ok()).flatten())
    }
}

impl Serialize for Sources {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(json) => json.serialize(serializer),
            None => serializer.collect_seq(std::iter::empty::<()>()),
        }
    }
}

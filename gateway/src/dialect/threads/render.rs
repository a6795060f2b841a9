//! One message store, two renderings.

pub(super) mod flat;
pub(super) mod paired;

use serde_json::value::RawValue;

/// The sources of an answer, which are stored as the JSON array they came as.
fn sources(json: String) -> Box<RawValue> {
    RawValue::from_string(json)
        .unwrap_or_else(|_| RawValue::from_string("[]".to_owned()).expect("an empty array is JSON"))
}

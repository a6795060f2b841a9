//! JSON objects on the wire.

use platform::fault::Violation;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as WireValue};
use serde_json::{Map, Value};

/// The largest integer up to which a double tells every two integers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The JSON of a protobuf `Struct`. Its numbers are doubles; whole ones become integers again.
pub(super) fn from_struct(field: &str, object: Struct) -> Result<Value, Violation> {
    object
        .fields
        .into_iter()
        .map(|(name, value)| Ok((name, from_value(field, value)?)))
        .collect::<Result<Map<_, _>, _>>()
        .map(Value::Object)
}

fn from_value(field: &str, value: WireValue) -> Result<Value, Violation> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::NumberValue(number)) => from_number(number)
            .ok_or_else(|| Violation::new(field, "must not contain a number that JSON does not have"))?,
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .map(|value| from_value(field, value))
            .collect::<Result<_, _>>()
            .map(Value::Array)?,
        Some(Kind::StructValue(object)) => from_struct(field, object)?,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
fn from_number(number: f64) -> Option<Value> {
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Some(Value::from(number as i64));
    }
    serde_json::Number::from_f64(number).map(Value::Number)
}

/// The protobuf `Struct` of a JSON object.
pub(super) fn to_struct(object: Value) -> Struct {
    let Value::Object(members) = object else {
        return Struct::default();
    };
    Struct {
        fields: members
            .into_iter()
            .map(|(name, value)| (name, to_value(value)))
            .collect(),
    }
}

fn to_value(value: Value) -> WireValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(to_value).collect(),
        }),
        object @ Value::Object(_) => Kind::StructValue(to_struct(object)),
    };
    WireValue { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_survives_the_wire() {
        let object = json!({"a": [1, -2.5, null, true, {"b": "c"}], "d": 9_007_199_254_740_992_i64});
        assert_eq!(from_struct("m", to_struct(object.clone())), Ok(object));
    }

    #[test]
    fn a_number_that_json_does_not_have_is_refused() {
        for number in [f64::NAN, f64::INFINITY] {
            let object = Struct {
                fields: [(
                    "a".to_owned(),
                    WireValue {
                        kind: Some(Kind::NumberValue(number)),
                    },
                )]
                .into(),
            };
            assert_eq!(from_struct("m", object).unwrap_err().field, "m");
        }
    }
}

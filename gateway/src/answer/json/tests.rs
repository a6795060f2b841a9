use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

fn written<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(text(value, 0).unwrap()).unwrap()
}

fn reads_like_serde_json<T: Serialize + ?Sized>(value: &T) {
    assert_eq!(written(value), serde_json::to_string(value).unwrap());
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Everything<'a> {
    first_text: &'a str,
    character: char,
    bytes: (u8, i8, u16, i16, u32, i32),
    large: [i64; 2],
    largest: u64,
    floats: (f32, f64, f64),
    nothing: Option<()>,
    something: Option<bool>,
    unit: Unit,
    wrapped: Wrapped,
    pair: Pair,
    variants: Vec<Variant>,
    map: BTreeMap<&'static str, Option<i32>>,
    #[serde(flatten)]
    rest: Rest,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<i32>,
    empty: Vec<i32>,
    no_members: Empty,
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct Wrapped(&'static str);
#[derive(Serialize)]
struct Pair(i32, bool);
#[derive(Serialize)]
struct Empty {}
#[derive(Serialize)]
struct Rest {
    more: i32,
}

#[derive(Serialize)]
enum Variant {
    #[serde(rename = "UNIT")]
    Unit,
    Newtype(i32),
    Tuple(i32, &'static str),
    Struct {
        member: i32,
        other: Option<i32>,
    },
}

#[test]
fn every_form_of_value_reads_like_the_library_s() {
    reads_like_serde_json(&Everything {
        first_text: "a \"text\"\n",
        character: '\u{1f}',
        bytes: (u8::MAX, i8::MIN, u16::MAX, i16::MIN, u32::MAX, i32::MIN),
        large: [i64::MIN, i64::MAX],
        largest: u64::MAX,
        floats: (1.5, 0.1, f64::NAN),
        nothing: None,
        something: Some(true),
        unit: Unit,
        wrapped: Wrapped("within"),
        pair: Pair(1, false),
        variants: vec![
            Variant::Unit,
            Variant::Newtype(1),
            Variant::Tuple(2, "two"),
            Variant::Struct { member: 3, other: None },
        ],
        map: BTreeMap::from([("one", Some(1)), ("none", None)]),
        rest: Rest { more: 4 },
        absent: None,
        empty: Vec::new(),
        no_members: Empty {},
    });
}

#[test]
fn json_that_is_text_already_is_written_as_it_is() {
    let raw = RawValue::from_string(r#"{ "a" : [1.0, "\u0041"] }"#.to_owned()).unwrap();
    reads_like_serde_json(&raw);
    reads_like_serde_json(&[Some(&raw), None]);
    assert_eq!(written(&raw), raw.get());
}

#[test]
fn a_key_that_is_no_text_is_refused() {
    assert!(text(&BTreeMap::from([(1, 2)]), 0).is_err());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::btree_map(any_text(), inner, 0..8).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Of every length that is looked at differently, with what is to be escaped anywhere or nowhere.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "[a-zäö€😀]{0,40}[\u{0}-\u{21}\"\\\\\u{7f}]?[a-z]{0,20}",
        any::<String>()
    ]
}

proptest! {
    #[test]
    fn any_value_reads_like_the_library_s(value in any_value()) {
        reads_like_serde_json(&value);
    }
}

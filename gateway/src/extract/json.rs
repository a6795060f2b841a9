//! JSON bodies: read fast, and explained when they can't be read.

use std::marker::PhantomData;

use http::HeaderValue;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};

use crate::errors::Failure;

/// `application/json` or `application/<anything>+json`, whatever its parameters.
pub(super) fn is_json(kind: &HeaderValue) -> bool {
    let kind = kind.as_bytes();
    let essence = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let prefix = b"application/";
    essence.split_at_checked(prefix.len()).is_some_and(|(start, rest)| {
        let rest = rest.to_ascii_lowercase();
        start.eq_ignore_ascii_case(prefix) && (rest == b"json" || rest.ends_with(b"+json"))
    })
}

/// Deeper documents are refused, even where they would be ignored. serde_json by itself stops at 128.
const DEPTH: usize = 100;

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| Failure::invalid("body", "must be UTF-8"))?;
    if too_deep(body) {
        return Err(Failure::invalid(
            "body",
            format!("must not be nested deeper than {DEPTH} levels"),
        ));
    }
    // U+0000 can only come as an escape. No text can be stored with it, whichever member it is in.
    if text.contains("\\u0000")
        && let Ok(value) = serde_json::from_str::<serde_json::Value>(text)
        && let Some(path) = path_of_nul(&value)
    {
        return Err(Failure::invalid(path, "must not contain U+0000"));
    }
    // Knowing where an error was costs time on every member, so it is only asked for when there is one.
    serde_json::from_str(text).map_err(|_| explain::<T>(text))
}

fn too_deep(body: &[u8]) -> bool {
    let opening = |byte: &&u8| matches!(byte, b'[' | b'{');
    if body.iter().filter(opening).count() <= DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    body.iter().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => depth += 1,
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > DEPTH
    })
}

fn path_of_nul(value: &serde_json::Value) -> Option<String> {
    fn within(step: &str, value: &serde_json::Value) -> Option<String> {
        let rest = find(value)?;
        let dot = if rest.is_empty() || rest.starts_with('[') {
            ""
        } else {
            "."
        };
        Some(format!("{step}{dot}{rest}"))
    }
    fn find(value: &serde_json::Value) -> Option<String> {
        match value {
            serde_json::Value::String(text) => text.contains('\0').then(String::new),
            serde_json::Value::Array(items) => items
                .iter()
                .enumerate()
                .find_map(|(at, item)| within(&format!("[{at}]"), item)),
            serde_json::Value::Object(members) => members.iter().find_map(|(name, item)| {
                if name.contains('\0') {
                    return Some(name.replace('\0', "\u{fffd}"));
                }
                within(name, item)
            }),
            _ => None,
        }
    }
    find(value).map(|path| if path.is_empty() { "body".to_owned() } else { path })
}

/// What is wrong with a body that could not be read, and where.
fn explain<T: DeserializeOwned>(text: &str) -> Failure {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) else {
        return Failure::invalid("body", "must be one JSON value and nothing after it");
    };
    let path = error.path().to_string();
    let field = if path == "." || path == "?" {
        "body".to_owned()
    } else {
        path
    };
    let error = error.into_inner();
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(&*message, |(message, _)| message);
    if error.is_data() {
        let member = |prefix| message.strip_prefix(prefix)?.strip_suffix('`');
        let within = |name| {
            if field == "body" {
                name
            } else {
                format!("{field}.{name}")
            }
        };
        return if let Some(name) = member("missing field `") {
            Failure::invalid(within(name.to_owned()), "is required")
        } else if let Some(name) = member("duplicate field `") {
            Failure::invalid(within(name.to_owned()), "must be given once")
        } else {
            Failure::invalid(field, rule(message))
        };
    }
    let (line, column) = (error.line(), error.column());
    Failure::invalid(
        field,
        format!("is not valid JSON: {message} at line {line} column {column}"),
    )
}

/// serde's sentence as a rule: `invalid type: integer `5`, expected a string` becomes `must be a string`.
fn rule(message: &str) -> String {
    let Some((_, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    let expected = match expected {
        "i32" | "i64" | "u32" | "u64" => "an integer",
        "f64" => "a number",
        "a sequence" => "an array",
        "a map" => "an object",
        other => other,
    };
    format!("must be {expected}")
}

/// A JSON object. serde reads a struct from an array as well; a caller who sends one has made a mistake.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }

        deserializer.deserialize_map(Members(PhantomData)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Mode;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Sample {
        name: Option<String>,
        mode: Option<Mode>,
        count: Option<i32>,
        open: Option<bool>,
        tags: Option<Vec<String>>,
        chat_user: Option<Object<Inside>>,
    }

    #[derive(Debug, Deserialize)]
    struct Inside {
        email: String,
    }

    impl<T: std::fmt::Debug> std::fmt::Debug for Object<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    fn refusal(body: &[u8]) -> String {
        let failure = parse::<Object<Sample>>(body).map(|_| ()).unwrap_err();
        let response = axum::response::IntoResponse::into_response(failure);
        assert_eq!(response.status(), 400);
        let body = futures::executor::block_on(axum::body::to_bytes(response.into_body(), 1 << 16)).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let detail = &body["error"]["details"][0];
        format!(
            "{} {}",
            detail["field"].as_str().unwrap(),
            detail["message"].as_str().unwrap()
        )
    }

    #[test]
    fn a_wrong_value_is_named_with_its_rule() {
        for (body, expected) in [
            (r#"{"name":5}"#, "name must be a string"),
            (r#"{"mode":"HUMAN"}"#, "mode must be one of AI, AGENT"),
            (r#"{"mode":5}"#, "mode must be a string"),
            (r#"{"mode":{"AI":null}}"#, "mode must be a string"),
            (r#"{"count":"7"}"#, "count must be an integer"),
            (r#"{"count":99999999999}"#, "count must be an integer"),
            (r#"{"count":1.5}"#, "count must be an integer"),
            (r#"{"open":"true"}"#, "open must be a boolean"),
            (r#"{"tags":"a"}"#, "tags must be an array"),
            (r#"{"tags":["a",null]}"#, "tags[1] must be a string"),
            (r#"{"chatUser":{"email":[]}}"#, "chatUser.email must be a string"),
            (r#"{"chatUser":[]}"#, "chatUser must be an object"),
            (r#"{"chatUser":{}}"#, "chatUser.email is required"),
            (r#"{"chatUser":{"email":null}}"#, "chatUser.email must be a string"),
            (r#"{"name":"a","name":"b"}"#, "name must be given once"),
            ("[]", "body must be an object"),
            ("null", "body must be an object"),
            ("7", "body must be an object"),
            (r#"{"name":"a\u0000b"}"#, "name must not contain U+0000"),
            (
                r#"{"other":{"deep":["x\u0000"]}}"#,
                "other.deep[0] must not contain U+0000",
            ),
            (
                r#"{"chatUser":{"email":"\u0000"}}"#,
                "chatUser.email must not contain U+0000",
            ),
        ] {
            assert_eq!(refusal(body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn what_is_not_json_is_told_where_it_stops_being_it() {
        for body in [
            "{",
            "{\"name\"",
            "{\"name\":\"a\u{1}\"}",
            "{} {}",
            "{'name':1}",
            "{\"name\":\"\\ud800\"}",
            "",
            " ",
        ] {
            let text = refusal(body.as_bytes());
            assert!(text.contains("JSON"), "{body}: {text}");
        }
        assert_eq!(refusal(b"{\"name\":\"\xff\"}"), "body must be UTF-8");
    }

    #[test]
    fn ten_thousand_levels_are_refused_wherever_they_are() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        for body in [
            deep.clone(),
            format!(r#"{{"other":{deep}}}"#),
            format!(r#"{{"name":{deep}}}"#),
            "{\"a\":".repeat(10_000),
        ] {
            assert_eq!(
                refusal(body.as_bytes()),
                "body must not be nested deeper than 100 levels"
            );
        }
    }

    #[test]
    fn brackets_in_a_text_are_not_levels() {
        let body = format!(r#"{{"name":"\"{}"}}"#, "[{".repeat(5_000));
        assert!(parse::<Object<Sample>>(body.as_bytes()).is_ok());
    }

    #[test]
    fn null_and_unknown_members_are_the_same_as_absent() {
        let sample = parse::<Object<Sample>>(br#"{"name":null,"mode":null,"tags":null,"chatUser":null,"more":[1]}"#)
            .unwrap()
            .0;
        assert!(sample.name.is_none() && sample.mode.is_none() && sample.tags.is_none() && sample.chat_user.is_none());
        assert!(sample.count.is_none() && sample.open.is_none());
        let inside = parse::<Object<Sample>>(br#"{"chatUser":{"email":"a@b.example"}}"#)
            .unwrap()
            .0;
        assert_eq!(inside.chat_user.unwrap().0.email, "a@b.example");
    }

    #[test]
    fn an_escaped_backslash_before_u0000_is_a_harmless_text() {
        let sample = parse::<Object<Sample>>(br#"{"name":"\\u0000"}"#).unwrap().0;
        assert_eq!(sample.name.as_deref(), Some("\\u0000"));
    }

    #[test]
    fn json_has_more_than_one_content_type_and_a_form_is_none() {
        for kind in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/merge-patch+json",
        ] {
            assert!(is_json(&HeaderValue::from_static(kind)), "{kind}");
        }
        for kind in [
            "",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "multipart/form-data",
        ] {
            assert!(!is_json(&HeaderValue::from_static(kind)), "{kind}");
        }
    }
}

//! A request that was let in, taken apart. Every wrong part is named as the caller knows it.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequest, FromRequestParts as _, RawPathParams, Request};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use platform::Caller;
use platform::page::{MAX_PAGE, MAX_SIZE};
use proto::conversation::v1::conversation_service_client::ConversationServiceClient;
use proto::conversation::v1::directory_service_client::DirectoryServiceClient;
use proto::settings::v1::settings_service_client::SettingsServiceClient;
use proto::thread::v1::thread_service_client::ThreadServiceClient;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use tonic::metadata::MetadataMap;

use crate::errors::Failure;
use crate::words::Word;
use crate::{Gateway, Link};

/// How the caller sees the gateway, as far as the request itself does not say it.
#[derive(Clone, Copy)]
pub(crate) struct Front {
    /// He speaks TLS, with us or with a proxy of ours.
    pub(crate) tls: bool,
    /// `/api` was in front of the path.
    pub(crate) api: bool,
}

/// What the edge found out about a request, on its way to the handler.
#[derive(Clone)]
pub(crate) enum Admission {
    /// Who calls, and the whole body.
    Let { caller: Caller, body: Bytes, front: Front },
    /// Nobody we know. Answered by the handler, so that a path that does not exist stays a 404.
    Refused(tonic::Status),
}

/// A call: all that a handler needs of the request.
pub(crate) struct Call {
    /// Who calls.
    pub(crate) caller: Caller,
    /// What the gateway works with.
    pub(crate) gateway: Gateway,
    /// The header of the request.
    pub(crate) headers: HeaderMap,
    pub(crate) front: Front,
    body: Bytes,
    params: Option<RawPathParams>,
    pub(crate) uri: Uri,
}

impl FromRequest<Gateway> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        Self::read(request, gateway).await
    }
}

impl Call {
    /// The call behind a request, its path parameters as they are.
    pub(crate) async fn read(request: Request, gateway: &Gateway) -> Result<Self, Failure> {
        let (mut parts, _) = request.into_parts();
        let (caller, body, front) = match parts.extensions.remove::<Admission>() {
            Some(Admission::Let { caller, body, front }) => (caller, body, front),
            Some(Admission::Refused(status)) => return Err(status.into()),
            None => return Err(Failure::internal("a request came around the edge")),
        };
        let params = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(params) => Some(params),
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(error)) => {
                // The name of the parameter is only in the text.
                let text = error.body_text();
                let name = text.split('`').nth(1).unwrap_or("path");
                return Err(Failure::invalid(name, "must be UTF-8"));
            }
            Err(_) => None,
        };
        Ok(Self {
            caller,
            gateway: gateway.clone(),
            headers: parts.headers,
            front,
            body,
            params,
            uri: parts.uri,
        })
    }
}

/// Headers of the caller that go on to the services.
static PASSED_ON: [HeaderName; 3] = [
    AUTHORIZATION,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("traceparent"),
];

/// Ids are `[A-Za-z0-9._~-]{1,128}`.
const ID_BYTES: usize = 128;

impl Call {
    /// The thread context.
    pub(crate) fn threads(&self) -> ThreadServiceClient<Link> {
        self.gateway.0.thread.clone()
    }

    /// The settings context.
    pub(crate) fn settings(&self) -> SettingsServiceClient<Link> {
        self.gateway.0.settings.clone()
    }

    /// A message to a context, in the caller's name.
    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut metadata = HeaderMap::with_capacity(8);
        for name in &PASSED_ON {
            if let Some(value) = self.headers.get(name) {
                metadata.insert(name.clone(), value.clone());
            }
        }
        metadata.insert(
            HeaderName::from_static("grpc-timeout"),
            self.gateway.0.service_deadline.clone(),
        );
        tonic::Request::from_parts(
            MetadataMap::from_headers(metadata),
            tonic::Extensions::default(),
            message,
        )
    }

    /// The directory of people and queues.
    pub(crate) fn directory(&self) -> DirectoryServiceClient<Link> {
        self.gateway.0.directory.clone()
    }

    /// The conversations.
    pub(crate) fn conversations(&self) -> ConversationServiceClient<Link> {
        self.gateway.0.conversation.clone()
    }

    /// A path parameter as it is.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.params.iter().flatten();
        params.find(|(param, _)| *param == name).map(|(_, value)| value)
    }

    /// A path parameter, which is always an id.
    pub(crate) fn id(&self, name: &str) -> Result<String, Failure> {
        let value = self
            .params
            .iter()
            .flatten()
            .find(|(param, _)| *param == name)
            .map(|(_, value)| value)
            .ok_or_else(|| Failure::internal("a handler asks for a parameter its path does not have"))?;
        let fits = !value.is_empty()
            && value.len() <= ID_BYTES
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-'));
        if fits {
            Ok(value.to_owned())
        } else {
            Err(Failure::invalid(
                name,
                "must be 1 to 128 characters of A-Z a-z 0-9 . _ ~ -",
            ))
        }
    }

    /// `{chatbotId}`.
    pub(crate) fn chatbot(&self) -> Result<String, Failure> {
        self.id("chatbotId")
    }

    /// `{threadId}`.
    pub(crate) fn thread(&self) -> Result<String, Failure> {
        self.id("threadId")
    }

    /// The query.
    pub(crate) fn query(&self) -> Result<Query<'_>, Failure> {
        Query::read(self.uri.query().unwrap_or_default())
    }

    /// The body, which is a JSON object; no body is the same as `{}`.
    ///
    /// A body without a content type is taken for JSON; one with another content type is refused, since it was meant to
    /// be read otherwise. Members that are not known are ignored, because the clients of the original send more.
    pub(crate) fn object<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.body.is_empty() {
            return parse::<Object<T>>(b"{}").map(|object| object.0);
        }
        self.json::<Object<T>>().map(|object| object.0)
    }

    /// The body, which is JSON of any type.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if let Some(kind) = self.headers.get(CONTENT_TYPE)
            && !is_json(kind)
        {
            return Err(Failure::media_type());
        }
        parse(&self.body)
    }
}

/// `application/json` or `application/<anything>+json`, whatever its parameters.
fn is_json(kind: &HeaderValue) -> bool {
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

/// Reads a JSON document.
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

/// The query of a request. Keys that are not asked for are ignored; a known one may come once.
pub(crate) struct Query<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Query<'a> {
    pub(crate) fn read(text: &'a str) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key).ok_or_else(|| Failure::invalid("query", "must be UTF-8"))?;
            let value = decode(value).ok_or_else(|| Failure::invalid(&*key, "must be UTF-8"))?;
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a key; empty is the same as absent.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Failure> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| &**value);
        let value = values.next().filter(|value| !value.is_empty());
        if values.next().is_some() {
            return Err(Failure::invalid(name, "must be given once"));
        }
        if value.is_some_and(|value| value.contains('\0')) {
            return Err(Failure::invalid(name, "must not contain U+0000"));
        }
        Ok(value)
    }

    /// As [`Query::text`], owned.
    pub(crate) fn owned(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        match self.text(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Failure::invalid(name, "must be true or false")),
        }
    }

    /// One of a closed set of words.
    pub(crate) fn word<W: Word>(&self, name: &str) -> Result<Option<W>, Failure> {
        self.text(name)?
            .map(|text| W::read(text).map_err(|rule| Failure::invalid(name, rule)))
            .transpose()
    }

    /// `page`, 1-based; 0 when absent.
    pub(crate) fn page(&self) -> Result<i32, Failure> {
        self.number("page", 1..=MAX_PAGE)
    }

    /// `limit`, the size of a page; 0 when absent.
    pub(crate) fn limit(&self) -> Result<i32, Failure> {
        self.number("limit", 1..=MAX_SIZE)
    }

    fn number(&self, name: &str, range: RangeInclusive<i32>) -> Result<i32, Failure> {
        let Some(text) = self.text(name)? else {
            return Ok(0);
        };
        text.parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                Failure::invalid(name, format!("must be an integer from {least} to {most}"))
            })
    }
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
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

    #[test]
    fn a_query_is_read_strictly_where_it_is_known() {
        let query = Query::read("page=2&limit=5&mode=AI&important=true&q=a+b%20c&other=1&other=2&empty=").unwrap();
        assert_eq!((query.page().unwrap(), query.limit().unwrap()), (2, 5));
        assert_eq!(query.word::<Mode>("mode").unwrap(), Some(Mode::Ai));
        assert_eq!(query.flag("important").unwrap(), Some(true));
        assert_eq!(query.text("q").unwrap(), Some("a b c"));
        assert_eq!(query.text("empty").unwrap(), None);
        for text in [
            "page=0",
            "page=-1",
            "page=1001",
            "page=x",
            "page=1&page=2",
            "page=99999999999",
            "page=%00",
            "page=%ff",
        ] {
            assert!(Query::read(text).and_then(|query| query.page()).is_err(), "{text}");
        }
        for text in ["limit=0", "limit=-1", "limit=101"] {
            assert!(Query::read(text).unwrap().limit().is_err(), "{text}");
        }
    }
}

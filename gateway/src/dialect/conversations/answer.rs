//! The documented success bodies, and points in time both ways.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use chrono::DateTime;
use prost_types::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::Refusal;
use crate::answer::{self, Stamp};

/// `{"data": …}`.
#[derive(Serialize, ToSchema)]
pub(super) struct Data<T> {
    pub(super) data: T,
}

/// `{"data": […], "meta": {…}}`: a page of a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    pub(super) meta: Links,
}

/// The way to other pages.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = PaginationLinks)]
pub(super) struct Links {
    /// The URL of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

/// A list without an envelope, as one operation has it.
#[derive(Serialize, ToSchema)]
pub(super) struct Bare<T>(pub(super) Vec<T>);

/// `body` as JSON.
fn json(body: &impl Serialize) -> Response {
    answer::json(body).unwrap_or_else(|failure| Refusal::from(failure).into_response())
}

impl<T: Serialize> IntoResponse for Data<T> {
    fn into_response(self) -> Response {
        json(&self)
    }
}

impl<T: Serialize> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        json(&self)
    }
}

impl<T: Serialize> IntoResponse for Bare<T> {
    fn into_response(self) -> Response {
        json(&self)
    }
}

/// A point in time that a caller gives.
///
/// The original accepts RFC 3339 and what Java prints for a zoned time: `2021-12-01T12:46:36.581Z[GMT]`. Both are read,
/// with any fraction of a second; output is always plain RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moment(pub(super) Timestamp);

impl Moment {
    pub(super) const RULE: &str = "must be a date and time, for example 2021-12-01T12:46:36.581Z";

    pub(super) fn read(text: &str) -> Option<Self> {
        let plain = match text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) {
            // The name in brackets repeats what the offset before it says.
            Some((plain, zone)) if !zone.is_empty() && zone.bytes().all(|byte| byte.is_ascii_graphic()) => plain,
            Some(_) => return None,
            None => text,
        };
        let time = DateTime::parse_from_rfc3339(plain).ok()?.to_utc();
        Some(Self(platform::time::to_proto(time)))
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        Self::read(&text).ok_or_else(|| D::Error::custom(Self::RULE))
    }
}

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .examples(["2021-12-01T12:46:36.581Z", "2021-12-01T12:46:36.581Z[GMT]"])
            .into()
    }
}

impl ToSchema for Moment {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("GivenTimestamp")
    }
}

/// A point in time in UTC with milliseconds and no zone, as presences have it: `2021-12-01T12:46:35.935`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ZonelessStamp(pub(super) Stamp);

impl Serialize for ZonelessStamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.0.text();
        let text = std::str::from_utf8(&text[..23]).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(text)
    }
}

impl PartialSchema for ZonelessStamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .examples(["2021-12-01T12:46:35.935"])
            .into()
    }
}

impl ToSchema for ZonelessStamp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_date_are_read_and_one_is_written() {
        for (given, written) in [
            ("2020-12-16T09:41:43Z", "2020-12-16T09:41:43.000000Z"),
            ("2021-12-01T12:46:36.581Z[GMT]", "2021-12-01T12:46:36.581000Z"),
            ("2021-12-01T12:46:36.581Z", "2021-12-01T12:46:36.581000Z"),
            (
                "2021-12-01T13:46:36.581+01:00[Europe/Copenhagen]",
                "2021-12-01T12:46:36.581000Z",
            ),
            ("2021-12-01T12:46:36.581234Z", "2021-12-01T12:46:36.581234Z"),
        ] {
            let moment: Moment = serde_json::from_value(given.into()).unwrap();
            let stamp = Stamp::of(Some(moment.0));
            assert_eq!(serde_json::to_value(stamp).unwrap(), written, "{given}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2021-12-01",
            "2021-12-01T12:46:36.581",
            "2021-12-01T12:46:36Z[]",
            "2021-12-01T12:46:36Z[GMT",
            "2021-12-01T12:46:36[GMT]",
            "2021-13-01T12:46:36Z",
            "[GMT]",
        ] {
            assert!(Moment::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_presence_tells_the_time_without_a_zone() {
        let moment = Moment::read("2021-12-01T12:46:35.935Z").unwrap();
        let stamp = ZonelessStamp(Stamp::of(Some(moment.0)));
        assert_eq!(serde_json::to_value(stamp).unwrap(), "2021-12-01T12:46:35.935");
    }

    #[test]
    fn the_last_page_has_an_empty_meta() {
        let page = Page {
            data: vec![1],
            meta: Links::default(),
        };
        assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"data":[1],"meta":{}}"#);
    }
}

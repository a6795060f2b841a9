//! The documented success body, and the two forms of value that occur all over it.

mod json;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue};
use prost_types::Timestamp;
use serde::{Serialize, Serializer};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::errors::Failure;

/// The success body: `{"success":true,"message"?,"data"}`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Answer<T> {
    /// Always true.
    #[schema(example = true)]
    success: bool,
    /// What was done; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    data: T,
    #[serde(skip)]
    size: usize,
}

impl<T> Answer<T> {
    /// The answer to an operation that did something.
    pub(crate) fn done(message: &'static str, data: T) -> Self {
        Self {
            success: true,
            message: Some(message),
            data,
            size: 0,
        }
    }

    /// The answer to a question.
    pub(crate) fn data(data: T) -> Self {
        Self {
            success: true,
            message: None,
            data,
            size: 0,
        }
    }

    /// The same, which takes about so many bytes: a large answer is then written without being moved.
    pub(crate) fn of_about(self, size: usize) -> Self {
        Self { size, ..self }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        write(&self, self.size).unwrap_or_else(Failure::into_response)
    }
}

/// The answer with `body` as JSON.
pub(crate) fn json(body: &impl Serialize) -> Result<Response, Failure> {
    write(body, 0)
}

/// [`json`], with room for about so many bytes.
fn write(body: &impl Serialize, size: usize) -> Result<Response, Failure> {
    let text = json::text(body, 1024 + size).map_err(|error| Failure::internal(&error.to_string()))?;
    let mut response = Response::new(text.into());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Always null.
#[derive(Serialize)]
pub(crate) struct Null;

impl PartialSchema for Null {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::Null).into()
    }
}

impl ToSchema for Null {}

/// An object without members.
#[derive(Default, Serialize, ToSchema)]
pub(crate) struct Nothing {}

/// A part of an answer that its context always fills.
pub(crate) fn given<T>(part: Option<T>) -> Result<T, Failure> {
    part.ok_or_else(|| Failure::internal("a service left a part of its answer out"))
}

/// A point in time: RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stamp([u8; 27]);

impl PartialSchema for Stamp {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339 in UTC with microseconds"))
            .examples(["2024-05-07T06:26:01.674375Z"])
            .into()
    }
}

impl ToSchema for Stamp {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Timestamp")
    }
}

impl Stamp {
    /// A time that is always there; the epoch where a service left it out.
    pub(crate) fn of(time: Option<Timestamp>) -> Self {
        Self(text(time.unwrap_or_default()))
    }

    /// A time that may be absent.
    pub(crate) fn maybe(time: Option<Timestamp>) -> Option<Self> {
        time.map(text).map(Self)
    }

    /// As it is written.
    pub(crate) fn text(self) -> [u8; 27] {
        self.0
    }
}

/// A time as RFC 3339. Written by hand, because a page of messages holds a hundred of them.
fn text(time: Timestamp) -> [u8; 27] {
    const DAY: u64 = 86_400;
    // The years 0000 to 9999 are all that RFC 3339 can express.
    const FIRST: i64 = -62_167_219_200;
    const LAST: i64 = 253_402_300_799;
    let since_first = time.seconds.clamp(FIRST, LAST).abs_diff(FIRST);
    // 10 000 years are less than four million days.
    let [days, second] = [since_first / DAY, since_first % DAY].map(|number| u32::try_from(number).unwrap_or_default());
    let (year, month, day) = date(days);
    let micros = time.nanos.clamp(0, 999_999_999).unsigned_abs() / 1_000;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let mut write = |at: usize, number: u32| {
        let number = u8::try_from(number).unwrap_or_default();
        text[at] += number / 10;
        text[at + 1] += number % 10;
    };
    write(0, year / 100);
    write(2, year % 100);
    write(5, month);
    write(8, day);
    write(11, second / 3_600);
    write(14, second / 60 % 60);
    write(17, second % 60);
    write(20, micros / 10_000);
    write(22, micros / 100 % 100);
    write(24, micros % 100);
    text
}

/// The civil date of a number of days since 0000-01-01, counted in eras of 400 years that begin on a 1 March.
fn date(days: u32) -> (u32, u32, u32) {
    // January and February of the year 0 belong to the era before.
    let days = days + 146_097 - 60;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = (era * 400 + year_of_era + u32::from(month <= 2)) - 400;
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0).map_err(serde::ser::Error::custom)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_reads_like_the_platforms_own_form() {
        let mut seconds = -62_135_596_800_i64;
        while seconds < 253_402_300_799 {
            let timestamp = Timestamp {
                seconds,
                nanos: 12_345_678,
            };
            let expected = platform::time::to_rfc3339(platform::time::from_proto(timestamp).unwrap());
            assert_eq!(std::str::from_utf8(&text(timestamp)).unwrap(), expected);
            seconds += 86_400 * 13 + 3_607;
        }
    }

    #[test]
    fn what_rfc_3339_can_not_express_is_its_nearest() {
        let text = |seconds, nanos| String::from_utf8(text(Timestamp { seconds, nanos }).to_vec()).unwrap();
        assert_eq!(text(-62_167_219_200, 0), "0000-01-01T00:00:00.000000Z");
        assert_eq!(text(-62_167_219_200 + 59 * 86_400, 999), "0000-02-29T00:00:00.000000Z");
        assert_eq!(text(-62_167_219_201, -1), "0000-01-01T00:00:00.000000Z");
        assert_eq!(text(253_402_300_799, 999_999_999), "9999-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MAX, i32::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(text(i64::MIN, i32::MIN), "0000-01-01T00:00:00.000000Z");
    }

    #[test]
    fn the_example_of_the_source_reads_back() {
        let timestamp = Timestamp {
            seconds: 1_715_063_161,
            nanos: 674_375_000,
        };
        assert_eq!(
            serde_json::to_string(&Stamp::of(Some(timestamp))).unwrap(),
            "\"2024-05-07T06:26:01.674375Z\""
        );
    }

    #[test]
    fn a_question_is_answered_without_a_message() {
        assert_eq!(
            serde_json::to_string(&Answer::data(1)).unwrap(),
            r#"{"success":true,"data":1}"#
        );
        assert_eq!(
            serde_json::to_string(&Answer::done("Done", Null)).unwrap(),
            r#"{"success":true,"message":"Done","data":null}"#
        );
    }
}

//! The one place that reads the clock, and the wire form of a point in time.

use chrono::{DateTime, Timelike as _, Utc};

/// A point in time with microsecond precision, the precision that PostgreSQL keeps.
pub type Time = DateTime<Utc>;

/// This process's clock, cut to microseconds so that a value reads back from the database as it was written.
///
/// Order, due times and leases come from the database's clock instead.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    let now = Utc::now();
    now.with_nanosecond(now.nanosecond() / 1_000 * 1_000).unwrap_or(now)
}

/// The protobuf form.
pub fn to_proto(time: Time) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

/// The time a protobuf timestamp stands for; `None` when it is out of range.
pub fn from_proto(timestamp: prost_types::Timestamp) -> Option<Time> {
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

/// RFC 3339 in UTC with microseconds: `2026-01-31T12:00:00.000000Z`.
pub fn to_rfc3339(time: Time) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

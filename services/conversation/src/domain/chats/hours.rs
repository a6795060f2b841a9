//! When a queue is open.

use chrono::{Datelike as _, Timelike as _};
use serde::{Deserialize, Serialize};

/// How many intervals a week has at most.
pub(crate) const INTERVALS: usize = 50;
/// Minutes of a day.
pub(crate) const DAY: i32 = 24 * 60;

/// The hours of a week, in a time zone of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpeningHours {
    /// IANA.
    pub(crate) time_zone: String,
    pub(crate) intervals: Vec<Interval>,
}

/// A part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// ISO 8601: 1 is Monday.
    pub(crate) day: i32,
    /// Minutes from midnight.
    pub(crate) opens: i32,
    /// The first minute that is closed again.
    pub(crate) closes: i32,
}

/// A minute of the week where the queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) day: i32,
    pub(crate) minute: i32,
}

impl Moment {
    /// The minute of the week of a time that is local already.
    pub(crate) fn of(local: chrono::NaiveDateTime) -> Self {
        let number = |number: u32| i32::try_from(number).unwrap_or_default();
        Self {
            day: number(local.weekday().number_from_monday()),
            minute: number(local.hour() * 60 + local.minute()),
        }
    }
}

impl OpeningHours {
    pub(crate) fn is_open(&self, at: Moment) -> bool {
        let within =
            |interval: &Interval| interval.day == at.day && (interval.opens..interval.closes).contains(&at.minute);
        self.intervals.iter().any(within)
    }
}

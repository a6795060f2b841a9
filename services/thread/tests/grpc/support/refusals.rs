//! What a refusal says.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Code and reason of a refusal.
pub(crate) fn refusal(status: &Status) -> (Code, String) {
    let info = status.get_error_details().error_info().cloned();
    (status.code(), info.map(|info| info.reason).unwrap_or_default())
}

#[track_caller]
pub(crate) fn assert_refused<T: std::fmt::Debug>(result: Result<T, Status>, code: Code, reason: &str) -> Status {
    let status = result.unwrap_err();
    assert_eq!(refusal(&status), (code, reason.to_owned()), "{status:?}");
    status
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let violations = details.bad_request().map(|bad| bad.field_violations.clone());
    violations
        .unwrap_or_default()
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[track_caller]
pub(crate) fn assert_invalid<T: std::fmt::Debug>(result: Result<T, Status>, field: &str) {
    let status = result.unwrap_err();
    assert_eq!(
        (status.code(), fields(&status)),
        (Code::InvalidArgument, vec![field.to_owned()]),
        "{status:?}"
    );
}

/// A point in time that can be compared.
pub(crate) fn at(time: Option<&prost_types::Timestamp>) -> Option<(i64, i32)> {
    time.map(|time| (time.seconds, time.nanos))
}

//! What occurs in many bodies: contents, files, custom attributes, outcomes of bulk requests.

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::refusal::{Part, Refusal};
use super::words::{BulkErrorKind, ContentKind};
use crate::errors::wire_name;
use crate::extract::Object;
use crate::words::Word as _;

/// A text, and how it is to be read.
#[derive(Serialize, Deserialize, ToSchema)]
pub(super) struct Content {
    /// At most 32 KiB.
    pub(super) value: String,
    #[serde(rename = "_type")]
    pub(super) kind: ContentKind,
}

impl Content {
    pub(super) fn maybe(content: Option<pb::Content>) -> Option<Self> {
        content.map(|content| Self {
            kind: ContentKind::of(content.r#type()).unwrap_or(ContentKind::Text),
            value: content.value,
        })
    }
}

impl From<Content> for pb::Content {
    fn from(content: Content) -> Self {
        Self {
            r#type: pb::ContentType::from(content.kind).into(),
            value: content.value,
        }
    }
}

/// A file by its URL.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    /// An absolute http(s) URL.
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) pretty_name: Option<String>,
}

impl From<pb::File> for File {
    fn from(file: pb::File) -> Self {
        Self {
            url: file.url,
            pretty_name: file.pretty_name,
        }
    }
}

impl From<File> for pb::File {
    fn from(file: File) -> Self {
        Self {
            url: file.url,
            pretty_name: file.pretty_name,
        }
    }
}

/// Files of a message that is given.
pub(super) fn files(given: Option<Vec<Object<File>>>) -> Vec<pb::File> {
    let given = given.into_iter().flatten();
    given.map(|Object(file)| file.into()).collect()
}

/// Files of a message that is shown.
pub(super) fn shown(files: Vec<pb::File>) -> Vec<File> {
    files.into_iter().map(File::from).collect()
}

/// A value of a custom attribute: a text, or the path from parent to child.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum AttributeValue {
    Text(String),
    Path(Vec<String>),
}

/// A custom attribute with its value.
#[derive(Serialize, ToSchema)]
pub(super) struct CustomAttribute {
    id: String,
    name: String,
    identifier: String,
    value: AttributeValue,
}

impl From<pb::AttributeValue> for CustomAttribute {
    fn from(attribute: pb::AttributeValue) -> Self {
        Self {
            id: attribute.id,
            name: attribute.name,
            identifier: attribute.identifier,
            value: match attribute.text {
                Some(text) => AttributeValue::Text(text),
                None => AttributeValue::Path(attribute.path),
            },
        }
    }
}

/// Why one entry of a bulk request failed.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkError {
    /// Of what it is about.
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    pub(super) message: String,
    #[serde(rename = "_type")]
    kind: BulkErrorKind,
}

/// The field of an entry, as callers know it, and its rule, of which a context has told in one text.
pub(super) fn broken_rule(message: &str) -> (String, &str) {
    let (field, rule) = message.split_once(' ').unwrap_or((message, ""));
    let of_entry = field.rsplit_once("].").map_or(field, |(_, field)| field);
    (wire_name(of_entry, &[]), rule)
}

impl From<pb::Failure> for BulkError {
    fn from(failure: pb::Failure) -> Self {
        let kind = BulkErrorKind::of(failure.kind()).unwrap_or(BulkErrorKind::Validation);
        let message = if kind == BulkErrorKind::Validation {
            let (field, rule) = broken_rule(&failure.message);
            format!("{field} {rule}")
        } else {
            failure.message
        };
        Self {
            kind,
            id: failure.id,
            message,
        }
    }
}

impl BulkError {
    /// Nothing to change was given.
    pub(super) fn empty_patch(id: String) -> Self {
        Self {
            id,
            message: "There is nothing to change".to_owned(),
            kind: BulkErrorKind::EmptyPatchSet,
        }
    }

    /// The same failure where it is the only one.
    pub(super) fn refuse(self) -> Refusal {
        match self.kind {
            BulkErrorKind::NotFound => Refusal::not_found(),
            BulkErrorKind::Validation => {
                let (field, rule) = broken_rule(&self.message);
                Refusal::invalid(Part::Body, field, rule)
            }
            _ => Refusal::bad_request(self.message),
        }
    }
}

/// What became of one entry of a bulk request.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum BulkOutcome<T, E> {
    Success(BulkSuccess<T>),
    Failure(BulkFailure<E>),
}

/// An entry that succeeded.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkSuccess<T> {
    data: T,
    #[serde(rename = "_type")]
    kind: SuccessWord,
}

/// An entry that failed.
#[derive(Serialize, ToSchema)]
pub(super) struct BulkFailure<E> {
    error: E,
    #[serde(rename = "_type")]
    kind: FailureWord,
}

#[derive(Serialize, ToSchema)]
enum SuccessWord {
    BulkActionSuccess,
}

#[derive(Serialize, ToSchema)]
enum FailureWord {
    BulkActionFailure,
}

impl<T, E> BulkOutcome<T, E> {
    pub(super) fn of(outcome: Result<T, E>) -> Self {
        match outcome {
            Ok(data) => Self::Success(BulkSuccess {
                data,
                kind: SuccessWord::BulkActionSuccess,
            }),
            Err(error) => Self::Failure(BulkFailure {
                error,
                kind: FailureWord::BulkActionFailure,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: impl Serialize) -> String {
        serde_json::to_string(&value).unwrap()
    }

    #[test]
    fn a_content_ends_with_its_type() {
        for (kind, word) in [(pb::ContentType::Html, "Html"), (pb::ContentType::Text, "Text")] {
            let content = pb::Content {
                r#type: kind.into(),
                value: "An amazing message".to_owned(),
            };
            assert_eq!(
                text(Content::maybe(Some(content))),
                format!(r#"{{"value":"An amazing message","_type":"{word}"}}"#)
            );
        }
    }

    #[test]
    fn an_outcome_of_a_bulk_request_ends_with_its_type() {
        assert_eq!(
            text(BulkOutcome::<_, ()>::of(Ok(1))),
            r#"{"data":1,"_type":"BulkActionSuccess"}"#
        );
        let failure = pb::Failure {
            kind: pb::FailureKind::NotFound.into(),
            id: "7".to_owned(),
            message: "not there".to_owned(),
        };
        assert_eq!(
            text(BulkOutcome::<(), _>::of(Err(BulkError::from(failure)))),
            r#"{"error":{"id":"7","message":"not there","_type":"NotFound"},"_type":"BulkActionFailure"}"#
        );
    }

    #[test]
    fn what_is_wrong_with_an_entry_is_told_in_the_names_of_callers() {
        for (told, expected) in [
            (
                "phone_number must be an E.164 phone number",
                "phoneNumber must be an E.164 phone number",
            ),
            ("notes[3].message must not be empty", "message must not be empty"),
            ("middle_names[1] must not be empty", "middleNames[1] must not be empty"),
        ] {
            let failure = pb::Failure {
                kind: pb::FailureKind::Validation.into(),
                id: String::new(),
                message: told.to_owned(),
            };
            let error = BulkError::from(failure);
            assert_eq!(error.message, expected);
            assert_eq!(
                error.refuse().message(),
                format!("Invalid value for: body ({expected})")
            );
        }
    }

    #[test]
    fn the_value_of_an_attribute_is_a_text_or_a_path() {
        let attribute = |text: Option<&str>, path: &[&str]| pb::AttributeValue {
            id: "i".to_owned(),
            name: "n".to_owned(),
            identifier: "f".to_owned(),
            text: text.map(str::to_owned),
            path: path.iter().map(|step| (*step).to_owned()).collect(),
        };
        assert_eq!(
            text(CustomAttribute::from(attribute(Some("012345"), &[]))),
            r#"{"id":"i","name":"n","identifier":"f","value":"012345"}"#
        );
        assert_eq!(
            text(CustomAttribute::from(attribute(None, &["str1", "str2"]))),
            r#"{"id":"i","name":"n","identifier":"f","value":["str1","str2"]}"#
        );
    }
}

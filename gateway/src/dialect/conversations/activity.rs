//! The activity log.

use proto::conversation::v1 as pb;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::answer::{Data, Page};
use super::ask::Ask;
use super::refusal::{Refusal, Terms};
use crate::answer::Stamp;
use crate::errors::{Failure, Names};

/// Who did it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ActivityLogUser {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
}

/// What happened.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActivityLogEntry)]
pub(super) struct Entry {
    id: String,
    conversation_id: i64,
    activity_timestamp: Stamp,
    /// Deprecated: `_type` in other words.
    #[schema(example = "ConversationAssignedActivityType")]
    activity_type: String,
    // Not the discriminator of a union, and therefore not at the end.
    #[serde(rename = "_type")]
    #[schema(example = "ConversationAssigned")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<ActivityLogUser>,
    /// An object that depends on `_type` and says so in a `_type` of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    attributes: Option<Box<RawValue>>,
}

/// The types that have a word of their own as `activityType`.
static KNOWN: &[&str] = &[
    "ConversationAssigned",
    "ConversationAutoreplySent",
    "ConversationClaimed",
    "ConversationClosed",
    "ConversationCreatedByAgent",
    "ConversationCreatedByCustomer",
    "ConversationEndUserReplaced",
    "ConversationLanguageUpdated",
    "ConversationOfferAccepted",
    "ConversationOfferRejected",
    "ConversationOfferTimeout",
    "ConversationOffered",
    "ConversationPending",
    "ConversationRated",
    "ConversationRatingCancelled",
    "ConversationRatingOffered",
    "ConversationRatingScheduled",
    "ConversationRatingUnscheduled",
    "ConversationReopened",
    "ConversationUnassigned",
    "FollowupAdded",
    "FollowupExpired",
    "FollowupRemoved",
    "MessageAddedByAgent",
    "MessageAddedByCustomer",
    "NoteAdded",
    "TagAdded",
    "TagRemoved",
    "TransferFailed",
    "TransferInitiated",
    "TransferSuccessful",
];

fn activity_type(kind: &str) -> String {
    match kind {
        "ConversationReserved" => "ConversationReservedType".to_owned(),
        known if KNOWN.contains(&known) => format!("{known}ActivityType"),
        _ => "UnknownActivityType".to_owned(),
    }
}

/// `json`, an object, with `_type` at its end.
fn typed(json: &str, kind: &str) -> Result<Option<Box<RawValue>>, Failure> {
    if json.is_empty() {
        return Ok(None);
    }
    let members = json.trim().strip_prefix('{').and_then(|json| json.strip_suffix('}'));
    let members = members
        .map(str::trim)
        .ok_or_else(|| Failure::internal("the attributes of an activity are no object"))?;
    let comma = if members.is_empty() { "" } else { "," };
    let kind = serde_json::Value::from(kind);
    RawValue::from_string(format!("{{{members}{comma}\"_type\":{kind}}}"))
        .map(Some)
        .map_err(|_| Failure::internal("the attributes of an activity are no JSON"))
}

impl TryFrom<pb::ActivityLogEntry> for Entry {
    type Error = Failure;

    fn try_from(entry: pb::ActivityLogEntry) -> Result<Self, Failure> {
        Ok(Self {
            id: entry.id,
            conversation_id: entry.conversation_id,
            activity_timestamp: Stamp::of(entry.at),
            activity_type: activity_type(&entry.r#type),
            kind: entry.r#type,
            author: entry.author.map(|author| ActivityLogUser {
                id: author.id,
                name: author.name,
                email: author.email,
                phone_number: author.phone_number,
            }),
            attributes: typed(&entry.attributes_json, &entry.attributes_type)?,
        })
    }
}

fn entries(entries: Vec<pb::ActivityLogEntry>) -> Result<Vec<Entry>, Failure> {
    entries.into_iter().map(Entry::try_from).collect()
}

/// List the activity log of a conversation
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/activitylog", tag = "Conversations",
    responses((status = 200, description = "What happened", body = Data<Vec<Entry>>)))]
pub(super) async fn list_conversation_activity(ask: Ask) -> Result<Data<Vec<Entry>>, Refusal> {
    let request = ask.request(pb::ListActivityLogRequest {
        conversation_id: Some(ask.conversation()?),
        ..pb::ListActivityLogRequest::default()
    });
    let answer = ask.conversations().list_activity_log(request).await?.into_inner();
    let data = entries(answer.entries)?;
    Ok(Data { data })
}

/// The largest page; a known client asks for as much.
const MOST: i32 = 10_000;

/// List the activity log of the organization
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/conversations/activitylog", tag = "Conversations",
    params(
        ("fromDatetime" = Option<String>, Query, description = "Not before this", format = DateTime),
        ("toDatetime" = Option<String>, Query, description = "Before this", format = DateTime),
        ("pageLimit" = Option<i32>, Query, description = "1 to 10000, default 1000", minimum = 1, maximum = 10000),
        ("pageKey" = Option<String>, Query, description = "From `meta.next` of the page before"),
    ),
    responses((status = 200, description = "A page of what happened", body = Page<Entry>)))]
pub(super) async fn list_activity(ask: Ask) -> Result<Page<Entry>, Refusal> {
    const FROM: &str = "fromDatetime";
    const TO: &str = "toDatetime";
    const NAMES: Names = &[
        ("page_size", "pageLimit"),
        ("page_token", "pageKey"),
        ("from", FROM),
        ("to", TO),
    ];
    let params = ask.paged(&[FROM, TO])?;
    let request = ask.request(pb::ListActivityLogRequest {
        conversation_id: None,
        from: params.moment(FROM)?,
        to: params.moment(TO)?,
        page_size: params.limit(MOST)?,
        page_token: params.token(),
    });
    let answer = ask.conversations().list_activity_log(request).await;
    let answer = answer.map_err(Terms::PAGE.names(NAMES).refuse())?.into_inner();
    Ok(Page {
        meta: ask.links(&params, &[FROM, TO], &answer.next_page_token)?,
        data: entries(answer.entries)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attributes_of_an_entry_end_with_their_type() {
        for (json, expected) in [
            (r#"{"agentId":"7"}"#, r#"{"agentId":"7","_type":"X"}"#),
            ("{ }", r#"{"_type":"X"}"#),
        ] {
            assert_eq!(typed(json, "X").unwrap().unwrap().get(), expected);
        }
        assert!(typed("", "X").unwrap().is_none());
        assert!(typed("[1]", "X").is_err());
        assert!(typed("{7}", "X").is_err());
    }

    #[test]
    fn the_deprecated_type_is_the_type_in_other_words() {
        for (kind, expected) in [
            ("ConversationAssigned", "ConversationAssignedActivityType"),
            ("ConversationReserved", "ConversationReservedType"),
            ("ConversationLinkedToParent", "UnknownActivityType"),
        ] {
            assert_eq!(activity_type(kind), expected);
        }
    }

    #[test]
    fn an_entry_without_attributes_shows_none() {
        let entry = pb::ActivityLogEntry {
            id: "i".to_owned(),
            conversation_id: 1,
            r#type: "ConversationClosed".to_owned(),
            author: Some(pb::ActivityAuthor {
                id: "a".to_owned(),
                name: Some("Dale Cooper".to_owned()),
                ..pb::ActivityAuthor::default()
            }),
            ..pb::ActivityLogEntry::default()
        };
        assert_eq!(
            serde_json::to_string(&Entry::try_from(entry).unwrap()).unwrap(),
            r#"{"id":"i","conversationId":1,"activityTimestamp":"1970-01-01T00:00:00.000000Z","activityType":"ConversationClosedActivityType","_type":"ConversationClosed","author":{"id":"a","name":"Dale Cooper"}}"#
        );
    }
}

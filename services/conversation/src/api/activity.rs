//! What happened to conversations.

use platform::access::Call;
use platform::time::{self, Time};
use proto::conversation::v1 as wire;
use tonic::{Response, Status};
use uuid::Uuid;

use super::{Api, cut};
use crate::domain::conversation::Activity;
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// Entries on a page when the caller does not say, and at most.
const PAGE: i64 = 1000;
const MAX_PAGE: i64 = 10_000;

impl Api {
    pub(super) async fn list_activity_log(
        &self,
        call: Call,
        message: wire::ListActivityLogRequest,
    ) -> Result<Response<wire::ListActivityLogResponse>, Status> {
        let from = message
            .from
            .map(|from| field::time("from", from))
            .transpose()
            .map_err(ConversationError::from)?;
        let to = message
            .to
            .map(|to| field::time("to", to))
            .transpose()
            .map_err(ConversationError::from)?;
        if let Some(id) = message.conversation_id {
            Store::expect_conversation(call.org(), &self.db, id).await?;
            let entries = Store::activity_of(call.org(), &self.db, id, from, to).await?;
            return Ok(Response::new(wire::ListActivityLogResponse {
                entries: entries.into_iter().map(Into::into).collect(),
                next_page_token: String::new(),
            }));
        }
        let size = match message.page_size {
            ..0 => return Err(ConversationError::invalid("page_size", "must not be negative").into()),
            0 => PAGE,
            size => MAX_PAGE.min(size.into()),
        };
        let (org, bounds) = (
            call.org().to_string(),
            [from, to].map(|time| time.map(time::to_rfc3339)),
        );
        let [from_text, to_text] = bounds.map(Option::unwrap_or_default);
        let list = ["activity", &org, &from_text, &to_text];
        let after: Option<(Time, Uuid)> = self.tokens.read(&list, &message.page_token)?;
        let entries = Store::activity(call.org(), &self.db, from, to, after, size + 1).await?;
        let (entries, next) = cut(entries, size, |entry| (entry.at, entry.id));
        Ok(Response::new(wire::ListActivityLogResponse {
            entries: entries.into_iter().map(Into::into).collect(),
            next_page_token: next.map_or_else(String::new, |next| self.tokens.make(&list, &next)),
        }))
    }
}

/// The documented name of the attributes of an entry.
fn attributes_type(kind: &str) -> &'static str {
    match kind {
        "ConversationCreatedByCustomer" | "ConversationCreatedByAgent" => "ConversationCreatedAttribute",
        "MessageAddedByCustomer" | "MessageAddedByAgent" => "MessageAddedAttribute",
        "ConversationAssigned" => "ConversationAssignedAttribute",
        "ConversationUnassigned" => "ConversationUnassignedAttribute",
        "ConversationClaimed" => "ConversationClaimedAttribute",
        "ConversationOffered" => "ConversationOfferedAttribute",
        "TransferInitiated" | "TransferSuccessful" => "ConversationTransferredAttribute",
        "NoteAdded" => "NoteAddedAttribute",
        "TagAdded" => "TagAddedAttribute",
        "TagRemoved" => "TagRemovedAttribute",
        "ConversationCustomAttributesUpdated" => "ConversationCustomAttributesUpdatedAttribute",
        "ConversationEndUserReplaced" => "ConversationEndUserReplacedAttribute",
        "ConversationLinkedToParent" | "ConversationLinkedFromChild" => "ConversationLinkedAttribute",
        _ => "",
    }
}

impl From<Activity> for wire::ActivityLogEntry {
    fn from(entry: Activity) -> Self {
        Self {
            id: entry.id.to_string(),
            conversation_id: entry.conversation_id,
            at: Some(time::to_proto(entry.at)),
            attributes_type: entry
                .attributes
                .as_ref()
                .map_or_else(String::new, |_| attributes_type(&entry.kind).to_owned()),
            r#type: entry.kind,
            author: entry.author_id.map(|id| wire::ActivityAuthor {
                id: id.to_string(),
                name: entry.author_name,
                email: entry.author_email,
                phone_number: entry.author_phone,
            }),
            attributes_json: entry
                .attributes
                .map_or_else(String::new, |attributes| attributes.to_string()),
        }
    }
}

//! Internal notes.

use proto::conversation::v1 as pb;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Data, Moment};
use super::ask::{Ask, is_uuid};
use super::parts::{BulkError, BulkOutcome, broken_rule};
use super::refusal::{Part, Refusal, Terms};
use crate::answer::{Stamp, given};
use crate::errors::{Failure, Names};
use crate::extract::Object;

/// A note to be added.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreateNote {
    /// 1 byte to 32 KiB.
    message: String,
    /// Of an agent. Absent: the owner of the key.
    agent_id: Option<String>,
    /// Absent: now.
    created_at: Option<Moment>,
}

impl CreateNote {
    fn input(self, path: &str) -> Result<pb::NoteInput, Refusal> {
        if self.agent_id.as_deref().is_some_and(|agent| !is_uuid(agent)) {
            let field = format!("{path}agentId");
            return Err(Refusal::invalid(Part::Body, field, "must be a UUID"));
        }
        Ok(pb::NoteInput {
            message: self.message,
            agent_id: self.agent_id,
            created_at: self.created_at.map(|moment| moment.0),
        })
    }
}

/// A note.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InternalNote)]
pub(super) struct Note {
    id: String,
    author_id: String,
    created_at: Stamp,
    /// The id of the conversation.
    csid: i64,
    message: String,
}

impl From<pb::Note> for Note {
    fn from(note: pb::Note) -> Self {
        Self {
            id: note.id,
            author_id: note.author_id,
            created_at: Stamp::of(note.created_at),
            csid: note.conversation_id,
            message: note.message,
        }
    }
}

/// Add an internal note
#[utoipa::path(post, path = "/v1/conversations/{conversationId}/notes", tag = "Conversations",
    request_body(content = CreateNote, content_type = "application/json", example = json!({"message": "A sample note"})),
    responses((status = 200, description = "The note", body = Data<Note>)))]
pub(super) async fn add_note(ask: Ask) -> Result<Data<Note>, Refusal> {
    const NAMES: Names = &[("notes", "")];
    let conversation_id = ask.conversation()?;
    let note = ask.object::<CreateNote>()?.input("")?;
    let request = ask.request(pb::AddNotesRequest {
        conversation_id,
        notes: vec![note],
    });
    let answer = ask.conversations().add_notes(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    let outcome = answer.outcomes.into_iter().next().and_then(|outcome| outcome.outcome);
    match given(outcome)? {
        pb::note_outcome::Outcome::Note(note) => Ok(Data { data: note.into() }),
        pb::note_outcome::Outcome::Failure(failure) => Err(refused(&failure)),
    }
}

/// The documented words for a note that could not be added.
fn refused(failure: &pb::Failure) -> Refusal {
    if failure.kind() == pb::FailureKind::NotFound {
        return Refusal::bad_request("Agent was not found");
    }
    let (field, rule) = broken_rule(&failure.message);
    Refusal::invalid(Part::Body, field, rule)
}

/// Notes to be added.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateNotes {
    /// 1 to 100.
    #[schema(value_type = Vec<CreateNote>)]
    data: Vec<Object<CreateNote>>,
}

/// Why a note could not be added.
#[derive(Serialize, ToSchema)]
pub(super) struct NoteError {
    message: String,
}

/// Add internal notes
///
/// Each succeeds or fails by itself; outcomes come in the order of the request.
#[utoipa::path(post, path = "/v1/conversations/{conversationId}/notes/bulk", tag = "Conversations",
    request_body(content = CreateNotes, content_type = "application/json"),
    responses((status = 200, description = "What became of each", body = Data<Vec<BulkOutcome<Note, NoteError>>>)))]
pub(super) async fn add_notes(ask: Ask) -> Result<Data<Vec<BulkOutcome<Note, NoteError>>>, Refusal> {
    const NAMES: Names = &[("notes", "data")];
    let conversation_id = ask.conversation()?;
    let body: CreateNotes = ask.object()?;
    let notes = body.data.into_iter().enumerate();
    let notes = notes.map(|(index, Object(note))| note.input(&format!("data[{index}].")));
    let request = ask.request(pb::AddNotesRequest {
        conversation_id,
        notes: notes.collect::<Result<_, _>>()?,
    });
    let answer = ask.conversations().add_notes(request).await;
    let answer = answer.map_err(Terms::BODY.names(NAMES).refuse())?.into_inner();
    let outcomes = answer.outcomes.into_iter().map(|outcome| {
        Ok(BulkOutcome::of(match given(outcome.outcome)? {
            pb::note_outcome::Outcome::Note(note) => Ok(note.into()),
            pb::note_outcome::Outcome::Failure(failure) => Err(NoteError {
                message: BulkError::from(failure).message,
            }),
        }))
    });
    let data = outcomes.collect::<Result<_, Failure>>()?;
    Ok(Data { data })
}

/// List the internal notes of a conversation
///
/// Oldest first.
#[utoipa::path(get, path = "/v1/conversations/{conversationId}/notes", tag = "Conversations",
    responses((status = 200, description = "The notes", body = Data<Vec<Note>>)))]
pub(super) async fn list_notes(ask: Ask) -> Result<Data<Vec<Note>>, Refusal> {
    let conversation_id = ask.conversation()?;
    let request = ask.request(pb::ListNotesRequest { conversation_id });
    let answer = ask.conversations().list_notes(request).await?.into_inner();
    let data = answer.notes.into_iter().map(Note::from).collect();
    Ok(Data { data })
}

//! Internal notes.

use platform::access::Call;
use platform::fault::Violation;
use proto::conversation::v1 as wire;
use tonic::{Response, Status};
use uuid::Uuid;

use super::transitions::{about, lock, owner, save};
use super::{Api, conversation_wire};
use crate::domain::conversation::{Locked, Note};
use crate::domain::state;
use crate::domain::{ConversationError, field};
use crate::store::Store;

/// Notes in one request at most.
const MOST: usize = 100;

impl Api {
    pub(super) async fn add_notes(
        &self,
        call: Call,
        message: wire::AddNotesRequest,
    ) -> Result<Response<wire::AddNotesResponse>, Status> {
        field::count("notes", message.notes.len(), 1, MOST).map_err(ConversationError::from)?;
        self.once(&call, "AddNotes", &message, async |tx| {
            let id = message.conversation_id;
            let asked: Vec<_> = message
                .notes
                .iter()
                .filter_map(|note| platform::id::parse(note.agent_id.as_deref()?))
                .collect();
            let agents = Store::agents_among(call.org(), &mut *tx, &asked).await?;
            let locked = lock(&call, tx, id).await?;
            let outcomes: Vec<_> = message
                .notes
                .iter()
                .enumerate()
                .map(|(index, input)| {
                    let note = read(&format!("notes[{index}]"), input, &locked)?;
                    let author_id = match &input.agent_id {
                        None => owner(&call),
                        Some(agent) => platform::id::parse(agent)
                            .filter(|agent| agents.contains(agent))
                            .ok_or_else(|| unknown_agent(agent))?,
                    };
                    Ok(Note { author_id, ..note })
                })
                .collect();
            let notes: Vec<_> = outcomes.iter().flatten().cloned().collect();
            Store::insert_notes(call.org(), tx, id, &notes).await?;
            let noted: Vec<_> = notes.iter().map(Note::noted).collect();
            let outcome = state::notes(&locked.standing, &noted);
            save(&call, tx, &locked, outcome, owner(&call)).await?;
            let outcomes = outcomes
                .into_iter()
                .map(|outcome| wire::NoteOutcome {
                    outcome: Some(match outcome {
                        Ok(note) => wire::note_outcome::Outcome::Note(note.into()),
                        Err(failure) => wire::note_outcome::Outcome::Failure(failure),
                    }),
                })
                .collect();
            Ok(about(id, wire::AddNotesResponse { outcomes }))
        })
        .await
    }

    pub(super) async fn list_notes(
        &self,
        call: Call,
        message: wire::ListNotesRequest,
    ) -> Result<Response<wire::ListNotesResponse>, Status> {
        Store::expect_conversation(call.org(), &self.db, message.conversation_id).await?;
        let notes = Store::notes(call.org(), &self.db, message.conversation_id).await?;
        Ok(Response::new(wire::ListNotesResponse {
            notes: notes.into_iter().map(Into::into).collect(),
        }))
    }
}

/// A note of the conversation, whose author is not known yet.
fn read(field: &str, input: &wire::NoteInput, locked: &Locked) -> Result<Note, wire::Failure> {
    let text = conversation_wire::long_text(&format!("{field}.message"), input.message.clone())
        .map_err(|violation| invalid(&violation))?;
    let created_at = match input.created_at {
        None => locked.now,
        Some(at) => field::time(&format!("{field}.created_at"), at).map_err(|violation| invalid(&violation))?,
    };
    Ok(Note {
        id: platform::id::new(),
        conversation_id: locked.id,
        author_id: Uuid::nil(),
        text,
        created_at,
    })
}

fn invalid(violation: &Violation) -> wire::Failure {
    wire::Failure {
        kind: wire::FailureKind::Validation.into(),
        id: String::new(),
        message: format!("{} {}", violation.field, violation.description),
    }
}

/// The documented words.
fn unknown_agent(id: &str) -> wire::Failure {
    wire::Failure {
        kind: wire::FailureKind::NotFound.into(),
        id: id.to_owned(),
        message: format!("An agent with id:{id} cannot be found in org."),
    }
}

//! The hand-off itself, and the list of what waits for people.

use platform::access::Call;
use platform::{fault, page};
use proto::thread::v1 as pb;
use tonic::{Response, Status};

use super::{Api, Done, wire};
use crate::domain::{Error, EscalationStep, Want, lookup, optional_text};

const MAX_PROMPT: usize = 2000;

impl Api {
    pub(super) async fn toggle_escalation(
        &self,
        call: Call,
        message: pb::ToggleEscalationRequest,
    ) -> Result<Response<pb::ToggleEscalationResponse>, Status> {
        lookup("thread_id", &message.thread_id)?;
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        self.once(&call, "ToggleEscalation", &message, async |tx| {
            let mut thread = self
                .store
                .lock_thread(tx, call.org(), &message.chatbot_id, &message.thread_id)
                .await?;
            let step = EscalationStep::decide(thread.escalated, Want::Toggle, profile.confirmation.as_deref());
            let system_message = match step {
                Some(step) => Some(self.store.escalate(tx, &call, &mut thread, &step, None).await?),
                None => None,
            };
            let subject = format!("threads/{}", thread.id);
            let answer = pb::ToggleEscalationResponse {
                system_message: system_message
                    .map(|message| wire::message(message, &thread.chatbot_id, &thread.thread_id)),
                thread: Some(wire::thread(thread, &profile)),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn escalate(
        &self,
        call: Call,
        message: pb::EscalateRequest,
    ) -> Result<Response<pb::EscalateResponse>, Status> {
        lookup("thread_id", &message.thread_id)?;
        let prompt = match message.prompt.clone() {
            Some(prompt) => optional_text("prompt", prompt, MAX_PROMPT)?,
            None => None,
        };
        let profile = self.chatbots.profile(call.org(), &message.chatbot_id).await?;
        self.once(&call, "Escalate", &message, async |tx| {
            let mut thread = self
                .store
                .lock_thread(tx, call.org(), &message.chatbot_id, &message.thread_id)
                .await?;
            let step = EscalationStep::decide(thread.escalated, Want::Set(true), profile.confirmation.as_deref());
            let system_message = match step {
                Some(step) => Some(
                    self.store
                        .escalate(tx, &call, &mut thread, &step, prompt.as_deref())
                        .await?,
                ),
                None => None,
            };
            let subject = format!("threads/{}", thread.id);
            let answer = pb::EscalateResponse {
                system_message: system_message
                    .map(|message| wire::message(message, &thread.chatbot_id, &thread.thread_id)),
                thread: Some(wire::thread(thread, &profile)),
            };
            Ok(Done::new(subject, answer))
        })
        .await
    }

    pub(super) async fn list_escalations(
        &self,
        call: Call,
        message: pb::ListEscalationsRequest,
    ) -> Result<Response<pb::ListEscalationsResponse>, Status> {
        let size = page::size(message.page_size)?;
        let state = wire::read_state(message.state)?;
        let before = match &*message.before {
            "" => None,
            text => Some(platform::id::parse(text).ok_or_else(|| fault::invalid("before", "must be a UUID"))?),
        };
        let mut found = self.store.escalations(call.org(), state, before, size + 1).await?;
        let wanted = usize::try_from(size).unwrap_or_default();
        let has_more = found.len() > wanted;
        found.truncate(wanted);
        Ok(Response::new(pb::ListEscalationsResponse {
            escalations: found.into_iter().map(wire::escalation).collect(),
            has_more,
        }))
    }

    pub(super) async fn acknowledge_escalation(
        &self,
        call: Call,
        message: pb::AcknowledgeEscalationRequest,
    ) -> Result<Response<pb::AcknowledgeEscalationResponse>, Status> {
        // What is not a UUID is as unknown as one that was never given out.
        let id = platform::id::parse(lookup("id", &message.id)?).ok_or(Error::EscalationNotFound)?;
        self.once(&call, "AcknowledgeEscalation", &message, async |tx| {
            let escalation = self.store.acknowledge(tx, &call, id).await?;
            let answer = pb::AcknowledgeEscalationResponse {
                escalation: Some(wire::escalation(escalation)),
            };
            Ok(Done::new(format!("escalations/{id}"), answer))
        })
        .await
    }
}
